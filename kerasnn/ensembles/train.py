"""Training ensembles side by side: one compiled loop for the members of all of them."""

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.choices import FitDriver
from kerasnn.ensembles.checkpoints import JobsSaver, settings_of
from kerasnn.ensembles.compiled_learners import learner_of_shape
from kerasnn.ensembles.learner import MemberLearner, member_weights
from kerasnn.ensembles.plan import member_plan
from kerasnn.ensembles.task import Job
from kerasnn.ensembles.validation import (
    HeldOutScore,
    held_out_answers,
    held_out_outputs,
    held_out_score,
)
from kerasnn.errors import NonFiniteLossError
from kerasnn.models.tabular import INITIAL_ROWS
from kerasnn.training.checkpoints.run_checkpoints import RunCheckpoints
from kerasnn.training.compiled.programs import programs_of
from kerasnn.training.compiled.runner import Runner
from kerasnn.training.distribution.runner import check_driver
from kerasnn.training.distribution.workers import WorkerGroup
from kerasnn.training.feeds.array_feed import ArrayFeed
from kerasnn.training.plan import epochs_planned

# XLA takes about two seconds of one core to compile a step. It saves what TensorFlow needs
# to start the operations of a step one by one, and a fifth of the arithmetic.
XLA_COMPILES_IN_SECONDS = 2.0
STEP_SAVES_SECONDS = 0.9e-3
UPDATE_SAVES_SECONDS = 0.25e-9
TWIN_BELOW_UPDATES = 1e6

Progress = Callable[[int, int, Mapping[str, float]], None]  # epochs done, of all, losses


@dataclass
class Trained:
    """What has become of a job.

    Attributes:
        job: the job.
        weights: the values of `TabularNetwork.learned`.
        score: of these weights on held-out rows; None without folds.
        best: the best score that there was.
        held_out: for each training row the mean answer of the members that left it out,
            probabilities [rows, n_out] or standardised values; None without folds.
        epoch: the epoch after which the members had these weights, from 1.
        epochs: that were run.
        history: "epoch" (from 1), "loss" and, with folds, "val_loss", "sharpness", and each
            member's "member_loss", at each look at the held-out rows.
    """

    job: Job
    weights: list[NDArray[np.float32]] = field(default_factory=list)
    score: HeldOutScore | None = None
    best: HeldOutScore | None = None
    held_out: NDArray[np.float64] | None = None
    epoch: int = 0
    epochs: int = 0
    history: dict[str, list[Any]] = field(default_factory=dict)

    def wants(self, score: HeldOutScore | None, *, last: bool) -> bool:
        """Whether the weights of this look are to be kept: the last of the best ones.

        What is worse by chance only is wanted as well: the weights of a later epoch err
        less often.
        """
        if score is None:
            return last
        if self.best is None or score.loss < self.best.loss:
            self.best = score
        return score.is_as_good_as(self.best, self.job.recipe.standard_errors)

    def note(
        self, epoch: int, losses: NDArray[np.float32], score: HeldOutScore | None
    ) -> None:
        """Keep what a look has shown."""
        entry: dict[str, Any] = {"epoch": epoch, "loss": float(losses.mean())}
        if score is not None:
            entry |= {"val_loss": score.loss, "sharpness": score.sharpness}
        entry["member_loss"] = losses.tolist()
        for name, value in entry.items():
            self.history.setdefault(name, []).append(value)
        self.epochs = epoch


def train_jobs(
    jobs: Sequence[Job],
    *,
    driver: FitDriver = "auto",
    time_limit: float | None = None,
    progress: Progress | None = None,
    checkpoints: RunCheckpoints | None = None,
    workers: WorkerGroup | None = None,
) -> list[Trained]:
    """Train ensembles; those whose networks and batches are alike, in one loop.

    Args:
        jobs: what to train.
        driver: "xla", "graph", "eager", or "auto": XLA where the run repays it.
        time_limit: seconds; the schedule is shortened to keep to it.
        progress: called after each call of the loop.
        checkpoints: of the training, if it is saved from time to time; only for
            jobs that one loop can take.
        workers: workers that train them together, each of which was given the same; the
            batches are dealt to them, and what the chief decides counts.

    Raises:
        InputError: the workers were not given the same, or another driver than "graph".
        WorkerLostError: another worker has gone.
        NonFiniteLossError: a member's loss became NaN or infinite.
        InterruptedFitError: a signal came, and the training was saved.
    """
    groups: dict[Any, list[int]] = {}
    for i, job in enumerate(jobs):
        groups.setdefault(job.together, []).append(i)
    done: dict[int, Trained] = {}
    for numbers in groups.values():
        limit = time_limit and time_limit * len(numbers) / len(jobs)
        group = [jobs[i] for i in numbers]
        if len(group) == 1 and _wants_a_twin(group[0]):
            group *= 2
        training = _Training(group, driver, limit, progress, checkpoints, workers)
        with (
            checkpoints.watching() if checkpoints else contextlib.nullcontext(),
            workers.reports_lost_workers() if workers else contextlib.nullcontext(),
        ):
            trained = training.run()
        done |= dict(zip(numbers, trained, strict=False))
    return [done[i] for i in range(len(jobs))]


