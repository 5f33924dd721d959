"""The training of ensembles: one loop for rows in memory and on disk.

`chunk_sources` decides which steps a chunk has. After each chunk the loop evaluates the
members, keeps the best weights, shortens the training to its time limit, and saves.
"""

import contextlib
import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn.choices import FitDriver
from kerasnn.deadline import Deadline
from kerasnn.ensembles.checkpoints import EnsembleSaver, settings_of
from kerasnn.ensembles.chunk_sources import (
    ChunkSource,
    DiskChunks,
    MemoryChunks,
    xla_pays,
)
from kerasnn.ensembles.members.learner import MemberLearner, member_weights
from kerasnn.ensembles.members.learner_cache import learner_cache
from kerasnn.ensembles.members.sharding import row_sharding
from kerasnn.ensembles.parts import Progress, in_threads, parts_of
from kerasnn.ensembles.result import TrainedEnsemble
from kerasnn.ensembles.task import DiskTask, EnsembleTask
from kerasnn.ensembles.time_limit import Pace
from kerasnn.ensembles.validation import stacked_outputs, validation_score
from kerasnn.errors import NonFiniteLossError
from kerasnn.training.checkpoints.run_checkpoints import RunCheckpoints
from kerasnn.training.compiled.programs import programs_of
from kerasnn.training.distribution.workers import ALONE, SingleProcess
from kerasnn.training.runner import Runner

# Two small networks take as long as one: starting the operations dominates.
MAX_COST_OF_TWIN = 1e6
MIN_STEPS = 20  # of any training, unless they take long: fewer learn nothing
MAX_OVERRUN = 1.5  # seconds of these steps after a deadline
LONGER = 1.2  # a shortened training is lengthened again only by more than this factor


@dataclass(frozen=True)
class RunOptions:
    """Settings of a run; driver (by rounding) and deadline affect the weights.

    Attributes:
        driver: "xla", "graph", "eager", or "auto": XLA if the run repays its compilation.
        deadline: of the training; the schedule is shortened to keep to it.
        progress: called after each evaluation.
        checkpoints: of the run, if it is saved.
        workers: train together. Each must be given the same tasks; the chief decides.
    """

    driver: FitDriver = "auto"
    deadline: Deadline | None = None
    progress: Progress | None = None
    checkpoints: RunCheckpoints | None = None
    workers: SingleProcess = ALONE


def train_ensembles(
    tasks: Sequence[EnsembleTask], options: RunOptions
) -> list[TrainedEnsemble]:
    """Train ensembles on rows in memory; those with equal networks in one loop.

    Args:
        tasks: what to train.
        options: with checkpoints, only for tasks that one loop can train.

    Raises:
        InputError: the workers were not given the same tasks.
        WorkerLostError: another worker has gone.
        NonFiniteLossError: a member's loss became NaN or infinite.
        InterruptedFitError: a signal arrived, and the training was saved.
    """
    deadline, left = options.deadline, len(tasks)
    groups: dict[Any, list[int]] = {}
    for i, task in enumerate(tasks):
        groups.setdefault(task.compile_key, []).append(i)
    trained: dict[int, TrainedEnsemble] = {}
    for numbers in groups.values():
        group = [tasks[i] for i in numbers]
        if len(group) == 1 and _needs_twin(group[0]):
            group *= 2
        share = deadline and Deadline.after(deadline.left() * len(numbers) / left)
        left -= len(numbers)
        results = _train_group(group, dataclasses.replace(options, deadline=share))
        trained |= dict(zip(numbers, results, strict=False))
    return [trained[i] for i in range(len(tasks))]


def _train_group(group: list[EnsembleTask], options: RunOptions) -> list[TrainedEnsemble]:
    """Train tasks with equal networks, in threads if that is faster."""
    has_time_limit, parts = options.deadline is not None, [group]
    uses_xla = options.driver == "xla" or (
        options.driver == "auto" and xla_pays(group[0], None)
    )
    if uses_xla and not has_time_limit:
        parts = parts_of(group)
    room = max(sum(task.n_rows for task in part) for part in parts)
    sources = [
        MemoryChunks(part, has_time_limit=has_time_limit, room=room) for part in parts
    ]

    def train(source: MemoryChunks, progress: Progress | None) -> list[TrainedEnsemble]:
        return _train(source, dataclasses.replace(options, progress=progress))

    return in_threads(train, sources, options.progress)


