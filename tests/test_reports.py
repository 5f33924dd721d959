import dataclasses
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from kerasnn import reports
from kerasnn.datasets import Notice
from kerasnn.ensembles.recipe import Recipe
from kerasnn.reports.formatting import SETTING_MEANINGS, format_settings


def pixels_of(figure):
    return imread(io.BytesIO(reports.png(figure)))


HISTORY = {
    "loss": [9.0, 2.0, 0.1],
    "val_loss": [8.0, 3.0, 0.2],
    "accuracy": [0.1, 0.5, 0.9],
}


def test_a_learning_curve_shows_every_value_and_the_last():
    figure = reports.learning_curve(HISTORY, "loss")
    (axes,) = figure.axes
    shown = [line.get_ydata().tolist() for line in axes.lines]
    assert shown == [HISTORY["loss"], HISTORY["val_loss"]]
    assert axes.lines[0].get_xdata().tolist() == [1, 2, 3]
    assert axes.get_yscale() == "log"  # it spans more than a factor of 20
    assert axes.get_title() == "Loss at the end:\ntraining rows 0.1000, test rows 0.2000"
    assert pixels_of(figure).std() > 0


def test_without_test_rows_there_is_one_curve():
    (axes,) = reports.learning_curve(HISTORY, "accuracy").axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [HISTORY["accuracy"]]
    assert axes.get_yscale() == "linear"
    assert axes.get_title() == "Accuracy at the end:\ntraining rows 0.9000"


def test_outputs_are_counted_beside_the_targets_and_their_mean():
    targets, outputs = np.array([[-1.0], [1], [1]]), np.full((3, 1), 1 / 3)
    (axes,) = reports.output_figure(targets, outputs).axes
    counts = np.array([bar.get_height() for bar in axes.patches]).reshape(2, 40)
    assert (counts[0, 0], counts[0, -1], counts.sum()) == (1, 2, 6)
    assert counts[1, 26] == 3  # of 40 bars between -1 and 1
    assert axes.lines[0].get_xdata() == pytest.approx([1 / 3, 1 / 3])


def test_confusion_matrix_counts_rows_by_true_and_predicted_class():
    labels, predicted = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 2, 2, 0])
    figure = reports.confusion_matrix_figure(labels, predicted, ["a", "b", "c"])
    (axes,) = figure.axes
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    # (across: predicted, down: true)
    assert cells == {(0, 0): "1", (1, 0): "1", (1, 1): "1", (0, 2): "1", (2, 2): "2"}
    assert axes.get_title() == "4 of 6 rows right"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["a", "b", "c"]


def test_long_names_of_classes_stand_upright_below_the_matrix():
    for names, rotation in ((["a", "b"], 0), (["a" * 20, "b" * 20], 90)):
        figure = reports.confusion_matrix_figure(np.arange(2), np.arange(2), names)
        labels = figure.axes[0].get_xticklabels()
        assert [label.get_rotation() for label in labels] == [rotation] * 2


def test_counts_of_many_classes_fit_into_their_cells():
    labels = np.repeat(np.arange(20), 100)
    figure = reports.confusion_matrix_figure(labels, labels, [str(k) for k in range(20)])
    assert {text.get_fontsize() for text in figure.axes[0].texts} == {330 / (20 * 3)}


def test_wrong_digits_are_shown_the_surest_first():
    pixels = np.random.default_rng(0).uniform(size=(4, 64))
    labels = np.array([3, 5, 7, 9])
    probabilities = np.full((4, 10), 0.01)
    for row, (taken, sure) in enumerate(((3, 0.9), (6, 0.6), (8, 0.8), (9, 0.7))):
        probabilities[row, taken] = sure
    figure = reports.wrong_digits_figure(pixels, labels, probabilities)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["7, taken for 8\n(80%)", "5, taken for 6\n(60%)"]
    shown = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(shown, pixels[2].reshape(8, 8))


def test_without_a_mistake_there_is_no_such_figure():
    assert (
        reports.wrong_digits_figure(np.zeros((2, 64)), np.array([1, 0]), np.eye(10)[[1, 0]])
        is None
    )


