"""Writes version folders; each is complete or absent."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kerasnn.errors import InputError
from kerasnn.manifest import read_manifest, versions
from kerasnn.partial_folders import folder_beside, remove


def check_writable(folder: str | Path) -> None:
    """Check that a folder, or its nearest existing parent, can be written to.

    Raises:
        InputError: it cannot; the message says why.
    """
    folder = Path(folder)
    there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise _not_writable(folder, error) from None


@contextmanager
def new_version(folder: Path) -> Iterator[Path]:
    """Context manager for a temporary folder that becomes the next version.

    TensorFlow Serving loads a folder as soon as its name is a number, so it is written
    under another name, and removed if anything fails.

    Yields:
        The folder to write to; give it to `publish`.

    Raises:
        InputError: the folder cannot be written to.
    """
    made = [p for p in (folder, *folder.parents) if not p.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside = folder_beside(folder)
        beside.chmod(0o755)  # mkdtemp's is for the owner alone
    except OSError as error:
        raise _not_writable(folder, error) from None
    try:
        yield beside
    except BaseException:
        remove(beside)
        with suppress(OSError):  # another process writes there too
            for parent in made:
                parent.rmdir()
        raise


def publish(beside: Path) -> Path:
    """Rename the folder of `new_version` to the next free number; return its path."""
    folder = beside.parent
    while True:
        target = folder / str(max(versions(folder), default=0) + 1)
        try:
            os.rename(beside, target)
        except OSError:
            if not target.exists():
                raise
            continue  # another process took this number in between
        return target


def version_of_run(folder: str | Path, run: str) -> Path | None:
    """Return the version that a training of this name has exported; None without one."""
    folder = Path(folder)
    for number in reversed(versions(folder)):
        try:
            manifest = read_manifest(folder / str(number))
        except InputError:
            continue  # somebody else's
        if manifest.get("run") == run:
            return folder / str(number)
    return None


def _not_writable(folder: Path, error: OSError) -> InputError:
    return InputError(f"{folder}: cannot be written: {error.strerror}")
