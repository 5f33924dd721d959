"""Every row of a folder of shards once an epoch, in an order that is drawn anew each time.

The shards are laid in a random order and taken some at a time; the rows of these are
shuffled together. So two rows that lie far apart on disk come side by side, and no more
than these shards are in memory. The order depends on nothing but seed and epoch: a
training that goes on after its process died begins where it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn.datasets.shards import Arrays, Shards
from kerasnn.errors import InputError

SHARDS_TOGETHER = 4
TARGETS = ("y", "sample_weight")

RowOrder = NDArray[np.int32]  # [rows]


@dataclass(frozen=True)
class ShuffledShards:
    """The rows of shards in a new order for each epoch.

    Attributes:
        shards: where the rows lie.
        seed: with the number of the epoch it decides the order.
        together: shards whose rows are shuffled together, and in memory.
        only: numbers of the shards that are read; None: all of them.
    """

    shards: Shards
    seed: int = 0
    together: int = SHARDS_TOGETHER
    only: tuple[int, ...] | None = None

    @property
    def numbers(self) -> tuple[int, ...]:
        """Of the shards that are read."""
        return tuple(range(len(self.shards.sizes))) if self.only is None else self.only

    @property
    def n_rows(self) -> int:
        """Of an epoch."""
        return sum(self._sizes)

    @property
    def most_rows(self) -> int:
        """Of a group."""
        return sum(sorted(self._sizes)[-self.together :])

    def part(self, worker: int, workers: int) -> "ShuffledShards":
        """What one of several workers reads: every so many shards, the same in each epoch.

        Raises:
            InputError: there are fewer shards than workers.
        """
        numbers = self.numbers[worker::workers]
        if not numbers:
            raise InputError(
                f"{self.shards.folder}: has {len(self.numbers)} shards for {workers}"
                " workers, of which each reads its own: write it with fewer rows_per_shard"
            )
        return replace(self, only=numbers)

    def group_sizes(self, epoch: int | None) -> list[int]:
        """Rows of each group of an epoch, in the order in which they come."""
        sizes = [self.shards.sizes[number] for number in self._order(epoch)]
        starts = range(0, len(sizes), self.together)
        return [sum(sizes[start : start + self.together]) for start in starts]

    def groups(
        self, epoch: int | None, *, first: int = 0
    ) -> Iterator[tuple[Any, RowOrder]]:
        """The rows of some shards at a time, and in which order they come.

        Args:
            epoch: from 0; None: the rows in their own order.
            first: the number of the row, in this epoch's order, to begin with.

        Yields:
            data: x, (x, y) or (x, y, sample_weight), as `Model.fit` takes them: `y` and
                `sample_weight` are the arrays of these names; the others are the inputs,
                one as it is, several as a dict. Each is [rows, ...].
            order: row numbers, int32.
        """
        for numbers, order in self._groups(epoch, first):
            shards = [self.shards.shard(number) for number in numbers]
            joined = {
                name: np.concatenate([shard[name] for shard in shards])
                for name in self.shards.arrays
            }
            yield _as_data(joined), order

    def pieces(
        self, epoch: int | None, *, first: int = 0
    ) -> Iterator[tuple[Iterator[Any], RowOrder]]:
        """The groups, not joined: whoever takes them decides where in memory they go.

        Args:
            epoch: see `groups`.
            first: see `groups`.

        Yields:
            pieces: the data of one shard after the other, which is opened when it is
                asked for.
            order: row numbers, int32, in all pieces side by side.
        """
        for numbers, order in self._groups(epoch, first):
            yield (_as_data(self.shards.shard(number)) for number in numbers), order

    def _groups(
        self, epoch: int | None, first: int
    ) -> Iterator[tuple[list[int], RowOrder]]:
        """The numbers of the shards of each group, and the order of its rows."""
        numbers = self._order(epoch)
        for start in range(0, len(numbers), self.together):
            some = numbers[start : start + self.together]
            n_rows = sum(self.shards.sizes[number] for number in some)
            if first >= n_rows:
                first -= n_rows  # not even read
                continue
            order = np.arange(n_rows, dtype=np.int32)
            if epoch is not None:
                np.random.default_rng((self.seed, epoch, start)).shuffle(order)
            yield some, order[first:]
            first = 0

    def _order(self, epoch: int | None) -> list[int]:
        numbers = np.array(self.numbers)
        if epoch is None:
            return numbers.tolist()
        return np.random.default_rng((self.seed, epoch)).permutation(numbers).tolist()

    @property
    def _sizes(self) -> list[int]:
        return [self.shards.sizes[number] for number in self.numbers]


def _as_data(arrays: Arrays) -> Any:
    """Arrays by name as x, (x, y) or (x, y, sample_weight)."""
    inputs = {name: array for name, array in arrays.items() if name not in TARGETS}
    targets = [arrays[name] for name in TARGETS if name in arrays]
    x = next(iter(inputs.values())) if len(inputs) == 1 else inputs
    return (x, *targets) if targets else x
