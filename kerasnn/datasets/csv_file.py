"""CSV files of numbers, checked cell by cell.

The lines are taken apart by Python's `csv`, strictly, and not by `pandas.read_csv`, which
fills short lines and drops the surplus of long ones without a word.
"""

import csv
import difflib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from kerasnn.errors import InputError


def read_numbers(
    path: str | Path, columns: Sequence[str], *, dtype: str = "float64"
) -> pd.DataFrame:
    """The named columns of a CSV file with a header line.

    Args:
        path: the file, UTF-8.
        columns: what is needed, in the order wanted; others in the file are ignored.
        dtype: "float64" or "float32"; 1e300 is finite only in the first.

    Returns:
        [rows, columns] of that type, all finite.

    Raises:
        InputError: the file is missing, unreadable, empty or ragged, or lacks a column, or
            a cell is not a finite number; the message names file, row and column.
    """
    header, line_numbers, records = _read_records(Path(path), columns)
    _check_columns(path, header, columns)
    table = pd.DataFrame(records, columns=header, dtype=str)[list(columns)]
    parsed = table.apply(pd.to_numeric, errors="coerce").astype(np.float64)
    with np.errstate(over="ignore"):
        numbers = parsed.astype(dtype)
    wrong = np.argwhere(~np.isfinite(numbers.to_numpy()))
    if len(wrong):
        row, column = wrong[0]
        text = str(table.iat[row, column])
        if not text.strip():
            what = "the value is missing"
        elif np.isnan(parsed.iat[row, column]):
            what = f"{text!r} is not a number"
        else:
            what = f"{text!r} is not finite in {dtype}"
        raise InputError(
            f"{path}: row {row + 1} (line {line_numbers[row]}),"
            f" column {columns[column]!r}: {what}"
        )
    return numbers


def _read_records(
    path: Path, columns: Sequence[str]
) -> tuple[list[str], list[int], list[list[str]]]:
    """Header, line numbers and values; one length for all, blank lines passed over."""
    try:
        # utf-8-sig: a spreadsheet may have put a byte order mark first.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, line) for line in reader if line]
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text: {error.reason}") from None
    except csv.Error as error:
        raise InputError(f"{path}: is not a CSV file: {error}") from None
    if not lines:
        raise InputError(f"{path}: is empty; it needs a header line with {_names(columns)}")
    (_, header), *records = lines
    header = [name.strip() for name in header]
    for line_number, record in records:
        if len(record) != len(header):
            raise InputError(
                f"{path}: line {line_number} has {_count(record)} where the header has"
                f" {_count(header)}"
            )
    if not records:
        raise InputError(f"{path}: has a header line but no rows")
    line_numbers, values = zip(*records, strict=True)
    return header, list(line_numbers), list(values)


def _check_columns(path: str | Path, header: list[str], columns: Sequence[str]) -> None:
    """Every needed column is there once."""
    for name in columns:
        count = header.count(name)
        if count > 1:
            raise InputError(f"{path}: has {count} columns named {name!r}")
        if count == 0:
            near = difflib.get_close_matches(name, header, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise InputError(
                f"{path}: has no column {name!r}{hint}"
                f" It has {_names(header)}; needed: {_names(columns)}"
            )


def _count(values: list[str]) -> str:
    return f"{len(values)} value{'' if len(values) == 1 else 's'}"


def _names(columns: Sequence[str], most: int = 6) -> str:
    """The names in a row, the middle left out where there are many."""
    if len(columns) <= most:
        return ", ".join(columns)
    return f"{', '.join(columns[:2])}, ... {columns[-1]} ({len(columns)} columns)"