def _xla_saves_seconds(job: Job) -> float:
    """About how much shorter a job's run is once compiled; no clock is asked.

    It is the job's alone, so that it is trained by one driver whatever stands beside it.
    """
    steps = job.recipe.epochs * job.batch_shape.steps
    return steps * (STEP_SAVES_SECONDS + job.updates_per_step * UPDATE_SAVES_SECONDS)


def _wants_a_twin(job: Job) -> bool:
    """Whether one small network is trained twice, side by side.

    For one member alone XLA leaves the dimension of the members out and rounds otherwise;
    with a twin a network ends at the same bits alone and beside others. A small one's time
    is that of starting operations, which costs no more for two.
    """
    return job.recipe.members == 1 and job.updates_per_step < TWIN_BELOW_UPDATES


class _Training:
    """The training of jobs that one loop can take."""

    def __init__(
        self,
        jobs: Sequence[Job],
        driver: FitDriver,
        time_limit: float | None,
        progress: Progress | None,
        checkpoints: RunCheckpoints | None,
        workers: WorkerGroup | None,
    ) -> None:
        if workers:
            check_driver(driver)
            workers.assert_same_on_all(**settings_of(jobs), time_limit=time_limit)
        self.workers = workers
        self.jobs = jobs
        self.saver = JobsSaver(checkpoints, settings_of(jobs)) if checkpoints else None
        self.recipe = jobs[0].recipe
        self.shape = jobs[0].batch_shape
        self.epochs = self.recipe.epochs
        self.wanted = driver
        self.time_limit = time_limit
        self.progress = progress
        self.results = [Trained(job) for job in jobs]
        starts = np.cumsum([0, *(job.n_rows for job in jobs)])
        self.starts, self.padding = starts[:-1], int(starts[-1])
        self.members = len(jobs) * self.recipe.members

    def run(self) -> list[Trained]:
        """Train; the results in the order of the jobs."""
        started = time.perf_counter()
        with learner_of_shape(self.jobs[0], self.members, self.workers) as learner:
            feed = self._feed()
            runner = self._begin(learner, feed)
            epoch, over = self._put_back(learner)
            while epoch < self.epochs and not over:
                called = time.perf_counter()
                count = min(feed.planned, self.epochs - epoch)
                chunk = feed.whole(range(epoch, epoch + count))
                logs, _ = runner.run(chunk, epochs=count)
                epoch += count
                self._look(learner, feed, epoch, [log["loss"] for log in logs])
                if self.progress:
                    self.progress(epoch, self.epochs, self._told())
                now = time.perf_counter()
                over, passed, pace = self._agreed(
                    self._enough(epoch), now - started, (now - called) / count
                )
                if not over:
                    self._keep_to_time(learner, feed, epoch, passed, pace)
                self._save(learner, runner, epoch, over)
        return self.results

    def _agreed(self, over: bool, passed: float, pace: float) -> tuple[bool, float, float]:
        """The same in every worker, whatever its clock says."""
        if self.workers is None:
            return over, passed, pace
        chiefs_over, passed, pace = self.workers.chief_values([over, passed, pace])
        return chiefs_over > 0, passed, pace

    def _put_back(self, learner: MemberLearner) -> tuple[int, bool]:
        """Epochs that were done before, and whether that was all."""
        saved = self.saver.put_back(learner, self.results) if self.saver else None
        if saved is None:
            return 0, False
        epoch, self.epochs, over = saved
        return epoch, bool(over)

    def _save(self, learner: MemberLearner, runner: Runner, epoch: int, over: bool) -> None:
        if self.saver is not None:
            finished = over or epoch >= self.epochs
            self.saver.after_call(
                learner,
                self.results,
                position=(epoch, self.epochs, int(finished)),
                done=(epoch, 0),
                driver=runner.driver,
                finished=finished,
            )

    def _feed(self) -> ArrayFeed:
        """The rows of all jobs, one after the other, and a row that weighs nothing."""

        def table(name: str) -> tf.Tensor:
            parts = [getattr(job, name) for job in self.jobs]
            nothing = np.zeros((1, *parts[0].shape[1:]), parts[0].dtype)
            return tf.constant(np.concatenate([*parts, nothing]))

        plan = member_plan(
            [rows + s for job, s in self._started() for rows in job.rows],
            [seed for job in self.jobs for seed in job.member_seeds],
            self.shape,
            padding=self.padding,
        )
        data = tuple(table(name) for name in ("x", "codes", "targets", "weights"))
        between_looks = math.ceil(self.epochs / self.recipe.checks)
        planned = min(self.epochs, epochs_planned(plan))
        if self.recipe.folds or self.time_limit is not None:
            planned = min(planned, between_looks)
        return ArrayFeed(data, plan, planned=planned)

    def _started(self) -> list[tuple[Job, int]]:
        """Each job, and where its rows begin."""
        return list(zip(self.jobs, self.starts.astype(np.int32), strict=True))

    def _begin(self, learner: MemberLearner, feed: ArrayFeed) -> Runner:
        """New weights, an optimizer that remembers nothing, and the loop."""
        seeds = [seed for job in self.jobs for seed in job.member_seeds]
        sample = np.stack(
            [
                _some_rows(rows, seed) + s
                for job, s in self._started()
                for rows, seed in zip(job.rows, job.member_seeds, strict=True)
            ]
        )
        x, codes, *_ = feed.rows
        learner.network.initialize(
            tf.gather(x, sample).numpy(), tf.gather(codes, sample).numpy(), seeds
        )
        learner.begin(
            seeds,
            steps=self.epochs * self.shape.steps,
            learning_rate=self.recipe.learning_rate,
            weight_decay=self.recipe.weight_decay,
            dropout=self.recipe.dropout,
        )
        programs = programs_of(learner)
        driver = self.wanted
        if driver == "auto":
            pays = _xla_saves_seconds(self.jobs[0]) > XLA_COMPILES_IN_SECONDS
            pays = pays and self.workers is None
            driver = "xla" if pays and programs.refused is None else "graph"
        chosen = programs.choose(driver, None)
        return Runner(programs, "train_step", wanted=self.wanted, driver=chosen)

    def _look(
        self,
        learner: MemberLearner,
        feed: ArrayFeed,
        epoch: int,
        losses: list[NDArray[np.float32]],
    ) -> None:
        """Note the losses; keep the weights of each job that are as good as any before."""
        for i, per_member in enumerate(losses):
            if not np.isfinite(per_member).all():
                self._raise(epoch - len(losses) + i, per_member)
        per = self.recipe.members
        outputs = self._held_out_outputs(learner, feed) if self.recipe.folds else None
        for j, result in enumerate(self.results):
            own = slice(j * per, (j + 1) * per)
            score = None
            if outputs is not None:
                stacked = held_out_outputs(result.job, outputs[own])
                score = held_out_score(result.job, stacked)
            if result.wants(score, last=epoch == self.epochs):
                result.weights = member_weights(learner.network, own)
                result.score, result.epoch = score, epoch
                if score is not None:
                    result.held_out = held_out_answers(result.job, stacked, score.sharpness)
            result.note(epoch, losses[-1][own], score)

    def _held_out_outputs(
        self, learner: MemberLearner, feed: ArrayFeed
    ) -> list[NDArray[np.float32]]:
        """The outputs of each member for the rows that it left out."""
        rows = [held + s for job, s in self._started() for held in job.held_out]
        most = max(map(len, rows))
        padded = np.stack([np.resize(held, most) for held in rows]).astype(np.int32)
        x, codes, *_ = feed.rows
        outputs = learner.outputs_for(x, codes, padded)
        return [o[: len(held)] for o, held in zip(outputs, rows, strict=True)]

    def _told(self) -> dict[str, float]:
        """The last losses, means over the jobs."""
        names = [n for n in ("loss", "val_loss") if n in self.results[0].history]
        return {
            name: float(np.mean([result.history[name][-1] for result in self.results]))
            for name in names
        }

    def _enough(self, epoch: int) -> bool:
        """Whether what is left cannot be expected to help any job.

        The last wave of the learning rate begins at about half of the training. Who was
        best in the first two waves has learned the rows by heart since.
        """
        if not self.recipe.folds or self.recipe.cycles < 3:
            return False
        whole = 2**self.recipe.cycles - 1
        last_wave = (whole // 2) / whole * self.epochs
        second_wave_ends = (whole // 4) / whole * self.epochs
        return epoch >= last_wave and all(
            result.epoch <= second_wave_ends for result in self.results
        )

    def _keep_to_time(
        self,
        learner: MemberLearner,
        feed: ArrayFeed,
        epoch: int,
        passed: float,
        pace: float,
    ) -> None:
        """Shorten what is left where it would take too long.

        The first call may hold a compilation, which says nothing of the pace.
        """
        if self.time_limit is None:
            return
        left = self.time_limit - passed
        if epoch <= feed.planned and left > 0:
            return
        # Without folds nothing is kept before the last epoch, which must come.
        least = 1 if left > 0 or not self.recipe.folds else 0
        fit_in = max(least, int(left / pace))
        if fit_in < self.epochs - epoch:
            self.epochs = epoch + fit_in
            learner.optimizer.remaining_steps(fit_in * self.shape.steps)

    def _raise(self, epoch: int, losses: NDArray[np.float32]) -> None:
        history = self.results[0].history
        raise NonFiniteLossError(
            "loss",
            float(losses[~np.isfinite(losses)][0]),
            epoch=epoch + 1,
            last_finite=history["loss"][-1] if history else None,
            last_epoch=history["epoch"][-1] if history else 0,
            kept_epoch=0,
        )


def _some_rows(rows: NDArray[np.int32], seed: int) -> NDArray[np.int32]:
    """`INITIAL_ROWS` of them, each as often as it takes."""
    rng = np.random.default_rng((seed, 1))
    return np.resize(rng.permutation(rows), INITIAL_ROWS)
