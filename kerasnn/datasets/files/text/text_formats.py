"""The format of a text table, found in its head: separator, quotes, header, comments."""

import csv
import functools
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kerasnn.datasets.files.read_options import ReadOptions
from kerasnn.datasets.files.text.headers import (
    Header,
    check_row_names,
    find_header,
    numbered,
)
from kerasnn.datasets.notices import Notice

BLANKS = " "  # runs of blanks and tabs between cells

_SEPARATORS = (",", ";", "\t", "|")
_COMMENTS = ("#", "%", "//")
_MAX_CELLS = 20_000  # that `_typed_share` looks at
_MIN_SHARE = 0.3  # of the lines have the same number of cells
_MIN_SHARE_BELOW = 0.75  # of the lines after the first such one have as many, or more
_TYPED = re.compile(
    r"[-+(]?[$€£¥]?\s?\d[\d.,'\u2019\u00a0\u202f]*(?:[eE][-+]?\d+)?\s?[%)]?|[-+]?[.,]\d+|"
    r"\d{1,3}(?: \d{3})+(?:[.,]\d+)?|"
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[T ][\d:.,]+)?\S*|\d{1,2}:\d\d[\d:.]*"
)
_TEXT = re.compile(r"(?=.*[^\W\d_])(?:[^;|\t,]|,(?=\s))+", re.DOTALL)


@dataclass(frozen=True)
class TextFormat:
    """How a text file holds a table.

    Attributes:
        sep: one character; `BLANKS` stands for runs of blanks and tabs.
        quote: around cells that contain the separator; "" if quotes have no meaning.
        skip_blanks: whether blanks between separator and cell are left out.
        comment: prefix of lines among the rows that are not rows; "" if there are none.
        names: of the columns.
        first_line: number of lines before the first row.
        notices: guesses.
    """

    sep: str = ","
    quote: str = '"'
    skip_blanks: bool = False
    comment: str = ""
    names: tuple[str, ...] = ()
    first_line: int = 0
    notices: tuple[Notice, ...] = ()

    def records(self, lines: Iterator[str], *, strict: bool = True) -> Any:
        """Return a reader of the cells of lines, from Python's `csv`."""
        if self.sep == BLANKS:
            lines = (line.replace("\t", " ").strip(" \r\n") + "\n" for line in lines)
        return csv.reader(
            lines,
            delimiter=self.sep,
            quotechar=self.quote or None,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            skipinitialspace=self.skip_blanks or self.sep == BLANKS,
            strict=strict,
        )


@functools.lru_cache(maxsize=8)  # a table is opened several times
def find_text_format(
    head: str, options: ReadOptions, needed: tuple[str, ...] = ()
) -> TextFormat | None:
    """Find the format of a text table.

    Args:
        head: the first lines of the file, whole ones.
        options: the user's.
        needed: names of columns that the caller needs.

    Returns:
        The format; None if there is no line with cells.

    Raises:
        InputError: see `find_header`.
    """
    lines = list(io.StringIO(head, newline=""))
    arff = _arff_format(lines, options)
    if arff is not None:
        return arff
    n_comments, comment = _leading_comments(lines)
    body = lines[n_comments:]
    candidates = [options.sep] if options.sep else [*_SEPARATORS, BLANKS]
    found = [c for sep in candidates for c in _candidates(sep, body)]
    chosen = _chosen(found, asked=options.sep is not None)
    if not chosen.records:
        return None
    records, ends = list(chosen.records), [n_comments + end for end in chosen.ends]
    header = _commented_header(lines[:n_comments], chosen, options, needed)
    notices: list[Notice] = []
    if header is None:
        header = find_header(records, _named_width(chosen), options, needed)
        if chosen.format.sep == ",":
            check_row_names(records[header.first_row :], header)
        notices = list(_comment_notice(lines[:n_comments]))
    return TextFormat(
        sep=chosen.format.sep,
        quote=chosen.format.quote,
        skip_blanks=chosen.format.skip_blanks,
        comment=comment,
        names=header.names,
        first_line=ends[header.first_row - 1] if header.first_row else n_comments,
        notices=(*notices, *header.notices),
    )


