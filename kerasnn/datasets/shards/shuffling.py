"""Shuffled shards: every row once an epoch, in an order that differs in each epoch.

The shards get a random order and are read in groups; the rows of a group are shuffled
together. So only one group is in memory. The order depends only on the seed and the epoch:
a resumed training continues with the same rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn.datasets.shards.shards import RowBlock, Shards
from kerasnn.errors import InputError

SHARDS_TOGETHER = 4
TARGETS = ("y", "sample_weight")

_RowOrder = NDArray[np.int32]  # [rows]


@dataclass(frozen=True)
class ShuffledShards:
    """The rows of shards in a new order for each epoch.

    Attributes:
        shards: the rows on disk.
        seed: decides the order, with the number of the epoch.
        together: number of shards in a group, whose rows are shuffled together.
        only: numbers of the shards that are read; None for all.
    """

    shards: Shards
    seed: int = 0
    together: int = SHARDS_TOGETHER
    only: tuple[int, ...] | None = None

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the shards that are read."""
        return tuple(range(len(self.shards.sizes))) if self.only is None else self.only

    @property
    def n_rows(self) -> int:
        """Rows of an epoch."""
        return sum(self._sizes)

    @property
    def max_rows(self) -> int:
        """Maximum rows of a group."""
        return sum(sorted(self._sizes)[-self.together :])

    def part(self, worker: int, workers: int) -> "ShuffledShards":
        """Return the rows of one worker: every `workers`-th shard, the same in each epoch.

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
        """Return the rows of each group of an epoch, in reading order."""
        sizes = [self.shards.sizes[number] for number in self._order(epoch)]
        starts = range(0, len(sizes), self.together)
        return [sum(sizes[start : start + self.together]) for start in starts]

    def groups(
        self, epoch: int | None, *, first: int = 0
    ) -> Iterator[tuple[Any, _RowOrder]]:
        """Read the rows of an epoch, group by group, each with its row order.

        Args:
            epoch: from 0; None: the rows in stored order.
            first: row of this epoch to start with.

        Yields:
            data: x, (x, y) or (x, y, sample_weight), as `Model.fit` takes them: `y` and
                `sample_weight` are the arrays of these names; the others are the inputs, a
                single one as an array, several as a dict. Each is [rows, ...].
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
    ) -> Iterator[tuple[Iterator[Any], _RowOrder]]:
        """Read the groups without joining their shards, which saves memory.

        Args:
            epoch: see `groups`.
            first: see `groups`.

        Yields:
            pieces: the data of each shard, read on demand.
            order: row numbers, int32, in the concatenated pieces.
        """
        for numbers, order in self._groups(epoch, first):
            yield (_as_data(self.shards.shard(number)) for number in numbers), order

    def _groups(
        self, epoch: int | None, first: int
    ) -> Iterator[tuple[list[int], _RowOrder]]:
        """Yield the shard numbers of each group, and the order of its rows."""
        numbers = self._order(epoch)
        for start in range(0, len(numbers), self.together):
            group = numbers[start : start + self.together]
            n_rows = sum(self.shards.sizes[number] for number in group)
            if first >= n_rows:
                first -= n_rows  # skipped without reading
                continue
            order = np.arange(n_rows, dtype=np.int32)
            if epoch is not None:
                np.random.default_rng((self.seed, epoch, start)).shuffle(order)
            yield group, order[first:]
            first = 0

    def _order(self, epoch: int | None) -> list[int]:
        numbers = np.array(self.numbers)
        if epoch is None:
            return numbers.tolist()
        return np.random.default_rng((self.seed, epoch)).permutation(numbers).tolist()

    @property
    def _sizes(self) -> list[int]:
        return [self.shards.sizes[number] for number in self.numbers]


def _as_data(block: RowBlock) -> Any:
    """Return named arrays as x, (x, y) or (x, y, sample_weight)."""
    inputs = {name: array for name, array in block.items() if name not in TARGETS}
    targets = [block[name] for name in TARGETS if name in block]
    x = next(iter(inputs.values())) if len(inputs) == 1 else inputs
    return (x, *targets) if targets else x
