"""The files of a table: one file, or all files of a folder, with the same columns."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload
from urllib.parse import unquote

import pandas as pd

from kerasnn.datasets.cells.parsing import plain_numbers
from kerasnn.datasets.files.cell_columns import with_missing
from kerasnn.datasets.files.file_errors import UnchangedFile, check_regular, file_errors
from kerasnn.datasets.files.formats import (
    KNOWN_FORMATS,
    FileFormat,
    ending_format,
    file_format,
)
from kerasnn.datasets.files.json_reader import read_json
from kerasnn.datasets.files.packed import is_standard_input, standard_input
from kerasnn.datasets.files.parquet_reader import (
    arrow_blocks,
    arrow_types,
    parquet_blocks,
    parquet_types,
)
from kerasnn.datasets.files.read_options import ReadOptions
from kerasnn.datasets.files.text.csv_reader import TEXT_DTYPE, text_chunks, text_names
from kerasnn.datasets.files.workbook_reader import read_workbook
from kerasnn.datasets.notices import Notice
from kerasnn.errors import InputError, check_whole_number

MAX_CHUNK_CELLS = 2_000_000
MAX_CHUNK_ROWS = 65_536

_IGNORED_PREFIXES = ("_", ".")  # _SUCCESS, _metadata, .part-0.crc, .DS_Store
_MISSING_KEY = "__HIVE_DEFAULT_PARTITION__"
_RULE = "the files of a table have the same columns"
# Arrow types of one kind are compatible: they may follow each other in a column.
_TYPE_PREFIXES = {
    "numbers": ("int", "uint", "float", "double", "halffloat", "decimal"),
    "text": ("string", "large_string", "string_view", "dictionary<values=string"),
    "dates": ("date", "timestamp"),
}


@dataclass(frozen=True)
class TableFiles(Sequence[Path]):
    """The files of a table, in order.

    Attributes:
        paths: of the files.
        folder: that holds them; None for a single file. Folders below it are named
            key=value, and the key is a column.
    """

    paths: tuple[Path, ...]
    folder: Path | None = None

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> "TableFiles": ...
    def __getitem__(self, index: int | slice) -> "Path | TableFiles":
        """Return a file, or some of them."""
        found = self.paths[index]
        return found if isinstance(found, Path) else TableFiles(found, self.folder)

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self.paths)

    def name(self, file: Path) -> str:
        """Return the name of a file in the folder."""
        inside = file.name if self.folder is None else file.relative_to(self.folder)
        return str(inside)

    def keys(self, file: Path) -> dict[str, str | None]:
        """Return the columns and values that a file gets from its key=value folders."""
        if self.folder is None:
            return {}
        pairs = [part.partition("=") for part in file.relative_to(self.folder).parts[:-1]]
        return {
            unquote(key): None if value == _MISSING_KEY else unquote(value)
            for key, _, value in pairs
        }


def table_files(path: str | Path) -> TableFiles:
    """Return the files of a table.

    Args:
        path: a file, which need not exist; or a folder of files of one kind, also with
            folders named key=value in it. Names in a folder that begin with "_" or "." are
            ignored. "-" is standard input.

    Returns:
        The file; or those of the folder, sorted by name.

    Raises:
        InputError: a file is of an unknown kind; the folder holds none, or several kinds.
    """
    if is_standard_input(path):
        return TableFiles((standard_input(),))
    path = Path(path)
    if not path.is_dir():
        _check_single(path)
        return TableFiles((path,))
    found = TableFiles(tuple(_files_below(path)), path)
    if not found:
        raise InputError(f"{path}: the folder holds no table; {KNOWN_FORMATS}")
    _check_one_format(path, found)
    return found


def holds_text(file: Path) -> bool:
    """Return whether the cells of a file are text, whose types must be found."""
    return file_format(file) == "text"


def table_chunks(
    path: str | Path | Sequence[Path],
    rows: int,
    *,
    options: ReadOptions | None = None,
    needed: Iterable[str] = (),
    notices: list[Notice] | None = None,
) -> Iterator[pd.DataFrame]:
    """Read the rows of a file, or of all files of a folder, in chunks.

    The cells of a text file stay text: only at its end is a column known to be numbers.
    Memory does not grow with the number of rows, except for JSON and workbooks.

    Args:
        path: a file or folder, as for `as_table`; or the result of `table_files`, so that
            several passes read the same files, and a missing one is an error.
        rows: maximum rows of a chunk.
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
    """Read a table in chunks of a limited number of rows and of cells.

    Args:
        path: a file or folder, as for `as_table`.
        max_rows: maximum rows of a chunk; None for `MAX_CHUNK_ROWS`.
        max_cells: maximum cells, unless one row has more; None for `MAX_CHUNK_CELLS`.
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
    the first file. One file is open at a time. Cells of text files are text.

    Args:
        files: from `table_files`.
        rows: maximum rows of a chunk.
        options: see `table_chunks`.
        needed: see `table_chunks`.
        notices: see `table_chunks`.

    Raises:
        InputError: a file cannot be used, or its columns differ from those of the first
            one; the message names it.
    """
    reading = _Reading(options or ReadOptions(), tuple(needed))
    first = {} if _is_single_whole(files) else reading.types(files[0])
    later = _Reading(reading.options, tuple(first))  # the names are known
    for file in files[1:]:
        _check_columns(file, later.types(file), files[0], first)
    keys = _key_columns(files)
    found: list[tuple[str, Notice]] = []
    for file in files:
        unchanged = UnchangedFile(file)
        of_file: list[Notice] = []
        for chunk in (reading if file == files[0] else later).chunks(file, rows, of_file):
            names = [str(name) for name in chunk.columns]
            named = chunk.set_axis(names, axis="columns")
            ordered = named[[*first]] if first and names != [*first] else named
            yield file, ordered.assign(**keys[file]) if keys[file] else ordered
        unchanged.check()
        found += [(file.name, notice) for notice in of_file]
    if notices is not None:
        notices.extend(_joined(found, len(files)))


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
    reading = _Reading(options or ReadOptions(), tuple(needed))
    return [*reading.types(files[0]), *_key_columns(files)[files[0]]]


