"""One self-contained HTML page, from the template `report.html.j2` beside this file."""

import base64
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

LONG_TABLE = 12  # rows, from which a table may go over pages in print
CONTENTS_FROM = 5  # sections, from which the page begins with links to them


class Cell(NamedTuple):
    """A cell of a table that holds more than a text.

    Attributes:
        text: what it says.
        note: small, below it.
        strong: whether it stands out.
        bar: 0..1, the length of a bar below the text; None: there is none.
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
        words: whether the cells hold words, not numbers: they stand at the left, and on a
            phone each row becomes a card.
        caption: a sentence below it.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    words: bool = False
    caption: str = ""

    @property
    def cells(self) -> list[list[Cell]]:
        """All as `Cell`."""
        return [[c if isinstance(c, Cell) else Cell(c) for c in row] for row in self.rows]


class Section(NamedTuple):
    """A part of the report: its figures, side by side where there is room, and a table."""

    title: str
    text: str
    figures: Mapping[str, bytes] = {}  # PNG by name
    table: Table | None = None

    @property
    def layout(self) -> str:
        """Classes of style: "half" of the page's width is enough; "long": over pages."""
        n_figures, table = len(self.figures), self.table
        half = n_figures <= 1 if table is None else not (n_figures or table.words)
        long = table is not None and len(table.rows) > LONG_TABLE
        return " ".join(["half"] * half + ["long"] * long)

    @property
    def sources(self) -> dict[str, str]:
        """The figures inside the page, as data URLs by name."""
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
) -> str:
    """The page as text; it loads nothing from elsewhere.

    Args:
        title: heading.
        summary: one or two sentences below it.
        numbers: the few that matter, shown large, by name.
        tables: two-column tables by heading: settings, data, versions.
        sections: the parts with figures, in their order.
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
        contents=len(sections) >= CONTENTS_FROM,
    )
