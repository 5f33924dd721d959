import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from kerasnn import reports
from kerasnn.datasets import Column, LeftOut, Schema, Target
from kerasnn.errors import InputError
from kerasnn.reports import Importance, Score, TableResult
from kerasnn.reports.formatting import format_number, format_share, score_cell

COLUMNS = (
    Column("age", "numeric", "numbers", 12, low=0.42, high=80.0),
    Column(
        "home <town>",
        "categorical",
        "text",
        levels=("Ghent", "Bonn", "Oslo", "Turin", "Lyon", "Bath"),
        counts=(50, 40, 1, 1, 1, 1),
        n_levels=9,
    ),
    Column("member", "boolean", "yes or no", 1, levels=("no", "yes"), counts=(7, 92)),
    Column("since", "datetime", "dates", first="2001-02-03", last="2020-01-01"),
)
CLASSIFICATION = Schema(
    COLUMNS,
    (LeftOut("id", "whole numbers, all different: an id"),),
    Target("stays", "classification", "text", classes=("no", "yes"), counts=(40, 60)),
    rows=100,
)
REGRESSION = replace(
    CLASSIFICATION, target=Target("price", "regression", "numbers", low=1.0, high=1500.0)
)


@pytest.fixture(autouse=True)
def unrendered(request, monkeypatch):
    """Figures are made; as SVG, which takes long, only where a test asks for it."""
    if "rendered" not in request.fixturenames:
        monkeypatch.setattr(
            "kerasnn.reports.page.svg", lambda figure, label: f"<svg aria-label='{label}'/>"
        )


@pytest.fixture
def rendered():
    """See `unrendered`."""


@pytest.fixture
def classified(rng):
    given = rng.uniform(size=200)
    labels = (rng.uniform(size=200) < given).astype(int)
    return TableResult(
        title="stays & goes",
        schema=CLASSIFICATION,
        truth=labels,
        predicted=np.stack([1 - given, given], axis=1),
        rows_trained=1234,
        seconds=12.34,
        baselines={"linear": np.full((200, 2), 0.5), "constant": np.full((200, 2), 0.5)},
        history={"loss": [0.9, 0.5], "val_loss": [0.9, 0.6]},
        best_epoch=2,
        importance=[Importance("age", 0.25, 0.01), Importance("since", -0.001, 0.002)],
        settings={"learning_rate": 0.002, "hidden_units": (64, 64)},
        data={"source": "people.csv"},
        versions={"kerasnn": "0.1.0"},
    )


@pytest.fixture
def predicted(rng):
    targets = rng.normal(size=100)
    return TableResult(
        title="price",
        schema=REGRESSION,
        truth=targets,
        predicted=targets + rng.normal(size=100) / 10,
        rows_trained=100,
        baselines={"linear": targets + rng.normal(size=100) / 2},
    )


class Page(HTMLParser):
    """What a reader sees, by the elements it is in; and that each is closed."""

    def __init__(self, page):
        super().__init__()
        self.open, self.texts, self.ids, self.links, self.images = [], [], [], [], []
        self.tags = set()
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.add(tag)
        self.ids.append(given.get("id") if tag == "section" else None)
        self.links += [given["href"]] if tag == "a" else []
        self.images += [given] if tag == "svg" else []
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip() and "style" not in self.open:
            self.texts.append((self.open[-1], data.strip()))

    def of(self, tag):
        return [text for inside, text in self.texts if inside == tag]


def test_the_page_is_whole_escaped_and_loads_nothing(classified, rendered):
    text = reports.table_report(classified)
    page = Page(text)
    assert page.of("h1") == ["stays & goes"]
    assert page.of("h2") == [
        "Beside simple models",
        "Learning curves",
        "Right and wrong",
        "ROC and precision-recall",
        "Are the probabilities right?",
        "Importance of the columns",
        "The columns",
        "Left out",
        "Settings",
        "Data",
        "How it was made",
    ]
    assert not page.tags & {"link", "script", "iframe"}
    assert not re.search(r"https?://|url\((?!#)", text)
    assert [image["aria-label"] for image in page.images] == [
        "Learning curves: loss",
        "Right and wrong: confusion matrix",
        "ROC and precision-recall: ROC",
        "ROC and precision-recall: precision-recall",
        "Are the probabilities right?: reliability",
    ]
    assert "home &lt;town&gt;" in text
    assert [f"#{i}" for i in page.ids if i] == page.links


def test_the_summary_says_what_was_learned_and_tested(classified, predicted):
    assert Page(reports.table_report(classified)).of("p")[0] == (
        "Predicts stays (2 classes) from 4 columns. It learned from 1,234 rows in 12.3 s;"
        " the scores are of 200 test rows that it never saw, with 95% intervals."
    )
    assert Page(reports.table_report(predicted)).of("p")[0] == (
        "Predicts price (a number) from 4 columns. It learned from 100 rows; the scores are"
        " of 100 test rows that it never saw, with 95% intervals."
    )