class Tags(HTMLParser):
    """The tags of a page, and whether each that must be closed is."""

    def __init__(self, page):
        super().__init__()
        self.seen, self.open = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_escaped_and_loads_nothing():
    figure = reports.learning_curve({"loss": [2.0, 1.0]})
    page = reports.report_html(
        "<b>net</b>",
        "Rows & epochs.",
        numbers={"accuracy": "0.97"},
        tables={"Settings": {"optimizer": "adam"}},
        sections=[reports.Section("Curves", "How it went.", {"loss": figure})],
    )
    tags = Tags(page)
    assert tags.open == []
    assert "&lt;b&gt;net&lt;/b&gt;" in page
    assert "Rows &amp; epochs." in page
    (image,) = [attributes for tag, attributes in tags.seen if tag == "svg"]
    assert image["aria-label"] == "Curves: loss"
    assert not {tag for tag, _ in tags.seen} & {"link", "script", "iframe"}
    assert not re.search(r"https?://|url\((?!#)", page)
    for text in ("accuracy", "0.97", "Settings", "optimizer", "adam", "How it went."):
        assert text in page


def test_a_drawing_takes_its_colours_from_the_page_and_keeps_its_words():
    figure = reports.confusion_matrix_figure(np.array([0, 1]), np.array([0, 0]), ["a", "b"])
    drawing = reports.svg(figure, label='"quoted"')
    assert 'aria-label="&quot;quoted&quot;"' in drawing
    assert "var(--blue, #1f5fa8)" in drawing
    assert re.search(r">predicted</text>", drawing)
    used = set(re.findall(r"url\(#([\w-]+)\)", drawing))
    used |= set(re.findall(r'href="#([\w-]+)"', drawing))
    assert used == set(re.findall(r' id="([\w-]+)"', drawing))
    assert not re.search("#000000(?!\\))|<style|<metadata", drawing)


def test_how_to_predict_is_code_and_settings_are_explained():
    page = reports.report_html(
        "net",
        "",
        numbers={},
        tables={"Settings": format_settings({"dropout": 0.5})},
        sections=[],
        examples={"Here:": "kerasnn predict <net>"},
    )
    assert "<pre>kerasnn predict &lt;net&gt;</pre>" in page
    assert "<td>0.5<small>share of the units that are left out in a step</small>" in page


def test_every_setting_is_explained():
    recipe = {field.name for field in dataclasses.fields(Recipe)}
    assert recipe - SETTING_MEANINGS.keys() == set()


def test_warnings_stand_in_a_box_on_top_and_notes_at_the_end():
    notices = [
        Notice("encoding", "read as cp1252"),
        Notice("leak", "a < b", is_warning=True),
    ]
    page = reports.report_html(
        "net", "", numbers={"r2": "0.5"}, tables={}, sections=[], notices=notices
    )
    assert Tags(page).open == []
    box = page[page.index("<aside") : page.index("</aside>")]
    assert "<li>A &lt; b</li>" in box
    assert "cp1252" not in box
    assert page.index("<aside") < page.index("0.5") < page.index("<li>Read as cp1252</li>")


FIGURE = {"loss": Figure()}
NUMBERS = reports.Table(["", "score"], [["a", "1"]])
WORDS = reports.Table(["column", "why"], [["a", "text"]] * 13, words=True)


@pytest.mark.parametrize(
    ("figures", "table", "layout"),
    [
        (FIGURE, None, "half"),
        (FIGURE | {"accuracy": Figure()}, None, ""),
        ({}, None, "half"),
        ({}, NUMBERS, "half"),
        (FIGURE, NUMBERS, ""),
        ({}, WORDS, "long"),
        ({}, NUMBERS._replace(rows=NUMBERS.rows * 13), "half long"),
    ],
)
def test_a_section_takes_the_room_that_it_needs(figures, table, layout):
    assert reports.Section("", "", figures, table).layout == layout


def test_tables_show_their_cells_and_long_pages_their_contents():
    rows = [["a", reports.Cell("1", "<0 to 2", strong=True)]]
    table = reports.Table(["", "score"], rows, caption="By hand.")
    page = reports.report_html(
        "net",
        "",
        numbers={"loss": reports.Cell("0.1", "0.0 to 0.2")},
        tables={},
        sections=[reports.Section(f"Part {k}", "", table=table) for k in range(5)],
    )
    tags = Tags(page)
    assert tags.open == []
    assert '<td data-label="score"><strong>1</strong><small>&lt;0 to 2</small></td>' in page
    assert '<dd>0.1</dd><dd class="note">0.0 to 0.2</dd>' in page
    assert "<p>By hand.</p>" in page
    links = [attributes["href"] for tag, attributes in tags.seen if tag == "a"]
    assert links == [f"#s{k}" for k in range(1, 6)]
