"""Chunks, the steps that one compiled call runs, and the protocol of feeds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import tensorflow as tf

from kerasnn.training.compiled.specs import BatchSpec, Tensors

Budget = Callable[[], int]  # steps that the next call may take


@dataclass(frozen=True)
class Chunk:
    """Consecutive steps of one epoch, run in one call of the compiled loop.

    Attributes:
        batch_spec: shapes and types of its batches.
        rows, blocks: as `run_epochs` takes them.
        first, stop: the steps to run, as numbers in the blocks.
        first_step: number of its first step in the epoch.
        room: number of batches that it is padded to, so that XLA compiles once; 0 for none.
        irregular_size: whether its batches differ in size from the first of the stream.
        starts_execution, ends_execution: whether one of Keras's executions begins or ends
            with it. Batches of different sizes in one execution take a chunk each.
    """

    batch_spec: BatchSpec
    rows: Tensors
    blocks: Tensors
    first: int
    stop: int
    first_step: int
    room: int = 0
    irregular_size: bool = False
    starts_execution: bool = True
    ends_execution: bool = True

    @property
    def last_step(self) -> int:
        """Number of its last step in the epoch."""
        return self.first_step + self.stop - self.first - 1

    def padded(self) -> "Chunk":
        """Return the chunk padded to its room with rows of zeros, which no step reads."""
        missing = self.room - self.blocks[0].shape[1]
        if missing <= 0:
            return self
        (block,) = self.blocks
        extra = missing * block.shape[2]
        rows = [tf.pad(t, [[0, extra]] + [[0, 0]] * (t.shape.rank - 1)) for t in self.rows]
        blocks = [tf.pad(block, [[0, 0], [0, missing], [0, 0]])]
        return replace(self, rows=rows, blocks=blocks)


class Feed(Protocol):
    """The rows of a run, cut into chunks."""

    @property
    def batch_spec(self) -> BatchSpec | None:
        """Shapes and types of the batches; None until the first batch is known."""

    @property
    def steps(self) -> int | None:
        """Number of batches of an epoch, if it is known."""

    def check_with(self, check: Callable[[Any], None]) -> None:
        """Call `check` with the data: now with all rows, or later batch by batch."""

    def reset(self) -> None:
        """Return to the first row."""

    @property
    def position(self) -> tuple[int, ...]:
        """Position in a stream that continues across epochs; () if every epoch restarts."""

    def seek(self, position: tuple[int, ...]) -> None:
        """Seek to a position that `position` returned."""

    def chunks(
        self, epoch: int, budget: Budget, *, by_batch: bool = False, done: int = 0
    ) -> Iterator[Chunk]:
        """Cut one epoch into chunks.

        Args:
            epoch: its number, from 0.
            budget: returns the number of steps for the next chunk.
            by_batch: whether a chunk is one execution, read just before it runs.
            done: steps of the epoch that are complete.
        """


class FreshFeed:
    """Base of feeds whose every epoch restarts the data."""

    _check: Callable[[Any], None] | None = None

    def check_with(self, check: Callable[[Any], None]) -> None:
        """Have the rows checked as they are read."""
        self._check = check

    def reset(self) -> None:
        """Do nothing: an epoch is found by its number."""

    @property
    def position(self) -> tuple[int, ...]:
        """Always ()."""
        return ()

    def seek(self, position: tuple[int, ...]) -> None:
        """Do nothing: an epoch is found by its number."""
