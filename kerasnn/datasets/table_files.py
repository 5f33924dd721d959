"""The files that hold a table: one, or all of a folder, of one kind and with like columns.

How a file is taken apart is left to `csv_table` and `parquet`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from kerasnn.datasets.csv_table import csv_blocks
from kerasnn.datasets.parquet import parquet_chunks, parquet_types
from kerasnn.errors import InputError

_CSV_ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
_PARQUET_ENDINGS = (".parquet", ".pq")
_PASSED_OVER = ("_", ".")  # _SUCCESS, _metadata, .part-0.crc, .DS_Store
_ENDINGS = (
    "files end in .csv, .csv.gz, .tsv or .parquet, and a folder holds files of one kind"
)


def table_files(path: str | Path) -> list[Path]:
    """The files that a path stands for.

    Args:
        path: of a CSV or Parquet file, which need not be there, or of a folder of them.
            Names in a folder that begin with "_" or "." are passed over.

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
    try:
        there = sorted(p for p in path.iterdir() if not p.name.startswith(_PASSED_OVER))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if not there:
        raise InputError(f"{path}: the folder holds no .csv or .parquet file")
    for file in there:
        if file.is_dir():
            raise InputError(f"{file}: is a folder; the files of a table lie in one folder")
        _check_known(file, " (names that begin with _ are passed over)")
    csv = [file for file in there if is_csv(file)]
    if csv and len(csv) < len(there):
        other = next(file for file in there if not is_csv(file))
        raise InputError(
            f"{path}: the folder holds both CSV and Parquet files, {csv[0].name} and"
            f" {other.name}; the files of a table are of one kind"
        )
    return there


def is_csv(file: Path) -> bool:
    """Whether the name is that of a CSV file, plain or gzipped."""
    return file.name.lower().endswith(_CSV_ENDINGS)


def file_chunks(files: Sequence[Path], rows: int) -> Iterator[tuple[Path, pd.DataFrame]]:
    """The rows of files, so many at a time, each with its file.

    One file is open at a time, and while its rows are read. The columns of all are looked
    at before the first rows come. They have the order of those of the first file; cells
    of CSV files are text.

    Raises:
        InputError: a file cannot be used, or its columns are not those of the first one;
            the message names it.
    """
    first: Mapping[str, str] = {}
    for file in files:
        types = _csv_types(file) if is_csv(file) else parquet_types(file)
        first = first or types
        _check_like(file, types, files[0], first)
    for file in files:
        chunks = csv_blocks(file, rows) if is_csv(file) else parquet_chunks(file, rows)
        for chunk in chunks:
            named = chunk.set_axis([str(name) for name in chunk.columns], axis="columns")
            yield file, named if list(named.columns) == [*first] else named[[*first]]


def _csv_types(file: Path) -> dict[str, str]:
    blocks = csv_blocks(file, 1)
    try:
        return dict.fromkeys(next(blocks).columns, "text")
    finally:
        blocks.close()


def _check_known(file: Path, hint: str = "") -> None:
    if not file.name.lower().endswith((*_CSV_ENDINGS, *_PARQUET_ENDINGS)):
        raise InputError(f"{file}: is of an unknown kind; {_ENDINGS}{hint}")


def _check_like(
    file: Path, types: Mapping[str, str], first_file: Path, first: Mapping[str, str]
) -> None:
    """The columns are those of the first file, in any order."""
    rule = "the files of a table have the same columns"
    for name in first:
        if name not in types:
            raise InputError(
                f"{file}: has no column {name!r}, which {first_file} has; {rule}"
            )
    for name, found in types.items():
        if name not in first:
            raise InputError(
                f"{file}: has a column {name!r}, which {first_file} has not; {rule}"
            )
        if _kind(found) != _kind(first[name]) and "null" not in (found, first[name]):
            raise InputError(
                f"{file}: column {name!r} is of type {found}, and {first[name]} in"
                f" {first_file}; {rule}"
            )


def _kind(arrow_type: str) -> str:
    """Types of one kind may follow each other in a column."""
    starts = {
        "numbers": ("int", "uint", "float", "double", "halffloat", "decimal"),
        "text": ("string", "large_string", "string_view", "dictionary<values=string"),
        "dates": ("date", "timestamp"),
    }
    return next(
        (k for k, names in starts.items() if arrow_type.startswith(names)), arrow_type
    )
