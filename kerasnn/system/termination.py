"""SIGTERM: end with a message and an exit status, and leave nothing half-written.

Without a handler SIGTERM ends a process silently, and does nothing to process 1 of a
container. Here it raises an exception, so that whatever cleans up after an error does so
too. Python handles signals in the main thread; in others these functions do nothing.
"""

import atexit
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_Handler = Callable[[int, FrameType | None], None]
_last: list[Callable[[], object]] = []


class TerminatedError(KeyboardInterrupt):
    """SIGTERM; an interrupt, as Ctrl-C is."""


@contextmanager
def raises_on_sigterm() -> Iterator[None]:
    """Context manager in which SIGTERM raises TerminatedError."""
    with _handled({signal.SIGTERM: _raise}):
        yield


@contextmanager
def ends_at_once(*, status: int = 128 + signal.SIGTERM) -> Iterator[None]:
    """Context manager in which SIGTERM and Ctrl-C end the process, with a message.

    For imports, where only `at_end` has to clean up: an exception may get lost in them.

    Args:
        status: after SIGTERM; 0 for a server, which is meant to be stopped that way.
    """
    try:
        stderr = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    statuses = {signal.SIGTERM: status, signal.SIGINT: 128 + signal.SIGINT}

    def end(number: int, frame: FrameType | None) -> None:
        for function in _last:
            function()
        os.write(stderr, f"{word(number)}\n".encode())
        os._exit(statuses[signal.Signals(number)])

    try:
        with _handled(dict.fromkeys(statuses, end)):
            yield
    finally:
        os.close(stderr)


def at_end(function: Callable[[], object]) -> None:
    """Call a function when the process ends, also if `ends_at_once` ends it."""
    atexit.register(function)
    _last.append(function)


def word(number: int) -> str:
    """Return the message of a process that a signal ends."""
    return "Stopped by SIGTERM." if number == signal.SIGTERM else "Interrupted."


def _raise(number: int, frame: FrameType | None) -> None:
    raise TerminatedError


@contextmanager
def _handled(handlers: dict[signal.Signals, _Handler]) -> Iterator[None]:
    """Set handlers of signals, but not of ignored ones: `nohup`, and `&` in scripts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, handler)
        for number, handler in handlers.items()
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
