"""Build the lessons: each source in docs/lessons becomes a page and a notebook, twice.

    python scripts/build_lessons.py            # all lessons
    python scripts/build_lessons.py 01 09      # some of them

A source is a Python file of percent cells, which Jupytext, VS Code and PyCharm open as a
notebook. It is executed once. Markdown cells carry `lang="en"` or `lang="zh"`; the code
belongs to both languages. A code cell may be tagged "solution" (folded on the page),
"timing" (its output differs from run to run) or "test" (executed, not shown).
"""

import argparse
import ast
import base64
import contextlib
import io
import json
import linecache
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

FOLDER = Path(__file__).parents[1] / "docs" / "lessons"
SOURCES = sorted(FOLDER.glob("[0-9]*.py"))
INK = "#1f2328"  # becomes the colour of the page's text
STYLE = {
    "figure.figsize": (6.0, 3.2),
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.prop_cycle": matplotlib.cycler(
        color=["#2f7ed8", "#e06c2b", "#2e9e6b", "#a05fc4", "#c99a1c"]
    ),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "grid.alpha": 0.25,
    "image.cmap": "gray_r",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "svg.fonttype": "none",
    "svg.hashsalt": "lessons",
    **dict.fromkeys(
        (
            "text.color",
            "axes.labelcolor",
            "axes.edgecolor",
            "xtick.color",
            "ytick.color",
            "patch.edgecolor",
        ),
        INK,
    ),
}
# A figure that stands alone follows the reader's system; inside the site it gets the colour
# of the text (scripts/site_hooks.py).
SVG_STYLE = (
    "<style>svg{color:#1f2328;background:#fff}"
    "@media(prefers-color-scheme:dark){svg{color:#e0e2e8;background:#1e2129}}</style>"
)
WORDS = {
    "en": {
        "solution": "Solution",
        "times": "Times of one machine; yours will differ.",
        "bar": "[Lessons](index.md) · [中文](../zh/{name}.md) · [Notebook]({name}.ipynb)"
        " · [Source](../{source})",
        "previous": "Previous: ",
        "next": "Next: ",
    },
    "zh": {
        "solution": "答案",
        "times": "以下时间来自一台机器，在你的机器上会有所不同。",
        "bar": "[目录](index.md) · [English](../en/{name}.md) · [笔记本]({name}.ipynb)"
        " · [源文件](../{source})",
        "previous": "上一课：",
        "next": "下一课：",
    },
}
TIMES_BEGIN, TIMES_END = "<!-- times -->", "<!-- end of times -->"


@dataclass
class Figure:
    """A plot of a cell: for the page, for the notebook, and in words."""

    name: str
    svg: str
    png: bytes
    title: str


@dataclass
class Cell:
    """A cell of a source, with what its execution printed and drew."""

    kind: str  # "markdown" or "code"
    text: str
    lang: str | None = None
    tags: tuple[str, ...] = ()
    output: str = ""
    figures: list[Figure] = field(default_factory=list)

    def is_shown(self, lang: str) -> bool:
        """Return whether the cell belongs to the page and notebook of a language."""
        return "test" not in self.tags and self.lang in (None, lang)


def page_name(source: Path) -> str:
    """Return the name of a source's pages: 01_numpy.py gives 01-numpy."""
    return source.stem.replace("_", "-")


def read_cells(source: Path) -> list[Cell]:
    """Return the cells of a percent file; its docstring is none of them."""
    cells = []
    parts = re.split(r"^# %%(.*)\n", source.read_text(), flags=re.MULTILINE)[1:]
    for header, body in zip(parts[::2], parts[1::2], strict=True):
        tags = re.search(r"tags=(\[.*?\])", header)
        lang = re.search(r'lang="(\w+)"', header)
        kind = "markdown" if "[markdown]" in header else "code"
        if kind == "markdown":
            body = re.sub(r"^# ?", "", body, flags=re.MULTILINE)
        tag_names = tuple(json.loads(tags[1])) if tags else ()
        cells.append(Cell(kind, body.strip(), lang and lang[1], tag_names))
    return cells


