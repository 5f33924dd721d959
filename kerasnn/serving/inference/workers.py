"""Threads that make one call after the other."""

import logging
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

_log = logging.getLogger("kerasnn.serving")


class WorkerThreads:
    """A fixed number of threads.

    Unlike in an executor, a call has no future: the call itself passes its result on.

    Args:
        count: of threads.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._calls: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._threads = [
            Thread(target=self._work, name=f"kerasnn-graph-{i}", daemon=True)
            for i in range(count)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def put(self, call: Callable[[], object]) -> None:
        """Queue a call for the next free thread."""
        self._calls.put(call)

    def stop(self) -> None:
        """Wait until all queued calls are done, and end the threads."""
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except Exception:
                _log.exception("a call in a thread failed")
