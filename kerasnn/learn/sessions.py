"""The trainings of all tabs: made one after another, limited in number."""

import re
import secrets
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from kerasnn.datasets import read_table
from kerasnn.errors import InputError
from kerasnn.learn.frames import Frames
from kerasnn.learn.program import program
from kerasnn.learn.rows import csv_rows
from kerasnn.learn.session import LearnSession
from kerasnn.learn.settings import LearnSettings

MAX_SESSIONS = 8
MAX_STEPS_AT_ONCE = 20_000  # of one request
MAX_SPARE = 4  # ended trainings whose compiled steps are kept
MAX_TABLES = 8
MAX_TABLE_BYTES = 4 * 2**20
MAX_TABLE_COLUMNS = 500
# Of files that may become much larger when they are read: gzip, bzip2, xz, zip, Parquet,
# Arrow and Feather.
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"PK", b"PAR1", b"ARROW1", b"FEA1")
_SEPARATORS = re.compile(rb"[,;\t|]")

_T = TypeVar("_T")


class LostError(Exception):
    """A session or table that is gone."""


class FullError(Exception):
    """As many trainings run as are allowed."""


@dataclass
class OpenSession:
    """A training of a tab.

    Attributes:
        session: the training.
        frames: what is shown of it.
        file: name of the reader's table; "" for none.
        target: column that the table predicts; "" for none.
        machine: what a later training must share to take over its compiled step.
        stream: the stream of events that runs it; None for none.
        closed: whether the training is over.
    """

    session: LearnSession
    frames: Frames
    file: str = ""
    target: str = ""
    machine: tuple[Any, ...] = ()
    stream: object = None
    closed: bool = False

    def advance(
        self, steps: int = 0, *, epochs: int = 0, stream: object = None
    ) -> dict[str, Any] | None:
        """Run some steps, and return what is then shown.

        Args:
            steps: number of steps.
            epochs: in place of steps: to the end of the current epoch, and of further ones.
            stream: the one that asks; None for a single request, which ends any stream.

        Returns:
            A frame; None for a stream that another request has ended.

        Raises:
            InputError: more than `MAX_STEPS_AT_ONCE`.
            LostError: the training is over.
        """
        with self._used():
            if stream is None:
                self.stream = None
            elif self.stream is not stream:
                return None
            session = self.session
            wanted = epochs * session.steps - session.done if epochs else steps
            if wanted > MAX_STEPS_AT_ONCE:
                raise InputError(
                    f"at most {MAX_STEPS_AT_ONCE:,} steps at once; got {wanted:,}"
                )
            session.advance(wanted)
            return self.frames.frame()

    def shown(self) -> dict[str, Any]:
        """Return what is shown, without a step."""
        with self._used():
            return self.frames.frame()

    def summary(self) -> dict[str, Any]:
        """Return the losses of all epochs, and the program that gives the same."""
        session = self.session
        with self._used():
            history = [logs["loss"] for logs in session.history]
        lines = program(
            session.settings,
            session.rows,
            epochs=max(len(history), 1),
            file=self.file,
            target=self.target,
        )
        return {"history": history, "program": lines}

    def close(self) -> None:
        """End the training: no request and no stream runs it any more."""
        with self.session.lock:
            self.closed, self.stream = True, None

    @contextmanager
    def _used(self) -> Iterator[None]:
        """Raise LostError if the training is over: its step may belong to another one."""
        with self.session.lock:
            if self.closed:
                raise LostError
            yield


class _Kept(OrderedDict[str, _T]):
    """Values under keys that nobody can guess; the least recently used one goes first."""

    def put(self, value: _T) -> str:
        key = secrets.token_urlsafe(16)
        self[key] = value
        return key

    def use(self, key: object) -> _T:
        if not isinstance(key, str) or key not in self:
            raise LostError
        self.move_to_end(key)
        return self[key]


