"""Data-parallel sharding: the rows of each member's batch that this process computes.

A single process takes all rows. Workers that are given the same batches take a slice each,
and the results are summed over the workers, with one collective per step.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.choices import FitDriver
from kerasnn.training.distribution.gradients import FlattenedGradients
from kerasnn.training.distribution.runner import check_distributed_driver
from kerasnn.training.distribution.workers import SingleProcess, WorkerGroup


@dataclass(frozen=True)
class AllRows:
    """A single process, which computes all rows of every batch.

    Attributes:
        shares_traces: whether another network of this shape can use the traced steps.
    """

    shares_traces: ClassVar[bool] = True

    def check_driver(self, wanted: FitDriver) -> None:
        """Check that the driver can train here.

        Raises:
            InputError: it cannot.
        """

    def choose_driver(self, wanted: FitDriver, *, xla_pays: bool) -> FitDriver:
        """Return the driver; "auto" becomes "xla" if that pays, else "graph"."""
        if wanted != "auto":
            return wanted
        return "xla" if xla_pays else "graph"

    def assert_same_on_all(self, settings: Callable[[], Mapping[str, Any]]) -> None:
        """Check that all workers have the same settings; one process always has.

        Raises:
            InputError: they differ.
        """

    def local(self, batch: Any) -> Any:
        """Return this process's rows of [members, rows of the batch, ...]."""
        return batch

    def first_row(self, batch: tf.Tensor) -> int | tf.Tensor | None:
        """Return the number of the first local row; None if all rows are local."""
        return None

    def mean(self, values: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
        """Return the local part of a mean over the batch; the workers' parts add up to it.

        Args:
            values: [members, local rows].
            batch: a tensor of all rows, [members, rows of the batch, ...].

        Returns:
            [members].
        """
        return tf.reduce_mean(values, axis=1)

    def all_reduce_sum(self, parts: Sequence[Any], like: Sequence[Any]) -> list[Any]:
        """Return the sum of each tensor over the workers, in a graph.

        Args:
            parts: this process's tensors.
            like: tensors or Variables of their shapes.
        """
        return list(parts)

    def all_gather(self, local: NDArray[Any], batch: NDArray[Any]) -> NDArray[Any]:
        """Return the results of all workers for their rows, [members, rows, ...]."""
        return local


@dataclass(frozen=True)
class WorkerRows(AllRows):
    """One of several workers, which computes its slice of every batch.

    If a batch has fewer rows than there are workers, some get none and add zero.

    Attributes:
        workers: workers with one device each; all of them do the same steps.
    """

    shares_traces: ClassVar[bool] = False
    workers: WorkerGroup

    def check_driver(self, wanted: FitDriver) -> None:
        """See `AllRows`."""
        check_distributed_driver(wanted)

    def choose_driver(self, wanted: FitDriver, *, xla_pays: bool) -> FitDriver:
        """See `AllRows`; a collective needs "graph"."""
        return "graph"

    def assert_same_on_all(self, settings: Callable[[], Mapping[str, Any]]) -> None:
        """See `AllRows`."""
        self.workers.assert_same_on_all(**settings())

    def local(self, batch: Any) -> Any:
        """See `AllRows`."""
        return batch[:, self._bound(batch, 0) : self._bound(batch, 1)]

    def first_row(self, batch: tf.Tensor) -> int | tf.Tensor:
        """See `AllRows`."""
        return self._bound(batch, 0)

    def mean(self, values: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
        """See `AllRows`."""
        return tf.reduce_sum(values, axis=1) / tf.cast(_width(batch), values.dtype)

    def all_reduce_sum(self, parts: Sequence[Any], like: Sequence[Any]) -> list[Any]:
        """See `AllRows`."""
        dense = [
            tf.reshape(tf.convert_to_tensor(part), shaped.shape)  # embeddings' are sparse
            for part, shaped in zip(parts, like, strict=True)
        ]
        flat = FlattenedGradients(dense)
        return flat.split([self.workers.reduce_sum(part) for part in flat.join(dense)])

    def all_gather(self, local: NDArray[Any], batch: NDArray[Any]) -> NDArray[Any]:
        """See `AllRows`."""
        members, rows = batch.shape[:2]
        gathered = np.zeros((members, rows, *local.shape[2:]), local.dtype)
        self.local(gathered)[:] = local
        return self.workers.all_reduce_sum(gathered)

    def _bound(self, batch: Any, parts: int) -> Any:
        """Return where the slice begins of the worker that is `parts` after this one."""
        return _width(batch) * (self.workers.worker + parts) // self.workers.n_workers


@dataclass(frozen=True)
class LocalRows(WorkerRows):
    """One of several workers that reads only its slice of a batch; all slices are equal."""

    def local(self, batch: Any) -> Any:
        """See `AllRows`."""
        return batch

    def first_row(self, batch: tf.Tensor) -> int | tf.Tensor:
        """See `AllRows`; the slices are ordered by worker."""
        return self.workers.worker * _width(batch)

    def mean(self, values: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
        """See `AllRows`."""
        return tf.reduce_mean(values, axis=1) / self.workers.n_workers


def row_sharding(workers: SingleProcess, *, local_batches: bool = False) -> AllRows:
    """Return how the rows of a batch are divided.

    Args:
        workers: the workers, or this process alone.
        local_batches: whether each worker is given its own slice of every batch.
    """
    if not isinstance(workers, WorkerGroup):
        return AllRows()
    return LocalRows(workers) if local_batches else WorkerRows(workers)


def _width(batch: Any) -> int | tf.Tensor:
    """Return the rows of the batch, as a number if the shape is static."""
    known = batch.shape[1]
    return tf.shape(batch)[1] if known is None else int(known)
