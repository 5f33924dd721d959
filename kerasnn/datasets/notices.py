"""Notices: guesses and repairs that were made while a table was read, for the user."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Notice:
    """One line about a table that the user should see.

    Attributes:
        code: for programs, such as "stray-cells"; one code for each kind of notice.
        message: one sentence with the evidence, and the argument that overrules it, in
            Python's syntax: `categorical=['zip']`. The command line rewrites it.
        columns: names of the columns concerned.
        rows: number of rows concerned; 0 if it is about the whole table.
        is_warning: True if a score or an answer may be wrong because of it; False for a
            guess or a repair.
    """

    code: str
    message: str
    columns: tuple[str, ...] = ()
    rows: int = 0
    is_warning: bool = False


def warnings_first(notices: Iterable[Notice]) -> list[Notice]:
    """Return the notices, warnings before the others, otherwise in their order."""
    return sorted(notices, key=lambda notice: not notice.is_warning)


def first_of_each(notices: Iterable[Notice]) -> list[Notice]:
    """Return the first notice of each code and columns, of a table read in parts."""
    found: dict[tuple[str, tuple[str, ...]], Notice] = {}
    for notice in notices:
        found.setdefault((notice.code, notice.columns), notice)
    return list(found.values())