def file_digest(file: Path) -> tuple[int, bytes]:
    """Return the number of bytes of a file, and their SHA-256.

    Raises:
        InputError: it cannot be read.
    """
    check_regular(file)
    with file_errors(file), file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").digest()
        return opened.tell(), digest


@dataclass(frozen=True)
class _Reading:
    """How single files are read.

    Attributes:
        options: the user's.
        needed: names of columns that the caller needs.
    """

    options: ReadOptions
    needed: tuple[str, ...]

    def types(self, file: Path) -> dict[str, str]:
        """Return the type of each column: Arrow's, or one name for all others."""
        found = file_format(file)
        if found == "text":
            return dict.fromkeys(text_names(file, self.options, self.needed), "text")
        if found in _TYPES:
            return _TYPES[found](file)
        return dict.fromkeys(map(str, self._whole(file, found, []).columns), "cells")

    def chunks(
        self, file: Path, rows: int, notices: list[Notice]
    ) -> Iterator[pd.DataFrame]:
        """Yield the rows of a file, and append what was guessed to `notices`."""
        found = file_format(file)
        if found == "text":
            yield from text_chunks(file, rows, self.options, self.needed, notices)
            return
        if found in _BLOCKS:
            parts = _BLOCKS[found](file, rows)
        else:
            table = self._whole(file, found, notices)
            starts = range(0, max(len(table), 1), rows)
            parts = (table[start : start + rows] for start in starts)
        for part in parts:
            yield with_missing(part, self.options.missing_texts)

    def _whole(self, file: Path, found: FileFormat, notices: list[Notice]) -> pd.DataFrame:
        if found == "JSON":
            return read_json(file)
        table, guesses = read_workbook(file, self.options, self.needed)
        notices.extend(guesses)
        return table


_TYPES: Mapping[FileFormat, Callable[[Path], dict[str, str]]] = {
    "Parquet": parquet_types,
    "Arrow": arrow_types,
}
_BLOCKS: Mapping[FileFormat, Callable[[Path, int], Iterator[pd.DataFrame]]] = {
    "Parquet": parquet_blocks,
    "Arrow": arrow_blocks,
}


def _is_single_whole(files: Sequence[Path]) -> bool:
    """Return whether there is one file, which must be read whole to know its columns."""
    return len(files) == 1 and file_format(files[0]) in ("JSON", "workbook")


