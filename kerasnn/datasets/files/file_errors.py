"""Errors of the operating system about files, as messages for the user."""

from collections.abc import Iterator
from contextlib import contextmanager
from gzip import BadGzipFile
from pathlib import Path

from kerasnn.errors import InputError


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Context manager that reports a file that cannot be read as InputError."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except BadGzipFile:  # an OSError without a reason
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
