"""Temporary folders, renamed into place when complete; removes those of killed processes.

The name of a temporary folder contains the machine and the process that writes it. When a
process has been killed the next one removes what it left.
"""

import os
import shutil
import tempfile
from pathlib import Path

from kerasnn.errors import InputError
from kerasnn.system.processes import host_name, is_running

PARTIAL = ".partial"
ROWS = "kerasnn-rows"  # rows on disk that only one call needs


def folder_beside(folder: Path, *, kind: str = PARTIAL) -> Path:
    """Make a temporary folder, and remove those of killed processes of this machine.

    Args:
        folder: the parent folder; it exists.
        kind: the start of the name.

    Raises:
        OSError: the folder cannot be written to.
    """
    _remove_abandoned(folder, kind)
    return Path(tempfile.mkdtemp(prefix=name_prefix(os.getpid(), kind=kind), dir=folder))


def temporary_folder(kind: str) -> Path:
    """Make a folder among the temporary files (TMPDIR).

    Args:
        kind: the start of the name.

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


def name_prefix(process: int, *, kind: str = PARTIAL) -> str:
    """Return the start of the names of a process's temporary folders."""
    return f"{kind}-{host_name()}-{process}-"


def remove(folder: Path) -> None:
    """Remove a folder and its contents."""
    shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(folder: Path, kind: str) -> None:
    start = name_prefix(0, kind=kind).removesuffix("0-")
    for path in folder.glob(f"{start}*"):
        process = path.name.removeprefix(start).split("-")[0]
        if process.isdecimal() and not is_running(int(process)):
            remove(path)
