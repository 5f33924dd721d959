"""Training rows as chunks of the compiled loop: from memory, or from disk.

Rows in memory are trained in whole epochs, several in one chunk; near a time limit, in
parts of an epoch. Rows on disk are trained in parts of an epoch.
"""

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.ensembles.plan import RowNumbers, member_plan
from kerasnn.ensembles.task import DiskTask, EnsembleTask
from kerasnn.ensembles.time_limit import seconds_per_step
from kerasnn.models.tabular import INITIAL_ROWS
from kerasnn.training.compiled.chunks import Chunk
from kerasnn.training.distribution.workers import SingleProcess
from kerasnn.training.feeds.array_feed import ArrayFeed
from kerasnn.training.feeds.plan import epochs_planned

# XLA takes two to three seconds of one core to compile a step. Then operations are fused:
# they are not started one by one, and read and write their memory only once.
XLA_COMPILE_SECONDS = 2.5
XLA_SAVES_PER_STEP = 0.9e-3
XLA_SAVES_PER_COST = 2.5e-9
# With a time limit, XLA must save this many times its compilation.
HURRIED_XLA_GAIN = 2.0


class ChunkSource(ABC):
    """The rows of tasks that one compiled loop trains, and the position in the training.

    Args:
        tasks: tasks of one recipe, with the validation rows.
        total: steps of the training.

    Attributes:
        tasks: see Args.
        recipe: of all tasks.
        x, codes: tensors that hold the validation rows.
        starts: where each task's rows begin in `x` and `codes`.
        total: see Args; fewer once the training has been shortened.
        done: completed steps.
        completed: completed epochs, and steps of the next one.
        local_batches: whether each worker reads only its own slice of a batch.
        has_oof_rows: whether the validation rows are the training rows of other members.
        max_steps: maximum of the next chunk; None for the usual chunks.
        fingerprints: of training rows that are not in the tasks.
    """

    local_batches: bool
    has_oof_rows: bool
    x: tf.Tensor
    codes: tf.Tensor
    starts: Sequence[int]
    max_steps: int | None = None
    fingerprints: tuple[str, ...] = ()

    def __init__(self, tasks: Sequence[EnsembleTask], total: int) -> None:
        self.tasks = tasks
        self.recipe = tasks[0].recipe
        self.total, self.done = total, 0
        self.completed = (0, 0)

    @property
    def seeds(self) -> list[int]:
        """The seeds of all networks."""
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
        """Move the position past a chunk; return the number of its steps."""

    @abstractmethod
    def xla_pays(self, seconds: float | None) -> bool:
        """Estimate whether XLA saves more time than it needs to compile.

        Args:
            seconds: that the training may take; None without a time limit.
        """


