"""Checks of rows against a schema: columns in its order, each with its dtype."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets.cells.factorized import (
    as_series,
    factorize,
    python_value,
    text_of,
)
from kerasnn.datasets.cells.number_format import NumberFormat, may_be_thousands
from kerasnn.datasets.cells.parsing import (
    ColumnValues,
    dates,
    have_zones,
    is_infinite,
    is_number_dtype,
    missing_numbers,
    numbers,
    spelling_key,
)
from kerasnn.datasets.cells.truths import TRUTH_LEVELS, levels_by_truth, truth_of
from kerasnn.datasets.files.frames import as_table
from kerasnn.datasets.files.read_options import ReadOptions
from kerasnn.datasets.names import check_names
from kerasnn.datasets.notices import Notice
from kerasnn.datasets.schema.kinds import cell_options
from kerasnn.datasets.schema.other_formats import (
    are_no_percents,
    format_notices,
    format_of_rows,
    has_other_points,
)
from kerasnn.datasets.schema.schema import MAX_LEVELS, Column, Schema
from kerasnn.errors import DataWarning, InputError, warn_user

_MIN_WARNED_ROWS = 10  # in fewer rows a column may well be missing
_ZONE_ROWS = 1_000  # rows that show whether times have a zone
_COMMAS = NumberFormat(",", ".")


@dataclass(frozen=True)
class InvalidCell:
    """A cell that does not have the kind of its column.

    Attributes:
        row: of the table, from 0.
        column: its name.
        value: of the cell.
        message: one sentence for the user.
    """

    row: int
    column: str
    value: Any
    message: str

    def moved(self, start: int) -> "InvalidCell":
        """Return the cell of a table whose rows are counted from `start`."""
        here, there = f"row {self.row}:", f"row {self.row + start}:"
        message = self.message.replace(here, there, 1)
        return replace(self, row=self.row + start, message=message)


@dataclass(frozen=True)
class CheckedRows:
    """Rows that were checked against a schema.

    Attributes:
        rows: as `checked_table` returns them; invalid cells are missing.
        invalid: the invalid cells, by row and column.
        notices: columns without any known value.
    """

    rows: pd.DataFrame
    invalid: tuple[InvalidCell, ...]
    notices: tuple[Notice, ...]


def checked_table(table: Any, schema: Schema) -> pd.DataFrame:
    """Return the columns of a schema from a table, parsed by their kinds.

    The table's columns may have any order, and others are ignored. Categories that the
    schema does not contain stay as they are.

    Args:
        table: anything that `as_table` accepts.
        schema: from `infer_schema`.

    Returns:
        [rows, schema.names]: numeric columns float64 (missing: NaN), categorical and
        boolean ones object (str as `category_text` writes it, or the schema's level of a
        boolean; missing: None), datetime ones datetime64[s] (missing: NaT).

    Raises:
        InputError: a column is missing, or a cell is not a finite number or not a date;
            the message names column, row and value.
    """
    return check_rows(table, schema, strict=True).rows


def warned_table(
    table: Any, schema: Schema, *, reading: ReadOptions | None = None
) -> pd.DataFrame:
    """Return `checked_table`, and warn of columns that the network does not know.

    Args:
        table: as for `check_rows`.
        schema: as for `check_rows`.
        reading: as for `check_rows`.

    Raises:
        InputError: as `checked_table`.

    Warns:
        DataWarning: cells are spelled otherwise than in the training; or, in 10 rows or
            more, a column has no value that the network knows.
    """
    checked = check_rows(table, schema, strict=True, reading=reading)
    for notice in checked.notices:
        is_known = notice.code != "unseen-column" or len(checked.rows) >= _MIN_WARNED_ROWS
        if notice.is_warning and is_known:
            warn_user(notice.message, DataWarning)
    return checked.rows


def check_rows(
    table: Any, schema: Schema, *, strict: bool, reading: ReadOptions | None = None
) -> CheckedRows:
    """Check rows as `checked_table`, and list the cells that cannot be read.

    Numbers and dates in another format than in the training are read if the format is
    clear: "1,234.5" or "44,2", "25.09.2021".

    Args:
        table: anything that `as_table` accepts.
        schema: from `infer_schema`.
        strict: whether such a cell is an error.
        reading: formats and missing texts of this table, where they are not the schema's.

    Raises:
        InputError: a column is missing; or, if strict, a cell is invalid: the first one of
            the first such column.
    """
    table = as_table(table)
    check_names(schema.names, table.columns)
    checked, invalid, notices = {}, [], []
    for column in schema.columns:
        series = table[column.name]
        column_here = _with_options(column, reading)
        values, wrong, unknown = _parsed(series, column_here)
        is_doubtful = has_other_points(series, column_here)
        if wrong.any() or is_doubtful:
            other = format_of_rows(series, column_here, cell_options(table, reading))
            read = _parsed(series, other)
            if _reads_more(read, values, wrong) or (is_doubtful and not read[1].any()):
                values, wrong, unknown = read
                notices += format_notices(column_here, other)
            is_said = reading is not None and (reading.decimal or reading.thousands)
            if is_doubtful and other == column_here and not is_said:
                unclear = _may_be_either(series)
                values, wrong = np.where(unclear, np.nan, values), wrong | unclear
        if wrong.any():
            cells = _invalid_cells(series, wrong, column)
            if strict:
                raise InputError(cells[0].message)
            invalid += cells
        checked[column.name] = values
        if not wrong.any():
            alike = _other_spellings(values, column)
            notices += alike or _unseen(len(series), column, unknown)
            notices += _no_truths(series, column)
            notices += _other_zones(series, column)
    return CheckedRows(
        pd.DataFrame(checked, index=table.index),
        tuple(sorted(invalid, key=lambda cell: cell.row)),
        tuple(notices),
    )


def check_numbers(
    name: str, values: ColumnValues, number_format: NumberFormat | None = None
) -> NDArray[np.float64]:
    """Return a column as finite numbers, NaN where missing.

    Raises:
        InputError: a cell is not a number or is infinite.
    """
    parsed, invalid = numbers(values, number_format)
    invalid |= np.isinf(parsed)
    if invalid.any():
        row = int(np.argmax(invalid))
        raise InputError(_not_a_number(name, row, _cell(values, row)))
    return parsed


def check_dates(
    name: str, values: ColumnValues, date_format: str = ""
) -> NDArray[np.datetime64]:
    """Return a column as dates, NaT where missing.

    Raises:
        InputError: a cell is not a date.
    """
    parsed, invalid = dates(values, date_format)
    if invalid.any():
        row = int(np.argmax(invalid))
        raise InputError(_not_a_date(name, row, _cell(values, row), date_format))
    return parsed


def _with_options(column: Column, reading: ReadOptions | None) -> Column:
    """Return a column that is read as the user says."""
    if reading is None:
        return column
    if reading.date_format:
        column = replace(column, date_format=reading.date_format)
    if reading.na:
        column = replace(column, missing_texts=(*column.missing_texts, *reading.na))
    if reading.decimal or reading.thousands is not None:
        found = column.number_format or NumberFormat()
        decimal = reading.decimal or (found.decimal if reading.thousands != "." else ",")
        thousands = reading.thousands
        if thousands is None:
            thousands = {",": ".", ".": ","}[decimal]
        found = replace(found, decimal=decimal, thousands=thousands)
        column = replace(column, number_format=found)
    return column


def _reads_more(
    other: tuple[NDArray[Any] | pd.Series, NDArray[np.bool_], Any],
    values: NDArray[Any] | pd.Series,
    wrong: NDArray[np.bool_],
) -> bool:
    """Return whether fewer cells are invalid, and all others are read as before.

    If none is left invalid, others may change: beside "01/29/2020" "02/08/2020" is in
    February.
    """
    now, still_wrong, _ = other
    before = pd.Series(values)[~wrong]
    is_same = not still_wrong.any() or before.equals(pd.Series(now)[~wrong])
    return still_wrong.sum() < wrong.sum() and is_same


def _no_truths(series: pd.Series, column: Column) -> list[Notice]:
    """Return the notice about texts that are neither true nor false."""
    if column.kind != "boolean" or column.levels != TRUTH_LEVELS:
        return []
    found = factorize(series).without(column.missing_texts)
    is_other = [truth_of(text_of(value)) is None for value in found.values]
    rows = int(found.counts[is_other].sum())
    if not rows or all(is_other):  # if all are, `_unseen` reports the column
        return []
    example = found.values[is_other.index(True)]
    message = (
        f"column {column.name!r}: {rows:,} of {len(series):,} cells are neither true nor"
        f" false, such as {example!r}, and count as missing"
    )
    return [Notice("no-truths", message, (column.name,), rows, is_warning=True)]


def _other_zones(series: pd.Series, column: Column) -> list[Notice]:
    """Return the notice about times with a zone, where the training's had none."""
    if column.kind != "datetime" or column.has_zone is None:
        return []
    found = factorize(series.head(_ZONE_ROWS)).without(column.missing_texts)
    has_zone = have_zones(found)
    if has_zone is None or has_zone == column.has_zone:
        return []
    here, there = ("a", "none") if has_zone else ("no", "one")
    message = (
        f"column {column.name!r}: times such as {text_of(found.values[0])} have {here} time"
        f" zone, and those of the training had {there}: all are taken as UTC; write them as"
        " in the training"
    )
    return [Notice("other-zones", message, (column.name,), is_warning=True)]


