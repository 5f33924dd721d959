"""A deadline: the end of the time that the user gives to a piece of work."""

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Deadline:
    """A number of seconds from a start.

    Attributes:
        started: by the clock of `time.monotonic`.
        seconds: from the start to the end.
    """

    started: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """Return the deadline of work that starts now."""
        return cls(time.monotonic(), seconds)

    @classmethod
    def of_process(cls, seconds: float) -> "Deadline":
        """Return the deadline of a command, counting the processor time used so far."""
        return cls(time.monotonic() - time.process_time(), seconds)

    def left(self) -> float:
        """Return the seconds to the end; negative afterwards."""
        return self.started + self.seconds - time.monotonic()
