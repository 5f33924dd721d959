"""Text tables (CSV and the like), read in blocks of rows; their cells stay text.

Arrow's reader parses a block of whole lines. Python's `csv` parses it again, strictly, if
something is odd in it (lines of another length, stray quotes, empty rows): its errors name
the line, and its reading is the one that counts. tests/test_csv_reader.py checks that the
two agree. Missing cells are null.
"""

import csv
import io
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from kerasnn.datasets.cells.factorized import MISSING_TEXTS
from kerasnn.datasets.files.file_errors import UnchangedFile
from kerasnn.datasets.files.packed import unpacked
from kerasnn.datasets.files.read_options import ReadOptions
from kerasnn.datasets.files.text.encodings import Encoding, find_encoding
from kerasnn.datasets.files.text.text_blocks import (
    MAX_CELL_BYTES,
    MAX_LINE_BYTES,
    has_outer_blanks,
    quotes_are_regular,
    record_end,
    text_lines,
    utf8_blocks,
)
from kerasnn.datasets.files.text.text_formats import BLANKS, TextFormat, find_text_format
from kerasnn.datasets.notices import Notice
from kerasnn.errors import InputError

TEXT_DTYPE = pd.StringDtype("pyarrow", na_value=np.nan)

_HEAD_LINES = 50
_HEAD_BYTES = 2**16
_MAX_HEAD_BYTES = 2**22
_ARROW_BLOCK = 2**20  # bytes that one thread parses
_MAX_NOTED = 2  # in tables of more columns a last line of one cell is a note
_STRICT_ROWS = 20_000  # rows of a table from the strict reader


