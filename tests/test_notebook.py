"""The page about notebooks runs as one: tables, a bar's last state, and a report."""

import json
import re
import sys
from pathlib import Path

import pytest

from kerasnn import notebook
from kerasnn.progress import FitBar, ProgressBar, is_shown
from tests.test_lessons import assert_same_page

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import build_gallery

pytestmark = pytest.mark.slow


class Shown:
    """Stands for the outputs of a notebook's cells."""

    def __init__(self, monkeypatch, module):
        self.htmls, self.texts = [], []
        monkeypatch.setattr(module, "in_notebook", lambda: True)
        monkeypatch.setattr(
            notebook.ReplacedOutput,
            "show",
            lambda output, html, text: (self.htmls.append(html), self.texts.append(text)),
        )


@pytest.fixture
def shown(monkeypatch):
    from kerasnn import progress

    return Shown(monkeypatch, progress)


def test_a_notebook_shows_one_output_that_ends_without_a_bar(shown, monkeypatch):
    monkeypatch.setattr("kerasnn.progress._SECONDS_BETWEEN", 0.0)
    with FitBar() as bar:
        bar(1, 4, {"loss": 0.5})
        bar(4, 4, {"loss": 0.25})
    assert "<progress value='1' max='4'" in shown.htmls[0]
    assert "<progress" not in shown.htmls[-1]
    assert re.fullmatch(r"Training, 4/4 epochs, \d:\d\d, loss 0.25", shown.texts[-1])


def test_an_interrupted_bar_shows_how_far_it_came(shown):
    def interrupted():
        with ProgressBar("Tuning", unit="trials") as bar:
            bar.update(3, 20, "best 0.5")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert shown.texts[-1].startswith("Tuning, 3/20 trials, 0:00, ")


def test_texts_are_escaped(shown):
    with ProgressBar("<b>", unit="rows") as bar:
        bar.update(1)
    assert "&lt;b&gt;" in shown.htmls[-1]


def test_a_log_has_plain_lines_at_the_end_and_now_and_then(capsys, monkeypatch):
    with FitBar(in_log=True) as bar:
        bar(1, 4, {"loss": 0.5})
        monkeypatch.setattr("kerasnn.progress._SECONDS_BETWEEN_LINES", 0.0)
        bar(2, 4, {"loss": 0.5})
    out, err = capsys.readouterr()
    first, last = err.splitlines()
    assert out == ""
    assert re.fullmatch(r"Training 2/4 epochs, \d:\d\d, \d:\d\d left, loss 0.5", first)
    assert re.fullmatch(r"Training 2/2 epochs, \d:\d\d, loss 0.5", last)
    assert not is_shown("auto")
    assert is_shown(1)
    assert not is_shown(0)


def test_tables_of_a_notebook_are_escaped_and_of_text_aligned():
    head, rows = ["name", "rows"], [["<a>", 1], ["b", 200]]
    html = notebook.html_table("t & t", head, rows)
    assert "<strong>t &amp; t</strong>" in html
    assert "&lt;a&gt;</th><td>1</td>" in html
    assert notebook.text_table("t", head, rows) == "t\nname  rows\n<a>      1\nb      200"


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The page, executed as a notebook."""
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    folder = tmp_path_factory.mktemp("book")
    book = build_gallery.execute_book(folder)
    assert (folder / "report.html").read_text().startswith("<!DOCTYPE html>")
    return book


@pytest.fixture(scope="module")
def outputs(book):
    """The outputs of each cell."""
    return [cell.outputs for cell in book.cells if cell.cell_type == "code"]


def data_of(cell):
    return [output["data"] for output in cell if "data" in output]


def test_an_executed_notebook_has_bars_at_their_end_and_no_log(outputs):
    everything = json.dumps(outputs)
    assert "\\b" not in everything
    assert "\\r" not in everything
    assert "<progress" not in everything
    streams = [o for cell in outputs for o in cell if o["output_type"] == "stream"]
    assert not [stream["text"] for stream in streams if stream["name"] != "stdout"]
    texts = [data["text/plain"] for cell in outputs for data in data_of(cell)]
    for begin in (
        *("Training, 4/4 epochs, ", "Training, 5/5 epochs, "),
        *("Training 2 splits, 4/4 epochs, ", "Tuning, 2/2 trials, "),
    ):
        assert sum(text.startswith(begin) for text in texts) == 1, begin


def test_an_executed_notebook_shows_tables_a_figure_and_the_report(outputs):
    first, schema, report, history, summary, figure, _, tuned = outputs
    assert (
        "<strong>Schema(200 rows, 1 numeric, 1 categorical, target"
        in (data_of(schema)[-1]["text/html"])
    )
    assert 'srcdoc="&lt;!DOCTYPE html&gt;' in data_of(report)[-1]["text/html"]
    assert "<strong>History of 5 epochs</strong>" in data_of(history)[-1]["text/html"]
    assert "kernel_0  64 x 30    1,920      yes" in summary[0]["text"]
    assert "training rows</text>" in data_of(figure)[-1]["text/html"]
    assert (
        "<strong>Tuned: 2 complete, best log loss first"
        in (data_of(tuned)[-1]["text/html"])
    )
    assert len(data_of(first)) == 2  # the bar, and the estimator


def test_the_gallery_shows_what_the_notebook_shows(book):
    kept = build_gallery.FOLDER / "notebook.md"
    assert_same_page(build_gallery.book_page(book), kept.read_text())
    notebook = json.loads(kept.with_suffix(".ipynb").read_text())
    for made, shown in zip(book.cells, notebook["cells"], strict=True):
        assert made.source == "".join(shown["source"])
        kinds = [output["output_type"] for output in shown.get("outputs", [])]
        assert kinds == [output.output_type for output in made.get("outputs", [])]
