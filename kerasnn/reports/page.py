"""One self-contained HTML page, from the template `report.html.j2` beside this file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from kerasnn.datasets import Notice
from kerasnn.errors import InputError
from kerasnn.reports.figures import svg

_MAX_UNBROKEN_ROWS = 12  # a longer table may be split over printed pages
_MIN_SECTIONS = 5  # of a page that begins with links to its sections


class Cell(NamedTuple):
    """A cell of a table with more than a text.

    Attributes:
        text: of the cell.
        note: small text below.
        strong: whether it is emphasised.
        bar: 0..1, the length of a bar below the text; None for no bar.
        bins: 0..1 each, the heights of small columns below the text.
    """

    text: str
    note: str = ""
    strong: bool = False
    bar: float | None = None
    bins: Sequence[float] = ()


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


@dataclass(frozen=True)
class Report:
    """A page that a notebook shows; it loads no other files.

    Attributes:
        html: the page.
    """

    html: str

    def save(self, file: str | Path) -> None:
        """Write the page.

        Raises:
            InputError: the file cannot be written.
        """
        try:
            Path(file).write_text(self.html, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{file} cannot be written: {error.strerror}") from None

    def __repr__(self) -> str:
        return f"Report({len(self.html):,} characters of HTML; save it with .save(file))"

    def _repr_html_(self) -> str:
        # In a frame the page keeps its style, and the notebook its own.
        style = "width:100%;height:40em;border:1px solid #8884;border-radius:.4em"
        page = escape(self.html)
        return f'<iframe srcdoc="{page}" style="{style}" title="report"></iframe>'


class Section(NamedTuple):
    """A section of a report: figures, side by side if there is room, and a table."""

    title: str
    text: str
    figures: Mapping[str, Figure] = {}  # by name
    table: Table | None = None

    @property
    def layout(self) -> str:
        """CSS classes: "half" for half of the width, "long" if it may be split in print."""
        n_figures, table = len(self.figures), self.table
        half = n_figures <= 1 if table is None else not (n_figures or table.words)
        long = table is not None and len(table.rows) > _MAX_UNBROKEN_ROWS
        return " ".join(["half"] * half + ["long"] * long)

    @property
    def drawings(self) -> list[Markup]:
        """The figures as SVG elements."""
        return [
            Markup(svg(figure, label=f"{self.title}: {name}"))
            for name, figure in self.figures.items()
        ]


def report_html(
    title: str,
    summary: str,
    *,
    numbers: Mapping[str, str | Cell],
    tables: Mapping[str, Mapping[str, str | Cell]],
    sections: Sequence[Section],
    notices: Sequence[Notice] = (),
    examples: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return the page as text; it loads no other files.

    Args:
        title: heading.
        summary: one or two sentences below the heading.
        numbers: the most important numbers, shown large, by name.
        tables: two-column tables by heading: settings, data, versions.
        sections: in their order.
        notices: warnings, in a box on top, and notes on how the data was read, at the end.
        examples: how to predict, as code by what it does.
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
        numbers=_cells(numbers),
        tables={heading: _cells(rows) for heading, rows in tables.items()},
        sections=sections,
        warnings=[notice.message for notice in notices if notice.is_warning],
        notes=[notice.message for notice in notices if not notice.is_warning],
        contents=len(sections) >= _MIN_SECTIONS,
        examples=examples,
    )


def _cells(row: Mapping[str, str | Cell]) -> dict[str, Cell]:
    return {k: v if isinstance(v, Cell) else Cell(v) for k, v in row.items()}