@dataclass(frozen=True)
class _Candidate:
    """The head of a file, read with one separator.

    Attributes:
        format: with this separator.
        records: those that are not empty.
        ends: number of the last line of each.
        width: number of cells that most records have.
        share: of the records that have it.
        score: the higher, the more the records look like a table.
        is_broken: whether a quote stands where none may.
    """

    format: TextFormat
    records: tuple[list[str], ...]
    ends: tuple[int, ...]
    width: int
    share: float
    score: float
    is_broken: bool = False

    @property
    def is_regular(self) -> bool:
        """True if all records have the same number of cells, above 1, and no odd quote."""
        sound = bool(self.format.quote) and not self.is_broken
        return sound and self.share == 1 and self.width > 1

    @property
    def is_table(self) -> bool:
        """True if most records have several cells, from the first such record on."""
        wide = [len(record) >= self.width for record in self.records]
        start = wide.index(True) if any(wide) else 0
        least = _MIN_SHARE_BELOW if start else 0.5
        enough = sum(wide[start:]) >= least * len(wide[start:])
        return self.width > 1 and self.share >= _MIN_SHARE and enough


def _candidates(sep: str, lines: Sequence[str]) -> list[_Candidate]:
    text = "".join(lines)
    spaced = re.search(rf"{re.escape(sep)} +\"", text) is not None if sep != " " else False
    quoted = _candidate(TextFormat(sep=sep, skip_blanks=spaced), lines)
    fits = quoted.share == 1 and not quoted.is_broken and not _swallows(quoted)
    if '"' not in text or fits:
        return [quoted]
    return [quoted, _candidate(TextFormat(sep=sep, quote=""), lines)]


def _swallows(candidate: _Candidate) -> bool:
    """Return whether a quote that is never closed has swallowed lines."""
    return any(cell.count("\n") > 50 for r in candidate.records[-1:] for cell in r)


def _candidate(text_format: TextFormat, lines: Sequence[str]) -> _Candidate:
    records, ends, is_broken = _records(text_format, lines, strict=True)
    if is_broken:
        records, ends, _ = _records(text_format, lines, strict=False)
    widths = Counter(map(len, records))
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
    share = count / max(len(records), 1)
    score = share * (width - 1) / width * _typed_share(records, width)
    score *= (1 if text_format.quote else 0.95) * (0.8 if is_broken else 1)
    return _Candidate(
        text_format, tuple(records), tuple(ends), width, share, score, is_broken
    )


def _records(
    text_format: TextFormat, lines: Sequence[str], *, strict: bool
) -> tuple[list[list[str]], list[int], bool]:
    """Return the records with cells, the last line of each, and whether quotes are odd."""
    reader = text_format.records(iter(lines), strict=strict)
    records, ends = [], []
    try:
        for record in reader:
            if any(cell.strip() for cell in record):
                records.append(record)
                ends.append(reader.line_num)
    except csv.Error as error:
        # The head may end inside quotes.
        return records, ends, "unexpected end" not in str(error)
    return records, ends, False


def _named_width(candidate: _Candidate) -> int:
    """Return the number of columns: without empty cells that end all lines but the first.

    Some programs write "a,b" above "1,2,".
    """
    width, first = candidate.width, len(candidate.records[0])
    wide = [r for r in candidate.records if len(r) == width]
    while first < width and not any(r[width - 1].strip() for r in wide):
        width -= 1
    return width


def _typed_share(records: Sequence[list[str]], width: int) -> float:
    """Return the share of cells that look like one cell, not like parts of cells."""
    cells = [c for r in records if len(r) == width for c in r][:_MAX_CELLS]
    texts = [text for text in map(str.strip, cells) if text]
    looks = sum(bool(_TYPED.fullmatch(t) or _TEXT.fullmatch(t)) for t in texts)
    return looks / max(len(texts), 1)