def test_the_large_numbers_are_the_scores_with_their_intervals(classified):
    page = Page(reports.table_report(classified))
    assert page.of("dt") == ["accuracy", "log loss", "AUC"]
    cells = [score_cell(classified.scores[k]) for k in ("accuracy", "log_loss", "auc")]
    assert page.of("dd") == [text for cell in cells for text in (cell.text, cell.note)]


def section(result, title):
    (found,) = [s for s in reports.table_sections(result) if s.title == title]
    return found


def test_baselines_stand_beside_the_network_and_the_best_stands_out(classified):
    table = section(classified, "Beside simple models").table
    assert table.head == ["", "network", "linear", "constant"]
    names = [row[0] for row in table.rows]
    assert names == [
        "accuracy",
        "error",
        "log loss",
        "AUC",
        "balanced accuracy",
        "Brier score",
    ]
    for row in table.rows:
        assert [cell.strong for cell in row[1:]] == [True, False, False]
    assert table.rows[2][2].text == "0.693"


def test_networks_trees_and_simple_models_are_ranked_where_a_fit_scored_them(classified):
    name = "Networks, trees and simple models"
    assert name not in [one.title for one in reports.table_sections(classified)]
    standings = {
        "networks and trees": {"log_loss": 0.4321, "accuracy": 0.8},
        "linear": {"log_loss": 0.5, "accuracy": 0.75},
    }
    table = section(replace(classified, leaderboard=standings), name).table
    assert table.head == ["", "log loss", "accuracy"]
    assert table.rows == [
        ["networks and trees", "0.432", "0.800"],
        ["linear", "0.500", "0.750"],
    ]


def test_the_verdict_is_from_paired_resamples(classified, predicted):
    caption = section(classified, "Beside simple models").table.caption
    number = r"-?[\d.]+"
    gap = rf"{number} \({number} to {number}\)"
    assert re.fullmatch(
        rf"Network minus linear, on the same rows: error {gap}, better beyond chance; log"
        rf" loss {gap}, better beyond chance\.",
        caption,
    )
    worse = replace(predicted, baselines={"true": predicted.truth})
    caption = section(worse, "Beside simple models").table.caption
    assert caption.count("worse beyond chance") == 2
    same = replace(predicted, baselines={"same": predicted.predicted})
    assert section(same, "Beside simple models").table.caption == (
        "Network minus same, on the same rows: RMSE 0.0000 (0.0000 to 0.0000), which may be"
        " chance; MAE 0.0000 (0.0000 to 0.0000), which may be chance."
    )


def test_what_was_inferred_is_told_of_each_column(classified):
    cells = section(classified, "The columns").table.cells
    assert [[cell.text for cell in row] for row in cells] == [
        ["stays", "target, classification", "", "no (40), yes (60)", "text"],
        ["age", "numeric", "12 (12%)", "0.42 to 80", "numbers"],
        [
            "home <town>",
            "categorical",
            "0",
            "Ghent (50), Bonn (40), Oslo (1), Turin (1), Lyon (1), and 4 more",
            "text",
        ],
        ["member", "boolean", "1 (1%)", "no (7), yes (92)", "yes or no"],
        ["since", "datetime", "0", "2001-02-03 to 2020-01-01", "dates"],
    ]
    assert [row[3].bins for row in cells[:2]] == [[40 / 60, 1.0], []]
    counted = replace(classified, histograms={"age": [1, 4, 2]})
    assert section(counted, "The columns").table.cells[1][3].bins == [0.25, 1.0, 0.5]
    left_out = section(classified, "Left out")
    assert left_out.text == "1 column that the network does not use."
    assert left_out.table.rows == [["id", "whole numbers, all different: an id"]]


def test_nothing_left_out_is_said(predicted):
    whole = replace(predicted, schema=replace(REGRESSION, left_out=()))
    assert section(whole, "Left out") == ("Left out", "No column was left out.", {}, None)
    (row, *_) = section(whole, "The columns").table.cells
    assert [cell.text for cell in row] == [
        "price",
        "target, regression",
        "",
        "1 to 1500",
        "numbers",
    ]


def test_precision_and_recall_of_each_class(classified):
    result = replace(
        classified, truth=np.array([0, 0, 0, 1]), predicted=np.eye(2)[[0, 0, 1, 1]]
    )
    result = replace(result, baselines={}, importance=())
    table = section(result, "Right and wrong").table
    assert [[*row[:1], row[1].text, *row[2:]] for row in table.rows] == [
        [("no", "", False, None, ()), "3", "1.000", "0.667", "0.800"],
        [("yes", "", False, None, ()), "1", "0.500", "1.000", "0.667"],
    ]


def test_test_rows_of_one_class_have_no_roc(classified):
    result = replace(classified, truth=np.ones(200, int))
    titles = [s.title for s in reports.table_sections(result)]
    assert "ROC and precision-recall" not in titles
    assert Page(reports.table_report(result)).of("dt") == ["accuracy", "log loss"]
    # No row is of "no": there is nothing to recall.
    assert section(result, "Right and wrong").table.rows[0][2:4] == ["0.000", "-"]


