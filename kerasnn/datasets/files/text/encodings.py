"""The encoding of a text file: the user's, its byte order mark's, UTF-8, or guessed."""

import codecs
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from charset_normalizer import from_bytes

from kerasnn.datasets.files.file_errors import check_regular
from kerasnn.datasets.files.formats import looks_like_utf16
from kerasnn.datasets.files.packed import unpacked
from kerasnn.datasets.notices import Notice

_BLOCK_BYTES = 2**20
MAX_SCANNED_BYTES = 2**26  # later bytes that are not UTF-8 are an error
_SAMPLE_BYTES = 2**16
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark is the start of this
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Encodings of alphabets with few ASCII letters: bytes above 127 stand side by side.
_OTHER_ALPHABETS = ["cp1251", "koi8_r", "cp1253", "cp1255", "cp1256", "cp866"]
_OTHER_ALPHABETS += ["gb18030", "big5", "cp932", "euc_jp", "cp949"]
_SIDE_BY_SIDE = 0.6
_WESTERN = ("cp1252", "latin-1")
_FALLBACK = "kerasnn-cp1252"


@dataclass(frozen=True)
class Encoding:
    """How the bytes of a file become text.

    Attributes:
        name: of the encoding.
        errors: what happens to bytes that it cannot decode, as for `bytes.decode`.
        notice: about a guess.
    """

    name: str = "utf-8"
    errors: str = "strict"
    notice: Notice | None = None

    @property
    def is_utf8(self) -> bool:
        """True if the bytes can be used as UTF-8."""
        return self.name in ("utf-8", "utf-8-sig") and self.errors == "strict"


def find_encoding(path: Path, asked: str | None, *, strict: bool) -> Encoding:
    """Return the encoding of a text file.

    Args:
        path: of the file.
        asked: by the user.
        strict: whether single bytes that are not UTF-8 are an error.

    Raises:
        InputError: the file cannot be read.
    """
    if asked is not None:
        name = codecs.lookup(asked).name
        return Encoding("utf-8-sig" if name == "utf-8" else name)
    check_regular(path)
    found = path.stat()
    return _found(path, (found.st_size, found.st_mtime_ns), strict)


@functools.lru_cache(maxsize=256)  # a table is opened several times
def _found(path: Path, state: tuple[int, int], strict: bool) -> Encoding:
    with unpacked(path) as stream:
        head = stream.read(_BLOCK_BYTES)
        for mark, name in _MARKS.items():
            if head.startswith(mark):
                return Encoding(name, notice=_notice(name) if "16" in name else None)
        if looks_like_utf16(head[:4096]):
            zeros = [head[offset:4096:2].count(0) for offset in (0, 1)]
            name = "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
            return Encoding(name, notice=_notice(name))
        sample = _not_utf8(head, stream)
    return Encoding() if sample is None else _guessed(sample, strict)


def _not_utf8(head: bytes, stream: IO[bytes]) -> bytes | None:
    """Return lines with bytes above 127 from where UTF-8 ends; None for UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    scanned = 0
    for block in _blocks(head, stream):
        if scanned > MAX_SCANNED_BYTES:
            break
        scanned += len(block)
        if block.isascii() and not decoder.getstate()[0]:  # the usual case, and fast
            continue
        try:
            decoder.decode(block, final=len(block) < _BLOCK_BYTES)
        except UnicodeDecodeError:
            lines = [line for line in block.split(b"\n") if not line.isascii()]
            return b"\n".join(lines)[:_SAMPLE_BYTES]
    return None


def _blocks(head: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    while head:
        yield head
        head = stream.read(_BLOCK_BYTES)


def _guessed(sample: bytes, strict: bool) -> Encoding:
    text = sample.decode("utf-8", "replace")
    invalid = text.count("\ufffd")
    if not strict and sum(c > "\x7f" for c in text) - invalid > 3 * invalid:
        codecs.register_error(_FALLBACK, _as_cp1252)
        message = (
            "some bytes are not UTF-8, as the others are, and are read as cp1252;"
            " encoding= says otherwise"
        )
        return Encoding("utf-8", _FALLBACK, Notice("encoding", message))
    name = next(n for n in (*_other_alphabet(sample), *_WESTERN) if _decodes(sample, n))
    return Encoding(name, notice=_notice(name))


def _notice(name: str) -> Notice:
    return Notice(
        "encoding", f"the text is not UTF-8 and is read as {name}; encoding= says otherwise"
    )


def _other_alphabet(sample: bytes) -> list[str]:
    """Return the guessed encoding of text in which most letters are not ASCII."""
    high = np.frombuffer(sample, np.uint8) > 127
    beside = (high[1:] & high[:-1]).sum() / max(int(high.sum()), 1)
    if beside < _SIDE_BY_SIDE:
        return []
    best = from_bytes(sample, cp_isolation=_OTHER_ALPHABETS).best()
    return [] if best is None else [best.encoding]


def _decodes(sample: bytes, name: str) -> bool:
    try:
        codecs.getincrementaldecoder(name)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    wrong = error.object[error.start : error.end]
    return wrong.decode("cp1252", "replace"), error.end
