"""The user's settings for reading a table; the others are guessed from the file."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How to read a table, where the user knows it. None: guessed, and said.

    Args:
        sep: one character between the cells of a text file.
        encoding: of a text file, such as "utf-8" or "cp1252".
        header: whether the first line holds the names of the columns.
        names: of the columns, for a file without a header line.
        na: texts that are missing values, beside `MISSING_TEXTS`.
        decimal: "." or ",", the decimal separator of numbers in text.
        thousands: the separator of groups of three digits in text; "" for none.
        date_format: of dates in text, as for `strftime`: "%d.%m.%Y".
        sheet: name or number (from 0) of the sheet of a workbook.
        strict: whether a cell, row or column that would be repaired is an error.
    """

    sep: str | None = None
    encoding: str | None = None
    header: bool | None = None
    names: Iterable[str] = ()
    na: Iterable[str] = ()
    decimal: str | None = None
    thousands: str | None = None
    date_format: str | None = None
    sheet: str | int | None = None
    strict: bool = False