@dataclass
class TextTable:
    """An open text table: its format, and counts of what was left out so far.

    Attributes:
        path: of the file.
        format: separator, names and so on.
        encoding: of the file.
        options: the user's.
        blocks: the bytes from the first row on, UTF-8.
        met: counts of empty rows, of comment lines and of rows with empty cells at the end.
    """

    path: Path
    format: TextFormat
    encoding: Encoding
    options: ReadOptions
    blocks: Iterator[bytes]
    met: Counter[str] = field(default_factory=Counter)
    _lines: int = 0  # before the block that is being read
    _record_size: int = 0  # of the row that is being read
    _after_gap: bool = False  # the line before the one that is read was empty
    _note: str = ""  # the error about a line that is a note, if no row follows it

    def tables(self) -> Iterator[pa.Table]:
        """Yield the rows as Arrow tables of text, null where missing."""
        names = self.format.names
        any_rows = False
        for table in self._tables() if self._is_regular else self._strict(self.blocks):
            any_rows = any_rows or table.num_rows > 0
            yield table
        if not any_rows:
            raise InputError(f"{self.path}: has a header line but no rows")
        assert len(names) == table.num_columns

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the number of the line and the cells of each row, as they are written."""
        any_rows = False
        for found in self._records(self.blocks):
            any_rows = True
            yield found
        if not any_rows:
            raise InputError(f"{self.path}: has a header line but no rows")

    def notices(self) -> list[Notice]:
        """Return the guesses and repairs; complete once all rows are read."""
        guess = [self.encoding.notice] if self.encoding.notice else []
        return [*guess, *self.format.notices, *_met_notices(self.met)]

    @property
    def _is_regular(self) -> bool:
        """True if Arrow's reader supports the format."""
        return self.format.quote == '"' and not (
            self.format.skip_blanks or self.format.sep == BLANKS
        )

    def _tables(self) -> Iterator[pa.Table]:
        rest = b""
        for block in self.blocks:
            rest += block
            if not quotes_are_regular(rest, self.format.sep):
                yield from self._strict(chain([rest], self.blocks))
                return
            end = record_end(rest)
            if end:
                yield from self._block(rest[:end])
                rest = rest[end:]
            elif len(rest) > MAX_LINE_BYTES:
                break  # the strict reader raises
        if rest:
            yield from self._strict(chain([rest], self.blocks))

    def _block(self, data: bytes) -> Iterator[pa.Table]:
        """Read whole lines."""
        table = self._by_arrow(data)
        if table is None:
            yield from self._strict([data])
            return
        self._check_no_note()
        self._lines += data.count(b"\n")
        yield table

    def _by_arrow(self, data: bytes) -> pa.Table | None:
        """Return the rows of whole lines; None if the strict reader must read them."""
        if b"\0" in data or len(data) > MAX_CELL_BYTES or data.isspace():
            return None
        names = [f"{i}" for i in range(len(self.format.names))]
        try:
            table = pyarrow.csv.read_csv(
                pa.BufferReader(data),
                pyarrow.csv.ReadOptions(column_names=names, block_size=_ARROW_BLOCK),
                pyarrow.csv.ParseOptions(
                    delimiter=self.format.sep, newlines_in_values=b'"' in data
                ),
                pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.large_string()),
                    null_values=sorted(self._missing),
                    strings_can_be_null=True,
                ),
            )
        except pa.ArrowInvalid:
            return None
        columns = table.columns
        if has_outer_blanks(data, self.format.sep):
            columns = [_null_where_missing(c, self._missing) for c in columns]
        if _any_empty_row(columns):
            return None
        return pa.Table.from_arrays(columns, names=list(self.format.names))

    def _strict(self, blocks: Iterable[bytes]) -> Iterator[pa.Table]:
        """Read blocks that begin with a line, each record checked."""
        rows: list[list[str]] = []
        for _, record in self._records(blocks):
            rows.append(record)
            if len(rows) == _STRICT_ROWS:
                yield self._table(rows)
                rows = []
        if rows:
            yield self._table(rows)

    def _table(self, rows: list[list[str]]) -> pa.Table:
        missing = self._missing
        columns = [
            pa.array([None if t.strip() in missing else t for t in c], pa.large_string())
            for c in zip(*rows, strict=True)
        ]
        return pa.Table.from_arrays(columns, names=list(self.format.names))

    def _records(self, blocks: Iterable[bytes]) -> Iterator[tuple[int, list[str]]]:
        before = self._lines
        lines = text_lines(blocks, self.path, before)
        reader = self.format.records(self._bounded(lines))
        try:
            for record in reader:
                self._lines = line = before + reader.line_num
                self._record_size = 0
                checked = self._checked(record, line)
                if checked is not None:
                    yield line, checked
        except csv.Error as error:
            raise InputError(
                f"{self.path}: line {before + reader.line_num}: {_csv_error(error)}"
            ) from None
        self._lines = before + reader.line_num

    def _bounded(self, lines: Iterable[str]) -> Iterator[str]:
        """Yield lines; raise if a record of many lines is too long."""
        for line in lines:
            self._record_size += len(line)
            if self._record_size > MAX_LINE_BYTES:
                what = f"line {self._lines + 1}"
                if len(line) <= MAX_LINE_BYTES:
                    what = f"the row that begins in {what}"
                raise InputError(
                    f"{self.path}: {what} is longer than {MAX_LINE_BYTES:,} bytes; is a"
                    " quote missing?"
                )
            yield line

    def _checked(self, record: list[str], line: int) -> list[str] | None:
        """Return a record with as many cells as names; None if it is not a row."""
        n_columns, comment = len(self.format.names), self.format.comment
        if not any(map(str.strip, record)):
            self._after_gap = True
            if len(record) > 1:
                if self.options.empty_rows:
                    return [""] * n_columns
                if self.options.strict:
                    raise InputError(f"{self.path}: line {line} has only empty cells")
                self.met["empty-rows"] += 1
            return None
        if self._is_note(record, line):
            return None
        self._check_no_note()
        self._after_gap = False
        if len(record) == n_columns:
            return record
        if comment and record[0].lstrip().startswith(comment):
            self.met["comment-lines"] += 1
            return None
        if len(record) > n_columns and not any(map(str.strip, record[n_columns:])):
            self.met["empty-cells"] += 1
            return record[:n_columns]
        raise InputError(self._ragged(record, line))

    def _is_note(self, record: list[str], line: int) -> bool:
        """Return whether a line may be a note below the table, such as a source.

        It has one cell, or follows an empty line and is shorter than the rows.
        """
        most = len(self.format.names) - 1 if self._after_gap else 1
        if len(record) > most or len(self.format.names) <= _MAX_NOTED:
            return False
        if self.options.strict:
            return False
        if self.format.comment and record[0].lstrip().startswith(self.format.comment):
            return False
        self._note = self._note or self._ragged(record, line)
        self.met["notes"] += 1
        return True

    def _check_no_note(self) -> None:
        """Raise if a line that looked like a note is followed by more rows."""
        if self._note:
            raise InputError(self._note)

    def _ragged(self, record: list[str], line: int) -> str:
        names = self.format.names
        sep = "runs of blanks" if self.format.sep == BLANKS else repr(self.format.sep)
        return (
            f"{self.path}: line {line} has {_count(record)} where the header has"
            f" {_count(names)}. Put the line right, with quotes around a cell that contains"
            f" the separator; or give sep= if the separator is not {sep}"
        )

    @property
    def _missing(self) -> frozenset[str]:
        return frozenset(MISSING_TEXTS) | self.options.missing_texts


@contextmanager
def open_text(
    path: Path, options: ReadOptions | None = None, needed: Sequence[str] = ()
) -> Iterator[TextTable]:
    """Open a text table.

    Args:
        path: of the file, plain or packed.
        options: the user's.
        needed: names of columns that the caller needs.

    Raises:
        InputError: the file is missing, unreadable, empty or ragged; the message names file
            and line. The body of the `with` block raises it as well.
    """
    options = options or ReadOptions()
    encoding = find_encoding(path, options.encoding, strict=options.strict)
    unchanged = UnchangedFile(path)
    # The limit holds for the whole process, so it is never lowered.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL_BYTES))
    with unpacked(path) as stream:
        blocks = utf8_blocks(stream, encoding, path)
        head, ended = _head(blocks)
        found = _format(path, head, ended, options, needed)
        rows = _without_lines(head, found.first_line)
        yield TextTable(
            path, found, encoding, options, chain([rows], blocks), _lines=found.first_line
        )
        unchanged.check()