def _check_single(path: Path) -> None:
    """Check that a file is of a known kind; one that does not exist, by its name."""
    if ending_format(path) is None and not path.exists():
        if not path.suffix:
            raise InputError(f"{path}: there is no such file or folder")
        raise InputError(f"{path}: there is no such file")
    if path.exists():
        file_format(path)


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and of the folders key=value below it."""
    with file_errors(folder):
        found = sorted(folder.iterdir())
    for path in found:
        if path.name.startswith(_IGNORED_PREFIXES):
            continue
        if not path.is_dir():
            if path.suffix and ending_format(path) is None:
                raise InputError(
                    f"{path}: is of an unknown kind; {KNOWN_FORMATS} (names that begin with"
                    " _ are ignored)"
                )
            yield path
        elif "=" in path.name:
            yield from _files_below(path)
        else:
            raise InputError(
                f"{path}: is a folder; the files of a table must be in one folder, or in"
                " folders named key=value, such as year=2026"
            )


def _check_one_format(folder: Path, files: TableFiles) -> None:
    formats = {file: file_format(file) for file in files}
    first = formats[files[0]]
    for file, found in formats.items():
        if found != first:
            raise InputError(
                f"{folder}: the folder holds both {_shown(first)} and {_shown(found)}"
                f" files, {files.name(files[0])} and {files.name(file)}; the files of a"
                " table are of one kind"
            )
        if files.keys(file).keys() != files.keys(files[0]).keys():
            raise InputError(
                f"{file}: has other key=value folders than {files[0]}; {_RULE}"
            )


def _shown(found: FileFormat) -> str:
    return "CSV" if found == "text" else found


def _key_columns(files: Sequence[Path]) -> dict[Path, dict[str, Any]]:
    """Return the columns from the folders of each file: as numbers if all are plain ones.

    Text files give text, as their other cells are.
    """
    if not isinstance(files, TableFiles) or files.folder is None:
        return {file: {} for file in files}
    keys = {file: files.keys(file) for file in files}
    names = keys[files[0]]
    text = bool(names) and holds_text(files[0])
    columns: dict[str, Any] = {}
    for name in names:
        values = [keys[file][name] for file in files]
        numbers = None if text else plain_numbers(values)
        columns[name] = values if numbers is None else numbers
    return {
        file: {
            name: pd.array([values[i]], dtype=TEXT_DTYPE)[0] if text else values[i]
            for name, values in columns.items()
        }
        for i, file in enumerate(files)
    }


def _joined(found: Sequence[tuple[str, Notice]], n_files: int) -> list[Notice]:
    """Return the first notice of each kind, which counts the other files that have one."""
    if n_files == 1:
        return [notice for _, notice in found]
    by_code: dict[str, list[tuple[str, Notice]]] = {}
    for name, notice in found:
        by_code.setdefault(notice.code, []).append((name, notice))
    joined = []
    for same in by_code.values():
        name, notice = same[0]
        more = f" (and so in {_more(len(same) - 1)})" if len(same) > 1 else ""
        joined.append(
            dataclasses.replace(
                notice,
                message=f"{name}: {notice.message}{more}",
                rows=sum(one.rows for _, one in same),
            )
        )
    return joined


def _more(count: int) -> str:
    return f"{count} more file{'' if count == 1 else 's'}"


def _check_columns(
    file: Path, types: Mapping[str, str], first_file: Path, first: Mapping[str, str]
) -> None:
    """Check that a file has the columns of the first file, in any order."""
    for name in first:
        if name not in types:
            raise InputError(
                f"{file}: has no column {name!r}, which {first_file} has; {_RULE}"
            )
    for name, found in types.items():
        if name not in first:
            raise InputError(
                f"{file}: has a column {name!r}, which {first_file} does not have; {_RULE}"
            )
        if _kind(found) != _kind(first[name]) and "null" not in (found, first[name]):
            raise InputError(
                f"{file}: column {name!r} is of type {found}, and {first[name]} in"
                f" {first_file}; {_RULE}"
            )


def _kind(arrow_type: str) -> str:
    kinds = _TYPE_PREFIXES.items()
    return next((k for k, names in kinds if arrow_type.startswith(names)), arrow_type)
