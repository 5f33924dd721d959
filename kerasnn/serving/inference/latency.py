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

QUICK_SECONDS = 300e-6
SLOW_SECONDS = 20e-3
MOST_SLOW = 3  # by then it was not another program on the machine
ALONE = 16  # requests, one after the other: then there is one client
MOST_KEPT = 1000


class Pace:
    """What was seen of one kind of call.

    Attributes:
        quick_rows: with so many rows a call was quick.
        slow: calls that took long, of those that were thought quick.
        alone: how many of the last calls were for one request.
    """

    def __init__(self) -> None:
        self.quick_rows = 0
        self.alone = 0
        self.slow = 0

    def is_quick(self, rows: int) -> bool:
        """Whether a call for one request with so many rows is known to be quick."""
        return 0 < rows <= self.quick_rows and self.slow < MOST_SLOW and self.alone >= ALONE

    def saw(self, rows: int, seconds: float, *, requests: int = 1) -> None:
        """A call with so many rows, for so many requests, took so long."""
        self.alone = self.alone + 1 if requests == 1 else 0
        if seconds <= QUICK_SECONDS:
            self.quick_rows = max(self.quick_rows, rows)
        elif seconds > SLOW_SECONDS and rows <= self.quick_rows:
            self.slow += 1


class Paces:
    """The paces of the kinds of calls that were seen last."""

    def __init__(self) -> None:
        self._paces: OrderedDict[Hashable, Pace] = OrderedDict()

    def of(self, kind: Hashable) -> Pace:
        """The pace of a kind of call; a new one if it was not seen."""
        pace = self._paces.get(kind)
        if pace is None:
            pace = self._paces[kind] = Pace()
            if len(self._paces) > MOST_KEPT:
                self._paces.popitem(last=False)
        return pace
