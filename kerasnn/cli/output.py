"""Output that is complete or absent, however long it is."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from kerasnn.errors import InputError, printable


@contextmanager
def whole_output(path: Path | None) -> Iterator[IO[str]]:
    """Yield a stream whose content arrives when the block ends without an error.

    Args:
        path: a file, which is written beside and renamed into place; or a pipe or device;
            None, "-" and /dev/stdout are standard output.

    Raises:
        InputError: the path cannot be written.
    """
    if path is None or is_standard_output(path):
        with _spool() as stream:
            yield stream
            _copy(stream, _Escaped(sys.stdout) if sys.stdout.isatty() else sys.stdout)
        return
    try:
        with _open_whole(path) as stream:
            yield stream
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None


class _Escaped:
    """A terminal, on which control characters other than the ends of lines are escaped."""

    def __init__(self, terminal: IO[str]) -> None:
        self._terminal = terminal
        self.flush = terminal.flush

    def write(self, text: str) -> None:
        """Write text."""
        self._terminal.write("\n".join(map(printable, text.split("\n"))))


def is_standard_output(path: Path) -> bool:
    """Return whether a path is "-", or another name of standard output."""
    if str(path) == "-":
        return True
    try:
        return path.parent == Path("/dev") and os.path.samestat(path.stat(), os.fstat(1))
    except OSError:  # there is no such file, or standard output is closed
        return False


@contextmanager
def _open_whole(path: Path) -> Iterator[IO[str]]:
    if path.exists() and not path.is_file():  # /dev/stdout, a pipe
        with _spool() as stream:
            yield stream
            with path.open("w", encoding="utf-8", newline="") as pipe:
                _copy(stream, pipe)
        return
    target = path.resolve()  # the target of a link, not the link
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
    descriptor, beside = tempfile.mkstemp(dir=target.parent, prefix=".partial-")
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:
            yield file
        os.chmod(beside, mode)
        os.replace(beside, target)
    except BaseException:
        os.unlink(beside)
        raise


def _spool() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8", newline="")


def _copy(stream: IO[str], to: IO[str] | _Escaped) -> None:
    stream.seek(0)
    while part := stream.read(2**16):
        to.write(part)
    to.flush()


def _umask() -> int:
    mask = os.umask(0)  # it can only be read by setting it
    os.umask(mask)
    return mask
