"""Training an ensemble on rows that are larger than memory.

The same learner and step as in `train_jobs`. What differs: rows come in groups from disk,
no member learns from the held-out rows, which are looked at after each epoch, and the
training can be saved, and its time be up, in the middle of an epoch.
"""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.choices import FitDriver
from kerasnn.ensembles.checkpoints import JobsSaver, settings_of
from kerasnn.ensembles.compiled_learners import learner_of_shape
from kerasnn.ensembles.groups import GroupSource, MemberGroups, Rows
from kerasnn.ensembles.learner import MemberLearner, member_weights
from kerasnn.ensembles.task import Job
from kerasnn.ensembles.train import Progress, Trained
from kerasnn.ensembles.validation import held_out_outputs, held_out_score
from kerasnn.errors import NonFiniteLossError
from kerasnn.models.tabular import INITIAL_ROWS
from kerasnn.training.checkpoints.run_checkpoints import RunCheckpoints
from kerasnn.training.compiled.programs import programs_of
from kerasnn.training.compiled.runner import Runner
from kerasnn.training.distribution.workers import WorkerGroup
from kerasnn.training.feeds.chunks import Chunk

# From "y" of the shards to what a step takes: [rows] labels, or [rows, 1] standardised.
Learned = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True)
class DiskJob:
    """What `train_on_disk` trains.

    Attributes:
        judged: the held-out rows, which tell how good the members are.
        rows: to learn from, on disk.
        sample_x, sample_codes: some of them, for the first weights.
        learned: from targets as they lie there to what a step takes.
        fingerprint: of the table.
    """

    judged: Job
    rows: GroupSource
    sample_x: NDArray[np.float32]
    sample_codes: NDArray[np.int32]
    learned: Learned
    fingerprint: str

    def feed(self, workers: WorkerGroup | None = None) -> MemberGroups:
        """The rows, for the loop; of a worker of a workers its own."""
        return MemberGroups(
            self.rows,
            self.judged.member_seeds,
            self.judged.recipe.batch_size,
            self._rows_of,
            place=(0, 1) if workers is None else (workers.worker, workers.n_workers),
        )

    def _rows_of(self, data: tuple[Mapping[str, Any], NDArray[Any]]) -> Rows:
        inputs, targets = data
        return inputs["x"], inputs["codes"], self.learned(targets)


def train_on_disk(
    job: DiskJob,
    *,
    driver: FitDriver = "auto",
    time_limit: float | None = None,
    progress: Progress | None = None,
    checkpoints: RunCheckpoints | None = None,
    workers: WorkerGroup | None = None,
) -> Trained:
    """Train an ensemble on rows from disk; arguments as of `train_jobs`.

    Of several workers each reads shards of its own, and has its part of every batch.

    Raises:
        WorkerLostError: another worker has gone.
        NonFiniteLossError: a member's loss became NaN or infinite.
        InterruptedFitError: a signal came, and the training was saved.
        InputError: a shard is gone or damaged, or a checkpoint cannot be written.
    """
    with (
        checkpoints.watching() if checkpoints else contextlib.nullcontext(),
        workers.reports_lost_workers() if workers else contextlib.nullcontext(),
    ):
        return _DiskTraining(job, driver, time_limit, progress, checkpoints, workers).run()


