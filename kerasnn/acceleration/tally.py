"""Counts accelerated calls, and says at exit what Keras's own loop had to do, and why."""

import atexit
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from kerasnn.errors import printable
from kerasnn.training.fallback import CallRecord

_NOUNS = {"fit": "fit", "evaluate": "evaluation", "predict": "prediction"}
_MAX_REASONS = 3  # in the line


class Tally:
    """The calls of this process, but not those that a call makes itself.

    Attributes:
        calls: numbers of calls that succeeded, by the name of the method.
        seconds: of all calls.
        fell_back: numbers of calls that Keras's own loop ran, by method and reason.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.seconds = 0.0
        self.fell_back: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._thread = threading.local()
        self._printed: bool | None = None

    @contextmanager
    def counted(self, name: str) -> Iterator[CallRecord]:
        """Context manager of a call: it is counted if it succeeds, and told why not.

        Args:
            name: of the method.
        """
        record = CallRecord()
        if getattr(self._thread, "inside", False):
            yield record
            return
        self._thread.inside = True
        started = time.perf_counter()
        try:
            yield record
            with self._lock:
                self.calls[name] += 1
                if record.reason is not None:
                    self.fell_back[name, record.reason] += 1
        finally:
            self._thread.inside = False
            with self._lock:
                self.seconds += time.perf_counter() - started

    def print_at_exit(self, wanted: bool) -> None:
        """Decide whether to print the line on standard error when the process ends."""
        if self._printed is None:
            atexit.register(self._print)
        self._printed = wanted

    def line(self) -> str:
        """Return the line: calls, seconds, and what fell back."""
        line = f"kerasnn.accelerate: {_counted(self.calls)} in {self.seconds:.1f} s"
        if not self.fell_back:
            return line
        by_reason: dict[str, Counter[str]] = {}
        for (name, reason), count in self.fell_back.items():
            by_reason.setdefault(reason, Counter())[name] += count
        common = sorted(by_reason.items(), key=lambda item: -item[1].total())
        reasons = [f"{reason} ({_counted(counts)})" for reason, counts in common]
        if len(reasons) > _MAX_REASONS:
            reasons[_MAX_REASONS:] = [f"and {len(reasons) - _MAX_REASONS} more reasons"]
        total = self.fell_back.total()
        return f"{line}; {total:,} in Keras's own loop: {'; '.join(reasons)}"

    def _print(self) -> None:
        if self._printed and self.calls and sys.stderr is not None:
            sys.stderr.write(printable(self.line()) + "\n")


def _counted(calls: Counter[str]) -> str:
    """Return "1 fit, 2 evaluations"."""
    return ", ".join(
        f"{count:,} {_NOUNS[name]}{'' if count == 1 else 's'}"
        for name, count in calls.items()
    )


TALLY = Tally()
