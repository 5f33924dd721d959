"""CSV files of any columns, plain or gzipped: strictly taken apart, in blocks of rows.

As in `csv_file`, Python's `csv` does it and not `pandas.read_csv`, which fills short lines
without a word. Cells stay text; `numbers_where_possible` makes numbers of the columns that
hold nothing else.
"""

import csv
import gzip
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets.cells import MISSING_TEXTS, read_cells
from kerasnn.datasets.names import check_different
from kerasnn.datasets.readings import are_plain_numbers, numbers, plain_numbers
from kerasnn.errors import InputError

_DELIMITERS = ",;\t|"
_MISSING = frozenset(MISSING_TEXTS)


def csv_blocks(path: Path, rows: int) -> Generator[pd.DataFrame, None, None]:
    """The rows of a CSV file with a header line, so many at a time.

    Args:
        path: the file, UTF-8; gzipped if its name ends in .gz. Values stand between
            commas, or between semicolons, tabs or bars if the header does so.
        rows: the most that a block has.

    Yields:
        [at most rows, columns] of str, None where missing.

    Raises:
        InputError: the file is missing, unreadable, not UTF-8, empty or ragged; the
            message names file and line.
    """
    try:
        with _opened(path) as file:
            yield from _blocks(path, file, rows)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text: {error.reason}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: is not a whole gzip file: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except csv.Error as error:
        raise InputError(f"{path}: is not a CSV file: {error}") from None


def numbers_where_possible(table: pd.DataFrame) -> pd.DataFrame:
    """The same table, float64 where a column of text holds nothing but plain numbers."""
    for name in table.columns:
        read = _as_numbers(table[name])
        if read is not None:
            table[name] = read
    return table


def _as_numbers(column: pd.Series) -> NDArray[np.float64] | None:
    """The column as numbers; None if it has no values, or others."""
    values = column.tolist() if column.dtype == object else []
    if values and all(value is None or type(value) is str for value in values):
        read = plain_numbers(values)  # faster where values differ, and they mostly do
        if read is not None:
            return read
    cells = read_cells(column)
    return numbers(cells)[0] if cells.values and are_plain_numbers(cells) else None


def _opened(path: Path) -> IO[str]:
    # utf-8-sig: a spreadsheet may have put a byte order mark first.
    if path.name.endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _blocks(path: Path, file: IO[str], rows: int) -> Iterator[pd.DataFrame]:
    first_line = file.readline()
    file.seek(0)
    reader = csv.reader(file, delimiter=_delimiter(first_line), strict=True)
    header = next((line for line in reader if line), None)
    if header is None:
        raise InputError(f"{path}: is empty; it needs a header line with names of columns")
    names = [name.strip() or f"Unnamed: {i}" for i, name in enumerate(header)]
    check_different(f"{path}: has", names)
    block: list[list[str]] = []
    any_rows = False
    for record in reader:
        if not record:
            continue  # a blank line
        if len(record) != len(names):
            raise InputError(
                f"{path}: line {reader.line_num} has {_count(record)} where the header"
                f" has {_count(names)}"
            )
        block.append(record)
        if len(block) == rows:
            yield _frame(block, names)
            block, any_rows = [], True
    if block:
        yield _frame(block, names)
    elif not any_rows:
        raise InputError(f"{path}: has a header line but no rows")


def _delimiter(line: str) -> str:
    """The one that the header has most of; a comma where it has none."""
    return max(_DELIMITERS, key=lambda delimiter: line.count(delimiter))


def _frame(block: list[list[str]], names: list[str]) -> pd.DataFrame:
    cells = np.array(block, dtype=object)
    # A missing value is None here already, so that `isna` of the table tells it.
    columns = {
        name: [None if text.strip() in _MISSING else text for text in cells[:, i]]
        for i, name in enumerate(names)
    }
    return pd.DataFrame(columns, dtype=object)


def _count(values: list[str]) -> str:
    return f"{len(values)} value{'' if len(values) == 1 else 's'}"