def train_on_disk(task: DiskTask, options: RunOptions) -> TrainedEnsemble:
    """Train an ensemble on rows from disk; each of several workers reads its own shards.

    Raises:
        InputError: a shard is missing or damaged, or a checkpoint cannot be written.
        WorkerLostError: another worker has gone.
        NonFiniteLossError: a member's loss became NaN or infinite.
        InterruptedFitError: a signal arrived, and the training was saved.
    """
    (trained,) = _train(DiskChunks(task, options.workers), options)
    return trained


def _needs_twin(task: EnsembleTask) -> bool:
    """Check whether to train a single small network twice, side by side.

    XLA drops the dimension of the members for a single member, and rounds differently. With
    a twin, a network gets the same bits alone as beside others.
    """
    return task.recipe.members == 1 and task.cost_per_step < MAX_COST_OF_TWIN


def _train(source: ChunkSource, options: RunOptions) -> list[TrainedEnsemble]:
    """Train the tasks of a source together; return the results in their order."""
    checkpoints, workers = options.checkpoints, options.workers
    training = Training(source, options)
    networks = sum(task.n_networks for task in source.tasks)
    with (
        checkpoints.watching() if checkpoints else contextlib.nullcontext(),
        workers.reports_lost_workers(),
        learner_cache().borrow(
            source.tasks[0], networks, workers, local_batches=source.local_batches
        ) as learner,
    ):
        return training.run(learner)