def _other_spellings(values: NDArray[Any] | pd.Series, column: Column) -> list[Notice]:
    """Return the notice about unknown levels that are spelled almost like known ones."""
    if column.kind != "categorical" or column.n_levels > MAX_LEVELS:
        return []
    counts = pd.Series(values, dtype=object).value_counts()
    others = counts.index.difference(list(column.levels))
    known = {spelling_key(level): level for level in column.levels if len(others)}
    keys = {text: spelling_key(text) for text in others}
    alike = {text: known[key] for text, key in keys.items() if key in known}
    if not alike:
        return []
    text, level = next(iter(alike.items()))
    rows = int(counts[list(alike)].sum())
    message = (
        f"column {column.name!r}: {rows:,} of {len(values):,} cells count as unknown, such"
        f" as {text!r}, which differs from {level!r} of the training only in case, blanks,"
        " dashes, quotes, accents or zeros: write it as in the training"
    )
    return [Notice("other-spellings", message, (column.name,), rows, is_warning=True)]


def _parsed(
    series: pd.Series, column: Column
) -> tuple[NDArray[Any] | pd.Series, NDArray[np.bool_], str | None]:
    """Return the cells of a column, and which are invalid and so become missing.

    Returns:
        [rows] values; [rows] whether a cell is invalid; and None, unless the network knows
        none of the values: then an example of them, "" if all cells are missing.
    """
    if column.kind == "numeric":
        parsed, invalid = _parsed_numbers(series, column)
        return parsed, invalid, "" if np.isnan(parsed).all() else None
    factorized = factorize(series).without(column.missing_texts)
    if column.kind == "datetime":
        found, invalid = dates(factorized, column.date_format)
        return found, invalid, "" if np.isnat(found).all() else None
    level_of = levels_by_truth(column.levels) if column.kind == "boolean" else {}
    levels = [text_of(value) for value in factorized.values]
    if level_of:
        levels = [level_of.get(truth_of(text), text) for text in levels]
    # As a Series of objects: a DataFrame would convert an array to pandas's text.
    texts = pd.Series(factorized.take(levels, None, object), dtype=object)
    unknown = None if levels else ""
    if levels and column.levels and column.n_levels <= MAX_LEVELS:
        unknown = levels[0] if set(column.levels).isdisjoint(levels) else None
    return texts, np.zeros(len(texts), np.bool_), unknown


