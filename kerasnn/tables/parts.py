"""Which part a row of a streamed table belongs to: learned from, held out, tested, or none.

A table is read in chunks, and the part of a row must not depend on the chunk: it follows
from the row's number, from a hash of its group, or from its time.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets.cells.factorized import factorize
from kerasnn.datasets.schema.kinds import ColumnReading
from kerasnn.errors import InputError
from kerasnn.splits import group_hashes, time_values

LEARNED, HELD_OUT, TESTED, UNUSED = range(4)
Parts = NDArray[np.int8]  # [rows], one of these


@dataclass(frozen=True)
class Shares:
    """Wanted shares of the rows.

    Attributes:
        tested: of all rows.
        held_out: of all rows; the held-out rows choose the epoch.
    """

    tested: float
    held_out: float


class RowParts(ABC):
    """The part of each row."""

    @abstractmethod
    def of(self, rows: pd.DataFrame) -> Parts:
        """Return the part of each row.

        Args:
            rows: [rows, columns], raw, with row numbers as index.

        Raises:
            InputError: a group or a time cannot be used.
        """


@dataclass(frozen=True)
class DrawnParts(RowParts):
    """Rows that were drawn by their numbers.

    Attributes:
        tested, held_out: ascending numbers of rows; all others are learned from.
    """

    tested: NDArray[np.int64]
    held_out: NDArray[np.int64]

    def of(self, rows: pd.DataFrame) -> Parts:
        """See `RowParts`."""
        numbers = rows.index.to_numpy()
        parts = np.full(len(rows), LEARNED, np.int8)
        for part, known in ((HELD_OUT, self.held_out), (TESTED, self.tested)):
            parts[np.isin(numbers, known)] = part
        return parts


@dataclass(frozen=True)
class GroupParts(RowParts):
    """Whole groups, by a hash of their value.

    Attributes:
        column: of the groups.
        seed: of the hashes.
        missing_texts: texts of missing groups.
        tested_below, held_out_below: bounds of the hashes.
    """

    column: str
    seed: int
    missing_texts: tuple[str, ...]
    tested_below: float
    held_out_below: float

    def of(self, rows: pd.DataFrame) -> Parts:
        """See `RowParts`."""
        groups = factorize(rows[self.column]).without(self.missing_texts)
        hashes = group_hashes(groups, seed=self.seed, what=f"the group {self.column!r}")
        bounds = [self.tested_below, self.held_out_below]
        parts = np.array([TESTED, HELD_OUT, LEARNED], np.int8)
        return parts[np.searchsorted(bounds, hashes, side="right")]

    @classmethod
    def of_counts(
        cls,
        column: str,
        counts: Mapping[str, int] | None,
        shares: Shares,
        *,
        seed: int,
        missing_texts: tuple[str, ...],
    ) -> "GroupParts":
        """Return the parts whose shares of the rows are nearest to the wanted ones.

        Args:
            column: of the groups.
            counts: rows of each group; None if they are too many to be counted.
            shares: wanted.
            seed: of the hashes.
            missing_texts: texts of missing groups.

        Raises:
            InputError: there are fewer groups than parts.
        """
        bounds = [shares.tested, shares.tested + shares.held_out]
        if counts is not None:
            known = {t: n for t, n in counts.items() if t not in missing_texts}
            bounds = _hash_bounds(column, known, shares, seed)
        return cls(column, seed, missing_texts, *bounds)


def _hash_bounds(
    column: str, counts: Mapping[str, int], shares: Shares, seed: int
) -> list[float]:
    """Return the bounds of the hashes for the groups that are there."""
    n_parts = 3 if shares.tested else 2
    if len(counts) < n_parts:
        raise InputError(
            f"the group {column!r} has {len(counts)} different values; {n_parts} are needed"
            " for rows to learn from, rows that choose the epoch"
            f"{' and test rows' if shares.tested else ''}"
        )
    hashes = group_hashes(list(counts), seed=seed)
    order = np.argsort(hashes)
    rows = np.array(list(counts.values()), np.float64)[order]
    ends = np.concatenate([[0.0], rows.cumsum() / rows.sum()])
    # Between two hashes; the last group is learned from.
    bounds = np.concatenate([[0.0], (hashes[order][1:] + hashes[order][:-1]) / 2])
    first = 0
    if shares.tested:
        first = 1 + int(np.argmin(np.abs(ends[1:-2] - shares.tested)))
    wanted = ends[first] + shares.held_out
    second = first + 1 + int(np.argmin(np.abs(ends[first + 1 : -1] - wanted)))
    return [float(bounds[first]), float(bounds[second])]


@dataclass(frozen=True)
class TimeParts(RowParts):
    """The latest rows are tested, those before them are held out; gaps are before both.

    Attributes:
        column: of the times.
        reading: of the times.
        bounds: the times at which a gap, the held-out rows, another gap and the test rows
            begin, ascending; two are equal if there is no gap.
    """

    column: str
    reading: ColumnReading
    bounds: tuple[float, float, float, float]

    def of(self, rows: pd.DataFrame) -> Parts:
        """See `RowParts`."""
        what = f"the time {self.column!r}"
        times = time_values(rows[self.column], what=what, reading=self.reading)
        parts = np.array([LEARNED, UNUSED, HELD_OUT, UNUSED, TESTED], np.int8)
        return parts[np.searchsorted(self.bounds, times, side="right")]

    @classmethod
    def of_times(
        cls,
        column: str,
        reading: ColumnReading,
        times: NDArray[np.float64],
        shares: Shares,
        *,
        gap: int,
    ) -> "TimeParts":
        """Return the parts whose shares of the rows are nearest to the wanted ones.

        Args:
            column: of the times.
            reading: of the times.
            times: of a sample of the rows.
            shares: wanted.
            gap: rows of the sample between two parts.

        Raises:
            InputError: there are fewer times than parts, or the gap is too large.
        """
        ordered = np.sort(times)
        n_rows = len(ordered)
        changes = np.flatnonzero(np.diff(ordered)) + 1
        places = [n_rows * (1 - shares.tested - shares.held_out)]
        if shares.tested:
            places.append(n_rows * (1 - shares.tested))
        cuts: list[int] = []
        for place in places:
            first = max(gap + 1, cuts[-1] + gap + 1 if cuts else 0)
            possible = changes[changes >= first]
            later = len(places) - len(cuts) - 1
            possible = possible[: len(possible) - later]
            if not len(possible):
                raise _too_few_times(column, len(changes) + 1, len(places) + 1, gap)
            cuts.append(int(possible[np.argmin(np.abs(possible - place))]))
        if cuts and ordered[cuts[0] - gap] == ordered[0]:
            raise _too_few_times(column, len(changes) + 1, len(places) + 1, gap)
        bounds = [float(ordered[i]) for cut in cuts for i in (cut - gap, cut)]
        bounds += [np.inf] * (4 - len(bounds))
        return cls(column, reading, (bounds[0], bounds[1], bounds[2], bounds[3]))


def _too_few_times(column: str, n_times: int, n_parts: int, gap: int) -> InputError:
    beside = f" with {gap=} rows of the sample between them" if gap else ""
    return InputError(
        f"the time {column!r} has {n_times:,} different values, too few for {n_parts} parts"
        f" of the rows{beside}: rows to learn from, later rows that choose the epoch, and"
        " the test rows. Give a smaller gap, or other times"
    )
