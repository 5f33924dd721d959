"""Rows in memory for the compiled loop: a chunk is any part of an epoch."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from kerasnn.errors import InputError, warn_user
from kerasnn.training.compiled.chunks import Budget, Chunk
from kerasnn.training.compiled.specs import BatchSpec, DataStructure, Tensors
from kerasnn.training.feeds.keras_iterator import RAN_OUT
from kerasnn.training.feeds.plan import EpochPlan


class ArrayFeed:
    """Rows in memory.

    Args:
        data: x, (x, y) or (x, y, sample_weight) of tensors.
        plan: batches and row orders.
        steps_per_epoch: batches of an epoch, if it is not one pass over the rows; the
            position then continues across epochs, as in Keras.
        steps_per_execution: the steps of an epoch are rounded up to a multiple of it.
        planned: maximum number of epochs of one call.
        batch_size: rows of a full batch. If some batches are smaller, the graph knows no
            size, as in Keras. None if all are equal, and the graph knows their size.
    """

    def __init__(
        self,
        data: Any,
        plan: EpochPlan,
        *,
        steps_per_epoch: int | None = None,
        steps_per_execution: int = 1,
        planned: int = 1,
        batch_size: int | None = None,
    ) -> None:
        self.rows: Tensors = [tf.convert_to_tensor(t) for t in DataStructure.flatten(data)]
        self.data = DataStructure(data).pack(self.rows)
        self.plan = plan
        self.planned = planned
        sizes: list[int | None] = [size for size, _ in itertools.groupby(plan.sizes)]
        if batch_size is not None and sizes != [batch_size]:
            sizes = [None] * len(sizes)
        self.batch_spec = BatchSpec.of(data, sizes)
        self._steps_per_epoch = steps_per_epoch
        self._execution = steps_per_execution
        self._pass = 0
        self._step = 0
        self._blocks: tuple[range, Tensors] = (range(0), [])

    @property
    def shapes(self) -> tuple[Any, ...]:
        """A key that is equal where XLA needs one compilation."""
        runs = tuple((k, len(list(g))) for k, g in itertools.groupby(self.plan.sizes))
        return tuple(tuple(t.shape) for t in self.rows), runs, self.planned

    @property
    def steps(self) -> int:
        """Number of batches of an epoch."""
        return self._steps_per_epoch or self.plan.steps

    def blocks(self, passes: range) -> Tensors:
        """Return the row numbers of some passes; the last result is cached."""
        if self._blocks[0] != passes:
            blocks = self.plan.blocks(passes, self.planned)
            self._blocks = passes, [tf.constant(block) for block in blocks]
        return self._blocks[1]

    def whole(self, passes: range) -> Chunk:
        """Return whole passes as one chunk."""
        blocks = self.blocks(passes)
        return Chunk(self.batch_spec, self.rows, blocks, 0, self.plan.steps, first_step=0)

    def check_with(self, check: Callable[[Any], None]) -> None:
        """Check all rows now."""
        check(self.data)

    def reset(self) -> None:
        """Return to the first row."""
        self._pass = self._step = 0

    @property
    def position(self) -> tuple[int, ...]:
        """The pass and its step, if an epoch is not a pass."""
        return () if self._steps_per_epoch is None else (self._pass, self._step)

    def seek(self, position: tuple[int, ...]) -> None:
        """Seek to a position that `position` returned."""
        if position:
            self._pass, self._step = position
            if not 0 <= self._step <= self.plan.steps:
                raise InputError(
                    f"a position must be within the {self.plan.steps} steps of a pass; got"
                    f" {self._step}"
                )

    def chunks(
        self, epoch: int, budget: Budget, *, by_batch: bool = False, done: int = 0
    ) -> Iterator[Chunk]:
        """Cut one epoch into chunks; see `Feed`."""
        if self._steps_per_epoch is None:
            self._pass, self._step = epoch, done
        wanted = -(-self.steps // self._execution) * self._execution
        while done < wanted:
            if self._step == self.plan.steps:
                self._pass, self._step = self._pass + 1, 0
                if done:
                    if self._steps_per_epoch:
                        warn_user(RAN_OUT)
                    return
            count = min(budget(), wanted - done, self.plan.steps - self._step)
            chunk = Chunk(
                self.batch_spec,
                self.rows,
                self.blocks(range(self._pass, self._pass + 1)),
                self._step,
                self._step + count,
                first_step=done,
            )
            self._step += count  # before the chunk runs: `position` is that after it
            done += count
            yield chunk
