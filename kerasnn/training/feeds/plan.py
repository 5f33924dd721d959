"""Which rows are in which batch of an epoch, drawn on the host.

A plan is its batch sizes, which are the same in every epoch, and a row order for each
epoch: the first sizes[0] rows are the first batch, and so on. So the compiled loop sees
static shapes, and shuffling costs what NumPy takes (XLA's sort is 40 times slower).
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.choices import Batching
from kerasnn.reference import kfold_batches

STEPS_PER_CALL = 4096
ROW_NUMBERS_PER_CALL = 2**20  # 4 MB

RowOrder = NDArray[np.int32]  # [n_rows], each row number once


@dataclass(frozen=True)
class EpochPlan:
    """The batches of every epoch; each row is in exactly one batch of an epoch.

    Attributes:
        sizes: rows of each batch, in order; their sum is the number of rows.
        row_order: from the number of an epoch (from 0) to row numbers [n_rows] int32.
    """

    sizes: tuple[int, ...]
    row_order: Callable[[int], RowOrder]

    @property
    def n_rows(self) -> int:
        """Rows of an epoch."""
        return sum(self.sizes)

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return len(self.sizes)

    def batches(self, epoch: int) -> list[RowOrder]:
        """The row numbers of each batch of one epoch."""
        return np.split(self.row_order(epoch), np.cumsum(self.sizes)[:-1])

    def blocks(self, epochs: Sequence[int], padded_to: int) -> list[NDArray[np.int32]]:
        """The row numbers of several epochs, batches of one size side by side.

        Args:
            epochs: the numbers of the epochs.
            padded_to: epochs that the result has room for; the surplus is zero.

        Returns:
            One array for each run of equal sizes, [padded_to, steps of the run, size].
        """
        order = np.zeros((padded_to, self.n_rows), np.int32)
        for i, epoch in enumerate(epochs):
            order[i] = self.row_order(epoch)
        blocks, start = [], 0
        for size, run in itertools.groupby(self.sizes):
            steps = len(list(run))
            stop = start + steps * size
            blocks.append(order[:, start:stop].reshape(padded_to, steps, size))
            start = stop
        return blocks


def make_plan(
    batching: Batching, n_rows: int, batch_size: int, *, seed: int = 0
) -> EpochPlan:
    """The plan for so many rows.

    Args:
        batching: "full", all rows in one batch; "kfold", the reference batcher;
            "shuffled", a new order each epoch in batches of `batch_size`, the last one
            short; "tf-data", the same drawn by a `tf.data` pipeline.
        n_rows: rows of the data.
        batch_size: rows of a batch; more than there are rows gives one batch.
        seed: with the number of the epoch, decides the order of the rows.

    Raises:
        ValueError: the batching is not one of these.
    """
    if batching == "full":
        everything = np.arange(n_rows, dtype=np.int32)
        return EpochPlan((n_rows,), lambda epoch: everything)
    if batching == "kfold":
        return _kfold_plan(n_rows, batch_size, seed)
    sizes = _fixed_sizes(n_rows, batch_size)
    if batching == "shuffled":
        return EpochPlan(sizes, lambda epoch: _shuffled_order(n_rows, seed, epoch))
    if batching == "tf-data":
        return EpochPlan(sizes, _TfDataOrder(n_rows, seed))
    raise ValueError(f"batching must be one of {get_args(Batching)}; got {batching!r}")


def sequential_plan(n_rows: int, batch_size: int) -> EpochPlan:
    """Rows in their own order, in batches of `batch_size`: for evaluation."""
    in_order = np.arange(n_rows, dtype=np.int32)
    return EpochPlan(_fixed_sizes(n_rows, batch_size), lambda epoch: in_order)


def keras_plan(n_rows: int, batch_size: int, shuffle: bool | str, seed: int) -> EpochPlan:
    """The plan of `Model.fit(shuffle=...)`: True, False, or "batch".

    "batch" shuffles the rows within each batch, which stay those of their own order.
    """
    if shuffle == "batch":
        sizes = _fixed_sizes(n_rows, batch_size)
        return EpochPlan(sizes, lambda epoch: _batchwise_order(sizes, seed, epoch))
    if shuffle:
        return make_plan("shuffled", n_rows, batch_size, seed=seed)
    return sequential_plan(n_rows, batch_size)


def epochs_planned(plan: EpochPlan) -> int:
    """Epochs that one call has room for: a static shape, the same for any `epochs`."""
    return max(1, min(STEPS_PER_CALL // plan.steps, ROW_NUMBERS_PER_CALL // plan.n_rows))


def _fixed_sizes(n_rows: int, batch_size: int) -> tuple[int, ...]:
    """Full batches, then what is left."""
    full, last = divmod(n_rows, batch_size)
    return (batch_size,) * full + ((last,) if last else ())


def _kfold_plan(n_rows: int, batch_size: int, seed: int) -> EpochPlan:
    def batches(epoch: int) -> list[NDArray[np.int64]]:
        return kfold_batches(n_rows, batch_size, seed=seed, epoch=epoch)

    def row_order(epoch: int) -> RowOrder:
        return np.concatenate(batches(epoch)).astype(np.int32)

    return EpochPlan(tuple(len(batch) for batch in batches(0)), row_order)


def _shuffled_order(n_rows: int, seed: int, epoch: int) -> RowOrder:
    return np.random.default_rng((seed, epoch)).permutation(n_rows).astype(np.int32)


def _batchwise_order(sizes: tuple[int, ...], seed: int, epoch: int) -> RowOrder:
    rng = np.random.default_rng((seed, epoch))
    starts = np.cumsum((0, *sizes[:-1]))
    batches = [
        start + rng.permutation(size) for start, size in zip(starts, sizes, strict=True)
    ]
    return np.concatenate(batches).astype(np.int32)


class _TfDataOrder:
    """Row orders from one `tf.data` pipeline over the epochs; it shuffles row numbers.

    The pipeline begins anew where an epoch is not the next one. Its shuffle is stateless,
    keyed by seed and epoch: `Dataset.shuffle` would mix in TensorFlow's global seed.
    """

    def __init__(self, n_rows: int, seed: int) -> None:
        self.n_rows = n_rows
        self.key = int(np.random.SeedSequence(seed).generate_state(1)[0] >> 1)  # 31 bits
        self.next_epoch: int | None = None
        self.orders: Iterator[tf.Tensor] = iter(())

    def __call__(self, epoch: int) -> RowOrder:
        if epoch != self.next_epoch:
            epochs = tf.data.Dataset.counter(epoch, dtype=tf.int32)
            self.orders = iter(epochs.map(self._order).prefetch(1))
        self.next_epoch = epoch + 1
        return next(self.orders).numpy()

    def _order(self, epoch: tf.Tensor) -> tf.Tensor:
        return tf.random.experimental.stateless_shuffle(
            tf.range(self.n_rows), seed=tf.stack([self.key, epoch]), alg="philox"
        )
