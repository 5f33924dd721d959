"""The folds of an ensemble's members: which rows each learns from, and which validate it.

Plain folds are stratified by the target. Folds of groups keep the rows of a group together.
Folds in time are forward-chained: later rows validate a member that learned from earlier
ones. scikit-learn's splitters cut groups and times.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, TimeSeriesSplit

from kerasnn.errors import InputError, check_whole_number
from kerasnn.splits.columns import group_codes, time_values

Rows = NDArray[np.int32]


class Split(NamedTuple):
    """A member's rows, ascending.

    Attributes:
        learned: numbers of the rows that it learns from.
        left_out: numbers of the rows that validate it.
    """

    learned: Rows
    left_out: Rows


@dataclass(frozen=True, eq=False)
class Folds:
    """Groups or times that the folds of some rows respect; by default none.

    Attributes:
        groups: [rows] codes from 0; rows of one group are in one fold.
        times: [rows] numbers that grow with time; folds are forward-chained.
        gap: rows that are left out between those that a member learns from and those that
            validate it.
    """

    groups: NDArray[np.int64] | None = None
    times: NDArray[np.float64] | None = None
    gap: int = 0

    @property
    def are_in_time(self) -> bool:
        """True if the folds are forward-chained: the first rows validate no member."""
        return self.times is not None

    def maximum(self, n_rows: int) -> int:
        """Return the largest number of folds."""
        if self.groups is not None:
            return len(np.unique(self.groups))
        return n_rows if self.times is None else len(self._cuts)

    @property
    def minimum(self) -> int:
        """The smallest number of folds: in time, one part can validate all members."""
        return 1 if self.are_in_time else 2

    @property
    def unit(self) -> str:
        """The things that limit the number of folds, in words."""
        if self.groups is not None:
            return "different groups"
        if self.times is None:
            return "rows"
        return "times at which the rows can be split, after the gap"

    def check_length(self, n_rows: int) -> None:
        """Check that there is a group or a time for each row.

        Raises:
            InputError: there is not.
        """
        for name, values in (("groups", self.groups), ("time", self.times)):
            if values is not None and len(values) != n_rows:
                raise InputError(
                    f"X and {name} must have the same number of rows; got {n_rows:,} and"
                    f" {len(values):,}"
                )

    def check(self, n_rows: int) -> None:
        """Check that these rows can be divided at all.

        Raises:
            InputError: there is one group only, all times are equal, or the gap is large.
        """
        if self.maximum(n_rows) >= self.minimum:
            return
        if self.groups is not None:
            raise InputError(
                f"all {n_rows:,} rows to learn from are of one group; folds need two or"
                " more. folds=0 trains without folds, or leave the groups away"
            )
        if self.times is None:
            return
        if self.times.min() == self.times.max():
            raise InputError(
                f"all {n_rows:,} rows to learn from have the same time, so none is later."
                " folds=0 trains without folds, or leave the time away"
            )
        raise InputError(
            f"gap must leave rows to learn from before the last of {n_rows:,} rows; got"
            f" gap={self.gap}. Give a smaller gap, or folds=0"
        )

    def splits(
        self, targets: NDArray[Any], n_folds: int, *, repeats: int, seed: int
    ) -> list[Split]:
        """Divide the rows into folds, and return a split for each fold of each repeat.

        Args:
            targets: [rows] labels (integers), or numbers, [rows] or [rows, n_out].
            n_folds: at most `maximum`.
            repeats: number of divisions; folds in time are the same in each.
            seed: decides, with the number of the repeat, what is random.
        """
        if self.times is not None:
            return self._in_time(n_folds) * repeats
        every = np.arange(len(targets), dtype=np.int32)
        found = []
        for repeat in range(repeats):
            fold_of_row = self._fold_of_row(targets, n_folds, (seed, repeat))
            for fold in range(n_folds):
                left_out = np.flatnonzero(fold_of_row == fold).astype(np.int32)
                found.append(Split(np.setdiff1d(every, left_out), left_out))
        return found

    def _fold_of_row(
        self, targets: NDArray[Any], n_folds: int, seed: tuple[int, int]
    ) -> NDArray[np.int64]:
        if self.groups is None:
            return stratified_folds(targets, n_folds, seed=seed)
        return grouped_folds(self.groups, targets, n_folds, seed=seed)

    @cached_property
    def _order(self) -> NDArray[np.intp]:
        """The rows by time; rows of one time keep their order."""
        assert self.times is not None
        return np.argsort(self.times, kind="stable")

    @cached_property
    def _cuts(self) -> NDArray[np.intp]:
        """Places in the order at which the time changes, with two rows before the gap."""
        assert self.times is not None
        changes = np.flatnonzero(np.diff(self.times[self._order])) + 1
        return changes[changes >= self.gap + 2]

    def of_rows(self, rows: NDArray[Any]) -> "Folds":
        """Return the same for some of the rows, by their numbers or a mask."""
        groups, times = (None if a is None else a[rows] for a in (self.groups, self.times))
        return Folds(groups, times, self.gap)

    def _in_time(self, n_folds: int) -> list[Split]:
        """Return splits that leave out the last half of the rows, in blocks.

        No member learns from fewer rows than about half of them, so that it is like the
        ones that learn from all.
        """
        return self.chained(n_folds, test_size=max(len(self._order) // (2 * n_folds), 1))

    def chained(self, n_folds: int, *, test_size: int | None = None) -> list[Split]:
        """Return forward-chained splits; each block begins where the time changes.

        Args:
            n_folds: at most `maximum`.
            test_size: number of rows of a block, about; None means that of
                `sklearn.model_selection.TimeSeriesSplit`.
        """
        n_rows = len(self._order)
        n_splits = max(n_folds, 2)  # scikit-learn makes no single split
        if test_size is not None:
            test_size = max(min(test_size, (n_rows - 1) // n_splits), 1)
        splitter = TimeSeriesSplit(n_splits, test_size=test_size)
        blocks = list(splitter.split(np.empty(n_rows)))[-n_folds:]
        starts = nearest_cuts(self._cuts, [int(block[0]) for _, block in blocks])
        return [
            Split(
                np.sort(self._order[: start - self.gap]).astype(np.int32),
                np.sort(self._order[start:stop]).astype(np.int32),
            )
            for start, stop in zip(starts, [*starts[1:], n_rows], strict=True)
        ]


def folds_for(groups: Any, time: Any, gap: int) -> Folds:
    """Return what the folds of raw groups, times and a gap must respect.

    Args:
        groups: [rows] of any dtype, or None.
        time: [rows] numbers or dates, or None.
        gap: number of rows.

    Raises:
        InputError: a value is missing or cannot be used, or there are groups and times.
    """
    gap = check_whole_number("gap", gap, minimum=0)
    if groups is not None and time is not None:
        raise InputError(
            "groups and time must not be given together: whole groups have no order in"
            " time. Give time= if later rows are to be predicted, or groups= if rows of"
            " new groups are"
        )
    if gap and time is None:
        raise InputError(f"gap needs time=, which orders the rows; got gap={gap}")
    return Folds(
        groups=None if groups is None else group_codes(groups),
        times=None if time is None else time_values(time),
        gap=gap,
    )


def nearest_cuts(cuts: NDArray[np.intp], wanted: Sequence[int]) -> list[int]:
    """Return a different cut near each wanted place, ascending.

    Args:
        cuts: possible places, ascending; at least as many as are wanted.
        wanted: places, ascending.
    """
    found: list[int] = []
    first = 0  # of the cuts that are left
    for i, place in enumerate(wanted):
        last = len(cuts) - (len(wanted) - i - 1)  # the rest is for later places
        near = first + int(np.argmin(np.abs(cuts[first:last] - place)))
        found.append(int(cuts[near]))
        first = near + 1
    return found


def stratified_folds(
    targets: NDArray[Any], n_folds: int, *, seed: Sequence[int] | int
) -> NDArray[np.int64]:
    """Assign rows to folds of equal size, with similar targets in each.

    The rows are sorted by target, and every `n_folds` neighbours go to different folds: a
    rare class is in as many folds as possible, and numbers are spread as evenly.

    Args:
        targets: [rows], or [rows, n_out], whose first column counts.
        n_folds: at least 2, or 1 for a single fold of all rows.
        seed: decides the order of equal targets, and the folds of neighbours.

    Returns:
        [rows] the fold of each row.
    """
    rng = np.random.default_rng(seed)
    first = targets if targets.ndim == 1 else targets[:, 0]
    n_rows = len(first)
    order = np.lexsort((rng.random(n_rows), first))
    n_runs = -(-n_rows // n_folds)
    folds = rng.permuted(np.tile(np.arange(n_folds), (n_runs, 1)), axis=1).reshape(-1)
    fold_of_row = np.empty(n_rows, np.int64)
    fold_of_row[order] = folds[:n_rows]
    return fold_of_row


def grouped_folds(
    groups: NDArray[np.int64],
    targets: NDArray[Any],
    n_folds: int,
    *,
    seed: Sequence[int] | int,
) -> NDArray[np.int64]:
    """Assign whole groups to folds, none of them empty, stratified by the class of labels.

    Args:
        groups: [rows] codes of at least `n_folds` groups.
        targets: [rows] labels (integers) or numbers.
        n_folds: at least 2.
        seed: decides what is random.

    Returns:
        [rows] the fold of each row.
    """
    state = int(np.random.SeedSequence(seed).generate_state(1)[0])
    if targets.dtype.kind in "iu" and np.bincount(targets).max() >= n_folds:
        splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=state)
        with warnings.catch_warnings():
            # A class of fewer rows than folds is not in every fold.
            warnings.simplefilter("ignore", UserWarning)
            folds = _folds_of(splitter, groups, targets)
        if len(np.unique(folds)) == n_folds:
            return folds
    splitter = GroupKFold(n_folds, shuffle=True, random_state=state)
    return _folds_of(splitter, groups, targets)


def _folds_of(
    splitter: Any, groups: NDArray[np.int64], targets: NDArray[Any]
) -> NDArray[np.int64]:
    fold_of_row = np.empty(len(groups), np.int64)
    splits = splitter.split(np.empty(len(groups)), targets, groups)
    for fold, (_, left_out) in enumerate(splits):
        fold_of_row[left_out] = fold
    return fold_of_row
