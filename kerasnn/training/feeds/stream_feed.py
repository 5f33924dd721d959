"""Batches of a stream for the compiled loop: a chunk is some batches of equal shape."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasnn.training import keras_names
from kerasnn.training.compiled.chunks import Budget, Chunk
from kerasnn.training.compiled.errors import NeedsKerasError
from kerasnn.training.compiled.specs import BatchSpec, DataStructure, Tensors
from kerasnn.training.feeds.keras_iterator import Executions, PlannedRows, dense

STAGE_BATCHES = 32
STAGE_BYTES = 2**25
SECONDS_PER_STAGE = 0.25  # the longest wait for a slow producer


class StreamFeed:
    """A stream of batches: `tf.data`, generators, `PyDataset`, loaders.

    Args:
        iterator: counts batches, and warns when they run out.
    """

    def __init__(self, iterator: Executions) -> None:
        self.iterator = iterator
        self.batch_spec: BatchSpec | None = None
        self._width = 0  # rows of the first batch
        self._epochs_drawn = 0
        self._check: Callable[[Any], None] | None = None
        adapter = iterator.data_adapter
        planned = isinstance(adapter, PlannedRows)
        look = adapter.data if planned else keras_names.peek(adapter)
        if look is not None:
            self.batch_spec = self._look(look)

    @property
    def steps(self) -> int | None:
        """Number of batches of an epoch, if it is known."""
        return self.iterator.num_batches

    def check_with(self, check: Callable[[Any], None]) -> None:
        """Have each batch checked as it is read."""
        self._check = check

    def reset(self) -> None:
        """Return to the first batch, if the data can be read again."""
        self.iterator.reset()

    @property
    def position(self) -> tuple[int, ...]:
        """The number of epochs read; () if any epoch can be read directly."""
        return () if self._planned else (self._epochs_drawn,)

    def seek(self, position: tuple[int, ...]) -> None:
        """Read and drop epochs: a pipeline's shuffle depends on all reads before."""
        for _ in range(position[0] if position else 0):
            for _ in self._executions(0):
                pass

    @property
    def _planned(self) -> bool:
        """True if any epoch can be read directly."""
        planned = isinstance(self.iterator.data_adapter, PlannedRows)
        return planned and self.iterator.steps_per_epoch is None

    def _executions(self, done: int) -> Iterator[list[Any]]:
        """Yield the batches of each execution of an epoch, after `done` batches."""
        iterator = iter(self.iterator)
        while (execution := next(iterator, None)) is not None:
            batches = execution[2]
            if done > 0:
                done -= len(batches)
            else:
                yield batches
        self._epochs_drawn += 1

    def chunks(
        self, epoch: int, budget: Budget, *, by_batch: bool = False, done: int = 0
    ) -> Iterator[Chunk]:
        """Cut one epoch into chunks; see `Feed`."""
        if self._planned:
            self.iterator.data_adapter.epoch = epoch
        stage: list[Tensors] = []
        first, starts_execution, since = done, True, time.perf_counter()
        for buffer in self._executions(done):
            for number, batch in enumerate(buffer):
                if self._check is not None:
                    self._check(batch)
                leaves = self._arrays(batch)
                if not (stage and _same_shapes(stage[-1], leaves)):
                    if stage:
                        split = by_batch and number > 0
                        yield self._chunk(
                            stage,
                            by_batch,
                            first,
                            starts_execution,
                            ends_execution=not split,
                        )
                        first, starts_execution, stage = first + len(stage), not split, []
                    self._follow(batch)
                stage.append(leaves)
            full = len(stage) >= min(self._room(stage[-1]), budget())
            if by_batch or full or time.perf_counter() - since > SECONDS_PER_STAGE:
                yield self._chunk(stage, by_batch, first, starts_execution)
                first, starts_execution, stage = first + len(stage), True, []
                since = time.perf_counter()
        if stage:
            yield self._chunk(stage, by_batch, first, starts_execution)

    def _chunk(
        self,
        stage: list[Tensors],
        by_batch: bool,
        first_step: int,
        starts_execution: bool,
        ends_execution: bool = True,
    ) -> Chunk:
        """Return a chunk of batches of equal shape."""
        assert self.batch_spec is not None
        count, width = len(stage), len(stage[0][0])
        self._width = self._width or width
        rows = [
            tf.constant(leaves[0] if count == 1 else np.concatenate(leaves))
            for leaves in zip(*stage, strict=True)
        ]
        numbers = np.arange(count * width, dtype=np.int32).reshape(1, count, width)
        return Chunk(
            self.batch_spec,
            rows,
            [tf.constant(numbers)],
            0,
            count,
            first_step,
            room=0 if by_batch else self._room(stage[0]),
            irregular_size=width != self._width,
            starts_execution=starts_execution,
            ends_execution=ends_execution,
        )

    def _arrays(self, batch: Any) -> Tensors:
        """Return the leaves of a batch, cast to the types of the first batch."""
        leaves = [np.asarray(leaf) for leaf in DataStructure.flatten(batch)]
        if self.batch_spec is None:
            return leaves
        types = [dtype.as_numpy_dtype for _, dtype in self.batch_spec.tensors]
        return [leaf.astype(t, copy=False) for leaf, t in zip(leaves, types, strict=True)]

    def _room(self, batch: Tensors) -> int:
        """Return the number of batches of a stage."""
        size = sum(leaf.nbytes for leaf in batch)
        return max(1, min(STAGE_BATCHES, STAGE_BYTES // max(1, size)))

    def _look(self, batch: Any) -> BatchSpec:
        batch = dense(keras.tree.lists_to_tuples(batch))
        adapter = self.iterator.data_adapter
        fixed = isinstance(adapter, keras_names.TFDatasetAdapter)
        return BatchSpec.of(batch, [adapter.batch_size if fixed else None])

    def _follow(self, batch: Any) -> None:
        """Update the spec from a batch: dimensions that differ become None."""
        seen = self._look(batch)
        if self.batch_spec is None:
            self.batch_spec = seen
        elif self.batch_spec.tensors != seen.tensors:
            self.batch_spec = _common(self.batch_spec, seen)


def _common(one: BatchSpec, other: BatchSpec) -> BatchSpec:
    """Return a spec for both kinds of batches; dimensions that differ are None.

    Raises:
        NeedsKerasError: the number of dimensions differs.
    """
    pairs = zip(one.tensors, other.tensors, strict=True)
    for (shape, _), (other_shape, _) in pairs:  # other types are cast
        if len(shape) != len(other_shape):
            raise NeedsKerasError(f"batches differ: {shape} and {other_shape}")
    return one.relaxed_with(other._replace(widths=one.widths))


def _same_shapes(one: Tensors, other: Tensors) -> bool:
    return [t.shape for t in one] == [t.shape for t in other]
