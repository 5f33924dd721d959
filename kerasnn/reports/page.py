"""One self-contained HTML page, from the template `report.html.j2` beside this file."""

import base64
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined


class Section(NamedTuple):
    """A part of the report with its figures, side by side where there is room."""

    title: str
    text: str
    figures: Mapping[str, bytes]  # PNG by name

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
    numbers: Mapping[str, str],
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
        title=title, summary=summary, numbers=numbers, tables=tables, sections=sections
    )
