"""A lock on a folder, held by a process while it writes there.

The lock is the file `.lock` in the folder. It says who holds it, and the holder keeps an
exclusive `flock` on it, which the kernel releases when the process dies in any way. Where
`flock` does not reach (another machine, a file system without it) the age of the file
decides: its holder touches it every `BEAT_SECONDS`. So a training that was killed does not
block the next one, and two that run never share a folder.
"""

import errno
import json
import os
import shlex
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from kerasnn.errors import InputError
from kerasnn.system.processes import boot_id, host_name, is_running, start_time

if os.name == "posix":
    import fcntl

LOCK = ".lock"
BEAT_SECONDS = 10.0
SILENT_SECONDS = 60.0  # a holder that cannot be asked is dead after so long
_SETTLE_SECONDS = 0.3  # for another process to write its name
_MAX_BYTES = 4096
_MAX_COMMAND = 200
_TRIES = 20
# Of file systems that have no locks.
_NO_FLOCK = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock, as the file says.

    Attributes:
        host: see `processes.host_name`.
        boot: see `processes.boot_id`.
        process: its number.
        started: see `processes.start_time`.
        since: time at which it took the lock.
        command: its command line.
        token: differs for each lock that is taken.
    """

    host: str
    boot: str
    process: int
    started: str
    since: str
    command: str
    token: str

    @classmethod
    def this_process(cls) -> "Holder":
        """Return this process as a holder."""
        program, *arguments = sys.argv or [""]
        command = shlex.join([Path(program).name, *arguments])
        return cls(
            host=host_name(),
            boot=boot_id(),
            process=os.getpid(),
            started=start_time(os.getpid()),
            since=datetime.now(UTC).isoformat(" ", timespec="seconds"),
            command=command[:_MAX_COMMAND],
            token=uuid4().hex,
        )

    def __str__(self) -> str:
        text = f"process {self.process} on {self.host} ({self.command}) since {self.since}"
        return "".join(c if c.isprintable() else "?" for c in text)


@contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Context manager that holds the lock of a folder, which is made if it is missing.

    The thread that holds it may enter again.

    Raises:
        InputError: another training holds it, or the folder cannot be written to.
    """
    name, thread = os.path.realpath(folder), threading.get_ident()
    with _guard:
        lock = _held.get(name)
        if lock is None:
            lock = _held[name] = _Lock.taken(Path(folder), thread)
        elif lock.thread != thread:
            raise _in_use(folder, f"another thread of this process since {lock.own.since}")
        lock.depth += 1
    try:
        yield
    finally:
        with _guard:
            lock.depth -= 1
            if not lock.depth and _held.get(name) is lock:
                del _held[name]
                lock.release()


def check_free(folder: str | Path) -> None:
    """Check that no other training holds the lock of a folder; take nothing.

    Raises:
        InputError: one holds it.
    """
    if (Path(folder) / LOCK).exists():
        with locked(folder):
            return


def check_held(folder: str | Path) -> None:
    """Check that no other process has taken over a lock which this one holds.

    That happens to a process that was stopped for long, and where `flock` is missing.

    Raises:
        InputError: another one has it.
    """
    lock = _held.get(os.path.realpath(folder))
    found = None if lock is None else _read(Path(folder) / LOCK)
    if lock is not None and (found is None or found.token != lock.own.token):
        raise _in_use(folder, f"{found or 'another process'}, which has taken it over")


class _Lock:
    """A lock that this process holds.

    Attributes:
        own: what its file says.
        thread: that took it.
        depth: number of times that the thread has entered.
    """

    def __init__(self, path: Path, descriptor: int, own: Holder, thread: int) -> None:
        self.own = own
        self.thread = thread
        self.depth = 0
        self._path = path
        self._descriptor = descriptor
        self._released = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="kerasnn-lock", daemon=True)
        self._heart.start()

    @classmethod
    def taken(cls, folder: Path, thread: int) -> "_Lock":
        """Take the lock of a folder.

        Raises:
            InputError: another process holds it, or the folder cannot be written to.
        """
        path, own = folder / LOCK, Holder.this_process()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return cls(path, _take(path, own), own, thread)
        except OSError as error:
            raise InputError(f"{path}: cannot be locked: {error.strerror}") from None

    def release(self) -> None:
        """Release the lock, and remove its file."""
        self._released.set()
        self._heart.join()
        found = _read(self._path)
        if found is not None and found.token == self.own.token:
            self._path.unlink(missing_ok=True)  # before others can lock it
        os.close(self._descriptor)

    def forget(self) -> None:
        """Close the file in a forked process, which does not hold the lock."""
        os.close(self._descriptor)

    def _beat(self) -> None:
        while not self._released.wait(BEAT_SECONDS):
            with suppress(OSError):
                os.utime(self._descriptor)