class MemoryChunks(ChunkSource):
    """Rows in memory, of one task or of several side by side.

    Args:
        tasks: tasks with the same `compile_key`.
        has_time_limit: whether the training must be interruptible between epochs.
        room: number of rows to pad to, because XLA compiles for each number of rows.
    """

    local_batches = False
    has_oof_rows = True

    def __init__(
        self, tasks: Sequence[EnsembleTask], *, has_time_limit: bool, room: int = 0
    ) -> None:
        recipe, shape = tasks[0].recipe, tasks[0].batch_shape
        super().__init__(tasks, recipe.epochs * shape.steps)
        starts = [0, *np.cumsum([task.n_rows for task in tasks]).tolist()]
        self.starts = starts[:-1]
        self._rows = [
            rows + start
            for task, start in zip(tasks, self.starts, strict=True)
            for rows in task.training_rows
        ]
        plan = member_plan(self._rows, self.seeds, shape, padding=starts[-1])
        planned = min(recipe.epochs, epochs_planned(plan))
        if recipe.folds or has_time_limit:
            planned = min(planned, math.ceil(recipe.epochs / recipe.n_evaluations))
        names = ("x", "codes", "targets", "weights")
        padding = 1 + max(0, room - starts[-1])
        data = tuple(self._concatenated(name, padding) for name in names)
        self.x, self.codes, *_ = data
        self.feed = ArrayFeed(data, plan, planned=planned)

    def _concatenated(self, name: str, padding: int) -> tf.Tensor:
        """Return the rows of all tasks, and padding rows."""
        parts: list[NDArray[Any]] = [getattr(task, name) for task in self.tasks]
        zeros = np.zeros((padding, *parts[0].shape[1:]), parts[0].dtype)
        return tf.constant(np.concatenate([*parts, zeros]))

    def initial_rows(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """See `ChunkSource`."""
        rows = _drawn(self._rows, self.seeds)
        return tf.gather(self.x, rows).numpy(), tf.gather(self.codes, rows).numpy()

    def chunks(self) -> Iterator[tuple[Chunk, int]]:
        """See `ChunkSource`."""
        while not self.finished:
            epoch, step = self.completed
            steps = self.total - self.done
            if self.max_steps is not None:
                steps = min(steps, self.max_steps)
            epochs = min(steps // self.feed.steps, self._epochs_to_evaluation)
            if step == 0 and epochs:
                yield self.feed.whole(range(epoch, epoch + epochs)), epochs
            else:
                part = partial(int, steps)
                yield next(self.feed.chunks(epoch, part, done=step)), 1

    @property
    def _epochs_to_evaluation(self) -> int:
        return self.feed.planned - self.completed[0] % self.feed.planned

    def advance(self, chunk: Chunk, epochs: int) -> int:
        """See `ChunkSource`."""
        steps = epochs * (chunk.stop - chunk.first)
        self.done += steps
        epoch, step = divmod(self.done, self.feed.steps)
        self.completed = (epoch, step)
        return steps

    @property
    def evaluation_due(self) -> bool:
        """True if the members are evaluated at this position."""
        epoch, step = self.completed
        return self.finished or (step == 0 and epoch % self.feed.planned == 0)

    @property
    def epochs(self) -> int:
        """Epochs of the training; fewer once it has been shortened."""
        return math.ceil(self.total / self.feed.steps)

    @property
    def position(self) -> tuple[int, ...]:
        """See `ChunkSource`; whole epochs give two numbers, as in version 0.1."""
        steps = self.feed.steps
        if self.done % steps or self.total % steps:
            return super().position
        return self.done // steps, self.total // steps

    def seek(self, position: Sequence[int]) -> None:
        """See `ChunkSource`."""
        if len(position) == 2:
            done, total = (epochs * self.feed.steps for epochs in position)
            position = done, total, *divmod(done, self.feed.steps)
        super().seek(position)

    def xla_pays(self, seconds: float | None) -> bool:
        """See `ChunkSource`."""
        return xla_pays(self.tasks[0], seconds)


class DiskChunks(ChunkSource):
    """Parts of epochs of rows on disk, of one task; evaluated after each epoch.

    Args:
        task: the task.
        workers: the workers that read its rows together.
    """

    local_batches = True
    has_oof_rows = False
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
        new = chunk.stop - chunk.first
        epoch, steps = self.completed
        ended = steps + new >= self.feed.steps(epoch)
        self.completed = (epoch + 1, 0) if ended else (epoch, steps + new)
        self.done += new
        return new

    def xla_pays(self, seconds: float | None) -> bool:
        """See `ChunkSource`; such a training is long."""
        return seconds is None or seconds > XLA_COMPILE_SECONDS * 10


def xla_pays(task: EnsembleTask, seconds: float | None) -> bool:
    """Estimate whether XLA pays for a task in memory; see `ChunkSource.xla_pays`.

    Without a time limit it depends on the task alone, not on a clock: a task is trained by
    the same driver whatever tasks are beside it.
    """
    steps = float(task.recipe.epochs * task.batch_shape.steps)
    saved = XLA_SAVES_PER_STEP + task.cost_per_step * XLA_SAVES_PER_COST
    if seconds is None:
        return steps * saved > XLA_COMPILE_SECONDS
    steps = min(steps, seconds / seconds_per_step(task))
    return steps * saved > XLA_COMPILE_SECONDS * HURRIED_XLA_GAIN


def _drawn(rows: Sequence[RowNumbers], seeds: Sequence[int]) -> RowNumbers:
    """Draw `INITIAL_ROWS` of each member's rows, [members, rows]; fewer are repeated."""
    draws = [
        np.resize(np.random.default_rng((seed, 1)).permutation(own), INITIAL_ROWS)
        for own, seed in zip(rows, seeds, strict=True)
    ]
    return np.stack(draws)
