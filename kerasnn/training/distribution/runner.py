"""One step on several devices or machines: gradients of shares, summed, applied by all.

The step is the learner's own `train_step`: on every replica it runs forward and backward
over the rows that were dealt to it, with an optimizer that only notes the gradients. They
are joined into one flat tensor, summed over all replicas in one collective, and given to
the real optimizer, so that clipping and moments see the gradient of the whole batch. The
loop over the steps stands outside of the replicas: inside of one, TensorFlow refuses a
collective in a loop.
"""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasnn.choices import Driver, FitDriver
from kerasnn.errors import InputError
from kerasnn.training.compiled.programs import Programs
from kerasnn.training.compiled.runner import GROWTH, SECONDS_PER_CALL, Runner
from kerasnn.training.compiled.specs import BatchSpec, Tensors
from kerasnn.training.distribution.gradients import (
    FlattenedGradients,
    GradientRecorder,
    optimizer_of,
)
from kerasnn.training.distribution.replicas import (
    LocalValues,
    build,
    check_losses,
    check_made_in_scope,
    local_variables,
    untrained_variables,
)
from kerasnn.training.distribution.sharding import LocalSlice, local_slice
from kerasnn.training.distribution.workers import WorkerGroup, workers_of
from kerasnn.training.epochs import Logs
from kerasnn.training.feeds.array_feed import ArrayFeed
from kerasnn.training.feeds.chunks import Chunk


class DistributedProgram:
    """A training or test step over the steps of a call, on all replicas.

    Args:
        workers: the workers.
        learner: what is trained; all its Variables have been made.
        name: "train_step" or "test_step".
        batches: what its rows look like.
    """

    def __init__(
        self, workers: WorkerGroup, learner: Any, name: str, batches: BatchSpec
    ) -> None:
        self._workers = workers
        self._learner = learner
        self._step = getattr(learner, name)
        self._structure = batches.structure
        self._trains = name == "train_step"
        self._optimizer = GradientRecorder(
            learner.optimizer,
            workers.replicas,
            keras_scales=isinstance(learner, keras.Model),
        )
        self._flat: FlattenedGradients | None = None
        self._variables: list[Any] = []
        numbers = tf.TensorSpec([None], tf.int32)
        self._signature = [batches.row_specs(), numbers, numbers, numbers]
        self._graphs: dict[bool, Any] = {}

    def __call__(self, share: LocalSlice) -> Logs:
        """Run the steps of a share; the running metrics."""
        graph = self._graph(share.some_empty)
        numbers = (share.numbers, share.bounds, share.totals)
        with self._workers.reports_lost_workers():
            logs = graph(share.rows, *map(tf.constant, numbers))
            values = {name: log.numpy() for name, log in logs.items()}
        return {name: float(v) if v.ndim == 0 else v for name, v in values.items()}

    def _graph(self, some_empty: bool) -> Any:
        """The loop, for steps in which every replica has rows, or not."""
        if some_empty not in self._graphs:
            one_step = self._train if self._trains else self._on_replicas

            def run(
                rows: Tensors, numbers: tf.Tensor, bounds: tf.Tensor, totals: tf.Tensor
            ) -> Logs:
                def body(i: tf.Tensor) -> tf.Tensor:
                    mine = numbers[bounds[i] : bounds[i + 1]]
                    one_step(rows, mine, totals[i], some_empty)
                    return i + 1

                steps = tf.size(totals)
                tf.while_loop(lambda i: i < steps, body, [tf.constant(0)])
                return self._metrics()

            # Without autograph, which would wrap what a step raises.
            loop = tf.function(run, input_signature=self._signature, autograph=False)
            # Keras applies gradients outside of the scope only; a new thread is outside.
            with ThreadPoolExecutor(1, "kerasnn-trace") as thread:
                traced = thread.submit(loop.get_concrete_function)
                self._graphs[some_empty] = traced.result()
        return self._graphs[some_empty]

    def _metrics(self) -> Logs:
        """The running metrics over all replicas, in the order in which Keras lists them."""
        result = self._learner.get_metrics_result()
        return {name: tf.convert_to_tensor(value) for name, value in result.items()}

    def _train(
        self, rows: Tensors, numbers: tf.Tensor, total: tf.Tensor, some_empty: bool
    ) -> None:
        """One step: gradients on the replicas, their sum, the update."""
        parts = self._on_replicas(rows, numbers, total, some_empty)
        sums = [self._workers.reduce_sum(part) for part in parts]
        assert self._flat is not None
        self._learner.optimizer.apply(self._flat.split(sums), self._variables)

    def _on_replicas(
        self, rows: Tensors, numbers: tf.Tensor, total: tf.Tensor, some_empty: bool
    ) -> Any:
        """The step on each replica; the joined gradients of a training step."""

        def on_replica() -> list[tf.Tensor]:
            replica, n_rows = self._workers.local_replica_id, tf.size(numbers)
            begin = n_rows * replica // self._workers.local_replicas
            end = n_rows * (replica + 1) // self._workers.local_replicas
            empty = tf.cast(begin == end, tf.int32)
            # No step can do without rows: a replica without any takes row 0 and forgets.
            mine = (
                tf.pad(numbers[begin:end], [[0, empty]])
                if some_empty
                else numbers[begin:end]
            )
            self._optimizer.begin((end - begin) / total)
            batch = self._structure.pack([tf.gather(tensor, mine) for tensor in rows])
            kept = local_variables(self._learner) if some_empty else []
            before = [tf.identity(variable) for variable in kept]
            logs = self._step(batch)
            for variable, value in zip(kept, before, strict=True):
                variable.assign(tf.where(empty > 0, value, variable))
            self._check_logs(logs)
            return self._joined() if self._trains else []

        with optimizer_of(self._learner, self._optimizer):
            return self._workers.strategy.run(on_replica)

    def _joined(self) -> list[tf.Tensor]:
        gradients, variables = zip(*self._optimizer.pairs, strict=True)
        self._variables = list(variables)
        self._flat = FlattenedGradients(list(gradients))
        return self._flat.join(list(gradients))

    def _check_logs(self, logs: Any) -> None:
        """What a step of the user's own returns would be that of one replica only."""
        others = set(logs) - set(self._learner.get_metrics_result())
        if others:
            raise InputError(
                f"on several workers a step can tell metrics only; {sorted(others)} of"
                f" {type(self._learner).__name__} must be a keras.metrics.Mean or the like"
            )