def _chosen(found: Sequence[_Candidate], *, asked: bool) -> _Candidate:
    if asked:
        return max(found, key=lambda c: (c.share, c.score))
    usual = [c for c in found if c.format.sep != BLANKS]
    fitting = [c for c in usual if c.is_regular]
    usual = fitting or usual
    best = max(usual, key=lambda c: (c.is_table, c.score))
    usable = best.is_table
    blank = max((c for c in found if c.format.sep == BLANKS), key=lambda c: c.score)
    if _is_by_blanks(blank, min_numbers=0.5 if usable else 0.0) and (
        not usable or 0.9 * blank.score > best.score
    ):
        return blank
    return best if usable else _single_column(usual)


def _is_by_blanks(candidate: _Candidate, *, min_numbers: float) -> bool:
    """Return whether runs of blanks separate cells rather than words."""
    if candidate.width < 2 or len(candidate.records) < 2:
        return False
    n = len(candidate.records)
    misfits = sum(len(record) != candidate.width for record in candidate.records)
    misfits -= len(candidate.records[0]) == candidate.width - 1  # no name for row names
    if misfits > n // 20 or len(candidate.records[0]) < candidate.width - (
        candidate.width > 2
    ):
        return False
    cells = [cell for record in candidate.records[1:] for cell in record]
    numbers = sum(bool(_TYPED.fullmatch(cell)) for cell in cells)
    if numbers < min_numbers * len(cells):
        return False
    return numbers >= 0.5 * len(cells) or candidate.width > 3


def _single_column(found: Sequence[_Candidate]) -> _Candidate:
    """Return the reading of a table that has one column."""
    narrow = [c for c in found if c.width == 1]
    best = max(narrow or found, key=lambda c: (c.share, bool(c.format.quote)))
    return best


def _leading_comments(lines: Sequence[str]) -> tuple[int, str]:
    """Return the number of comment and blank lines at the top, and their prefix."""
    comment, last = "", 0
    for i, line in enumerate(lines):
        bare = line.strip()
        prefix = next((p for p in _COMMENTS if bare.startswith(p)), "")
        if prefix and (not comment or prefix == comment):
            comment, last = prefix, i + 1
        elif bare:
            break
    return last, comment


def _comment_notice(comments: Sequence[str]) -> Iterator[Notice]:
    if comments:
        shown = next(line.strip() for line in comments if line.strip())[:60]
        lines = "1 comment line" if len(comments) == 1 else f"{len(comments)} comment lines"
        yield Notice("comment-lines", f"{lines} left out, the first {shown!r}")


def _commented_header(
    comments: Sequence[str],
    chosen: _Candidate,
    options: ReadOptions,
    needed: Sequence[str],
) -> Header | None:
    """Return the header in the last comment line above the table; None if it holds none."""
    if not comments or options.header is not None or options.column_names:
        return None
    line = comments[-1].strip()
    for text in dict.fromkeys(
        (line.lstrip("#%/"), line)
    ):  # "#,name" names its first column "#"
        record: list[str] = next(chosen.format.records(iter([text])), [])
        if len(record) == chosen.width > 1 and all(cell.strip() for cell in record):
            below = find_header(
                [record, *chosen.records], chosen.width, ReadOptions(), needed
            )
            values = find_header(chosen.records, chosen.width, ReadOptions(), needed)
            seen = values.names == numbered(chosen.width)
            if below.first_row == 1 and (
                seen or (not line[1:2].isspace() and ":" not in line)
            ):
                return Header(below.names, 0, below.notices)
    return None


def _arff_format(lines: Sequence[str], options: ReadOptions) -> TextFormat | None:
    """Return the format of Weka's ARFF, which declares its columns."""
    declared = re.compile(r"@attribute\s+('[^']*'|\"[^\"]*\"|\S+)", re.IGNORECASE)
    names: list[str] = []
    for i, line in enumerate(lines):
        bare = line.strip()
        match = declared.match(bare)
        if match:
            names.append(match[1].strip("'\""))
        elif bare.lower() == "@data" and names:
            quote = "'" if "'" in "".join(lines[i:]) else '"'
            chosen = options.column_names or tuple(names)
            return TextFormat(
                quote=quote, comment="%", names=chosen, first_line=i + 1, skip_blanks=True
            )
        elif bare and not bare.startswith(("%", "@")):
            break
    return None
