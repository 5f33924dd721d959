"""Bytes of files: unpacked from gzip, bzip2, xz or zip, within bounds; standard input."""

import bz2
import functools
import gzip
import io
import lzma
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from kerasnn.datasets.files.file_errors import check_regular, file_errors
from kerasnn.errors import InputError
from kerasnn.system.termination import at_end

# A file may unpack to more than this only if it is not `MAX_RATIO` times its size.
FREE_BYTES = 100_000_000
MAX_RATIO = 200
# Unpacked size of what must be unpacked as a whole: a packed Parquet file, a workbook.
MAX_WHOLE_BYTES = 1_000_000_000
MAX_INPUT_BYTES = 10_000_000_000  # of standard input
_COPY_BYTES = 2**20

_STANDARD_INPUT = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
_IGNORED_MEMBERS = ("__MACOSX/", ".")


class _Bounded(io.RawIOBase):
    """An unpacked stream that raises an error if it is a decompression bomb."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self._path, self._stream = path, stream
        self._limit = max(FREE_BYTES, MAX_RATIO * path.stat().st_size)
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        self._read += len(data)
        if self._read > self._limit:
            raise InputError(
                f"{self._path}: unpacks to more than {MAX_RATIO} times its size. Unpack it"
                " yourself if you trust it"
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


@contextmanager
def unpacked(path: Path) -> Iterator[IO[bytes]]:
    """Open a file as a stream of its unpacked bytes, whatever its name.

    Raises:
        InputError: it is missing, not a regular file, damaged, an archive of several files,
            or unpacks to more than `MAX_RATIO` times its size. The body of the `with` block
            raises it as well.
    """
    check_regular(path)
    with file_errors(path), path.open("rb") as file:
        opened = _opener(path, file)
        if opened is None:
            yield file
            return
        with io.BufferedReader(_Bounded(path, opened), _COPY_BYTES) as stream:
            yield stream


@contextmanager
def unpacked_file(path: Path) -> Iterator[Path]:
    """Yield the path of the unpacked file: the file itself, or a temporary copy.

    Raises:
        InputError: see `unpacked`; or it unpacks to more than `MAX_WHOLE_BYTES`.
    """
    check_regular(path)
    with file_errors(path), path.open("rb") as file:
        packed = _opener(path, file) is not None
    if not packed:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="kerasnn-") as folder:
        copy = Path(folder) / "unpacked"
        with unpacked(path) as stream, copy.open("wb") as to:
            _copy(stream, to, f"{path}: unpacks to", MAX_WHOLE_BYTES)
        yield copy


def is_standard_input(path: str | Path) -> bool:
    """Return whether a path means standard input."""
    return str(path) in _STANDARD_INPUT


@functools.cache
def standard_input() -> Path:
    """Return the path of a temporary file with the content of standard input.

    It is read once; the file is removed when the process ends.

    Raises:
        InputError: it is empty, a terminal, or has more than `MAX_INPUT_BYTES`.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("standard input: is a terminal; give a file, or pipe one into it")
    folder = tempfile.mkdtemp(prefix="kerasnn-")
    at_end(functools.partial(shutil.rmtree, folder, ignore_errors=True))
    path = Path(folder) / "stdin"
    with path.open("wb") as to:
        _copy(sys.stdin.buffer, to, "standard input: has", MAX_INPUT_BYTES)
    return path


def _copy(stream: IO[bytes], to: IO[bytes], subject: str, maximum: int) -> None:
    copied = 0
    while data := stream.read(_COPY_BYTES):
        copied += len(data)
        if copied > maximum:
            raise InputError(f"{subject} more than {maximum:,} bytes, which is the limit")
        to.write(data)


def _opener(path: Path, file: IO[bytes]) -> Any:
    """Return a stream of the unpacked bytes; None if the file is not packed."""
    magic = file.read(10)
    file.seek(0)
    if magic[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=file)
    if magic[:3] == b"BZh" and magic[4:] == b"1AY&SY":
        return bz2.BZ2File(file)
    if magic[:6] == b"\xfd7zXZ\0":
        return lzma.LZMAFile(file)
    if magic[:4] == b"PK\x03\x04":
        archive = zipfile.ZipFile(file)
        if not is_workbook(archive):
            return archive.open(_only_member(path, archive))
        file.seek(0)
    return None


def is_workbook(archive: zipfile.ZipFile) -> bool:
    """Return whether a zip archive is an .xlsx, .xlsb or .ods file."""
    names = set(archive.namelist())
    return "[Content_Types].xml" in names or {"mimetype", "content.xml"} <= names


def _only_member(path: Path, archive: zipfile.ZipFile) -> str:
    names = [
        info.filename
        for info in archive.infolist()
        if not info.is_dir()
        and not info.filename.startswith(_IGNORED_MEMBERS)
        and not Path(info.filename).name.startswith(".")
    ]
    if len(names) != 1:
        held = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
        raise InputError(
            f"{path}: the archive holds {len(names)} files{': ' + held if held else ''};"
            " one table is one file. Unpack it and give the file"
        )
    if archive.getinfo(names[0]).flag_bits & 1:
        raise InputError(f"{path}: the archive is encrypted; unpack it and give the file")
    return names[0]
