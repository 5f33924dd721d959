"""Blocks of a text file as UTF-8, cut where records end, and their lines; all bounded."""

import codecs
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from kerasnn.datasets.files.text.encodings import Encoding
from kerasnn.errors import InputError

MAX_LINE_BYTES = 64_000_000
MAX_CELL_BYTES = 16_000_000

_FIRST_BYTES = 2**16  # enough for the names of most tables
_BLOCK_BYTES = 2**22
_QUOTE, _NEWLINE = b'"', b"\n"
_ODD_BLANKS = b"\x0b\x0c\x1c\x1d\x1e\x1f"
# An empty cell in quotes, followed by text.
_AFTER_EMPTY = re.compile(rb'(?:^|[\x00-\x2b\x3a-\x40\x7c])""[^"\x00-\x2c\x3b\x7c]')


def utf8_blocks(stream: IO[bytes], encoding: Encoding, path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file as UTF-8, without a byte order mark.

    Args:
        stream: unpacked.
        encoding: of the stream.
        path: for messages.

    Raises:
        InputError: the bytes are in another encoding.
    """
    if encoding.is_utf8:
        block = stream.read(_FIRST_BYTES).removeprefix(codecs.BOM_UTF8)
        while block:
            yield block
            block = stream.read(_BLOCK_BYTES)
        return
    decoder = codecs.getincrementaldecoder(encoding.name)(encoding.errors)
    lines = 0
    while True:
        block = stream.read(_BLOCK_BYTES)
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            line = lines + error.object[: error.start].count(b"\n") + 1
            raise _wrong_encoding(path, line, encoding.name, error.reason) from None
        except UnicodeError as error:  # UTF-16 without its mark
            raise _wrong_encoding(path, lines + 1, encoding.name, str(error)) from None
        lines += text.count("\n")
        if text:
            yield text.removeprefix("\ufeff").encode()
        if not block:
            return


def text_lines(blocks: Iterable[bytes], path: Path, before: int) -> Iterator[str]:
    """Yield the lines of blocks with their ends, decoded.

    Args:
        blocks: UTF-8.
        path: for messages.
        before: number of lines before the first block.

    Raises:
        InputError: a line is longer than `MAX_LINE_BYTES`, is not UTF-8, or holds a NUL
            byte.
    """
    rest = b""
    for block in blocks:
        rest += block
        end = rest.rfind(b"\n") + 1 or rest.rfind(b"\r", 0, -1) + 1
        if end:
            text = _decoded(rest[:end], path, before)
            before += text.count("\n")
            yield from io.StringIO(text, newline="")
            rest = rest[end:]
        if len(rest) > MAX_LINE_BYTES:
            raise InputError(
                f"{path}: line {before + 1} is longer than {MAX_LINE_BYTES:,} bytes; is it"
                " a table?"
            )
    yield from io.StringIO(_decoded(rest, path, before), newline="")


def record_end(data: bytes) -> int:
    """Return where the last whole record ends, in a block whose quotes are regular."""
    end = data.rfind(_NEWLINE) + 1
    if _QUOTE not in data or not end:
        return end
    quotes = data.count(_QUOTE, 0, end)
    while end and quotes % 2:  # inside quotes
        earlier = data.rfind(_NEWLINE, 0, end - 1) + 1
        quotes -= data.count(_QUOTE, earlier, end)
        end = earlier
    return end


def quotes_are_regular(data: bytes, sep: str) -> bool:
    """Return whether each quote opens a cell, closes one, or is doubled inside one.

    Args:
        data: a block that begins with a record; its end is not looked at.
        sep: the separator.
    """
    if _QUOTE not in data:
        return True
    data = data[: record_end(data)]
    if _AFTER_EMPTY.search(data):
        return False
    bare = np.frombuffer(b"\n" + data.replace(b'""', b"") + b"\n", np.uint8)
    quotes = np.flatnonzero(bare == _QUOTE[0])
    if len(quotes) % 2:
        return False
    ends = np.array([*sep.encode()[:1], *b"\r\n"], np.uint8)
    before, after = bare[quotes[0::2] - 1], bare[quotes[1::2] + 1]
    return bool(np.isin(before, ends).all() and np.isin(after, ends).all())


def has_outer_blanks(data: bytes, sep: str) -> bool:
    """Return whether a cell may begin or end with a blank; True if it is hard to say."""
    if not data.isascii() or any(blank in data for blank in _ODD_BLANKS):
        return True
    if sep == "\t" and _QUOTE in data:  # a tab inside quotes is no separator
        return True
    return any(
        blank in data and _stands_at_an_end(data, blank, sep)
        for blank in (b" ", b"\t")
        if blank != sep.encode()
    )


def _stands_at_an_end(data: bytes, blank: bytes, sep: str) -> bool:
    cells = np.frombuffer(b"\n" + data + b"\n", np.uint8)
    places = np.flatnonzero(cells == blank[0])
    ends = np.zeros(256, bool)
    ends[[*sep.encode(), *b'\n\r"']] = True
    return bool((ends[cells[places - 1]] | ends[cells[places + 1]]).any())


def _decoded(data: bytes, path: Path, before: int) -> str:
    if b"\0" in data:
        line = before + data[: data.index(b"\0")].count(b"\n") + 1
        raise InputError(f"{path}: line {line} holds a NUL byte: it is not a text file")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = before + data[: error.start].count(b"\n") + 1
        raise _wrong_encoding(path, line, "UTF-8", error.reason) from None


def _wrong_encoding(path: Path, line: int, name: str, reason: str) -> InputError:
    return InputError(
        f"{path}: line {line} is not {name} text: {reason}; encoding= names the"
        " encoding, such as encoding='cp1252'"
    )
