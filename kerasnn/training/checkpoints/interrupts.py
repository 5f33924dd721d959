"""Signals that end a training, held back until it can be saved."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from kerasnn.system.termination import TerminatedError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Context manager that records Ctrl-C and SIGTERM; a second one is raised at once.

    Python handles signals in the main thread; in another thread this does nothing.

    Attributes:
        received: the signal that came; None before.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._record)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
        if self.received is not None and kind is None:
            signal.raise_signal(self.received)  # it came when there was nothing to save

    def _record(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            raise TerminatedError if number == signal.SIGTERM else KeyboardInterrupt
        self.received = signal.Signals(number)
