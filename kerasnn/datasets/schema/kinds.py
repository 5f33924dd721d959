"""The kind of a column and how its cells are read, inferred from them, with the reason."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from kerasnn.choices import ColumnKind
from kerasnn.datasets.cells.date_format import (
    find_counted_format,
    find_date_format,
    other_order,
    read_date,
)
from kerasnn.datasets.cells.factorized import PLACEHOLDERS, FactorizedColumn, text_of
from kerasnn.datasets.cells.number_format import (
    NumberFormat,
    are_distinct_limits,
    find_number_format,
    has_decimal_commas,
    is_ambiguous,
    may_be_thousands,
    without_limit,
)
from kerasnn.datasets.cells.parsing import (
    are_plain_numbers,
    is_code,
    is_infinite,
    is_plain_number,
    numbers,
)
from kerasnn.datasets.cells.truths import are_truths, truth_of
from kerasnn.datasets.files.read_options import ReadOptions
from kerasnn.datasets.notices import Notice
from kerasnn.errors import InputError

_MAX_CODES = 10  # different whole numbers that may be codes
_MIN_READ = 10  # more distinct numbers or dates than these show what a column holds
_READ_SHARE = 0.9  # of the distinct texts are numbers or dates: the others are mistakes
_DATE_ROWS = 0.95  # of the rows are dates: the other texts are mistakes
_TRUTH_ROWS = 0.9  # of the rows are true or false: placeholders there are missing values
_HINTED_SHARE = 0.5  # of the distinct texts are what the user says
_EXAMINED = 200  # texts that show what a category looks like
_SHOWN = 3  # rows and texts in a notice
_HEAD = 1_000  # rows that show whether a table has decimal commas


@dataclass(frozen=True)
class CellOptions:
    """How the cells of a table are read.

    Attributes:
        options: of the user.
        likely_decimal: the decimal separator of other columns, if it is clear.
        is_lenient: whether infinite numbers are read as missing, and rows may have no
            target.
    """

    options: ReadOptions = field(default_factory=ReadOptions)
    likely_decimal: str | None = None
    is_lenient: bool = False


@dataclass(frozen=True)
class ColumnReading:
    """The kind of a column, and how its cells are read.

    Attributes:
        kind: of the column.
        reason: why, for the user.
        number_format: of numbers in text; None for plain ones.
        date_format: of dates in text or whole numbers; "" for ISO 8601.
        missing_texts: stray texts that are read as missing.
        notices: what was guessed and repaired.
    """

    kind: ColumnKind
    reason: str
    number_format: NumberFormat | None = None
    date_format: str = ""
    missing_texts: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()


def cell_options(table: pd.DataFrame, reading: ReadOptions | None) -> CellOptions:
    """Return how the cells of a table are read, by the user and by all columns."""
    options = reading or ReadOptions()
    commas = (
        has_decimal_commas({text.strip() for text in table[name].head(_HEAD).dropna()})
        for name in table.columns
        if pd.api.types.infer_dtype(table[name].head(_HEAD), skipna=True) == "string"
    )
    return CellOptions(
        options,
        likely_decimal="," if any(commas) else None,
        is_lenient=reading is not None and not options.strict,
    )


def infer_reading(name: str, column: FactorizedColumn, cells: CellOptions) -> ColumnReading:
    """Return how a column that has a value is read.

    Raises:
        InputError: its values are of two types; or cells would have to be repaired, and
            `cells.options.strict` forbids it.
    """
    if column.content == "booleans":
        return ColumnReading("boolean", "true or false")
    if column.content == "dates":
        return ColumnReading("datetime", "dates")
    if column.content == "numbers":
        return _numbers(name, column, cells)
    text = column.as_text if column.content == "mixed" else column
    typed = any(isinstance(value, (bool, np.bool_)) for value in column.values)
    found = _truths(name, text, cells, are_typed=typed) or _dates(name, text, cells)
    found = found or _numeric_text(name, text, cells)
    if found is not None:
        return found
    if column.content == "mixed":
        raise two_types(name, column, 0, column.other_type())
    reason = f"text, {len(column.values):,} different"
    return ColumnReading("categorical", reason, notices=_mixed_formats(name, column.values))


def hinted_reading(
    name: str, column: FactorizedColumn, kind: ColumnKind, cells: CellOptions
) -> ColumnReading:
    """Return how a column of a kind that the user knows is read.

    Cells that do not have this kind are left to a check, if they are too many for mistakes.
    """
    reading = ColumnReading(kind, "as asked")
    if kind == "numeric" and column.content == "numbers":
        return _without_infinite(name, column, reading) if cells.is_lenient else reading
    text = column.as_text if column.content in ("mixed", "numbers") else column
    if kind not in ("numeric", "datetime") or text.content != "text":
        return reading
    if kind == "datetime":
        date_format = _date_format(text.values, cells) or find_counted_format(text.values)
        reading = replace(reading, date_format=date_format or "")
    else:
        number_format, notices = _number_format(name, text.values, cells, min_read=1)
        reading = replace(reading, number_format=number_format, notices=notices)
    unread = _unread(text.values, reading)
    if cells.is_lenient:
        unread += [t for t in text.values if is_infinite(t) and t not in unread]
    n_read = len(text.values) - len(unread)
    if cells.options.strict or n_read <= _HINTED_SHARE * len(text.values):
        return reading
    return _with_strays(name, text, reading, unread)


def two_types(name: str, column: FactorizedColumn, one: int, other: int) -> InputError:
    """Return the error about values of two types, at two positions of the column."""
    return InputError(
        f"column {name!r} has {column.mixture(one, other)}. Put the cells right, or say"
        f" categorical=[{name!r}]"
    )


def _numbers(name: str, column: FactorizedColumn, cells: CellOptions) -> ColumnReading:
    if not are_plain_numbers(column):
        reason = (
            f"codes: {len(column.values):,} different whole numbers, of more digits than a"
            " float64 keeps"
        )
        return ColumnReading("categorical", reason)
    reason = _number_reason(name, column, None)
    notices = _date_proposal(name, column)
    reading = ColumnReading("numeric", reason, notices=notices)
    if cells.is_lenient:
        reading = _without_infinite(name, column, reading)
    return reading


def _truths(
    name: str, column: FactorizedColumn, cells: CellOptions, *, are_typed: bool
) -> ColumnReading | None:
    unread = [text for text in column.values if truth_of(text) is None]
    read = [text for text in column.values if truth_of(text) is not None]
    if not are_truths(read) and not (are_typed and len(set(map(truth_of, read))) == 2):
        return None
    shown = {truth: [t for t in read if truth_of(t) is truth] for truth in (False, True)}
    reason = f"{_texts(shown[False])} for false, {_texts(shown[True])} for true"
    reading = ColumnReading("boolean", reason)
    if not unread:
        return reading
    rows = int(column.counts[[truth_of(t) is not None for t in column.values]].sum())
    few = rows >= _TRUTH_ROWS * column.counts.sum()
    if not few or not _are_placeholders(unread) or cells.options.strict:
        return None
    return _with_strays(name, column, reading, unread)


def _dates(name: str, column: FactorizedColumn, cells: CellOptions) -> ColumnReading | None:
    date_format = _date_format(column.values, cells)
    if date_format is None:
        return None
    is_date = [read_date(text, date_format) is not None for text in column.values]
    unread = [t for t, read in zip(column.values, is_date, strict=True) if not read]
    rows = int(column.counts[is_date].sum())
    mostly = rows >= _DATE_ROWS * column.counts.sum()
    if not mostly and not _are_stray(unread, len(column.values) - len(unread)):
        return None
    how = f", as {date_format}" if date_format else ""
    reading = ColumnReading("datetime", f"text that is dates{how}", date_format=date_format)
    other = "" if cells.options.date_format else other_order(column.values, date_format)
    if other:
        example = column.values[is_date.index(True)]
        message = (
            f"column {name!r}: {example!r} was read as"
            f" {str(read_date(example, date_format))[:10]}, by"
            f" date_format={date_format!r}; date_format={other!r} reads day and month the"
            " other way"
        )
        rows = len(column.codes) - column.missing
        notice = Notice("ambiguous-dates", message, (name,), rows)
        reading = replace(reading, notices=(notice,))
    return _with_strays(name, column, reading, unread, strict=cells.options.strict)


def _numeric_text(
    name: str, column: FactorizedColumn, cells: CellOptions
) -> ColumnReading | None:
    texts = column.values
    number_format, notices = _number_format(name, texts, cells)
    if any(map(is_code, texts)):
        return None
    reading = ColumnReading("numeric", "", number_format=number_format, notices=notices)
    unread = _unread(texts, reading)
    if not cells.options.strict:  # else they are errors: not finite
        unread += [text for text in texts if is_infinite(text) and text not in unread]
    if len(unread) == len(texts) or not _are_stray(unread, len(texts) - len(unread)):
        return None
    how = f" ({number_format.described()})" if number_format else ""
    origin = "text that is numbers" if unread else "text that is all numbers"
    kept = column.without(unread)
    reason = f"{origin}{how}, {_number_reason(name, kept.distinct, number_format)}"
    reading = replace(reading, reason=reason)
    if number_format is None:
        reading = replace(reading, notices=(*notices, *_date_proposal(name, kept)))
    return _with_strays(name, column, reading, unread, strict=cells.options.strict)


def _number_format(
    name: str, texts: Sequence[str], cells: CellOptions, *, min_read: int = _MIN_READ + 1
) -> tuple[NumberFormat | None, tuple[Notice, ...]]:
    """Return the format of numbers in text, None for plain ones, and what was guessed.

    Limits are numbers if there are as many different numbers as `min_read`.
    """
    bare = [without_limit(text) for text in texts]
    limits = [i for i, text in enumerate(texts) if bare[i] != text]
    if limits:
        found, notices = _format_without_limits(name, bare, cells)
        found = replace(found or NumberFormat(), has_limits=True)
        read = {found.read(text) for text in texts} - {None}
        shown = [texts[i] for i in limits if found.read(texts[i]) is not None][:_SHOWN]
        if shown and len(read) >= min_read and are_distinct_limits(texts, found):
            numbers_shown = ", ".join(f"{text!r} as {found.read(text):g}" for text in shown)
            message = (
                f"column {name!r}: limits were read as their numbers, {numbers_shown};"
                f" categorical=[{name!r}] keeps all of its cells as text"
            )
            return found, (*notices, Notice("limit-cells", message, (name,)))
    return _format_without_limits(name, texts, cells)


def _format_without_limits(
    name: str, texts: Sequence[str], cells: CellOptions
) -> tuple[NumberFormat | None, tuple[Notice, ...]]:
    decimal, thousands = cells.options.decimal, cells.options.thousands
    if decimal is None and thousands is None:
        plain = all(is_plain_number(text) or _is_placeholder(text) for text in texts)
        if plain and (cells.likely_decimal != "," or not may_be_thousands(texts)):
            return None, ()
        found = find_number_format(texts)
        if found is None:
            return None, ()
        if cells.likely_decimal and (
            any("," in text for text in texts) or may_be_thousands(texts)
        ):
            found = find_number_format(texts, decimal=cells.likely_decimal) or found
        return _unless_plain(found, texts), ambiguous_numbers(name, texts, found)
    found = find_number_format(texts, decimal=decimal, thousands=thousands)
    return _unless_plain(found, texts), ()


def _unless_plain(found: NumberFormat | None, texts: Sequence[str]) -> NumberFormat | None:
    """Return the format, or None if it reads plain numbers only."""
    if found == NumberFormat() and all(
        is_plain_number(text) or found.read(text) is None for text in texts
    ):
        return None
    return found


def ambiguous_numbers(
    name: str, texts: Sequence[str], found: NumberFormat
) -> tuple[Notice, ...]:
    """Return the notice that another decimal separator would read the numbers as well."""
    example = is_ambiguous(texts, found)
    if not example:
        return ()
    other = "," if found.decimal == "." else "."
    otherwise = NumberFormat(other, found.decimal, found.unit)
    message = (
        f"column {name!r}: {example!r} was read as {found.read(example):g};"
        f" decimal={other!r} reads it as {otherwise.read(example):g}"
    )
    return (Notice("ambiguous-numbers", message, (name,)),)


def _date_format(texts: Sequence[str], cells: CellOptions) -> str | None:
    given = cells.options.date_format
    if given and _READ_SHARE * len(texts) <= sum(
        read_date(text, given) is not None for text in texts
    ):
        return given
    return find_date_format(texts)


def _unread(texts: Sequence[str], reading: ColumnReading) -> list[str]:
    if reading.kind == "datetime":
        return [text for text in texts if read_date(text, reading.date_format) is None]
    column = FactorizedColumn(np.arange(len(texts)), list(texts), "text")
    invalid = numbers(column, reading.number_format)[1]
    return [text for text, wrong in zip(texts, invalid, strict=True) if wrong]


def _are_stray(unread: Collection[str], n_read: int) -> bool:
    """Return whether the texts that are not numbers, or not dates, are mistakes."""
    if not unread or _are_placeholders(unread):
        return n_read > 1 or not unread
    return n_read > _MIN_READ and n_read >= _READ_SHARE * (n_read + len(unread))


def _are_placeholders(texts: Iterable[str]) -> bool:
    return all(map(_is_placeholder, texts))


def _is_placeholder(text: str) -> bool:
    return text.casefold() in PLACEHOLDERS


def _with_strays(
    name: str,
    column: FactorizedColumn,
    reading: ColumnReading,
    texts: Sequence[str],
    *,
    strict: bool = False,
) -> ColumnReading:
    """Return the reading in which some texts are missing, with a notice."""
    if not texts:
        return reading
    stray = set(texts)
    if strict:
        one = next(i for i, value in enumerate(column.values) if value not in stray)
        raise two_types(name, column, one, column.values.index(texts[0]))
    is_stray = np.array([*(value in stray for value in column.values), False])
    rows = np.flatnonzero(is_stray[column.codes])
    what = {"numeric": "numbers", "datetime": "dates", "boolean": "true or false"}
    where = ", ".join(str(row) for row in rows[:_SHOWN])
    message = (
        f"column {name!r}: {_cells(len(rows))} of {len(column.codes):,} read as missing,"
        f" because the others are {what[reading.kind]}: {_texts(texts)}, in row"
        f"{'s' if len(rows) > 1 else ''} {where}{', ...' if len(rows) > _SHOWN else ''};"
        f" categorical=[{name!r}] keeps them as text"
    )
    notice = Notice("stray-cells", message, (name,), len(rows))
    return replace(reading, missing_texts=tuple(texts), notices=(*reading.notices, notice))


def _without_infinite(
    name: str, column: FactorizedColumn, reading: ColumnReading
) -> ColumnReading:
    """Return the reading in which infinite numbers are missing."""
    positions = [i for i, v in enumerate(column.values) if is_infinite(text_of(v))]
    if not positions:
        return reading
    rows = np.flatnonzero(np.isin(column.codes, positions))
    message = (
        f"column {name!r}: {_cells(len(rows))} of {len(column.codes):,} read as missing,"
        f" because they are not finite: {text_of(column.values[positions[0]])}, first in"
        f" row {rows[0]}"
    )
    notice = Notice("infinite-cells", message, (name,), len(rows))
    texts = tuple(text_of(column.values[i]) for i in positions)
    return replace(reading, missing_texts=texts, notices=(*reading.notices, notice))


def _cells(count: int) -> str:
    return f"{count:,} cell{'' if count == 1 else 's'}"


def _number_reason(
    name: str, column: FactorizedColumn, number_format: NumberFormat | None
) -> str:
    values = numbers(column, number_format)[0]
    values = values[np.isfinite(values)]
    if not (values == np.floor(values)).all():
        return "numbers"
    n_distinct = len(column.values)
    if n_distinct > _MAX_CODES:
        return "whole numbers"
    codes = f": if they are codes, give categorical=[{name!r}]" if n_distinct > 2 else ""
    return f"whole numbers, {n_distinct} different{codes}"


def _date_proposal(name: str, column: FactorizedColumn) -> tuple[Notice, ...]:
    """Return the notice about whole numbers that may be dates: 20210925, or seconds."""
    texts = [text_of(value) for value in column.values[:_SHOWN]]
    found = find_counted_format(texts)
    if found is None or found == "%Y":
        return ()
    if found != find_counted_format([text_of(value) for value in column.values]):
        return ()
    message = (
        f"column {name!r}: numbers such as {texts[0]} may be dates"
        f" ({str(read_date(texts[0], found))[:10]}); datetime=[{name!r}] reads them so"
    )
    return (Notice("number-dates", message, (name,)),)


def _mixed_formats(name: str, texts: Sequence[str]) -> tuple[Notice, ...]:
    """Return the warning about a category whose texts look like numbers, or dates."""
    if len(texts) <= _MIN_READ or any(map(is_code, texts)):
        return ()
    sample = texts[:: max(len(texts) // _EXAMINED, 1)]
    for what, hint, finds in (
        ("numbers", "decimal= and thousands=", find_number_format),
        ("dates", "date_format=", find_date_format),
    ):
        found = sum(finds([text]) is not None for text in sample)
        if found >= _READ_SHARE * len(sample):
            message = (
                f"column {name!r} is not read as {what}, although its cells look like"
                f" it, such as {sample[0]!r}: they are written in several ways. Write them"
                f" in one, or see {hint}"
            )
            return (Notice("mixed-formats", message, (name,), is_warning=True),)
    return ()


def _texts(texts: Sequence[str]) -> str:
    shown = ", ".join(repr(text) for text in texts[:_SHOWN])
    return shown + (", ..." if len(texts) > _SHOWN else "")
