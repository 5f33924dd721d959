"""How long the calls of a graph take: which of them the event loop may make itself.

Handing a call to a thread costs more than a small network's call, so where one client
asks at a time, calls that are known to be quick are made where the request is: 1.4 times
the requests. Known means seen: so many rows of that shape, of the same signature, in a
thread. What took too long too often is not known any more.

Where several clients ask at a time, a thread's call lets requests gather meanwhile, which
are then computed together: with 8 clients that is 1.15 times the requests.
"""

from collections import OrderedDict
from collections.abc import Hashable

FAST_SECONDS = 300e-6
SLOW_SECONDS = 20e-3
MAX_SLOW_CALLS = 3  # by then it was not another program on the machine
MIN_SINGLE_CALLS = 16  # requests, one after the other: then there is one client
MAX_TRACKED_CALLS = 1000


class CallLatency:
    """What was seen of one kind of call.

    Attributes:
        quick_rows: with so many rows a call was quick.
        slow: calls that took long, of those that were thought quick.
        alone: how many of the last calls were for one request.
    """

    def __init__(self) -> None:
        self.fast_rows = 0
        self.alone = 0
        self.slow = 0

    def is_fast(self, rows: int) -> bool:
        """Whether a call for one request with so many rows is known to be quick."""
        return (
            0 < rows <= self.fast_rows
            and self.slow < MAX_SLOW_CALLS
            and self.alone >= MIN_SINGLE_CALLS
        )

    def observe(self, rows: int, seconds: float, *, requests: int = 1) -> None:
        """A call with so many rows, for so many requests, took so long."""
        self.alone = self.alone + 1 if requests == 1 else 0
        if seconds <= FAST_SECONDS:
            self.fast_rows = max(self.fast_rows, rows)
        elif seconds > SLOW_SECONDS and rows <= self.fast_rows:
            self.slow += 1


class CallLatencies:
    """The paces of the kinds of calls that were seen last."""

    def __init__(self) -> None:
        self._latencies: OrderedDict[Hashable, CallLatency] = OrderedDict()

    def of(self, kind: Hashable) -> CallLatency:
        """The pace of a kind of call; a new one if it was not seen."""
        latency = self._latencies.get(kind)
        if latency is None:
            latency = self._latencies[kind] = CallLatency()
            if len(self._latencies) > MAX_TRACKED_CALLS:
                self._latencies.popitem(last=False)
        return latency
