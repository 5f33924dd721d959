"""Compiled programs on disk: whole, checked, at most 1 GB, for many processes at once.

XLA reads and writes files in a folder of the process, its run folder, and trusts what is
there: a damaged file is an error, or wrong machine code. So programs are shared through
another folder. Its files are linked into the run folder if they have not changed since they
were kept; new ones are linked back under a name with their checksum. A link is atomic, and
a file that is in use does not vanish with its other name.
"""

import contextlib
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

from kerasnn.startup import RUN, xla_run_folder
from kerasnn.system.processes import is_running
from kerasnn.system.termination import at_end

MAX_BYTES = 2**30
_AFTER_PRUNING = 0.9  # of the maximum
_SUFFIX = ".pb"  # of the files that XLA writes


class ProgramCache:
    """The programs of one kind of machine and software, linked into a run folder.

    Args:
        run_folder: in which XLA reads and writes; its parent holds the shared folders.
        kind: what a program depends on; names the shared folder.

    Raises:
        OSError: the folders cannot be used.
    """

    def __init__(self, run_folder: Path, kind: str) -> None:
        self.run_folder = run_folder
        self.shared = run_folder.parent / kind
        self._kept: set[str] = set()
        self._process = os.getpid()
        self._lock = threading.Lock()
        for folder in (self.shared, run_folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.stat().st_uid != os.getuid():  # it holds what this process will run
                raise PermissionError(f"{folder}: belongs to another user")
        _remove_abandoned(run_folder.parent)
        for entry in list(os.scandir(self.shared)):
            with contextlib.suppress(OSError):  # another process has removed it
                self._take(entry)

    def keep(self) -> None:
        """Keep what XLA has written since; drop the oldest beyond the limit."""
        with self._lock, contextlib.suppress(OSError):
            new = [
                entry
                for entry in os.scandir(self.run_folder)
                if entry.name.endswith(_SUFFIX) and entry.name not in self._kept
            ]
            there = {entry.name.split("~")[0] for entry in os.scandir(self.shared)}
            for entry in new:
                self._kept.add(entry.name)
                if entry.name not in there:
                    path = Path(entry.path)
                    _link(path, self.shared / _name(entry.name, path))
            if new:
                prune(self.run_folder.parent, MAX_BYTES)

    def close(self) -> None:
        """Keep what is new, and remove the run folder."""
        if os.getpid() == self._process:  # not in a fork
            self.keep()
            shutil.rmtree(self.run_folder, ignore_errors=True)

    def _take(self, entry: "os.DirEntry[str]") -> None:
        """Link a kept program into the run folder, or remove it if it was changed."""
        name, _, rest = entry.name.partition("~")
        path = Path(entry.path)
        if not rest.endswith(f"~{entry.stat().st_mtime_ns}"):  # written to, or copied
            named = _name(name, path)
            if named.split("~")[1] != rest.split("~")[0]:
                path.unlink()
                return
            path = path.rename(self.shared / named)
        with contextlib.suppress(FileExistsError):
            _link(path, self.run_folder / name)
        self._kept.add(name)


def open_program_cache(kind: str) -> ProgramCache | None:
    """Open the cache for XLA's programs, until the process ends; None if there is none."""
    folder = xla_run_folder()
    if folder is None:
        return None
    try:
        cache = ProgramCache(Path(folder), kind)
    except OSError:  # a read-only home is no reason not to train
        return None
    at_end(cache.close)
    return cache


def prune(folder: Path, maximum: int) -> None:
    """Remove the oldest programs if all of them have more bytes than a maximum."""
    entries = []
    for path in _shared_files(folder):
        with contextlib.suppress(OSError):
            status = path.stat()
            entries.append((status.st_mtime_ns, status.st_size, path))
    total = sum(size for _, size, _ in entries)
    if total <= maximum:
        return
    for _, size, path in sorted(entries):
        path.unlink(missing_ok=True)
        total -= size
        if total <= maximum * _AFTER_PRUNING:
            return


def _shared_files(folder: Path) -> Iterator[Path]:
    for kind in folder.iterdir():
        if not kind.name.startswith(f"{RUN}-") and kind.is_dir():
            yield from kind.iterdir()


def _name(name: str, path: Path) -> str:
    """Return the name under which a program is kept: checksum, and when it was written."""
    checksum = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    return f"{name}~{checksum}~{path.stat().st_mtime_ns}"


def _link(path: Path, to: Path) -> None:
    """Give a file a second name; where that is impossible, copy it."""
    try:
        os.link(path, to)
    except FileExistsError:
        raise
    except OSError:
        partial = to.with_name(f"{to.name}.{os.getpid()}")
        shutil.copy2(path, partial)
        partial.rename(to)


def _remove_abandoned(folder: Path) -> None:
    """Remove the run folders of killed processes of this machine."""
    start = f"{RUN}-{os.uname().nodename}-"
    for path in folder.glob(f"{start}*"):
        process = path.name.removeprefix(start).split("-")[0]
        if process.isdecimal() and not is_running(int(process)):
            shutil.rmtree(path, ignore_errors=True)
