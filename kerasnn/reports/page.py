"""One self-contained HTML page, from the template `report.html.j2` beside this file."""

import base64
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from kerasnn.datasets import Notice

_MAX_UNBROKEN_ROWS = 12  # a longer table may be split over printed pages
_MIN_SECTIONS = 5  # of a page that begins with links to its sections


class Cell(NamedTuple):
    """A cell of a table with more than a text.

    Attributes:
        text: of the cell.
        note: small text below.
        strong: whether it is emphasised.
        bar: 0..1, the length of a bar below the text; None for no bar.
    """

    text: str
    note: str = ""
    strong: bool = False
    bar: float | None = None


class Table(NamedTuple):
    """A table of several columns; the first names the rows.

    Attributes:
        head: names of the columns.
        rows: a text or a `Cell` for each column.
        words: whether the cells have words, not numbers: then they are aligned to the
            left, and on a phone each row becomes a card.
        caption: a sentence below the table.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    words: bool = False
    caption: str = ""

    @property
    def cells(self) -> list[list[Cell]]:
        """All cells as `Cell`."""
        return [[c if isinstance(c, Cell) else Cell(c) for c in row] for row in self.rows]


class Section(NamedTuple):
    """A section of a report: figures, side by side if there is room, and a table."""

    title: str
    text: str
    figures: Mapping[str, bytes] = {}  # PNG by name
    table: Table | None = None

    @property
    def layout(self) -> str:
        """CSS classes: "half" for half of the width, "long" if it may be split in print."""
        n_figures, table = len(self.figures), self.table
        half = n_figures <= 1 if table is None else not (n_figures or table.words)
        long = table is not None and len(table.rows) > _MAX_UNBROKEN_ROWS
        return " ".join(["half"] * half + ["long"] * long)

    @property
    def sources(self) -> dict[str, str]:
        """Data URLs of the figures, by name."""
        return {
            name: "data:image/png;base64," + base64.b64encode(png).decode("ascii")
            for name, png in self.figures.items()
        }


def report_html(
    title: str,
    summary: str,
    *,
    numbers: Mapping[str, str | Cell],
    tables: Mapping[str, Mapping[str, str]],
    sections: Sequence[Section],
    notices: Sequence[Notice] = (),
) -> str:
    """Return the page as text; it loads no other files.

    Args:
        title: heading.
        summary: one or two sentences below the heading.
        numbers: the most important numbers, shown large, by name.
        tables: two-column tables by heading: settings, data, versions.
        sections: in their order.
        notices: warnings, in a box on top, and notes on how the data was read, at the end.
    """
    environment = Environment(
        loader=PackageLoader("kerasnn.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        title=title,
        summary=summary,
        numbers={k: v if isinstance(v, Cell) else Cell(v) for k, v in numbers.items()},
        tables=tables,
        sections=sections,
        warnings=[notice.message for notice in notices if notice.is_warning],
        notes=[notice.message for notice in notices if not notice.is_warning],
        contents=len(sections) >= _MIN_SECTIONS,
    )