def _take(path: Path, own: Holder) -> int:
    """Return the descriptor of the file, locked and with this process as holder."""
    for _ in range(_TRIES):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            has_flock = _flock(descriptor, path)
            if not _is_at(path, descriptor):  # its holder removed it meanwhile
                os.close(descriptor)
                continue
            _check_dead(path, descriptor, has_flock=has_flock)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(asdict(own)).encode(), 0)
            if not has_flock:
                _check_alone(path, own)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor
    raise _in_use(path.parent, "several processes that keep taking it")


def _flock(descriptor: int, path: Path) -> bool:
    """Lock a file by the system; return False where that is not possible.

    Raises:
        InputError: another process has locked it.
    """
    if os.name != "posix":
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _read(path)
        if holder is None:  # it is about to write its name
            time.sleep(_SETTLE_SECONDS)
            holder = _read(path)
        raise _in_use(path.parent, str(holder or "another process")) from None
    except OSError as error:
        if error.errno not in _NO_FLOCK:
            raise
        return False
    return True


def _check_dead(path: Path, descriptor: int, *, has_flock: bool) -> None:
    """Check that the process which the file names no longer runs.

    Raises:
        InputError: it runs, or cannot be asked and has touched the file lately.
    """
    holder = _read(path)
    if holder is None:
        return
    if holder.boot and holder.boot == boot_id():
        if has_flock:
            return  # one kernel: a live holder would still have the lock
        if holder.host == host_name():
            if not is_running(holder.process):
                return
            if holder.started == start_time(holder.process):
                raise _in_use(path.parent, str(holder))
            return
    silent = _age(path, descriptor)
    if silent < SILENT_SECONDS:
        wait = SILENT_SECONDS - silent
        raise _in_use(
            path.parent,
            f"{holder}, which gave a sign of life {silent:.0f} s ago. If it is dead, try"
            f" again in {wait:.0f} s",
        )


def _check_alone(path: Path, own: Holder) -> None:
    """Check, where files cannot be locked, that no other process wrote its name later.

    Raises:
        InputError: one did.
    """
    time.sleep(_SETTLE_SECONDS)
    found = _read(path)
    if found is None or found.token != own.token:
        raise _in_use(path.parent, str(found or "another process"))


def _age(path: Path, descriptor: int) -> float:
    """Return the seconds since a file was touched, by the clock of its file system."""
    with tempfile.TemporaryFile(dir=path.parent) as probe:
        now = os.fstat(probe.fileno()).st_mtime
    return max(0.0, now - os.fstat(descriptor).st_mtime)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _read(path: Path) -> Holder | None:
    """Return the holder that a file names; None if it names none."""
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_MAX_BYTES))
        holder = Holder(**content)
    except (OSError, ValueError, TypeError):
        return None
    plain = all(type(getattr(holder, f.name)) is f.type for f in fields(Holder))
    return holder if plain else None


def _in_use(folder: str | Path, holder: str) -> InputError:
    return InputError(
        f"{folder}: is in use by another training: {holder}. Wait until it ends, stop it,"
        " or give this one another folder"
    )


def _forget_all() -> None:
    """Forget the locks of the process from which this one was forked."""
    global _guard
    _guard = threading.RLock()  # a thread that is not in the fork may hold the other
    for lock in _held.values():
        lock.forget()
    _held.clear()


_guard = threading.RLock()
_held: dict[str, _Lock] = {}  # by the real path of the folder
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
