"""The files of a table: one file, or all files of a folder, with the same columns."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from kerasnn.datasets.files.csv_reader import csv_blocks
from kerasnn.datasets.files.file_errors import file_errors
from kerasnn.datasets.files.parquet_reader import parquet_blocks, parquet_types
from kerasnn.datasets.files.read_options import ReadOptions
from kerasnn.datasets.notices import Notice
from kerasnn.errors import InputError, check_whole_number

MAX_CHUNK_CELLS = 2_000_000
MAX_CHUNK_ROWS = 65_536

_CSV_ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
_PARQUET_ENDINGS = (".parquet", ".pq")
_IGNORED_PREFIXES = ("_", ".")  # _SUCCESS, _metadata, .part-0.crc, .DS_Store
_KNOWN = (
    "files end in .csv, .csv.gz, .tsv or .parquet, and a folder holds files of one kind"
)
# Arrow types of one kind are compatible: they may follow each other in a column.
_TYPE_PREFIXES = {
    "numbers": ("int", "uint", "float", "double", "halffloat", "decimal"),
    "text": ("string", "large_string", "string_view", "dictionary<values=string"),
    "dates": ("date", "timestamp"),
}


def table_files(path: str | Path) -> list[Path]:
    """Return the files of a table.

    Args:
        path: a CSV or Parquet file, which need not exist, or a folder of them. Names in a
            folder that begin with "_" or "." are ignored.

    Returns:
        The file; or those of the folder, sorted by name.

    Raises:
        InputError: a file is of an unknown kind; the folder holds none, or both kinds.
    """
    path = Path(path)
    if not path.is_dir():
        if not path.suffix and not path.exists():
            raise InputError(f"{path}: there is no such file or folder")
        _check_known(path)
        return [path]
    with file_errors(path):
        names = sorted(path.iterdir())
    found = [p for p in names if not p.name.startswith(_IGNORED_PREFIXES)]
    if not found:
        raise InputError(f"{path}: the folder holds no .csv or .parquet file")
    for file in found:
        if file.is_dir():
            raise InputError(
                f"{file}: is a folder; the files of a table must be in one folder"
            )
        _check_known(file, " (names that begin with _ are ignored)")
    csv = [file for file in found if is_csv(file)]
    if csv and len(csv) < len(found):
        other = next(file for file in found if not is_csv(file))
        raise InputError(
            f"{path}: the folder holds both CSV and Parquet files, {csv[0].name} and"
            f" {other.name}; the files of a table are of one kind"
        )
    return found


def is_csv(file: Path) -> bool:
    """Return whether the name is that of a CSV file, plain or gzipped."""
    return file.name.lower().endswith(_CSV_ENDINGS)


def table_chunks(
    path: str | Path | Sequence[Path],
    rows: int,
    *,
    options: ReadOptions | None = None,
    needed: Iterable[str] = (),
    notices: list[Notice] | None = None,
) -> Iterator[pd.DataFrame]:
    """Read the rows of a file, or of all files of a folder, in chunks.

    The cells of a CSV file stay text: only its end tells whether a column is all numbers.
    Memory does not grow with the number of rows.

    Args:
        path: as for `as_table`; or the result of `table_files`, so that several passes
            read the same files, and a missing one is an error.
        rows: maximum of a chunk.
        options: how to read the files; None guesses.
        needed: names of columns that the caller needs: the line that holds them is the
            header line.
        notices: a list to which the guesses and repairs are appended when all is read.

    Raises:
        InputError: a file cannot be used; the message names it.
    """
    check_whole_number("rows", rows, minimum=1)
    files = table_files(path) if isinstance(path, (str, Path)) else path
    for _, chunk in file_chunks(
        files, rows, options=options, needed=needed, notices=notices
    ):
        yield chunk


def bounded_chunks(
    path: Path,
    *,
    max_rows: int | None = None,
    max_cells: int | None = None,
    options: ReadOptions | None = None,
    needed: Iterable[str] = (),
    notices: list[Notice] | None = None,
) -> Iterator[pd.DataFrame]:
    """Read a table in chunks of at most so many rows and so many cells.

    Args:
        path: as for `as_table`.
        max_rows: of a chunk; None for `MAX_CHUNK_ROWS`.
        max_cells: of a chunk, unless one row has more; None for `MAX_CHUNK_CELLS`.
        options: see `table_chunks`.
        needed: see `table_chunks`.
        notices: see `table_chunks`.
    """
    files, needed = table_files(path), tuple(needed)
    n_columns = len(column_names(files, options=options, needed=needed))
    rows = (max_cells or MAX_CHUNK_CELLS) // max(n_columns, 1)
    rows = max(min(max_rows or MAX_CHUNK_ROWS, rows), 1)
    yield from table_chunks(files, rows, options=options, needed=needed, notices=notices)


def in_rows_from(start: int) -> str:
    """Return the part of a message that says where its row numbers start."""
    return f"in the rows from {start:,} on, counted from there: " if start else ""


def file_chunks(
    files: Sequence[Path],
    rows: int,
    *,
    options: ReadOptions | None = None,
    needed: Iterable[str] = (),
    notices: list[Notice] | None = None,
) -> Iterator[tuple[Path, pd.DataFrame]]:
    """Read the rows of files in chunks of at most `rows` rows, each with its file.

    The columns of all files are checked before the first chunk. Columns have the order of
    the first file. One file is open at a time. Cells of CSV files are text.

    Args:
        files: from `table_files`.
        rows: maximum of a chunk.
        options: see `table_chunks`.
        needed: see `table_chunks`.
        notices: see `table_chunks`.

    Raises:
        InputError: a file cannot be used, or its columns differ from those of the first
            one; the message names it.
    """
    first: Mapping[str, str] = {}
    for file in files:
        types = _csv_types(file) if is_csv(file) else parquet_types(file)
        first = first or types
        _check_columns(file, types, files[0], first)
    for file in files:
        chunks = csv_blocks(file, rows) if is_csv(file) else parquet_blocks(file, rows)
        for chunk in chunks:
            named = chunk.set_axis([str(name) for name in chunk.columns], axis="columns")
            yield file, named if list(named.columns) == [*first] else named[[*first]]


def column_names(
    files: Sequence[Path],
    *,
    options: ReadOptions | None = None,
    needed: Iterable[str] = (),
) -> list[str]:
    """Return the names of the columns of the first file.

    Args:
        files: from `table_files`.
        options: see `table_chunks`.
        needed: see `table_chunks`.

    Raises:
        InputError: it cannot be read.
    """
    for _, chunk in file_chunks(files[:1], 1, options=options, needed=needed):
        return list(chunk.columns)
    return []  # not reached: a file without rows gives a chunk as well


def file_digest(file: Path) -> tuple[int, bytes]:
    """Return the number of bytes of a file, and their SHA-256.

    Raises:
        InputError: it cannot be read.
    """
    with file_errors(file), file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").digest()
        return opened.tell(), digest


def _csv_types(file: Path) -> dict[str, str]:
    blocks = csv_blocks(file, 1)
    try:
        return dict.fromkeys(next(blocks).columns, "text")
    finally:
        blocks.close()


def _check_known(file: Path, hint: str = "") -> None:
    if not file.name.lower().endswith((*_CSV_ENDINGS, *_PARQUET_ENDINGS)):
        raise InputError(f"{file}: is of an unknown kind; {_KNOWN}{hint}")


def _check_columns(
    file: Path, types: Mapping[str, str], first_file: Path, first: Mapping[str, str]
) -> None:
    """Check that a file has the columns of the first file, in any order."""
    rule = "the files of a table have the same columns"
    for name in first:
        if name not in types:
            raise InputError(
                f"{file}: has no column {name!r}, which {first_file} has; {rule}"
            )
    for name, found in types.items():
        if name not in first:
            raise InputError(
                f"{file}: has a column {name!r}, which {first_file} does not have; {rule}"
            )
        if _kind(found) != _kind(first[name]) and "null" not in (found, first[name]):
            raise InputError(
                f"{file}: column {name!r} is of type {found}, and {first[name]} in"
                f" {first_file}; {rule}"
            )


def _kind(arrow_type: str) -> str:
    kinds = _TYPE_PREFIXES.items()
    return next((k for k, names in kinds if arrow_type.startswith(names)), arrow_type)
