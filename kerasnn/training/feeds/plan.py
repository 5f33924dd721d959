"""Plans: which rows are in which batch of an epoch, decided on the host.

The batch sizes are the same in every epoch; the row order differs. The first sizes[0] rows
of the order are the first batch, and so on. So the compiled loop sees static shapes, and
shuffling takes only NumPy's time (XLA's sort is 40 times slower).
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

RowOrder = NDArray[np.int32]  # [rows]: row numbers, each once


@dataclass(frozen=True)
class EpochPlan:
    """The batches of every epoch; each row is in exactly one batch of an epoch.

    Attributes:
        sizes: rows of each batch, in order.
        row_order: maps the number of an epoch (from 0) to row numbers [n_rows] int32.
    """

    sizes: tuple[int, ...]
    row_order: Callable[[int], RowOrder]

    @property
    def n_rows(self) -> int:
        """Number of rows of an epoch."""
        return sum(self.sizes)

    @property
    def steps(self) -> int:
        """Number of batches of an epoch."""
        return len(self.sizes)

    def batches(self, epoch: int) -> list[RowOrder]:
        """Return the row numbers of each batch of one epoch."""
        return np.split(self.row_order(epoch), np.cumsum(self.sizes)[:-1])

    def blocks(self, epochs: Sequence[int], padded_to: int) -> list[NDArray[np.int32]]:
        """Return the row numbers of several epochs, batches of equal size in one array.

        Args:
            epochs: the numbers of the epochs.
            padded_to: length of the first axis of the result; surplus epochs are zero.

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
    """Return a plan.

    Args:
        batching: "full", all rows in one batch; "kfold", the reference batcher;
            "shuffled", a new order each epoch in batches of `batch_size`, the last one
            short; "tf-data", the same from a `tf.data` pipeline.
        n_rows: number of rows.
        batch_size: rows of a batch; if there are fewer rows, there is one batch.
        seed: decides the row orders, together with the number of the epoch.

    Raises:
        ValueError: the batching is unknown.
    """
    if batching == "full":
        return sequential_plan(n_rows, n_rows)
    if batching == "kfold":
        return _kfold_plan(n_rows, batch_size, seed)
    sizes = _fixed_sizes(n_rows, batch_size)
    if batching == "shuffled":
        return EpochPlan(sizes, lambda epoch: _shuffled_order(n_rows, seed, epoch))
    if batching == "tf-data":
        return EpochPlan(sizes, _TfDataOrder(n_rows, seed))
    raise ValueError(f"batching must be one of {get_args(Batching)}; got {batching!r}")


def sequential_plan(n_rows: int, batch_size: int) -> EpochPlan:
    """Return the plan of an evaluation: rows in their order, in batches of one size."""
    in_order = np.arange(n_rows, dtype=np.int32)
    return EpochPlan(_fixed_sizes(n_rows, batch_size), lambda epoch: in_order)


def keras_plan(
    n_rows: int,
    batch_size: int,
    shuffle: bool | str,
    seed: int,
    order: RowOrder | None = None,
) -> EpochPlan:
    """Return the plan of `Model.fit(shuffle=...)`: True, False, or "batch".

    "batch" keeps the batches of the unshuffled rows, and shuffles within each. An `order`
    is that of all epochs.
    """
    if order is not None:
        return EpochPlan(_fixed_sizes(n_rows, batch_size), lambda epoch: order)
    if shuffle == "batch":
        sizes = _fixed_sizes(n_rows, batch_size)
        return EpochPlan(sizes, lambda epoch: _batchwise_order(sizes, seed, epoch))
    if shuffle:
        return make_plan("shuffled", n_rows, batch_size, seed=seed)
    return sequential_plan(n_rows, batch_size)


def epochs_planned(plan: EpochPlan) -> int:
    """Return the maximum number of epochs of one call, a static shape of the graph."""
    return max(1, min(STEPS_PER_CALL // plan.steps, ROW_NUMBERS_PER_CALL // plan.n_rows))


def _fixed_sizes(n_rows: int, batch_size: int) -> tuple[int, ...]:
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
    """Row orders from one `tf.data` pipeline over the epochs.

    The pipeline restarts if an epoch is not the next one. Its shuffle is stateless, keyed
    by seed and epoch: `Dataset.shuffle` would mix in TensorFlow's global seed.
    """

    def __init__(self, n_rows: int, seed: int) -> None:
        self.n_rows = n_rows
        self.key = int(np.random.SeedSequence(seed).generate_state(1)[0] >> 1)  # 31 bits
        self.next_epoch: int | None = None
        self.orders: Iterator[tf.Tensor] = iter(())

    def __call__(self, epoch: int) -> RowOrder:
        if epoch != self.next_epoch:
            epochs = tf.data.Dataset.counter(epoch, dtype=tf.int32)
            # The thread that tunes a pipeline sleeps longer and longer. To free an endless
            # iterator means to wait for that thread: up to as long as the iterator lived.
            options = tf.data.Options()
            options.autotune.enabled = False
            orders = epochs.map(self._order).prefetch(1).with_options(options)
            self.orders = iter(orders)
        self.next_epoch = epoch + 1
        return next(self.orders).numpy()

    def _order(self, epoch: tf.Tensor) -> tf.Tensor:
        return tf.random.experimental.stateless_shuffle(
            tf.range(self.n_rows), seed=tf.stack([self.key, epoch]), alg="philox"
        )