def text_chunks(
    path: Path,
    rows: int,
    options: ReadOptions | None = None,
    needed: Sequence[str] = (),
    notices: list[Notice] | None = None,
) -> Generator[pd.DataFrame, None, None]:
    """Read the rows of a text table in chunks.

    Args:
        path: see `open_text`.
        rows: maximum rows of a chunk.
        options: see `open_text`.
        needed: see `open_text`.
        notices: a list to which guesses and repairs are appended at the end.

    Yields:
        [at most rows, columns] of `TEXT_DTYPE`, NaN where missing.

    Raises:
        InputError: see `open_text`.
    """
    with open_text(path, options, needed) as table:
        for part in _rechunked(table.tables(), rows):
            yield part.to_pandas(types_mapper=lambda _: TEXT_DTYPE)
        if notices is not None:
            notices.extend(table.notices())


def text_names(
    path: Path, options: ReadOptions | None = None, needed: Sequence[str] = ()
) -> list[str]:
    """Return the names of the columns of a text table.

    Raises:
        InputError: see `open_text`.
    """
    with open_text(path, options, needed) as table:
        return list(table.format.names)


def _rechunked(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Yield tables of `rows` rows, the last one of fewer."""
    waiting: list[pa.Table] = []
    count = 0
    for table in tables:
        waiting.append(table)
        count += table.num_rows
        if count >= rows:
            together = pa.concat_tables(waiting)
            whole = count - count % rows
            for start in range(0, whole, rows):
                yield together.slice(start, rows)
            waiting, count = [together.slice(whole)], count - whole
    if count:
        yield pa.concat_tables(waiting)


def _head(blocks: Iterator[bytes]) -> tuple[bytes, bool]:
    """Return the beginning of a file, and whether that is the whole file."""
    head = b""
    for block in blocks:
        head += block
        enough = head.count(b"\n") >= _HEAD_LINES and len(head) >= _HEAD_BYTES
        if enough or len(head) >= _MAX_HEAD_BYTES:
            return head, False
    return head, True


def _format(
    path: Path, head: bytes, ended: bool, options: ReadOptions, needed: Sequence[str]
) -> TextFormat:
    whole = head if ended else head[: head.rfind(b"\n") + 1] or head
    if b"\0" in whole:
        line = whole[: whole.index(b"\0")].count(b"\n") + 1
        raise InputError(f"{path}: line {line} holds a NUL byte: it is not a text file")
    if len(whole) > MAX_LINE_BYTES:
        raise InputError(f"{path}: line 1 is longer than {MAX_LINE_BYTES:,} bytes")
    text = whole.decode("utf-8", "replace")
    try:
        found = find_text_format(text, options, tuple(needed))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if found is None:
        raise InputError(f"{path}: is empty; it needs a header line with names of columns")
    return found


def _without_lines(head: bytes, count: int) -> bytes:
    """Return what follows the first lines, whatever their line ends are."""
    text = io.StringIO(head.decode("latin-1"), newline="")  # one character for each byte
    for _ in range(count):
        text.readline()
    return text.read().encode("latin-1")


def _null_where_missing(column: pa.ChunkedArray, missing: frozenset[str]) -> pa.Array:
    bare = pc.utf8_trim_whitespace(column)
    found = pc.is_in(bare, value_set=pa.array(sorted(missing), column.type))
    return pc.if_else(found, pa.scalar(None, column.type), column)


def _any_empty_row(columns: Sequence[pa.ChunkedArray]) -> bool:
    """Return whether a row has only missing cells."""
    if any(column.null_count == 0 for column in columns):
        return False
    empty = np.ones(len(columns[0]), dtype=bool)
    for column in columns:
        empty &= pc.is_null(column).to_numpy()
        if not empty.any():
            return False
    return True


def _met_notices(met: Counter[str]) -> Iterator[Notice]:
    texts = {
        "empty-rows": "with only empty cells left out",
        "comment-lines": "of comments between the rows left out",
        "notes": "below the table left out",
        "empty-cells": "had more cells than the header, all empty: they were left out",
    }
    for code, text in texts.items():
        if count := met[code]:
            lines = "1 line" if count == 1 else f"{count:,} lines"
            yield Notice(code, f"{lines} {text}", rows=count)


def _csv_error(error: csv.Error) -> str:
    text = str(error)
    if "field limit" in text:
        return f"a cell is longer than {MAX_CELL_BYTES:,} bytes; is a quote missing?"
    if "unexpected end" in text:
        return "a quote opens a cell that never ends; is a quote missing?"
    return f"is not CSV: {text}"


def _count(values: Sequence[str]) -> str:
    return f"{len(values)} value{'' if len(values) == 1 else 's'}"
