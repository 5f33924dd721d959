"""Build the gallery: each source in docs/gallery becomes a page with what it prints.

    python scripts/build_gallery.py               # all examples
    python scripts/build_gallery.py churn sales   # some of them

A source is a Python file of percent cells, as those of the lessons, in one language. It
is executed in a folder of its own. A code cell may be tagged "run" (only what it prints
is shown), "timing" (its output differs from run to run) or "test" (executed, not shown).
A line `[[file]]` in a text stands for the content of a file in docs/gallery.

The cells of docs/notebook.md become docs/gallery/notebook.ipynb, executed by Jupyter.
"""

import argparse
import asyncio
import contextlib
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import build_lessons

FOLDER = Path(__file__).parents[1] / "docs" / "gallery"
SOURCES = sorted(FOLDER.glob("*.py"))
BOOK = FOLDER.parent / "notebook.md"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
BOOK_PAGE = (
    """# A notebook

[Gallery](index.md) · [Notebook](notebook.ipynb)

The notebook has the outputs of a run, with tables, a figure and a whole report. Here are
its cells, and the words that stand for these outputs where there are no pictures:""",
    """## What to learn from it

- A cell that ends with a schema, a history, a report or a search shows it as a table or a
  page; nothing has to be printed.
- Bars are replaced until they are final, so a saved notebook has no log.
- The report below its cell is the file `report.html`, and can be sent to others.
- [In a notebook](../notebook.md) explains each cell, and how to show less.""",
)
LANGUAGES = {".py": "python", ".mjs": "javascript", ".c": "c", ".sh": "sh", ".yaml": "yaml"}


def page(source: Path, cells: list[build_lessons.Cell]) -> str:
    """Return the Markdown page of an executed example."""
    parts = [_markdown(cell, source.stem) for cell in cells if cell.is_shown("en")]
    heading, _, rest = parts[0].partition("\n")
    bar = f"[Gallery](index.md) · [Source]({source.name})"
    return "\n\n".join([heading, bar, rest.strip(), *parts[1:]]) + "\n"


def _markdown(cell: build_lessons.Cell, name: str) -> str:
    if cell.kind == "markdown":
        return re.sub(r"^\[\[(.*)\]\]$", _file, cell.text, flags=re.MULTILINE)
    parts = [f"```text\n{cell.output}\n```"] if cell.output else []
    parts += [f"![{figure.title}](figures/{figure.name}.svg)" for figure in cell.figures]
    if "timing" in cell.tags:
        times = f"*{build_lessons.WORDS['en']['times']}*"
        parts = [build_lessons.TIMES_BEGIN, times, *parts, build_lessons.TIMES_END]
    if "run" not in cell.tags:
        parts.insert(0, f"```python\n{cell.text}\n```")
    return "\n\n".join(parts)


def _file(named: re.Match[str]) -> str:
    path = FOLDER / named[1]
    return f"```{LANGUAGES.get(path.suffix, 'text')}\n{path.read_text().rstrip()}\n```"


def build(source: Path) -> dict[Path, str]:
    """Execute an example in a new folder; return its page and its figures."""
    cells = build_lessons.read_cells(source)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        build_lessons.execute(cells, source.stem, source)
    files = {source.with_suffix(".md"): page(source, cells)}
    figures = [figure for cell in cells for figure in cell.figures]
    return files | {
        FOLDER / "figures" / f"{figure.name}.svg": figure.svg for figure in figures
    }


def execute_book(folder: Path) -> Any:
    """Return docs/notebook.md as a notebook, which Jupyter executed in a folder."""
    import nbclient
    import nbformat

    book = nbformat.v4.new_notebook()
    parts = re.split(r"```python\n(.*?)```", BOOK.read_text(), flags=re.DOTALL)
    for number, part in enumerate(parts):
        kind = nbformat.v4.new_code_cell if number % 2 else nbformat.v4.new_markdown_cell
        book.cells.append(kind(part.strip(), id=f"cell-{number}"))
    root = str(FOLDER.parents[1])
    paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    client = nbclient.NotebookClient(
        book, timeout=600, resources={"metadata": {"path": str(folder)}}
    )
    asyncio.run(client.async_execute(env=os.environ | {"PYTHONPATH": paths}))
    return book


def book_page(book: Any) -> str:
    """Return the Markdown page of an executed notebook: its cells, and what they show."""
    parts = [BOOK_PAGE[0]]
    for cell in book.cells:
        if cell.cell_type == "code":
            parts.append(f"```python\n{cell.source}\n```")
            parts += [f"```text\n{text}\n```" for text in map(_text, cell.outputs) if text]
    return "\n\n".join([*parts, BOOK_PAGE[1]]) + "\n"


def _text(output: Any) -> str:
    if output.output_type == "display_data":  # a bar, with its time
        return ""
    text = output.data["text/plain"] if "data" in output else output.text
    return re.sub(r"[\d,]+ characters", "... characters", text.rstrip())


def write_book() -> None:
    """Execute docs/notebook.md, and keep it with its outputs and as a page."""
    import nbformat

    with tempfile.TemporaryDirectory() as folder:
        book = execute_book(Path(folder))
    for cell in book.cells:
        cell.metadata.clear()  # times of the execution
    book.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    (FOLDER / "notebook.ipynb").write_text(nbformat.writes(book) + "\n")
    (FOLDER / "notebook.md").write_text(book_page(book))


def main() -> None:
    """Write the pages of the examples whose names are given, or of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="for instance churn")
    names = parser.parse_args().names
    for source in SOURCES:
        if names and source.stem not in names:
            continue
        for path, text in build(source).items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        print(f"{source.name} is built", file=sys.stderr)
    if not names or "notebook" in names:
        write_book()


if __name__ == "__main__":
    main()
