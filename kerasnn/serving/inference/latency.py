"""Latency of graph calls, which decides whether the event loop makes a call itself.

Handing a call to a thread costs more than a small network's call. With one client at a
time, calls that are known to be fast are therefore made in the event loop: 1.4 times the
requests. A call is known after a thread has computed as many rows of the same shape and
signature. Calls that are slow too often go back to the threads; another program that
takes the processor for a while makes calls slow too, so slow calls are forgotten again.

With several clients, requests gather while a thread computes and are then joined: with 8
clients that is 1.15 times the requests.
"""

FAST_SECONDS = 300e-6
SLOW_SECONDS = 20e-3
MAX_SLOW_CALLS = 3
FAST_CALLS_FOR_SLOW = 200  # in a row, after which one slow call is forgotten
MIN_SINGLE_CALLS = 16  # calls for one request each: then there is one client


class CallLatency:
    """Observed latency of one kind of call.

    Attributes:
        fast_rows: the largest number of rows of a fast call.
        slow: number of slow calls that were expected to be fast, and are not forgotten.
        fast_in_a_row: number of fast calls since the last slow one, or the last forgotten.
        alone: number of last calls in a row that were for one request.
    """

    def __init__(self) -> None:
        self.fast_rows = 0
        self.alone = 0
        self.slow = 0
        self.fast_in_a_row = 0

    def is_fast(self, rows: int) -> bool:
        """Return whether a call for one request with this number of rows is fast."""
        return (
            0 < rows <= self.fast_rows
            and self.slow < MAX_SLOW_CALLS
            and self.alone >= MIN_SINGLE_CALLS
        )

    def observe(self, rows: int, seconds: float, *, requests: int = 1) -> None:
        """Record the latency of a call."""
        self.alone = self.alone + 1 if requests == 1 else 0
        if seconds <= FAST_SECONDS:
            self.fast_rows = max(self.fast_rows, rows)
            self.fast_in_a_row += 1
            if self.fast_in_a_row >= FAST_CALLS_FOR_SLOW:
                self.slow, self.fast_in_a_row = max(0, self.slow - 1), 0
        elif seconds > SLOW_SECONDS and rows <= self.fast_rows:
            self.slow, self.fast_in_a_row = self.slow + 1, 0
