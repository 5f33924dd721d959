"""CSV files, plain or gzipped, parsed strictly in blocks of rows.

Python's `csv` splits the lines, because `pandas.read_csv` fills short lines and truncates
long ones silently. Cells stay text; `parse_numbers` parses the columns that contain
only numbers.
"""

import csv
import gzip
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from kerasnn.datasets.cells.factorized import MISSING_TEXTS
from kerasnn.datasets.cells.parsing import unambiguous_numbers
from kerasnn.datasets.files.file_errors import file_errors
from kerasnn.datasets.names import check_unique
from kerasnn.errors import InputError

_DELIMITERS = ",;\t|"
_MISSING = frozenset(MISSING_TEXTS)


@dataclass(frozen=True)
class CsvRecords:
    """An open CSV file.

    Attributes:
        names: from the header line; they may be empty or equal.
        records: number of the line, and its values, which are as many as the names.
            Blank lines are skipped.
    """

    names: list[str]
    records: Iterator[tuple[int, list[str]]]


@contextmanager
def open_records(path: Path, needed: str = "names of columns") -> Iterator[CsvRecords]:
    """Open a CSV file with a header line.

    Args:
        path: the file, UTF-8; gzipped if its name ends in .gz. Values are separated by
            commas, semicolons, tabs or bars, whichever the header has most of.
        needed: what the header must contain, for a message.

    Raises:
        InputError: the file is missing, unreadable, not UTF-8, empty or ragged; the
            message names file and line. The body of the `with` block raises it as well.
    """
    try:
        with file_errors(path), _opened(path) as file:
            delimiter = max(_DELIMITERS, key=file.readline().count)
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            header = next((line for line in reader if line), None)
            if header is None:
                raise InputError(f"{path}: is empty; it needs a header line with {needed}")
            names = [name.strip() for name in header]
            records = ((reader.line_num, line) for line in reader if line)
            yield CsvRecords(names, _checked_lengths(path, names, records))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text: {error.reason}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: is not a whole gzip file: {error}") from None
    except csv.Error as error:
        raise InputError(f"{path}: is not a CSV file: {error}") from None


def csv_blocks(path: Path, rows: int) -> Generator[pd.DataFrame, None, None]:
    """Read the rows of a CSV file in blocks.

    Args:
        path: the file; see `open_records`.
        rows: maximum of a block.

    Yields:
        [at most rows, columns] of str, None where missing.

    Raises:
        InputError: see `open_records`; or two columns have the same name.
    """
    with open_records(path) as file:
        names = [name or f"Unnamed: {i}" for i, name in enumerate(file.names)]
        check_unique(f"{path}: has", names)
        block: list[list[str]] = []
        for _, record in file.records:
            block.append(record)
            if len(block) == rows:
                yield _frame(block, names)
                block = []
        if block:
            yield _frame(block, names)


def parse_numbers(table: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Return a table whose columns of plain numbers are float64 instead of text.

    Numbers that may have thousands ("1.234") stay text: see `unambiguous_numbers`.

    Args:
        table: text, None where missing.
        names: of the columns that may be numbers.
    """
    table = table.copy(deep=False)
    for name in names:
        parsed = unambiguous_numbers(table[name].tolist())
        if parsed is not None:
            table[name] = parsed
    return table


def _opened(path: Path) -> IO[str]:
    # utf-8-sig: a spreadsheet may have written a byte order mark.
    if path.name.endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _checked_lengths(
    path: Path, names: list[str], records: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    line_number = None
    for line_number, record in records:
        if len(record) != len(names):
            raise InputError(
                f"{path}: line {line_number} has {_count(record)} where the header has"
                f" {_count(names)}"
            )
        yield line_number, record
    if line_number is None:
        raise InputError(f"{path}: has a header line but no rows")


def _frame(block: list[list[str]], names: list[str]) -> pd.DataFrame:
    cells = np.array(block, dtype=object)
    # Missing values become None here, so that `isna` of the table finds them.
    columns = {
        name: [None if text.strip() in _MISSING else text for text in cells[:, i]]
        for i, name in enumerate(names)
    }
    return pd.DataFrame(columns, dtype=object)


def _count(values: list[str]) -> str:
    return f"{len(values)} value{'' if len(values) == 1 else 's'}"