class DistributedRunner(Runner):
    """Runs calls on all workers.

    Args:
        workers: the workers.
        programs: of the learner.
        step: "train_step" or "test_step".
        wanted: the driver that was asked for.
        inside: rows for a test after each epoch, inside the call.

    Raises:
        InputError: the driver or the model is not one for several workers.
    """

    def __init__(
        self,
        workers: WorkerGroup,
        programs: Programs,
        step: str,
        *,
        wanted: FitDriver,
        inside: ArrayFeed | None = None,
    ) -> None:
        check_driver(wanted)
        super().__init__(programs, step, wanted=wanted, driver="graph", inside=inside)
        self.workers = workers
        self._seconds_per_step: float | None = None
        self._largest = 0

    def reports_lost_workers(self) -> contextlib.AbstractContextManager[Any]:
        """See `Runner`."""
        return self.workers.reports_lost_workers()

    @property
    def resets_inside(self) -> bool:
        """The host resets the metrics."""
        return False

    def budget(self) -> int:
        """Steps for the next call; the same in every worker."""
        if self._seconds_per_step is None:
            return 1
        in_time = int(SECONDS_PER_CALL / self._seconds_per_step)
        return max(1, min(in_time, GROWTH * self._largest))

    def prepare(self, batches: BatchSpec) -> Any:
        """Make the Variables, and the program."""
        self.programs.follow()
        with self.workers.strategy.scope():
            build(self.learner, batches)
        check_made_in_scope(self.learner, self.workers.strategy)
        check_losses(self.learner)
        network = getattr(self.learner, "network", self.learner)
        self.workers.assert_same_on_all(weights=[tuple(v.shape) for v in network.variables])
        return self._program_of(self.step, batches)

    def run(
        self, chunk: Chunk, *, epochs: int = 1, test: bool = False
    ) -> tuple[list[Logs], list[Logs]]:
        """Run a call; its logs, and those of the test after it."""
        assert epochs == 1
        started = time.perf_counter()
        program = self._program_of(self.step, chunk.batch_spec)
        logs = program(local_slice(chunk, self.workers))
        steps = chunk.stop - chunk.first
        took = (time.perf_counter() - started) / max(1, steps)
        self._seconds_per_step = self.workers.all_reduce_max([took])[0]
        self._largest = max(self._largest, steps)
        if not test:
            return [logs], []
        if self.step == "train_step":
            self._average()
        if self.inside is None:
            return [logs], []
        self.learner.reset_metrics()
        tested = self._program_of("test_step", self.inside.batch_spec)
        return [logs], [tested(local_slice(self.inside.whole(range(1)), self.workers))]

    def _program_of(self, step: str, batches: BatchSpec) -> DistributedProgram:
        return self.programs.cached(
            ("workers", step, batches.key),
            lambda: DistributedProgram(self.workers, self.learner, step, batches),
        )

    def _average(self) -> None:
        """What each replica has seen by itself (moving averages) becomes the mean."""
        averaged = [
            variable
            for variable in untrained_variables(self.learner)
            if variable.dtype.is_floating
        ]
        if not averaged:
            return
        gathered = self.programs.cached(
            ("workers", "local", len(averaged)), lambda: LocalValues(self.workers, averaged)
        )
        values = gathered.values()
        gathered.assign(
            [np.repeat(v.mean(axis=0, keepdims=True), len(v), 0) for v in values]
        )


def check_driver(wanted: FitDriver) -> None:
    """A driver that several workers have.

    Raises:
        InputError: it is another one.
    """
    if wanted not in ("auto", "graph"):
        raise InputError(f"several workers train with driver='graph'; got {wanted!r}")


def make_runner(
    programs: Programs,
    step: str,
    *,
    wanted: FitDriver,
    driver: Driver,
    inside: ArrayFeed | None = None,
) -> Runner:
    """What runs the steps of a learner, here or on all workers; see `Runner`."""
    workers = workers_of(getattr(programs.learner, "network", programs.learner))
    if not isinstance(workers, WorkerGroup):
        return Runner(programs, step, wanted=wanted, driver=driver, inside=inside)
    return DistributedRunner(workers, programs, step, wanted=wanted, inside=inside)
