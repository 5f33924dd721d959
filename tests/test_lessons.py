"""The lessons run, hold what they say, and are the pages and notebooks that are kept."""

import json
import math
import re
import sys
from itertools import pairwise
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import build_lessons
import draw_lessons

LANGUAGES = build_lessons.WORDS
LESSONS = pytest.mark.parametrize("source", build_lessons.SOURCES, ids=lambda s: s.stem)
OUTPUT = re.compile(r"(?<=^```text\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)
TIMES = re.compile(f"{build_lessons.TIMES_BEGIN}.*?{build_lessons.TIMES_END}", re.DOTALL)
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?")


def assert_same_output(made, kept):
    """Words are equal; numbers may differ by what another processor's rounding makes."""
    assert NUMBER.sub("#", made).split() == NUMBER.sub("#", kept).split()
    for ours, theirs in zip(NUMBER.findall(made), NUMBER.findall(kept), strict=True):
        assert math.isclose(float(ours), float(theirs), rel_tol=0.1, abs_tol=0.03)


def assert_same_page(made, kept):
    made, kept = TIMES.sub("", made), TIMES.sub("", kept)
    assert OUTPUT.sub("", made) == OUTPUT.sub("", kept)
    for ours, theirs in zip(OUTPUT.findall(made), OUTPUT.findall(kept), strict=True):
        assert_same_output(ours, theirs)


def assert_same_notebook(made, kept):
    for cell, other in zip(made["cells"], kept["cells"], strict=True):
        outputs, others = cell.pop("outputs", []), other.pop("outputs", [])
        assert cell == other
        kinds = [output["output_type"] for output in outputs]
        assert kinds == [output["output_type"] for output in others]
        if "timing" not in cell["metadata"]["tags"]:
            for output, of_kept in zip(outputs, others, strict=True):
                if output["output_type"] == "stream":
                    texts = "".join(output["text"]), "".join(of_kept["text"])
                    assert_same_output(*texts)
    assert made["metadata"] == kept["metadata"]


@pytest.mark.slow_cases
@LESSONS
def test_a_lesson_runs_and_is_what_the_repository_has(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a lesson may write files
    for path, made in build_lessons.build(source).items():
        kept = path.read_text()
        if path.suffix == ".md":
            assert_same_page(made, kept)
        elif path.suffix == ".ipynb":
            assert_same_notebook(json.loads(made), json.loads(kept))


@LESSONS
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_notebook_is_of_format_4_5(source, lang):
    name = build_lessons.page_name(source)
    notebook = json.loads((build_lessons.FOLDER / lang / f"{name}.ipynb").read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in notebook["cells"]:
        needed = {"id", "cell_type", "metadata", "source"}
        if cell["cell_type"] == "code":
            needed |= {"execution_count", "outputs"}
        assert needed <= set(cell) <= needed | {"attachments"}
    drawn = json.dumps(notebook)
    attached = set(re.findall(r"\(attachment:(.*?)\)", drawn))
    assert attached == {
        name for cell in notebook["cells"] for name in cell.get("attachments", {})
    }


@LESSONS
def test_a_lesson_says_in_chinese_what_it_says_in_english(source):
    cells = build_lessons.read_cells(source)
    texts = [cell for cell in cells if cell.kind == "markdown"]
    for english, chinese in zip(texts[::2], texts[1::2], strict=True):
        assert (english.lang, chinese.lang) == ("en", "zh")
        assert english.tags == chinese.tags
        for pattern in (r"^#+ ", r"\$\$.*?\$\$", r"^\|", r"^\d+\. |^- |^\*\*\d", r"\]\("):
            found, theirs = (
                re.findall(pattern, cell.text, re.MULTILINE) for cell in (english, chinese)
            )
            assert found == theirs, english.text
        chinese_words = re.sub(r"`.*?`|\$.*?\$|\(.*?\)", "", chinese.text, flags=re.DOTALL)
        assert re.search(r"[\u4e00-\u9fff]", chinese_words)


@LESSONS
def test_a_lesson_has_exercises_with_solutions_a_summary_and_links(source):
    cells = build_lessons.read_cells(source)
    asked = [
        number
        for cell in cells
        if cell.lang == "en"
        for number in re.findall(r"^\*\*(\d)\.\*\*", cell.text, re.MULTILINE)
    ]
    assert len(asked) >= 2
    solved = [
        before.tags != after.tags and after.tags == ("solution",)
        for before, after in pairwise(cells)
    ]
    assert sum(solved) == len(asked)
    assert sum("test" in cell.tags for cell in cells) >= 2
    for lang, summary in (("en", "## Summary"), ("zh", "## 小结")):
        text = "\n".join(cell.text for cell in cells if cell.lang == lang)
        assert summary in text
        page = build_lessons.FOLDER / lang / f"{build_lessons.page_name(source)}.md"
        assert page.read_text().endswith(build_lessons.links(source, lang) + "\n")
        index = (build_lessons.FOLDER / lang / "index.md").read_text()
        assert f"({page.name})" in index


def test_the_drawings_are_what_the_script_draws():
    for path, made in draw_lessons.files().items():
        assert path.read_text() == made


def test_a_changed_word_or_number_is_noticed():
    page = "# A\n\n```python\nx = 0.02\n```\n\n```text\nloss 0.25\n```\n"
    assert_same_page(page, page.replace("0.25", "0.26"))
    for change in (("0.25", "0.35"), ("loss", "cost"), ("0.02", "0.021"), ("# A", "# B")):
        with pytest.raises(AssertionError):
            assert_same_page(page, page.replace(*change))