def _parsed_numbers(
    series: pd.Series, column: Column
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    if is_number_dtype(series.dtype):
        are_typed = True
        parsed, invalid = numbers(series)
    else:
        factorized = factorize(series).without(column.missing_texts)
        are_typed = factorized.content == "numbers"
        parsed, invalid = numbers(factorized, column.number_format)
        if invalid.any() and _are_zero_and_one(column):
            truths = [_truth_number(value) for value in factorized.values]
            known = factorized.take(truths, np.nan, np.float64)
            parsed = np.where(invalid, known, parsed)
            invalid &= np.isnan(known)
    in_percent = column.number_format is not None and column.number_format.unit == "%"
    if are_typed and in_percent and not are_no_percents(parsed, column):  # 12, not 12%
        invalid = ~np.isnan(parsed)
        parsed = np.full(len(parsed), np.nan)
    absent = missing_numbers(column.missing_texts)
    if absent:
        parsed = np.where(np.isin(parsed, absent), np.nan, parsed)
    infinite = np.isinf(parsed)
    if infinite.any():
        parsed = np.where(infinite, np.nan, parsed)
        is_missing = any(map(is_infinite, column.missing_texts))
        invalid = invalid if is_missing else invalid | infinite
    return parsed, invalid


def _are_zero_and_one(column: Column) -> bool:
    return column.n_levels == 2 and (column.low, column.high) == (0.0, 1.0)


def _truth_number(value: Any) -> float:
    truth = truth_of(value) if isinstance(value, str) else None
    return np.nan if truth is None else float(truth)


def _invalid_cells(
    series: pd.Series, wrong: NDArray[np.bool_], column: Column
) -> list[InvalidCell]:
    rows = np.flatnonzero(wrong)
    cells = as_series(series)
    found = []
    for row in rows.tolist():
        value = cells.iloc[row]
        value = value.strip() if isinstance(value, str) else python_value(value)
        if column.kind == "numeric":
            message = _not_a_number(column.name, row, value, column.number_format)
        else:
            message = _not_a_date(column.name, row, value, column.date_format)
        found.append(InvalidCell(row, column.name, value, message))
    return found


def _may_be_either(series: pd.Series) -> NDArray[np.bool_]:
    """Return whether the point of a text may separate thousands, or be decimal: "1.234"."""
    found = factorize(series)
    either = [
        isinstance(v, str) and "." in v and may_be_thousands([v]) for v in found.values
    ]
    return found.take(either, False, np.bool_)


def _not_a_number(
    name: str, row: int, value: Any, number_format: NumberFormat | None = None
) -> str:
    in_percent = number_format is not None and number_format.unit == "%"
    number, wrong = numbers([value], _COMMAS if in_percent else None)
    if not wrong[0] and np.isfinite(number[0]):
        if number_format is None or in_percent:
            return (
                f"column {name!r}, row {row}: {value!r} is not written as in the training,"
                " in percent. Write it with its % sign, or as a number in the training's"
                " range"
            )
        meant = number_format.read(value)
        return (
            f"column {name!r}, row {row}: {value!r} may be {meant:g}, as in the training,"
            f" or {number[0]:g}, as other cells of these rows have decimal points;"
            " decimal=',' or decimal='.' says which"
        )
    if not wrong[0]:
        return (
            f"column {name!r}, row {row}: {number[0]} is not finite. Give a finite number,"
            " or leave the cell empty where it is missing"
        )
    hint = ""
    if isinstance(value, str) and _COMMAS.read(value) is not None:
        hint = "; decimal=',' reads decimal commas"
    elif isinstance(value, str) and value.endswith("%"):
        hint = ". In the training they were not clearly shares: write it as there"
    return (
        f"column {name!r}, row {row}: {value!r} is not a number. The column is numeric: its"
        f" cells are numbers, or empty where missing{hint}"
    )


def _not_a_date(name: str, row: int, value: Any, date_format: str) -> str:
    also = f"as {date_format} or " if date_format else ""
    return (
        f"column {name!r}, row {row}: {value!r} is not a date. The column is of dates: its"
        f" cells are {also}YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS (ISO 8601), or empty where"
        " missing"
    )


def _unseen(rows: int, column: Column, unknown: str | None) -> list[Notice]:
    """Return the notice about a column without any known value; see `_parsed`."""
    if unknown is None or not rows:
        return []
    found = (
        f"no level that the network knows (it has {unknown!r})" if unknown else "no value"
    )
    message = (
        f"column {column.name!r} has {found} in any of {rows:,} rows: the answers do not"
        " use it"
    )
    return [Notice("unseen-column", message, (column.name,), rows, is_warning=True)]


def _cell(values: ColumnValues, row: int) -> Any:
    column = factorize(values)
    return column.values[column.codes[row]]
