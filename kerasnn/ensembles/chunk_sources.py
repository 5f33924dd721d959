"""Training rows as chunks of the compiled loop: from memory, or from disk.

The position counts in units. Rows in memory are trained in whole epochs: a unit is an
epoch. Rows on disk are trained in parts of an epoch: a unit is a step.
"""

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.ensembles.plan import RowNumbers, member_plan
from kerasnn.ensembles.task import DiskTask, EnsembleTask
from kerasnn.models.tabular import INITIAL_ROWS
from kerasnn.training.compiled.chunks import Chunk
from kerasnn.training.distribution.workers import SingleProcess
from kerasnn.training.feeds.array_feed import ArrayFeed
from kerasnn.training.feeds.plan import epochs_planned

# XLA takes about two seconds of one core to compile a step. It saves the time in which
# TensorFlow starts the operations of a step one by one, and a fifth of the arithmetic.
XLA_COMPILE_SECONDS = 2.0
XLA_SAVES_PER_STEP = 0.9e-3
XLA_SAVES_PER_COST = 0.25e-9


class ChunkSource(ABC):
    """The rows of tasks that one compiled loop trains, and the position in the training.

    Args:
        tasks: tasks of one recipe, with the validation rows.
        total: units of the training.

    Attributes:
        tasks: see Args.
        recipe: of all tasks.
        x, codes: tensors that hold the validation rows.
        starts: number in them of each task's first row.
        total: see Args; fewer once the training has been shortened.
        done: completed units.
        completed: completed epochs, and steps of the next one.
        steps_per_unit: steps of a unit.
        local_batches: whether each worker reads only its own slice of a batch.
        has_oof_rows: whether the validation rows are the training rows of other members.
        xla_pays: whether the training is long enough to repay XLA's compilation.
        fingerprints: of training rows that are not in the tasks.
    """

    local_batches: bool
    has_oof_rows: bool
    x: tf.Tensor
    codes: tf.Tensor
    starts: Sequence[int]
    steps_per_unit: int
    xla_pays: bool
    fingerprints: tuple[str, ...] = ()

    def __init__(self, tasks: Sequence[EnsembleTask], total: int) -> None:
        self.tasks = tasks
        self.recipe = tasks[0].recipe
        self.total, self.done = total, 0
        self.completed = (0, 0)

    @property
    def seeds(self) -> list[int]:
        """The seeds of all members."""
        return [seed for task in self.tasks for seed in task.member_seeds]

    @property
    def finished(self) -> bool:
        """True if no chunk is left."""
        return self.done >= self.total

    @property
    def epoch(self) -> int:
        """Number, from 1, of the epoch of the last step."""
        epochs, steps = self.completed
        return epochs + (steps > 0)

    @property
    def epochs(self) -> int:
        """Epochs of the training."""
        return self.recipe.epochs

    @property
    def evaluation_due(self) -> bool:
        """True if the members are evaluated at this position."""
        return self.completed[1] == 0 or self.finished

    @property
    def position(self) -> tuple[int, ...]:
        """Numbers from which `seek` finds the position again."""
        return self.done, self.total, *self.completed

    def seek(self, position: Sequence[int]) -> None:
        """Continue from a position of an earlier run."""
        self.done, self.total, *completed = position
        self.completed = (completed[0], completed[1])

    @abstractmethod
    def initial_rows(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Return x and codes, [members, rows, ...], to fit the initial weights to."""

    @abstractmethod
    def chunks(self) -> Iterator[tuple[Chunk, int]]:
        """Yield the chunks from the position on, each with its number of epochs."""

    @abstractmethod
    def advance(self, chunk: Chunk, epochs: int) -> int:
        """Move the position past a chunk; return the chunk's units."""


class MemoryChunks(ChunkSource):
    """Whole epochs of rows in memory, of one task or of several side by side.

    Args:
        tasks: tasks with the same `compile_key`.
        has_time_limit: whether the training must be interruptible between epochs.
    """

    local_batches = False
    has_oof_rows = True

    def __init__(self, tasks: Sequence[EnsembleTask], *, has_time_limit: bool) -> None:
        recipe, shape = tasks[0].recipe, tasks[0].batch_shape
        super().__init__(tasks, recipe.epochs)
        self.steps_per_unit = shape.steps
        self.xla_pays = _xla_pays(tasks[0])
        starts = [0, *np.cumsum([task.n_rows for task in tasks]).tolist()]
        self.starts = starts[:-1]
        self._rows = [
            rows + start
            for task, start in zip(tasks, self.starts, strict=True)
            for rows in task.training_rows
        ]
        plan = member_plan(self._rows, self.seeds, shape, padding=starts[-1])
        planned = min(self.total, epochs_planned(plan))
        if recipe.folds or has_time_limit:
            planned = min(planned, math.ceil(self.total / recipe.n_evaluations))
        names = ("x", "codes", "targets", "weights")
        data = tuple(self._concatenated(name) for name in names)
        self.x, self.codes, *_ = data
        self.feed = ArrayFeed(data, plan, planned=planned)

    def _concatenated(self, name: str) -> tf.Tensor:
        """Return the rows of all tasks, and the padding row."""
        parts: list[NDArray[Any]] = [getattr(task, name) for task in self.tasks]
        padding = np.zeros((1, *parts[0].shape[1:]), parts[0].dtype)
        return tf.constant(np.concatenate([*parts, padding]))

    def initial_rows(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """See `ChunkSource`."""
        rows = _drawn(self._rows, self.seeds)
        return tf.gather(self.x, rows).numpy(), tf.gather(self.codes, rows).numpy()

    def chunks(self) -> Iterator[tuple[Chunk, int]]:
        """See `ChunkSource`."""
        while not self.finished:
            count = min(self.feed.planned, self.total - self.done)
            yield self.feed.whole(range(self.done, self.done + count)), count

    def advance(self, chunk: Chunk, epochs: int) -> int:
        """See `ChunkSource`."""
        self.done += epochs
        self.completed = (self.done, 0)
        return epochs

    @property
    def epochs(self) -> int:
        """Epochs of the training; fewer once it has been shortened."""
        return self.total

    @property
    def position(self) -> tuple[int, ...]:
        """See `ChunkSource`."""
        return self.done, self.total

    def seek(self, position: Sequence[int]) -> None:
        """See `ChunkSource`."""
        self.done, self.total = position
        self.completed = (self.done, 0)


class DiskChunks(ChunkSource):
    """Parts of epochs of rows on disk, of one task; evaluated after each epoch.

    Args:
        task: the task.
        workers: read it together.
    """

    local_batches = True
    has_oof_rows = False
    steps_per_unit = 1
    xla_pays = True  # such a training is long
    starts = (0,)

    def __init__(self, task: DiskTask, workers: SingleProcess) -> None:
        self.task = task
        self.feed = task.feed(workers)
        self.fingerprints = (task.fingerprint,)
        epochs = range(task.validation.recipe.epochs)
        super().__init__([task.validation], sum(map(self.feed.steps, epochs)))
        self.x = tf.constant(task.validation.x)
        self.codes = tf.constant(task.validation.codes)

    def initial_rows(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """See `ChunkSource`."""
        every = np.arange(len(self.task.sample_x), dtype=np.int32)
        rows = _drawn([every] * self.recipe.members, self.seeds)
        return self.task.sample_x[rows], self.task.sample_codes[rows]

    def chunks(self) -> Iterator[tuple[Chunk, int]]:
        """See `ChunkSource`."""
        while not self.finished:
            epoch, steps = self.completed
            for chunk in self.feed.chunks(epoch, done=steps):
                stop = min(chunk.stop, chunk.first + self.total - self.done)
                yield dataclasses.replace(chunk, stop=stop), 1
                if self.finished:
                    return

    def advance(self, chunk: Chunk, epochs: int) -> int:
        """See `ChunkSource`."""
        units = chunk.stop - chunk.first
        epoch, steps = self.completed
        ended = steps + units >= self.feed.steps(epoch)
        self.completed = (epoch + 1, 0) if ended else (epoch, steps + units)
        self.done += units
        return units


def _xla_pays(task: EnsembleTask) -> bool:
    """Estimate whether XLA saves more time than it needs to compile.

    It depends on the task alone, not on a clock: a task is trained by the same driver
    whatever tasks are beside it.
    """
    steps = task.recipe.epochs * task.batch_shape.steps
    saved = XLA_SAVES_PER_STEP + task.cost_per_step * XLA_SAVES_PER_COST
    return steps * saved > XLA_COMPILE_SECONDS


def _drawn(rows: Sequence[RowNumbers], seeds: Sequence[int]) -> RowNumbers:
    """Draw `INITIAL_ROWS` of each member's rows, [members, rows]; few rows repeat."""
    draws = [
        np.resize(np.random.default_rng((seed, 1)).permutation(own), INITIAL_ROWS)
        for own, seed in zip(rows, seeds, strict=True)
    ]
    return np.stack(draws)
