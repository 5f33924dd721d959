"""Which rows of each member's batch this process takes, and what is joined afterwards.

Alone it takes all of them. On several workers, each of which is given the same batches,
it takes its part, and what it finds is summed over the workers: one collective a step.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.errors import InputError
from kerasnn.training.distribution.gradients import FlattenedGradients
from kerasnn.training.distribution.workers import WorkerGroup


class AllRows:
    """All rows of a batch are this process's."""

    def of(self, batch: Any) -> Any:
        """This process's rows of a tensor or an array [members, rows of the batch, ...]."""
        return batch

    def first(self, batch: tf.Tensor) -> int | tf.Tensor | None:
        """The number of the first of them; None where they are all there are."""
        return None

    def mean(self, values: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
        """Their part of the mean over the batch; the parts of all workers add up to it.

        Args:
            values: [members, its rows].
            batch: a tensor of all rows, [members, rows of the batch, ...].

        Returns:
            [members].
        """
        return tf.reduce_mean(values, axis=1)

    def joined(self, parts: Sequence[Any], like: Sequence[Any]) -> list[Any]:
        """In a graph: the sum over the workers, of each of these tensors.

        Args:
            parts: what each worker has found.
            like: tensors or Variables of their shapes.
        """
        return list(parts)

    def gathered(self, own: NDArray[Any], batch: NDArray[Any]) -> NDArray[Any]:
        """Outside of graphs: what all found for their rows, [members, rows, ...]."""
        return own


class WorkerRows(AllRows):
    """The rows of a batch are dealt to the workers: this one has its part of them.

    A batch with fewer rows than workers leaves some with none, who add nothing.

    Args:
        workers: of workers with one device each; all of them do the same steps.
    """

    def __init__(self, workers: WorkerGroup) -> None:
        self._workers = workers

    def of(self, batch: Any) -> Any:
        """See `AllRows`."""
        return batch[:, self._bound(batch, 0) : self._bound(batch, 1)]

    def first(self, batch: tf.Tensor) -> int | tf.Tensor:
        """See `AllRows`."""
        return self._bound(batch, 0)

    def mean(self, values: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
        """See `AllRows`."""
        return tf.reduce_sum(values, axis=1) / tf.cast(_width(batch), values.dtype)

    def joined(self, parts: Sequence[Any], like: Sequence[Any]) -> list[Any]:
        """See `AllRows`."""
        dense = [
            tf.reshape(tf.convert_to_tensor(part), shaped.shape)  # embeddings' are sparse
            for part, shaped in zip(parts, like, strict=True)
        ]
        flat = FlattenedGradients(dense)
        return flat.split([self._workers.reduce_sum(part) for part in flat.join(dense)])

    def gathered(self, own: NDArray[Any], batch: NDArray[Any]) -> NDArray[Any]:
        """See `AllRows`."""
        members, rows = batch.shape[:2]
        everything = np.zeros((members, rows, *own.shape[2:]), own.dtype)
        self.of(everything)[:] = own
        return self._workers.all_reduce_sum(everything)

    def _bound(self, batch: Any, parts: int) -> Any:
        """Where this worker's rows begin, or those of one so many after it."""
        return _width(batch) * (self._workers.worker + parts) // self._workers.n_workers


class OwnRows(WorkerRows):
    """The rows that a worker is given are its part of a batch: each worker has as many."""

    def of(self, batch: Any) -> Any:
        """See `AllRows`."""
        return batch

    def first(self, batch: tf.Tensor) -> int | tf.Tensor:
        """See `AllRows`; one worker's rows come after the other's."""
        return self._workers.worker * _width(batch)

    def mean(self, values: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
        """See `AllRows`."""
        return tf.reduce_mean(values, axis=1) / self._workers.n_workers


def rows_of(workers: WorkerGroup | None, *, own_batches: bool = False) -> AllRows:
    """How the rows of a batch are dealt; `own_batches`: they have been."""
    if workers is None:
        return AllRows()
    return OwnRows(workers) if own_batches else WorkerRows(workers)


def ensemble_workers(strategy: tf.distribute.Strategy | None) -> WorkerGroup | None:
    """The workers that train ensembles under a strategy; None where there is only one.

    Raises:
        InputError: it is another kind of strategy, or a worker has several devices.
    """
    if strategy is None:
        return None
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        raise InputError(
            "strategy must be a tf.distribute.MultiWorkerMirroredStrategy; got"
            f" {type(strategy).__name__}"
        )
    workers = WorkerGroup.of(strategy)
    if workers.local_replicas != 1:
        raise InputError(
            "the networks for a table are trained on one device of each worker; the"
            f" strategy has {workers.replicas} devices for {workers.n_workers} workers"
        )
    return workers if workers.n_workers > 1 else None


def _width(batch: Any) -> int | tf.Tensor:
    """Rows of the batch, as a number where it is known."""
    known = batch.shape[1]
    return tf.shape(batch)[1] if known is None else int(known)
