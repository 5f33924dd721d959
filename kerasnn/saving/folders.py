"""Version folders that appear complete or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kerasnn.errors import InputError
from kerasnn.manifest import read_manifest, versions
from kerasnn.system.partial_folders import folder_beside, remove


def check_writable(folder: str | Path) -> None:
    """Check that a folder can be written to, or created; leave nothing behind.

    Raises:
        InputError: it cannot; the message says why.
    """
    folder = Path(folder)
    existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    try:
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        raise _not_writable(folder, error) from None


@contextmanager
def new_version(folder: Path) -> Iterator[Path]:
    """Make a temporary folder for the next version; remove it if anything fails.

    TensorFlow Serving loads a folder as soon as its name is a number. `publish` gives the
    complete version its number.

    Yields:
        The temporary folder.

    Raises:
        InputError: the folder cannot be written to.
    """
    created = [p for p in (folder, *folder.parents) if not p.exists()]
    try:
        temporary = _temporary_in(folder)
        temporary.chmod(0o755)  # mkdtemp gives access to the owner only
    except OSError as error:
        raise _not_writable(folder, error) from None
    try:
        yield temporary
    except BaseException:
        remove(temporary)
        with suppress(OSError):  # another process may write there too
            for parent in created:
                parent.rmdir()
        raise


def _temporary_in(folder: Path, tries: int = 3) -> Path:
    """Make a temporary folder in a model's folder, which another export may be removing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return folder_beside(folder)
    except FileNotFoundError:
        if tries == 1:
            raise
        return _temporary_in(folder, tries - 1)


def publish(temporary: Path) -> Path:
    """Rename the folder of `new_version` to the next free number; return the new path."""
    folder = temporary.parent
    while True:
        target = folder / str(max(versions(folder), default=0) + 1)
        try:
            os.rename(temporary, target)
        except OSError:
            if not target.exists():
                raise
            continue  # another process has taken this number
        return target


def version_of_run(folder: str | Path, run: str) -> Path | None:
    """Return the version that a training run has exported; None if there is none."""
    folder = Path(folder)
    for number in reversed(versions(folder)):
        try:
            manifest = read_manifest(folder / str(number))
        except InputError:
            continue  # not written by kerasnn
        if manifest.get("run") == run:
            return folder / str(number)
    return None


def _not_writable(folder: Path, error: OSError) -> InputError:
    return InputError(f"{folder}: cannot be written: {error.strerror}")