def many_classes(n_classes):
    names = tuple(f"kind {k}" for k in range(n_classes))
    labels = np.repeat(np.arange(n_classes), 3)
    taken = labels.copy()
    taken[:3] = [1, 1, 2]
    return TableResult(
        title="kinds",
        schema=replace(
            CLASSIFICATION, target=Target("kind", "classification", classes=names)
        ),
        truth=labels,
        predicted=np.eye(n_classes)[taken] * 0.9 + 0.1 / n_classes,
        rows_trained=10,
    )


def test_a_matrix_too_large_to_read_is_told_in_words():
    right_and_wrong = section(many_classes(21), "Right and wrong")
    assert right_and_wrong.figures == {}
    assert right_and_wrong.text.startswith(
        "The most frequent mistakes: kind 0 predicted as kind 1 (2); "
        "kind 0 predicted as kind 2 (1). Precision: "
    )
    assert len(right_and_wrong.table.rows) == 21


def test_of_very_many_classes_those_that_are_found_least_are_listed():
    table = section(many_classes(40), "Right and wrong").table
    assert len(table.rows) == 30
    assert table.rows[0][0].text == "kind 0"
    assert table.caption == "The 30 of 40 classes with the lowest recall."


def test_a_class_that_the_font_cannot_draw_is_explained(classified, rendered):
    target = replace(CLASSIFICATION.target, classes=("\u3044\u3044\u3048", "\u306f\u3044"))
    result = replace(classified, schema=replace(CLASSIFICATION, target=target))
    names = [row[0] for row in section(result, "Right and wrong").table.rows]
    assert [name.note for name in names] == ["class 1 in figures", "class 2 in figures"]
    assert "\u306f\u3044" in reports.table_report(result)


def test_importance_is_drawn_as_bars_against_the_greatest(classified):
    table = section(classified, "Importance of the columns").table
    assert [(row[0].bar, row[1].text, row[1].note) for row in table.rows] == [
        (1.0, "0.250", "\u00b1\u00a00.010"),
        (0.0, "-0.001", "\u00b1\u00a00.002"),
    ]
    assert 'class="bar" style="width: 100.0%"' in reports.table_report(classified)
    many = [Importance(f"x{i}", 1 / (i + 1), 0.0) for i in range(32)]
    table = section(replace(classified, importance=many), "Importance of the columns").table
    assert len(table.rows) == 30
    assert table.caption == "The other 2 columns: at most 0.03."


def test_predicted_values_are_summed_up(predicted):
    shown = section(predicted, "Predicted and true values")
    gaps = np.abs(predicted.truth - predicted.predicted)
    half, most = (format_number(q) for q in np.quantile(gaps, [0.5, 0.9]))
    assert shown.text == (
        f"Half of the test rows are off by at most {half}, nine in ten by at most {most}."
        " A prediction on a dashed line is right."
    )
    assert set(shown.figures) == {"predicted and true", "residuals"}
    assert Page(reports.table_report(predicted)).of("dt") == ["R\u00b2", "RMSE", "MAE"]


def test_settings_data_and_versions_close_the_page(classified):
    cells = Page(reports.table_report(classified)).of("td")
    assert cells[-6:] == ["0.002", "64, 64", "1,234", "200", "people.csv", "0.1.0"]


def test_what_does_not_match_the_schema_is_refused(classified):
    with pytest.raises(
        InputError,
        match=re.escape(
            "predicted must be [rows, 2] probabilities, one for each class of 'stays'; got"
            " (200, 3)"
        ),
    ):
        reports.table_report(replace(classified, predicted=np.full((200, 3), 1 / 3)))
    with pytest.raises(
        InputError, match="a report needs a schema with its target; target is None"
    ):
        reports.table_report(
            replace(classified, schema=replace(CLASSIFICATION, target=None))
        )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000"),
        (0.8123, "0.812"),
        (0.01234, "0.0123"),
        (0.00123, "0.0012"),
        (-1.234, "-1.23"),
        (12.345, "12.3"),
        (48512.3, "48,512"),
        (0.0000123, "1.23e-05"),
        (1.5e10, "1.5e+10"),
    ],
)
def test_numbers_have_about_three_digits_that_count(value, text):
    assert format_number(value) == text


def test_an_interval_has_the_decimals_of_its_score():
    cell = score_cell(Score(0.105, 0.0953, 0.1121))
    assert (cell.text, cell.note) == ("0.105", "0.095 to 0.112")
    cell = score_cell(Score(-0.0018, -0.06, -0.0004), like=0.8)
    assert (cell.text, cell.note) == ("-0.002", "-0.060 to 0.000")


@pytest.mark.parametrize(
    ("count", "of", "text"),
    [
        (0, 10, "0"),
        (128, 669, "128 (19%)"),
        (2, 669, "2 (0.3%)"),
        (3, 0, "3"),
        (1000, 1000, "1,000 (100%)"),
    ],
)
def test_a_count_is_told_with_its_share(count, of, text):
    assert format_share(count, of) == text


@pytest.mark.slow
def test_reports_need_no_tensorflow():
    code = "import sys, kerasnn.reports; print({'tensorflow', 'keras'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "set()\n"), done.stderr
