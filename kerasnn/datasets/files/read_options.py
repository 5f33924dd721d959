"""The user's settings for reading a table; what is not set is guessed from the file."""

from collections.abc import Iterable
from dataclasses import dataclass

from kerasnn.datasets.cells.date_format import date_rules
from kerasnn.errors import InputError


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How to read a table. A setting that is None is guessed, and the guess reported.

    Args:
        sep: one character between the cells of a text file; " " for runs of blanks.
        encoding: of a text file, such as "utf-8" or "cp1252".
        header: whether the first line holds the names of the columns.
        names: of the columns, for a file without a header line.
        na: texts that are missing values, beside `MISSING_TEXTS`.
        decimal: "." or ",", the decimal separator of numbers in text.
        thousands: the separator of groups of three digits in text; "" for none.
        date_format: of dates in text, as for `strftime`: "%d.%m.%Y".
        sheet: name or number (from 0) of the sheet of a workbook.
        strict: whether a cell, row or column that would be repaired is an error.
        empty_rows: whether rows of a text file with only empty cells are kept, so that
            answers stay beside their rows.

    Raises:
        InputError: a setting is not one of these.
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
    empty_rows: bool = False

    def __post_init__(self) -> None:
        for field in ("names", "na"):
            texts = getattr(self, field)
            texts = (texts,) if isinstance(texts, str) else tuple(map(str, texts))
            object.__setattr__(self, field, texts)
        if self.sep is not None and (len(self.sep) != 1 or self.sep in '"\r\n\0'):
            raise InputError(
                f"sep must be one character, such as ',' or '\\t'; got sep={self.sep!r}"
            )
        if self.decimal not in (None, ".", ","):
            raise InputError(f"decimal must be '.' or ','; got decimal={self.decimal!r}")
        if self.thousands is not None and len(self.thousands) > 1:
            raise InputError(
                "thousands must be one character, or '' for none; got"
                f" thousands={self.thousands!r}"
            )
        if self.encoding is not None:
            _check_encoding(self.encoding)
        if self.date_format is not None:
            date_rules(self.date_format)

    @property
    def column_names(self) -> tuple[str, ...]:
        """`names` as a tuple."""
        return tuple(self.names)

    @property
    def missing_texts(self) -> frozenset[str]:
        """`na` without outer blanks."""
        return frozenset(text.strip() for text in self.na)


def _check_encoding(name: str) -> None:
    try:
        "a".encode(name)
    except (LookupError, ValueError):
        raise InputError(
            "encoding must be one that Python knows, such as 'utf-8', 'cp1252' or"
            f" 'utf-16'; got encoding={name!r}"
        ) from None
