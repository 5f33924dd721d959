"""The progress bar of all commands: on standard error, and only if that is a terminal."""

import sys
import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

_SECONDS_BETWEEN = 0.1  # drawing takes some milliseconds
_FIELDS = ("count", "left", "note")


class ProgressBar:
    """A bar with the time that is left; a context manager.

    The remaining time follows from the speed since the first update, before which functions
    were compiled; the estimate of the first update itself is therefore an upper bound. The
    total may change.

    Args:
        text: what is being done: "Training".
        unit: "epochs".
        total: units of the whole; None if it is not known, or not yet.
        shown: False shows nothing; True only shows the bar on a terminal.
    """

    def __init__(
        self, text: str, *, unit: str, total: int | None = None, shown: bool = True
    ) -> None:
        self._unit = unit
        self._console = Console(stderr=True, highlight=False)
        self._shown = shown and sys.stderr.isatty()
        columns = [
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            BarColumn(bar_width=None),
            *(TextColumn(f"{{task.fields[{name}]}}") for name in _FIELDS),
        ]
        self._progress = Progress(
            *columns,
            console=self._console,
            disable=not self._shown,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
            expand=True,
        )
        empty: dict[str, Any] = dict.fromkeys(_FIELDS, "")
        self._task = self._progress.add_task(text, total=total, **empty)
        self._started = self._drawn = time.monotonic()
        self._first: tuple[int, float] | None = None  # units and time of the first update
        self._done, self._note = 0, ""

    def update(self, done: int, total: int | None = None, note: str = "") -> None:
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
        self._show(done, total, left, refresh=due)

    def _show(self, done: int, total: int | None, left: str, *, refresh: bool) -> None:
        count = f"{done:,}" if total is None else f"{done:,}/{total:,}"
        self._progress.update(
            self._task,
            completed=done,
            total=total,
            count=f"{count} {self._unit}",
            left=left,
            note=self._note,
            refresh=refresh,
        )

    def _left(self, done: int, total: int, now: float) -> str:
        if self._first is None:
            self._first = done, now
            bound, start, since = "at most ", 0, self._started
        else:
            bound, (start, since) = "", self._first
        if done >= total or done == start:
            return ""
        seconds = (now - since) / (done - start) * (total - done)
        return f"{bound}{format_seconds(seconds)} left"

    def write(self, line: str, *, to_stderr: bool = False) -> None:
        """Print a line above the bar, to standard output or standard error."""
        stream = sys.stderr if to_stderr else sys.stdout
        if self._shown and stream.isatty():
            self._console.print(Text(line), soft_wrap=True)
        else:
            print(line, file=stream, flush=True)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None and self._done:
            self._show(self._done, self._done, "", refresh=True)
        self._progress.stop()


def format_seconds(seconds: float) -> str:
    """Return a duration: 0:42, 12:05 or 3:00:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
