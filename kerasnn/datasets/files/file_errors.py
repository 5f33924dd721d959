"""File errors as messages for the user: those of the system, and damaged content."""

import lzma
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import BadGzipFile
from pathlib import Path
from zipfile import BadZipFile

from kerasnn.errors import InputError


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Context manager that reports a file that cannot be read as InputError."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (BadGzipFile, EOFError, zlib.error, lzma.LZMAError, BadZipFile) as error:
        raise InputError(f"{path}: is not a whole compressed file: {error}") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{path}: cannot be read: {reason}") from None


def check_regular(path: Path) -> None:
    """Check that a path is a regular file: no folder, device, pipe or socket.

    Raises:
        InputError: it is not, or there is no such file.
    """
    with file_errors(path):
        mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: is a folder, where a file is needed")
    if not stat.S_ISREG(mode):
        raise InputError(
            f"{path}: is not a regular file but a device or a pipe. Save its content to a"
            " file, or give it on standard input, as '-'"
        )


class UnchangedFile:
    """A file's size and time of change, to be compared after reading.

    Args:
        path: of a regular file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = self._state()

    def check(self) -> None:
        """Check that the file is as it was.

        Raises:
            InputError: it has changed or is gone.
        """
        if self._state() != self._before:
            raise InputError(
                f"{self._path}: was changed while it was read; leave it alone, or read a"
                " copy"
            )

    def _state(self) -> tuple[int, int]:
        check_regular(self._path)
        with file_errors(self._path):
            found = self._path.stat()
        return found.st_size, found.st_mtime_ns
