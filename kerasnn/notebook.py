"""Notebooks: whether this is one, an output that is replaced, and small HTML tables.

Nothing here needs ipywidgets: an output that is replaced stays in the saved notebook and in
its exports as it was last.
"""

import sys
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any


def in_notebook() -> bool:
    """Check whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


class ReplacedOutput:
    """One output of a cell, shown at the first text and replaced by later ones."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, html: str, text: str) -> None:
        """Show HTML; a notebook without HTML shows the text."""
        from IPython.display import display  # only where `in_notebook`

        data = {"text/html": html, "text/plain": text}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)


def html_table(title: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a small table; the first column names the rows, and texts are escaped.

    Args:
        title: a line above the table.
        head: names of the columns.
        rows: a cell for each column.
    """
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = [
        f"<tr><th style='text-align:left'>{escape(str(first))}</th>"
        + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
        + "</tr>"
        for first, *cells in rows
    ]
    return (
        f"<div><strong>{escape(title)}</strong>"
        f"<table><thead><tr>{names}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def text_table(title: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return the same table as lines of text; the columns after the first to the right."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join([title, *lines])