def execute(cells: list[Cell], name: str, source: Path | None = None) -> dict[str, Any]:
    """Run the code cells in one namespace and keep what they print and draw.

    Args:
        cells: of a source; those of code get their output and figures.
        name: of the pages.
        source: what the cells see as `__file__`.

    Returns:
        The namespace at the end.
    """
    names: dict[str, Any] = {"__name__": "__main__", "__file__": str(source)}
    plt.show = lambda: None  # the figures are taken after each cell
    with plt.rc_context(STYLE):
        count = 0
        for number, cell in enumerate(cells):
            if cell.kind == "code":
                cell.output = _run(cell.text, names, f"<{name}, cell {number}>")
                cell.figures = [
                    _figure(plt.figure(i), f"{name}-{(count := count + 1)}")
                    for i in plt.get_fignums()
                ]
                plt.close("all")
    return names


class _Terminal(io.StringIO):
    """What a cell prints to; progress bars take it for a terminal."""

    def isatty(self) -> bool:
        return True


def _run(code: str, names: dict[str, Any], filename: str) -> str:
    """Execute a cell as Jupyter does: the value of a last expression is printed."""
    tree = ast.parse(code, filename)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    # With its source at hand, a cell's functions can be compiled, and tracebacks show it.
    linecache.cache[filename] = (len(code), None, code.splitlines(keepends=True), filename)
    printed = _Terminal()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, filename, "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), filename, "eval"), names)
            if value is not None:
                print(value if isinstance(value, str) else repr(value))
    # A progress bar rewrites its coloured line: the last state stays, without colours.
    text = re.sub(r"\x1b\[[\d;]*m|\x08", "", printed.getvalue())
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return "\n".join(line.rstrip() for line in lines).rstrip()


def _figure(figure: Any, name: str) -> Figure:
    svg, png = io.StringIO(), io.BytesIO()
    figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None})
    figure.savefig(png, format="png", facecolor="white", dpi=100)
    titles = [axes.get_title() for axes in figure.axes]
    title = figure.get_suptitle() or "; ".join(filter(None, titles))
    if not title:
        raise ValueError(f"{name} needs a title: readers who see no picture hear it")
    return Figure(name, _clean_svg(svg.getvalue(), name), png.getvalue(), title)


