"""The progress of long work: a bar on a terminal or in a notebook, lines in a log.

A terminal and a log are standard error. A notebook shows one line that stays.
"""

import sys
import time
from collections.abc import Mapping
from html import escape
from types import TracebackType
from typing import Any, NamedTuple, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from kerasnn.choices import Verbose
from kerasnn.notebook import ReplacedOutput, in_notebook

_SECONDS_BETWEEN = 0.1  # drawing takes some milliseconds
_SECONDS_BETWEEN_LINES = 10.0  # of a log
_FIELDS = ("count", "left", "note")


class _State(NamedTuple):
    """The progress to draw, as numbers and as texts."""

    done: float
    total: int | None
    counted: str
    left: str = ""
    note: str = ""


class _Nothing:
    """A display that shows nothing; the base of those that do."""

    def start(self) -> None: ...

    def draw(self, state: _State, *, due: bool) -> None:
        """Take a state, and show it if that is due."""

    def stop(self) -> None: ...

    def write(self, line: str, stream: Any) -> None:
        """Print a line above."""
        print(line, file=stream, flush=True)


class _Terminal(_Nothing):
    """A bar of `rich`."""

    def __init__(self, text: str, total: int | None) -> None:
        self._console = Console(stderr=True, highlight=False)
        columns = [
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            BarColumn(bar_width=None),
            *(TextColumn(f"{{task.fields[{name}]}}") for name in _FIELDS),
        ]
        self._progress = Progress(
            *columns,
            console=self._console,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
            expand=True,
        )
        empty: dict[str, Any] = dict.fromkeys(_FIELDS, "")
        self._task = self._progress.add_task(text, total=total, **empty)

    def start(self) -> None:
        self._progress.start()

    def stop(self) -> None:
        self._progress.stop()

    def draw(self, state: _State, *, due: bool) -> None:
        self._progress.update(
            self._task,
            completed=state.done,
            total=state.total,
            count=state.counted,
            left=state.left,
            note=state.note,
            refresh=due,
        )

    def write(self, line: str, stream: Any) -> None:
        if stream.isatty():
            self._console.print(Text(line), soft_wrap=True)
        else:
            super().write(line, stream)


class _Notebook(_Nothing):
    """One output of a cell, which is replaced; at the end it has no bar."""

    def __init__(self, text: str) -> None:
        self._text, self._began = text, time.monotonic()
        self._output, self._state = ReplacedOutput(), _State(0, None, "")

    def draw(self, state: _State, *, due: bool) -> None:
        self._state = state
        if due:
            self._show(with_bar=True)

    def stop(self) -> None:
        self._show(with_bar=False)

    def _show(self, *, with_bar: bool) -> None:
        state = self._state
        seconds = format_seconds(time.monotonic() - self._began)
        parts = [self._text, state.counted, seconds, state.left, state.note]
        texts = [part for part in parts if part]
        share = f" value='{state.done}' max='{state.total}'" if state.total else ""
        bar = f"<progress{share} style='width:14em'></progress> " if with_bar else ""
        line = " \u00b7 ".join(map(escape, texts))
        html = f"<div style='font-variant-numeric:tabular-nums'>{bar}{line}</div>"
        self._output.show(html, ", ".join(texts))


class _Log(_Nothing):
    """A line now and then, and one at the end."""

    def __init__(self, text: str) -> None:
        self._text, self._began = text, time.monotonic()
        self._written, self._state = self._began, _State(0, None, "")

    def draw(self, state: _State, *, due: bool) -> None:
        self._state = state
        since = time.monotonic() - self._written
        if since >= _SECONDS_BETWEEN_LINES and state.done != state.total:
            self.stop()

    def stop(self) -> None:
        self._written = time.monotonic()
        state, seconds = self._state, format_seconds(self._written - self._began)
        if not state.counted:  # nothing was done
            return
        parts = [f"{self._text} {state.counted}", seconds, state.left, state.note]
        self.write(", ".join(filter(None, parts)), sys.stderr)


class ProgressBar:
    """A bar with the time that is left; a context manager.

    The remaining time follows from the speed since the first update, before which functions
    were compiled; the estimate of the first update itself is therefore an upper bound. The
    total may change.

    Args:
        text: what is being done: "Training".
        unit: "epochs".
        total: units of the whole; None if it is not known, or not yet.
        shown: False shows nothing.
        in_log: whether lines are written where there is neither a terminal nor a notebook.
    """

    def __init__(
        self,
        text: str,
        *,
        unit: str,
        total: int | None = None,
        shown: bool = True,
        in_log: bool = False,
    ) -> None:
        self._unit = unit
        self._drawing = _drawing(text, total, in_log=in_log) if shown else _Nothing()
        self._started = self._drawn = time.monotonic()
        self._first: tuple[float, float] | None = None  # units and time of the first update
        self._done, self._note, self._count = 0.0, "", ""

    def update(self, done: float, total: int | None = None, note: str = "") -> None:
        """Show how many units are done.

        Args:
            done: units.
            total: of all units, if it is known.
            note: text at the end of the line, such as the loss.
        """
        now = time.monotonic()
        left = "" if total is None else self._left(done, total, now)
        self._done, self._note = done, note
        due = now - self._drawn >= _SECONDS_BETWEEN
        if due:
            self._drawn = now
        self._show(done, total, left, due=due)

    def _show(self, done: float, total: int | None, left: str, *, due: bool) -> None:
        count = f"{int(done):,}" if total is None else f"{int(done):,}/{total:,}"
        state = _State(done, total, f"{count} {self._unit}", left, self._note)
        self._drawing.draw(state, due=due)

    def _left(self, done: float, total: int, now: float) -> str:
        if self._first is None:
            self._first = done, now
            bound, start, since = "at most ", 0.0, self._started
        else:
            bound, (start, since) = "", self._first
        if done >= total or done == start:
            return ""
        seconds = (now - since) / (done - start) * (total - done)
        return f"{bound}{format_seconds(seconds)} left"

    def write(self, line: str, *, to_stderr: bool = False) -> None:
        """Print a line above the bar, to standard output or standard error."""
        self._drawing.write(line, sys.stderr if to_stderr else sys.stdout)

    def __enter__(self) -> Self:
        self._drawing.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None and self._done:
            self._show(self._done, int(self._done), "", due=True)
        self._drawing.stop()


class FitBar(ProgressBar):
    """A bar over epochs, which is called with (epochs done, of all, losses).

    Args:
        text: what is being done.
        shown: False shows nothing.
        in_log: see `ProgressBar`.
    """

    _NAMES = {"val_loss": "left out"}

    def __init__(
        self, text: str = "Training", *, shown: bool = True, in_log: bool = False
    ) -> None:
        super().__init__(text, unit="epochs", shown=shown, in_log=in_log)

    def __call__(self, done: int, epochs: int, losses: Mapping[str, float]) -> None:
        """Show the number of epochs done, and the losses."""
        texts = [f"{self._NAMES.get(name, name)} {v:.3g}" for name, v in losses.items()]
        self.update(done, epochs, ", ".join(texts))


def is_shown(verbose: Verbose) -> bool:
    """Return whether progress is shown; "auto" shows it in a notebook only."""
    return in_notebook() if verbose == "auto" else verbose != 0


def _drawing(text: str, total: int | None, *, in_log: bool) -> _Nothing:
    if in_notebook():
        return _Notebook(text)
    if sys.stderr is not None and sys.stderr.isatty():
        return _Terminal(text, total)
    return _Log(text) if in_log else _Nothing()


def format_seconds(seconds: float) -> str:
    """Return a duration: 0:42, 12:05 or 3:00:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