@dataclass
class Sessions:
    """The open trainings, and the tables that were brought for them."""

    _sessions: _Kept[OpenSession] = field(default_factory=_Kept)
    _spare: OrderedDict[tuple[Any, ...], OpenSession] = field(default_factory=OrderedDict)
    _tables: _Kept[tuple[str, bytes]] = field(default_factory=_Kept)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _making: threading.Lock = field(default_factory=threading.Lock)

    def add_table(self, name: str, content: bytes) -> dict[str, Any]:
        """Keep a table; return its key, its columns and its number of rows.

        Raises:
            InputError: it cannot be read, or is too large.
        """
        _check_text(name, content)
        read = _as_file(name, content, lambda path: read_table(path)).table
        with self._lock:
            key = self._tables.put((name, content))
            while len(self._tables) > MAX_TABLES:
                self._tables.popitem(last=False)
        return {"table": key, "columns": list(read.columns), "rows": len(read)}

    def open(
        self, settings: LearnSettings, given: Mapping[str, Any]
    ) -> tuple[str, OpenSession]:
        """Make a training; the least recently used one may be closed to make room.

        Args:
            settings: of the training.
            given: "table", the key of a table, and "target", for `data="csv"`.

        Raises:
            InputError: the table cannot be learned from, or is gone.
            FullError: all trainings run.
        """
        with self._making:  # only one thread at a time may trace
            self._make_room()
            opened = self._opened(settings, given)
            with self._lock:
                return self._sessions.put(opened), opened

    def use(self, key: object) -> OpenSession:
        """Return a training.

        Raises:
            LostError: it is gone.
        """
        with self._lock:
            return self._sessions.use(key)

    def close(self, key: str) -> None:
        """End a training, if it is there; a later one may take over its compiled step."""
        with self._lock:
            one = self._sessions.pop(key, None)
        if one is not None:
            one.close()
            with self._lock:
                self._spare[one.machine] = one
                while len(self._spare) > MAX_SPARE:
                    self._spare.popitem(last=False)

    def _make_room(self) -> None:
        with self._lock:
            if len(self._sessions) < MAX_SESSIONS:
                return
            idle = [key for key, one in self._sessions.items() if one.stream is None]
            if not idle:
                raise FullError
            del self._sessions[idle[0]]

    def _opened(self, settings: LearnSettings, given: Mapping[str, Any]) -> OpenSession:
        rows, table, name, target = None, None, "", ""
        if settings.data == "csv":
            table, target = given.get("table"), str(given.get("target", ""))
            name, content = self._table(table)
            scaled = settings.broken != "no-scaling"
            rows = _as_file(
                name, content, lambda path: csv_rows(path, target=target, scaled=scaled)
            )
        machine = (*settings.machine, table, target)
        with self._lock:
            spare = self._spare.pop(machine, None)
        if spare is None:
            session = LearnSession(settings, rows)
            frames = Frames(session)
        else:
            session, frames = spare.session, spare.frames
            session.restart(settings, rows)
            frames.restart()
        return OpenSession(session, frames, name, target, machine)

    def _table(self, key: object) -> tuple[str, bytes]:
        with self._lock:
            try:
                return self._tables.use(key)
            except LostError:
                raise InputError("the table is gone; choose its file again") from None


def _check_text(name: str, content: bytes) -> None:
    if content.startswith(_PACKED):
        raise InputError(
            f"{name}: is not a text file, or is compressed; save it as CSV first"
        )
    widest = max(
        (len(_SEPARATORS.findall(line)) for line in content.splitlines()), default=0
    )
    if widest > MAX_TABLE_COLUMNS:
        raise InputError(
            f"{name}: has a line with {widest} separators; the page reads tables of at most"
            f" {MAX_TABLE_COLUMNS} columns"
        )


def _as_file(name: str, content: bytes, read: Callable[[Path], _T]) -> _T:
    """Call a function with a file of this content; its errors have the reader's name.

    Raises:
        InputError: the function raised it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_bytes(content)
        try:
            return read(path)
        except InputError as error:
            raise InputError(str(error).replace(str(path), name)) from None
