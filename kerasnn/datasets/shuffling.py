"""Every row of a folder of shards once an epoch, in an order that is drawn anew each time.

The shards are laid in a random order and taken some at a time; the rows of these are
shuffled together. So two rows that lie far apart on disk come side by side, and no more
than these shards are in memory. The order depends on nothing but seed and epoch: a
training that goes on after its process died begins where it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn.datasets.shards import Shards

SHARDS_TOGETHER = 4
TARGETS = ("y", "sample_weight")

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class ShuffledShards:
    """The rows of shards in a new order for each epoch.

    Attributes:
        shards: where the rows lie.
        seed: with the number of the epoch it decides the order.
        together: shards whose rows are shuffled together, and in memory.
    """

    shards: Shards
    seed: int = 0
    together: int = SHARDS_TOGETHER

    def blocks(self, epoch: int | None, rows: int, *, first: int = 0) -> Iterator[Arrays]:
        """The rows of an epoch, so many at a time; the last block may have fewer.

        Args:
            epoch: from 0; None: their own order.
            rows: of a block.
            first: the number of the row, in this epoch's order, to begin with.
        """
        rest: Arrays | None = None
        for group in self._groups(epoch, first):
            joined = group if rest is None else _joined(rest, group)
            n_rows = _length(joined)
            full = n_rows - n_rows % rows
            for start in range(0, full, rows):
                yield {name: a[start : start + rows] for name, a in joined.items()}
            rest = {name: array[full:] for name, array in joined.items()}
        if rest is not None and _length(rest):
            yield rest

    @property
    def n_rows(self) -> int:
        """Of an epoch."""
        return len(self.shards)

    def data(self, epoch: int | None, rows: int, *, first: int = 0) -> Iterator[Any]:
        """`blocks` as `Model.fit` takes them: x, (x, y) or (x, y, sample_weight).

        `y` and `sample_weight` are the arrays of these names; the others are the inputs:
        one as it is, several as a dict.
        """
        for arrays in self.blocks(epoch, rows, first=first):
            targets = [arrays.pop(name) for name in TARGETS if name in arrays]
            x = next(iter(arrays.values())) if len(arrays) == 1 else arrays
            yield (x, *targets) if targets else x

    def _groups(self, epoch: int | None, first: int) -> Iterator[Arrays]:
        """The rows of some shards, shuffled together; those before `first` are left out."""
        order = self._order(epoch)
        for start in range(0, len(order), self.together):
            numbers = order[start : start + self.together]
            n_rows = sum(self.shards.sizes[number] for number in numbers)
            if first >= n_rows:
                first -= n_rows  # not even read
                continue
            group = self._read(numbers)
            if epoch is not None:
                key = (self.seed, epoch, start)
                shuffled = np.random.default_rng(key).permutation(n_rows)[first:]
                yield {name: array[shuffled] for name, array in group.items()}
            else:
                yield {name: array[first:] for name, array in group.items()}
            first = 0

    def _order(self, epoch: int | None) -> list[int]:
        numbers = np.arange(len(self.shards.sizes))
        if epoch is None:
            return numbers.tolist()
        return np.random.default_rng((self.seed, epoch)).permutation(numbers).tolist()

    def _read(self, numbers: list[int]) -> Arrays:
        shards = [self.shards.shard(number) for number in numbers]
        return {
            name: np.concatenate([shard[name] for shard in shards])
            for name in self.shards.arrays
        }


def _joined(one: Arrays, other: Arrays) -> Arrays:
    return {name: np.concatenate([one[name], other[name]]) for name in one}


def _length(arrays: Arrays) -> int:
    return len(next(iter(arrays.values())))