class Training:
    """One run of the loop.

    Attributes:
        results: the results of the tasks so far.
    """

    def __init__(self, source: ChunkSource, options: RunOptions) -> None:
        self.source = source
        self.recipe = source.recipe
        self.options = options
        self.results = [
            TrainedEnsemble(task, has_oof_rows=source.has_oof_rows) for task in source.tasks
        ]
        self._steps = source.total  # without a deadline
        self._planned: int | None = None  # steps of a training that ended by overfitting
        self._pace = Pace(_evaluation_steps(source))
        has_deadline = options.deadline is not None
        row_sharding(options.workers).assert_same_on_all(
            lambda: {**self._settings(), "has_deadline": has_deadline}
        )
        if has_deadline:
            source.max_steps = 1  # to measure the pace

    def _settings(self) -> dict[str, Any]:
        return settings_of(self.source.tasks, *self.source.fingerprints)

    def run(self, learner: MemberLearner) -> list[TrainedEnsemble]:
        """Train; return the results of the tasks."""
        source = self.source
        runner = self.prepare(learner)
        saver = self._saver(learner)
        for chunk, epochs in source.chunks():
            called = time.monotonic()
            logs, _ = runner.run(chunk, epochs=epochs)
            steps, trained = source.advance(chunk, epochs), time.monotonic()
            losses = [np.asarray(log["loss"]) for log in logs]
            self._check_finite(losses)
            evaluated = source.evaluation_due
            if evaluated:
                self.evaluate(learner, losses[-1])
            evaluation = time.monotonic() - trained if evaluated else None
            self._pace.observe(steps, trained - called, evaluation)
            self._shorten(learner, evaluated=evaluated)
            if saver:
                saver.save_if_due(runner.driver)
        for result in self.results:
            result.shortened = (self._planned or source.done) < self._steps
        return self.results

    def prepare(self, learner: MemberLearner) -> Runner:
        """Initialize the weights and the optimizer; return what runs the chunks."""
        source = self.source
        learner.network.initialize(*source.initial_rows(), source.seeds)
        learner.begin(self.recipe, source.seeds, steps=source.total)
        programs, wanted = programs_of(learner), self.options.driver
        deadline = self.options.deadline
        xla_pays = source.xla_pays(deadline.left() if deadline else None)
        driver = learner.batches.choose_driver(
            wanted, xla_pays=xla_pays and programs.refused is None
        )
        return Runner(
            programs, "train_step", wanted=wanted, driver=programs.choose(driver, None)
        )

    def _saver(self, learner: MemberLearner) -> EnsembleSaver | None:
        """Restore the training from the newest checkpoint; return what saves it."""
        checkpoints = self.options.checkpoints
        if checkpoints is None:
            return None
        saver = EnsembleSaver(
            checkpoints, learner, self.source, self.results, self._settings()
        )
        saver.restore()
        return saver

    def _check_finite(self, losses: list[NDArray[np.float32]]) -> None:
        """Raise if a loss of the chunk's epochs is not finite."""
        first = self.source.epoch - len(losses) + 1
        for epoch, of_members in enumerate(losses, first):
            wrong = of_members[~np.isfinite(of_members)]
            if wrong.size:
                history = self.results[0].history
                raise NonFiniteLossError(
                    "loss",
                    float(wrong[0]),
                    epoch=epoch,
                    last_finite=history["loss"][-1] if history else None,
                    last_epoch=history["epoch"][-1] if history else 0,
                    kept_epoch=0,
                )

    def evaluate(self, learner: MemberLearner, losses: NDArray[np.float32]) -> None:
        """Record the losses, and keep the weights of each task whose score is accepted.

        The members that are validated come first in a task; those that predict are last.
        """
        source, members, first = self.source, self.recipe.members, 0
        outputs = self._validation_outputs(learner) if self.recipe.folds else None
        for result in self.results:
            networks = result.task.n_networks
            validated = slice(first, first + members)
            predicting = slice(first + networks - members, first + networks)
            first, score, stacked = first + networks, None, None
            if outputs is not None:
                stacked = stacked_outputs(result.task, outputs[validated])
                score = validation_score(result.task, stacked)
            if result.accepts(score, last=source.finished):
                result.weights = member_weights(learner.network, predicting)
                result.score, result.epoch = score, source.epoch
                if stacked is not None:
                    result.validation_outputs = stacked.astype(np.float32)
            result.record(source.epoch, losses[validated], score)
        if self.options.progress:
            self.options.progress(source.epoch, source.epochs, self._mean_losses())

    def _validation_outputs(self, learner: MemberLearner) -> list[NDArray[np.float32]]:
        """Return each network's outputs for its validation rows; for one row if none."""
        source, rows = self.source, []
        for task, start in zip(source.tasks, source.starts, strict=True):
            rows += [left_out + start for left_out in task.validation_rows]
            # Networks that learn from all rows are not validated: one row stands in.
            rows += [rows[-1][:1]] * (task.n_networks - task.recipe.members)
        longest = max(map(len, rows))
        padded = np.stack([np.resize(own, longest) for own in rows]).astype(np.int32)
        outputs = learner.outputs_for(source.x, source.codes, padded)
        return [o[: len(own)] for o, own in zip(outputs, rows, strict=True)]

    def _mean_losses(self) -> dict[str, float]:
        """Return the last losses, averaged over the tasks."""
        names = [n for n in ("loss", "val_loss") if n in self.results[0].history]
        return {
            name: float(np.mean([result.history[name][-1] for result in self.results]))
            for name in names
        }

    def _shorten(self, learner: MemberLearner, *, evaluated: bool) -> None:
        """End the training early, or shorten it to its deadline.

        Args:
            learner: its schedule is shortened too.
            evaluated: whether the weights have just been evaluated.
        """
        source, deadline, pace = self.source, self.options.deadline, self._pace
        left = deadline.left() if deadline else 0.0
        between = max(1, self._steps // self.recipe.n_evaluations)
        fitting = pace.steps_in(left, between_evaluations=between)
        chunk = pace.chunk_in(left)
        overfits, left, per_step, *decided = self.options.workers.chief_values(
            [self._overfits(), left, pace.seconds_per_step]
            + [min(steps, self._steps) for steps in (fitting, chunk)]
        )
        fitting, chunk = map(int, decided)
        if overfits:
            self._planned, source.total = source.total, source.done
        first = min(MIN_STEPS, self._steps) - source.done
        if deadline is None or source.finished:
            return
        if not pace.is_known and (first > 0 or left > 0):
            return
        # Weights that have just been evaluated may be the last ones.
        minimum = 0 if self.recipe.folds and evaluated else 1
        if 0 < first * per_step < MAX_OVERRUN:
            minimum = first
        steps = max(minimum, min(fitting, self._steps - source.done))
        remaining = source.total - source.done
        if steps < remaining or steps > remaining * LONGER:
            source.total = source.done + steps
            learner.optimizer.remaining_steps(steps)
        source.max_steps = chunk

    def _overfits(self) -> bool:
        """Check whether the rest of the training is expected to improve no task.

        The last wave of the learning rate begins after about half of the training. A task
        whose best epoch is in the first two waves has overfitted since.
        """
        source, cycles = self.source, self.recipe.cycles
        if not source.has_oof_rows or not self.recipe.folds or cycles < 3:
            return False
        whole = 2**cycles - 1
        last_wave = (whole // 2) / whole * source.total
        second_wave_ends = (whole // 4) / whole * source.epochs
        return source.done >= last_wave and all(
            0 < result.epoch <= second_wave_ends for result in self.results
        )


def _evaluation_steps(source: ChunkSource) -> float:
    """Estimate how many steps an evaluation takes: half as long as training on its rows."""
    if not source.recipe.folds:
        return 0.0
    left_out = max(len(rows) for task in source.tasks for rows in task.validation_rows)
    return left_out / source.recipe.batch_size / 2
