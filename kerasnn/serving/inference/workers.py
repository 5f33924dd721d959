"""Threads that make one call after the other."""

import logging
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread, current_thread

_log = logging.getLogger("kerasnn.serving")


class WorkerThreads:
    """Threads that are made when they are needed: a call never waits for another one.

    Unlike in an executor, a call has no future: the call itself passes its result on, and
    whoever receives the result says so (`done`): the thread is then free, or will be at
    once.
    The caller bounds how many calls run.

    Args:
        idle: number of threads that stay while they have no call.
    """

    def __init__(self, idle: int) -> None:
        self._max_idle = idle
        self._calls: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._lock = Lock()
        self._running = 0
        self._count = 0
        self._threads: set[Thread] = set()

    def put(self, call: Callable[[], object]) -> None:
        """Run a call in an idle thread, or in a new one."""
        with self._lock:
            self._running += 1
            if self._running > len(self._threads):
                self._start()
        self._calls.put(call)

    def done(self) -> None:
        """Note that the result of a call has come."""
        with self._lock:
            self._running -= 1

    def stop(self) -> None:
        """Wait until all calls are done, and end the threads."""
        with self._lock:
            threads = list(self._threads)
        for _ in threads:
            self._calls.put(None)
        for thread in threads:
            thread.join()

    def _start(self) -> None:
        thread = Thread(target=self._work, name=f"kerasnn-graph-{self._count}", daemon=True)
        self._count += 1
        self._threads.add(thread)
        thread.start()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            except Exception:
                _log.exception("a call in a thread failed")
            del call  # it holds arrays
            with self._lock:
                if len(self._threads) > max(self._max_idle, self._running):
                    self._threads.discard(current_thread())
                    return
        with self._lock:
            self._threads.discard(current_thread())