def _clean_svg(svg: str, name: str) -> str:
    """Return matplotlib's SVG with ids of its own, in the page's font and colour."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->\n?", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = svg.replace(INK, "currentColor").replace("'DejaVu Sans', ", "")
    svg = re.sub(r"(font: [\d.]+px )[^;\"]*", r"\1system-ui, sans-serif", svg)
    svg = "\n".join(line.rstrip() for line in svg.splitlines())
    return svg.replace(">", f">\n{SVG_STYLE}", 1) + "\n"


def title_of(cells: list[Cell], lang: str) -> str:
    """Return the heading of a lesson in a language."""
    first = next(cell for cell in cells if cell.lang == lang)
    return first.text.splitlines()[0].removeprefix("# ")


def links(source: Path, lang: str) -> str:
    """Return the line with the lessons before and after this one."""
    place, words = SOURCES.index(source), WORDS[lang]
    shown = []
    for word, other in (("previous", place - 1), ("next", place + 1)):
        if 0 <= other < len(SOURCES):
            title = title_of(read_cells(SOURCES[other]), lang)
            shown.append(f"{words[word]}[{title}]({page_name(SOURCES[other])}.md)")
    return " · ".join(shown)


def page(source: Path, cells: list[Cell], lang: str) -> str:
    """Return the Markdown page of an executed lesson."""
    name, words = page_name(source), WORDS[lang]
    bar = words["bar"].format(name=name, source=source.name)
    parts = []
    shown = [cell for cell in cells if cell.is_shown(lang)]
    for is_solution, group in groupby(shown, lambda cell: "solution" in cell.tags):
        texts = [_markdown(cell, words) for cell in group]
        if is_solution:
            opening = f'<details markdown="1"><summary>{words["solution"]}</summary>'
            texts = [opening, *texts, "</details>"]
        parts += texts
    heading, _, rest = parts[0].partition("\n")
    return (
        "\n\n".join([heading, bar, rest.strip(), *parts[1:], "---", links(source, lang)])
        + "\n"
    )


def _markdown(cell: Cell, words: dict[str, str]) -> str:
    if cell.kind == "markdown":
        return cell.text
    parts = [f"```python\n{cell.text}\n```"]
    if cell.output:
        parts.append(f"```text\n{cell.output}\n```")
    parts += [f"![{figure.title}](../figures/{figure.name}.svg)" for figure in cell.figures]
    if "timing" in cell.tags:
        parts[1:] = [TIMES_BEGIN, f"*{words['times']}*", *parts[1:], TIMES_END]
    return "\n\n".join(parts)


def notebook(source: Path, cells: list[Cell], lang: str) -> dict[str, Any]:
    """Return the notebook (nbformat 4.5) of an executed lesson, with its outputs."""
    shown = [cell for cell in cells if cell.is_shown(lang)]
    made, count = [], 0
    for number, cell in enumerate(shown):
        common = {"id": f"cell-{number}", "metadata": {"tags": list(cell.tags)}}
        if cell.kind == "markdown":
            text, attachments = _with_attachments(cell.text)
            made.append(common | {"cell_type": "markdown", "source": _lines(text)})
            if attachments:
                made[-1]["attachments"] = attachments
            continue
        count += 1
        if "solution" in cell.tags:  # folded until the reader opens it
            common["metadata"]["jupyter"] = {"source_hidden": True, "outputs_hidden": True}
        made.append(
            common
            | {
                "cell_type": "code",
                "execution_count": count,
                "source": _lines(cell.text),
                "outputs": list(_outputs(cell)),
            }
        )
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _outputs(cell: Cell) -> Iterator[dict[str, Any]]:
    if cell.output:
        text = _lines(cell.output + "\n")
        yield {"output_type": "stream", "name": "stdout", "text": text}
    for figure in cell.figures:
        png = base64.b64encode(figure.png).decode()
        data = {"image/png": png, "text/plain": [f"<Figure: {figure.title}>"]}
        yield {"output_type": "display_data", "data": data, "metadata": {}}


def _with_attachments(text: str) -> tuple[str, dict[str, dict[str, str]]]:
    """Return Markdown whose drawings travel inside the notebook, on a white ground."""
    attachments = {}
    for name in re.findall(r"\]\(\.\./figures/([\w.-]+\.svg)\)", text):
        svg = (FOLDER / "figures" / name).read_text()
        svg = re.sub(r"@media.*?\}\}", "", svg)
        attachments[name] = {"image/svg+xml": base64.b64encode(svg.encode()).decode()}
    return text.replace("](../figures/", "](attachment:"), attachments


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def as_json(made: dict[str, Any]) -> str:
    """Return the text of a notebook's file."""
    return json.dumps(made, ensure_ascii=False, indent=1) + "\n"


def build(source: Path) -> dict[Path, str]:
    """Execute a lesson and return its files: pages, notebooks and figures."""
    cells, name = read_cells(source), page_name(source)
    execute(cells, name)
    files = {}
    for lang in WORDS:
        files[FOLDER / lang / f"{name}.md"] = page(source, cells, lang)
        files[FOLDER / lang / f"{name}.ipynb"] = as_json(notebook(source, cells, lang))
    for figure in (figure for cell in cells for figure in cell.figures):
        files[FOLDER / "figures" / f"{figure.name}.svg"] = figure.svg
    return files


def main() -> None:
    """Write the files of the lessons whose numbers are given, or of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", nargs="*", help="for instance 01 09")
    numbers = parser.parse_args().numbers
    for source in SOURCES:
        if numbers and source.name[:2] not in numbers:
            continue
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            files = build(source)  # a lesson may write files
        for path, text in files.items():
            path.write_text(text)
        print(f"{source.name} is built", file=sys.stderr)


if __name__ == "__main__":
    main()
