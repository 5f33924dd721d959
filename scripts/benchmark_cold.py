"""How long a contender takes from a cold start: what it compiles, 10 and 100 epochs.

Every number is of a process of its own, whose libraries are loaded before the clock
starts. `benchmark.py --cold` prints them.
"""

import statistics
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from benchmark_peers import Contender
from benchmark_worker import Timed

SHORT, LONG = 10, 100  # epochs

Start = Callable[[Contender], AbstractContextManager[Timed]]


@dataclass
class ColdStart:
    """What was seen of one contender, one number for each round.

    Attributes:
        contender: which one.
        compile_seconds: the first epoch less a later one.
        short_seconds: to the end of 10 epochs.
        long_seconds: to the end of 100 epochs.
        estimated: the last is not measured, but what follows from the others.
        peak_megabytes: memory of the process that ran 10 epochs.
    """

    contender: Contender
    compile_seconds: list[float] = field(default_factory=list)
    short_seconds: list[float] = field(default_factory=list)
    long_seconds: list[float] = field(default_factory=list)
    estimated: bool = False
    peak_megabytes: list[float] = field(default_factory=list)

    def measure(self, start: Start, *, limit_seconds: float, seed: int) -> None:
        """One round."""
        with start(self.contender) as timed:
            first = timed.first_run(1, seed)
            later = min(timed.timed_run(1, seed) for _ in range(2))
        compiling = max(0.0, first - later)
        with start(self.contender) as timed:
            short = timed.first_run(SHORT, seed)
            self.peak_megabytes.append(timed.peak_megabytes())
        long = compiling + max(0.0, short - compiling) * LONG / SHORT
        if long > limit_seconds:
            self.estimated = True
        else:
            with start(self.contender) as timed:
                long = timed.first_run(LONG, seed)
        self.compile_seconds.append(compiling)
        self.short_seconds.append(short)
        self.long_seconds.append(long)

    def summary(self) -> dict[str, Any]:
        """The medians."""
        return {
            "name": self.contender.name,
            "title": self.contender.title,
            "compile_seconds": statistics.median(self.compile_seconds),
            "seconds_10": statistics.median(self.short_seconds),
            "seconds_100": statistics.median(self.long_seconds),
            "estimated": self.estimated,
            "peak_megabytes": statistics.median(self.peak_megabytes),
        }


def cold_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The table as text."""
    lines = [
        f"{'contender':<37} {'compile s':>10} {'10 epochs':>10} {'100 epochs':>11}"
        f" {'peak MB':>8}"
    ]
    for row in rows:
        long = f"{'~' if row['estimated'] else ''}{row['seconds_100']:.2f}"
        lines.append(
            f"{row['title']:<37} {row['compile_seconds']:>10.2f}"
            f" {row['seconds_10']:>10.2f} {long:>11} {row['peak_megabytes']:>8.0f}"
        )
    return lines


def cold_notes(rounds: int, limit_seconds: float) -> list[str]:
    """What must be known to read the numbers."""
    return [
        f"each number: median of {rounds}, each from a new process whose libraries are"
        " loaded",
        "compile s: the first epoch, with all that is built and compiled for it, less a"
        " later one",
        "10 and 100 epochs: seconds from no model to a trained one, in one call; ~ is an"
        f" estimate from the first two columns, where it would be over {limit_seconds:g} s",
        "peak MB: resident memory of the process after 10 epochs, libraries and rows"
        " included",
    ]
