"""What a process was writing when it was killed: known by its name, and removed.

Whatever must be whole or absent is written beside, under a name that says which process
of which machine does so, and renamed at the end. What is left of a process that is no
more can be removed by the next one.
"""

import os
import shutil
import socket
import tempfile
from pathlib import Path

from kerasnn.errors import InputError

PARTIAL = ".partial"
ROWS = "kerasnn-rows"  # rows on disk that only one call needs


def folder_beside(folder: Path, *, kind: str = PARTIAL) -> Path:
    """A new folder in this one, for what this process is about to write.

    What processes of this machine left that were killed is removed before.

    Args:
        folder: is there.
        kind: how the name begins.

    Raises:
        OSError: the folder cannot be written to.
    """
    _remove_abandoned(folder, kind)
    return Path(tempfile.mkdtemp(prefix=mark(os.getpid(), kind=kind), dir=folder))


def temporary_folder(kind: str) -> Path:
    """A new folder for temporary files, which the environment's TMPDIR can name.

    Args:
        kind: how the name begins.

    Raises:
        InputError: it cannot be written to.
    """
    temporary = Path(tempfile.gettempdir())
    try:
        return folder_beside(temporary, kind=kind)
    except OSError as error:
        raise InputError(
            f"{temporary}: cannot be written: {error.strerror}; the environment variable"
            " TMPDIR names another folder"
        ) from None


def mark(process: int, *, kind: str = PARTIAL) -> str:
    """How the names of a process's half-written folders begin."""
    return f"{kind}-{socket.gethostname()}-{process}-"


def remove(folder: Path) -> None:
    """Take away what `folder_beside` gave, with all that is in it."""
    shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(folder: Path, kind: str) -> None:
    start = mark(0, kind=kind).removesuffix("0-")
    for path in folder.glob(f"{start}*"):
        process = path.name.removeprefix(start).split("-")[0]
        if process.isdecimal() and not _runs(int(process)):
            remove(path)


def _runs(process: int) -> bool:
    """Whether there is such a process on this machine; True where that is not known."""
    if os.name != "posix":
        return True  # there signal 0 is another's
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True