class _DiskTraining:
    """One training.

    Attributes:
        steps: in all; fewer where the time does not suffice.
        taken: steps that were taken.
        epoch: that is under way (from 0).
        done: steps of it that were taken.
    """

    def __init__(
        self,
        job: DiskJob,
        driver: FitDriver,
        time_limit: float | None,
        progress: Progress | None,
        checkpoints: RunCheckpoints | None,
        workers: WorkerGroup | None = None,
    ) -> None:
        settings = settings_of([job.judged], job.fingerprint)
        if workers is not None:
            workers.assert_same_on_all(**settings, time_limit=time_limit)
        self.workers = workers
        self.job = job
        self.wanted = driver
        self.time_limit = time_limit
        self.progress = progress
        self.recipe = job.judged.recipe
        self.result = Trained(job.judged)
        self.feed = job.feed(workers)
        self.planned = sum(self.feed.steps(epoch) for epoch in range(self.recipe.epochs))
        self.steps = self.planned
        self.taken = self.epoch = self.done = 0
        self.saver = JobsSaver(checkpoints, settings) if checkpoints is not None else None

    def run(self) -> Trained:
        """Train."""
        started = time.perf_counter()
        judged, members = self.job.judged, self.recipe.members
        with learner_of_shape(judged, members, self.workers, own_batches=True) as learner:
            runner = self._begin(learner)
            self._put_back(learner)
            paces: list[float] = []
            while self.taken < self.steps:
                for whole in self._calls():
                    chunk = self._within_time(whole)
                    called = time.perf_counter()
                    logs, _ = runner.run(chunk)
                    self._took(chunk)
                    now = time.perf_counter()
                    passed, pace = self._agreed(
                        now - started, (now - called) / (chunk.stop - chunk.first)
                    )
                    paces.append(pace)
                    self._after_call(learner, np.asarray(logs[-1]["loss"]))
                    self._keep_to_time(learner, passed, paces)
                    self._save(learner, runner)
                    if self.taken >= self.steps:
                        break
        return self.result

    def _agreed(self, passed: float, pace: float) -> list[float]:
        """The same in every worker, whatever its clock says."""
        if self.workers is None or self.time_limit is None:
            return [passed, pace]
        return self.workers.chief_values([passed, pace])

    def _begin(self, learner: MemberLearner) -> Runner:
        """New weights, an optimizer that remembers nothing, and the loop."""
        seeds = self.job.judged.member_seeds
        sample = [_some_rows(len(self.job.sample_x), seed) for seed in seeds]
        learner.network.initialize(
            self.job.sample_x[sample], self.job.sample_codes[sample], seeds
        )
        learner.begin(
            seeds,
            steps=self.planned,
            learning_rate=self.recipe.learning_rate,
            weight_decay=self.recipe.weight_decay,
            dropout=self.recipe.dropout,
        )
        programs = programs_of(learner)
        # Such a training is long: compiling the step always pays.
        driver = self.wanted
        if driver == "auto":
            alone = self.workers is None and programs.refused is None
            driver = "xla" if alone else "graph"
        chosen = programs.choose(driver, None)
        return Runner(programs, "train_step", wanted=self.wanted, driver=chosen)

    def _put_back(self, learner: MemberLearner) -> None:
        saved = self.saver.put_back(learner, [self.result]) if self.saver else None
        if saved is not None:
            self.taken, self.steps, self.epoch, self.done, _ = saved

    def _calls(self) -> Iterator[Chunk]:
        """Those of the epoch that is under way."""
        return self.feed.chunks(self.epoch, done=self.done)

    def _within_time(self, chunk: Chunk) -> Chunk:
        """The call without the steps for which there is no time."""
        stop = min(chunk.stop, chunk.first + self.steps - self.taken)
        return dataclasses.replace(chunk, stop=stop)

    def _took(self, chunk: Chunk) -> None:
        steps = chunk.stop - chunk.first
        self.taken += steps
        self.done += steps

    def _after_call(self, learner: MemberLearner, losses: NDArray[np.float32]) -> None:
        """Look at the held-out rows when the epoch is over, or the time."""
        if not np.isfinite(losses).all():
            self._raise(losses)
        ended = self.done >= self.feed.steps(self.epoch)
        if not ended and self.taken < self.steps:
            return
        self._look(learner, losses)
        if ended:
            self.epoch, self.done = self.epoch + 1, 0

    def _look(self, learner: MemberLearner, losses: NDArray[np.float32]) -> None:
        """Note the losses; keep the weights that are as good as any before."""
        judged, epoch = self.job.judged, self.epoch + 1
        rows = np.stack(judged.held_out)
        outputs = learner.outputs_for(
            tf.constant(judged.x), tf.constant(judged.codes), rows
        )
        score = held_out_score(judged, held_out_outputs(judged, list(outputs)))
        if self.result.wants(score, last=self.taken >= self.steps):
            self.result.weights = member_weights(learner.network, slice(None))
            self.result.score, self.result.epoch = score, epoch
        self.result.note(epoch, losses, score)
        if self.progress:
            told = {k: self.result.history[k][-1] for k in ("loss", "val_loss")}
            self.progress(epoch, self.recipe.epochs, told)

    def _keep_to_time(
        self, learner: MemberLearner, passed: float, paces: list[float]
    ) -> None:
        """Shorten what is left where it would take too long.

        The first call may hold a compilation, which says nothing of the pace.
        """
        if self.time_limit is None or self.taken >= self.steps:
            return
        left = self.time_limit - passed
        if len(paces) < 2 and left > 0:
            return
        fit_in = max(1, int(left / float(np.median(paces[-9:]))))
        if fit_in < self.steps - self.taken:
            self.steps = self.taken + fit_in
            learner.optimizer.remaining_steps(fit_in)

    def _save(self, learner: MemberLearner, runner: Runner) -> None:
        if self.saver is not None:
            finished = self.taken >= self.steps
            place = (self.taken, self.steps, self.epoch, self.done)
            self.saver.after_call(
                learner,
                [self.result],
                position=(*place, int(finished)),
                done=(self.epoch, self.done),
                driver=runner.driver,
                finished=finished,
            )

    def _raise(self, losses: NDArray[np.float32]) -> None:
        history = self.result.history
        raise NonFiniteLossError(
            "loss",
            float(losses[~np.isfinite(losses)][0]),
            epoch=self.epoch + 1,
            last_finite=history["loss"][-1] if history else None,
            last_epoch=history["epoch"][-1] if history else 0,
            kept_epoch=0,
        )


def _some_rows(n_rows: int, seed: int) -> NDArray[np.int64]:
    """`INITIAL_ROWS` of them, each as often as it takes."""
    rng = np.random.default_rng((seed, 1))
    return np.resize(rng.permutation(n_rows), INITIAL_ROWS)
