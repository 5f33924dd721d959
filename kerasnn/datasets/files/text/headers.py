"""The header line of a table: where it is, whether there is one, and the names in it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from kerasnn.datasets.cells.factorized import MISSING_TEXTS
from kerasnn.datasets.files.read_options import ReadOptions
from kerasnn.datasets.names import check_unique
from kerasnn.datasets.notices import Notice
from kerasnn.errors import InputError, list_names

MAX_COLUMNS = 20_000

_MISSING = frozenset(MISSING_TEXTS)
_MAX_ROWS = 1000  # rows that the first is compared with
_SEARCHED = 100  # lines that may precede the header
_MANY_ROWS = 20  # with different whole numbers: names of rows
_SHOWN = 3  # cells in a notice
_TYPED_SHARE = 0.9  # of the cells of a column are numbers, or dates
_NUMBER = re.compile(
    r"[-+(]?[$€£¥]?\s?(?:\d{1,3}(?:[ ,.'\u2019\u00a0\u202f]\d{3})+(?:[.,]\d+)?|"
    r"\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][-+]?\d+)?\s?[%)€]?",
    re.ASCII,
)
_DATE = re.compile(
    r"(?:\d{4}[-/.]\d{1,2}(?:[-/.]\d{1,2})?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|\d{1,2}:\d\d)"
    r"(?:[T ]?[\d:.]*)(?:\s?[AaPp][Mm])?(?:Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_RULER = re.compile(r"[ :|+=-]*---[ :|+=-]*")  # the line below the names: -----+-----
_STEP = re.compile(r"\d{1,9}(?:\.\d{1,6})?", re.ASCII)

Record = Sequence[str]


@dataclass(frozen=True)
class Header:
    """The header of a table.

    Attributes:
        names: of the columns, each different.
        first_row: position of the first record with values.
        notices: guesses and repairs.
    """

    names: tuple[str, ...]
    first_row: int
    notices: tuple[Notice, ...] = ()


def find_header(
    records: Sequence[Record],
    width: int,
    options: ReadOptions,
    needed: Sequence[str] = (),
) -> Header:
    """Find the names of a table's columns.

    Args:
        records: the first records of the table, without empty ones, of any length.
        width: number of columns.
        options: the user's.
        needed: names that the caller needs.

    Raises:
        InputError: there are more than `MAX_COLUMNS` columns, or the given names are not as
            many as the columns.
    """
    if width > MAX_COLUMNS:
        raise InputError(f"has {width:,} columns; the maximum is {MAX_COLUMNS:,}")
    start = _table_start(records, width)
    names = options.column_names
    if names:
        return _given(records, start, names, width, options)
    if options.header is not None:
        found: int | None = start if options.header else None
        return _finished(records, start, found, width, options)
    at = _line_of_names(records, needed, width, start)
    if at is not None:
        return _finished(records, start, at, width, options, _doubt(records, at, needed))
    if _are_numbered(needed, width) or _looks_like_values(records, start):
        above = _row_names_header(records, start, width)
        if above is not None:
            return _finished(records, start, above, width, options)
        return _finished(records, start, None, width, options, _no_header(records, start))
    return _finished(records, start, start, width, options)


def numbered(width: int) -> tuple[str, ...]:
    """Return the names of columns that have none: x0, x1, ..."""
    return tuple(f"x{i}" for i in range(width))


def unique_names(record: Record, *, strict: bool) -> tuple[tuple[str, ...], list[Notice]]:
    """Return the names of a header line, each different, and what was changed.

    An empty name becomes "Unnamed: 0", and a second "a" becomes "a.1", as in pandas.

    Raises:
        InputError: two are equal, and strict.
    """
    names = [" ".join(text.split()) or f"Unnamed: {i}" for i, text in enumerate(record)]
    if strict:
        check_unique("has", names)
    taken, found, changed = set(names), [], []
    seen: dict[str, int] = {}
    for name in names:
        new = name
        while name in seen and new in taken:
            new = f"{name}.{seen[name]}"
            seen[name] += 1
        seen.setdefault(name, 1)
        if new != name:
            changed.append((name, new))
        taken.add(new)
        found.append(new)
    return tuple(found), _renamed(changed)


def _renamed(changed: list[tuple[str, str]]) -> list[Notice]:
    if not changed:
        return []
    old, new = changed[0]
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    message = f"two columns are named {old!r}: the second is called {new!r}{more}"
    return [Notice("duplicate-names", message, tuple(new for _, new in changed))]


def _table_start(records: Sequence[Record], width: int) -> int:
    """Return the position of the first record that is as wide as the table.

    A title may have the delimiters of the table: "Sales 2020,,,".
    """
    for i, record in enumerate(records[:-1]):
        filled = _filled(record)
        if len(record) >= width and (width < 3 or filled > 1):
            following = max(map(_filled, records[i + 1 : i + 4]))
            if width < 3 or filled * 3 > following:
                return i
    wide = [i for i, record in enumerate(records) if len(record) >= width]
    return wide[0] if wide else 0


def _given(
    records: Sequence[Record],
    start: int,
    names: tuple[str, ...],
    width: int,
    options: ReadOptions,
) -> Header:
    if len(names) != width:
        raise InputError(
            f"has {width} columns, and names= gives {len(names)}: {list_names(names)}"
        )
    check_unique("names= gives", names)
    first = [text.strip() for text in records[start]] if records else []
    skipped = options.header is True or first == list(names)
    return Header(names, start + skipped, _skipped(records, start))


def _finished(
    records: Sequence[Record],
    start: int,
    at: int | None,
    width: int,
    options: ReadOptions,
    notices: Sequence[Notice] = (),
) -> Header:
    if at is None:
        return Header(numbered(width), start, (*notices, *_skipped(records, start)))
    line = list(records[at])
    if len(line) == width - 1:  # R does not name the column of row names
        notices = (*notices, _row_names(records[at + 1 :], width))
        line.insert(0, "")
    while len(line) > width and not line[-1].strip():
        line.pop()
    names, renamed = unique_names(line, strict=options.strict)
    below = " ".join(records[at + 1]) if at + 1 < len(records) else ""
    found = [*notices, *_skipped(records, at), *renamed]
    is_ruler = _RULER.fullmatch(below) is not None
    if is_ruler:
        found.append(Notice("ruler-line", "the line of dashes below the names left out"))
    return Header(names, at + 1 + is_ruler, tuple(found))


def _row_names(rows: Sequence[Record], width: int) -> Notice:
    """Return the notice that the first cells, which have no name, are row names.

    Raises:
        InputError: some are equal, as no names of rows are.
    """
    first = _first_cells(rows, width)
    if len(set(first)) < len(first):
        raise _too_many_cells(rows, width)
    shown = ", ".join(map(repr, first[:_SHOWN]))
    message = (
        f"the header line has {width - 1} names, and the lines below {width} cells: the"
        f" first cells ({shown}) were taken for names of rows"
    )
    return Notice("row-names", message)


def check_row_names(rows: Sequence[Record], header: Header) -> None:
    """Check that a decimal comma did not make the row names of lines cut at commas.

    Args:
        rows: records with values.
        header: of the table.

    Raises:
        InputError: they are a few numbers, and not 1, 2, 3 ...
    """
    if all(notice.code != "row-names" for notice in header.notices):
        return
    width = len(header.names)
    first = _first_cells(rows, width)
    are_numbers = any(_NUMBER.fullmatch(text) for text in first)
    in_order = first == [str(i) for i in range(1, len(first) + 1)]
    many = len(first) >= _MANY_ROWS and all(map(str.isdecimal, first))
    if are_numbers and not in_order and not many:
        raise _too_many_cells(rows, width)


def _first_cells(rows: Sequence[Record], width: int) -> list[str]:
    return [row[0].strip() for row in rows if len(row) == width]


def _too_many_cells(rows: Sequence[Record], width: int) -> InputError:
    shown = _excerpt(next(row for row in rows if len(row) == width))
    return InputError(
        f"has {width - 1} names in its header line, and {width} cells in the lines below"
        f" ({shown}). Is a decimal comma, or a text with the separator, not in quotes? If"
        " the first cells are names of rows, give their column a name"
    )


def _skipped(records: Sequence[Record], at: int) -> tuple[Notice, ...]:
    if not at:
        return ()
    first = " ".join(filter(None, (cell.strip() for cell in records[0])))[:60]
    lines = "1 line" if at == 1 else f"{at} lines"
    message = f"{lines} above the table left out, the first {first!r}"
    return (Notice("title-lines", message),)


def _line_of_names(
    records: Sequence[Record], needed: Sequence[str], width: int, start: int
) -> int | None:
    """Return the position of the record that holds most of the needed names."""
    wanted = set(needed)
    best, at = 0, None
    for i, record in enumerate(records[: max(_SEARCHED, start + 1)]):
        count = len(wanted & {" ".join(cell.split()) for cell in record})
        # A single name may be a value as well: only the first line may hold it alone.
        likely = (
            count == len(wanted) > 1 or i == start or (len(record) == width and i < start)
        )
        if count > best and likely:
            best, at = count, i
    return at


def _doubt(records: Sequence[Record], at: int, needed: Sequence[str]) -> list[Notice]:
    if len(needed) > 1 or not _looks_like_values(records, at):
        return []
    message = (
        f"the first line looks like values ({_excerpt(records[at])}), and was taken for"
        f" names because {needed[0]!r} is in it; header=False if there are no names"
    )
    return [Notice("no-header", message, is_warning=True)]


def _no_header(records: Sequence[Record], start: int) -> list[Notice]:
    last = len(records[start]) - 1
    called = f"columns are called x0 to x{last}" if last else "column is called x0"
    message = (
        f"no line with names was seen: the first line is {_excerpt(records[start])}. The"
        f" {called}; header=True takes the first line for"
        " names, names= gives them"
    )
    return [Notice("no-header", message, is_warning=True)]


def _excerpt(record: Record) -> str:
    shown = ", ".join(cell.strip()[:20] for cell in record[:4])
    return shown + (", ..." if len(record) > 4 else "")


def _are_numbered(needed: Sequence[str], width: int) -> bool:
    """Return whether all needed names are those of a table without names."""
    possible = set(numbered(width))
    return bool(needed) and all(name in possible for name in needed)


def _row_names_header(records: Sequence[Record], start: int, width: int) -> int | None:
    """Return the position of a line above the table with one name fewer than columns.

    R writes such files: the column of row names has no name.
    """
    if not start or len(records[start - 1]) != width - 1 or width < 3:
        return None
    above = records[start - 1]
    return None if any(_is_typed(c) or not c.strip() for c in above) else start - 1


def _looks_like_values(records: Sequence[Record], at: int) -> bool:
    """Return whether a record is like those below it, and so holds no names."""
    first = [cell.strip() for cell in records[at]]
    # Joined files repeat their header.
    below = [r for r in records[at + 1 : at + 1 + _MAX_ROWS] if r != records[at]]
    if len(below) > 2 and not first[0] and all(r[0].strip() for r in below):
        return False  # the column of row numbers or row names has no name
    numbers, like_texts, texts = [], 0, 0
    for i, cell in enumerate(first):
        column = [r[i].strip() for r in below if i < len(r)]
        column = [text for text in column if text not in _MISSING]
        if not column or cell in _MISSING:
            continue
        if sum(map(_is_typed, column)) >= _TYPED_SHARE * len(column):
            if not _is_typed(cell):
                return False
            numbers.append((cell, column))
        else:
            texts += 1
            like_texts += cell in column
    if numbers:
        return not _are_numeric_names(numbers)
    return texts > 0 and 2 * like_texts >= texts


def _are_numeric_names(columns: list[tuple[str, list[str]]]) -> bool:
    """Return whether numbers in the first line are names: years, or 1, 2, 3, ..."""
    cells = [cell for cell, _ in columns]
    if not all(_STEP.fullmatch(cell) for cell in cells):
        return False
    values = [float(cell) for cell in cells]
    steps = {round(b - a, 9) for a, b in pairwise(values)}
    if len(values) > 2 and len(steps) == 1 and steps.pop() != 0:
        return True
    years = all(1500 <= value <= 2200 for value in values)
    return (
        years
        and len(set(values)) == len(values)
        and not any(_are_years(column) for _, column in columns)
    )


def _are_years(column: list[str]) -> bool:
    years = [text.isdecimal() and 1500 <= int(text) <= 2200 for text in column]
    return sum(years) * 2 > len(years)


def _is_typed(text: str) -> bool:
    bare = text.strip()
    return bool(_NUMBER.fullmatch(bare) or _DATE.fullmatch(bare))


def _filled(record: Record) -> int:
    return sum(bool(cell.strip()) for cell in record)
