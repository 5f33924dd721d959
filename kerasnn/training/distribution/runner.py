"""Data-parallel steps: gradients of each replica's rows, summed, and applied on all.

The step is the learner's own `train_step`. On every replica it runs forward and backward
over that replica's rows, with an optimizer that only records the gradients. These are
joined into one flat tensor, summed over all replicas in one collective, and given to the
real optimizer, so that clipping and moments see the gradient of the whole batch. The loop
over the steps is outside of the replicas, because TensorFlow refuses a collective in a
loop inside of one.
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
from kerasnn.training.compiled.chunks import Chunk
from kerasnn.training.compiled.loop import Logs
from kerasnn.training.compiled.programs import Programs
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
from kerasnn.training.distribution.workers import WorkerGroup
from kerasnn.training.runner import GROWTH, SECONDS_PER_CALL, Runner


class DistributedProgram:
    """A compiled loop over the steps of a chunk, on all replicas.

    Args:
        workers: the workers.
        learner: the model or learner; all its Variables exist.
        name: "train_step" or "test_step".
        batch_spec: shapes and types of the batches.
    """

    def __init__(
        self, workers: WorkerGroup, learner: Any, name: str, batch_spec: BatchSpec
    ) -> None:
        self._workers = workers
        self._learner = learner
        self._step = getattr(learner, name)
        self._structure = batch_spec.structure
        self._trains = name == "train_step"
        self._optimizer = GradientRecorder(
            learner.optimizer,
            workers.replicas,
            keras_scales=isinstance(learner, keras.Model),
        )
        self._flat: FlattenedGradients | None = None
        self._variables: list[Any] = []
        numbers = tf.TensorSpec([None], tf.int32)
        self._signature = [batch_spec.row_specs(), numbers, numbers, numbers]
        self._graphs: dict[bool, Any] = {}

    def __call__(self, share: LocalSlice) -> Logs:
        """Run the steps of this worker's slice; return the running metrics."""
        graph = self._graph(share.some_empty)
        numbers = (share.numbers, share.bounds, share.totals)
        with self._workers.reports_lost_workers():
            logs = graph(share.rows, *map(tf.constant, numbers))
            values = {name: log.numpy() for name, log in logs.items()}
        return {name: float(v) if v.ndim == 0 else v for name, v in values.items()}

    def _graph(self, some_empty: bool) -> Any:
        """Return the loop; with `some_empty`, a replica may have no rows in a step."""
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
        """Return the running metrics over all replicas, in Keras's order."""
        result = self._learner.get_metrics_result()
        return {name: tf.convert_to_tensor(value) for name, value in result.items()}

    def _train(
        self, rows: Tensors, numbers: tf.Tensor, total: tf.Tensor, some_empty: bool
    ) -> None:
        """Run one step: gradients on the replicas, their sum, the update."""
        parts = self._on_replicas(rows, numbers, total, some_empty)
        sums = [self._workers.reduce_sum(part) for part in parts]
        assert self._flat is not None
        self._learner.optimizer.apply(self._flat.split(sums), self._variables)

    def _on_replicas(
        self, rows: Tensors, numbers: tf.Tensor, total: tf.Tensor, some_empty: bool
    ) -> Any:
        """Run the step on each replica; return the joined gradients of a training step."""

        def on_replica() -> list[tf.Tensor]:
            replica, n_rows = self._workers.local_replica_id, tf.size(numbers)
            begin = n_rows * replica // self._workers.local_replicas
            end = n_rows * (replica + 1) // self._workers.local_replicas
            empty = tf.cast(begin == end, tf.int32)
            # A step needs rows: a replica without any takes row 0, without effect.
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
        """Check that a custom step returns metrics only: other logs differ by replica."""
        others = set(logs) - set(self._learner.get_metrics_result())
        if others:
            raise InputError(
                f"on several workers a step can return metrics only; {sorted(others)} of"
                f" {type(self._learner).__name__} must be a keras.metrics.Mean or the like"
            )


class DistributedRunner(Runner):
    """Runs chunks on all workers.

    Args:
        workers: the workers.
        programs: the compiled loops of the learner.
        step: "train_step" or "test_step".
        wanted: the driver that was asked for.
        driver: not used; several workers run the graph.
        inside: all rows of a test that runs after each epoch, inside the call.

    Raises:
        InputError: several workers cannot use the driver or the model.
    """

    def __init__(
        self,
        workers: WorkerGroup,
        programs: Programs,
        step: str,
        *,
        wanted: FitDriver,
        driver: Driver = "graph",
        inside: Chunk | None = None,
    ) -> None:
        check_distributed_driver(wanted)
        super().__init__(programs, step, wanted=wanted, driver="graph", inside=inside)
        self.workers = workers
        self._seconds_per_step: float | None = None
        self._largest = 0

    def reports_lost_workers(self) -> contextlib.AbstractContextManager[Any]:
        """See `Runner`."""
        return self.workers.reports_lost_workers()

    @property
    def resets_inside(self) -> bool:
        """Always False: the host resets the metrics."""
        return False

    def budget(self) -> int:
        """Steps for the next call; equal on every worker."""
        if self._seconds_per_step is None:
            return 1
        in_time = int(SECONDS_PER_CALL / self._seconds_per_step)
        return max(1, min(in_time, GROWTH * self._largest))

    def prepare(self, batch_spec: BatchSpec) -> Any:
        """Create the Variables and the program."""
        self.programs.follow()
        with self.workers.strategy.scope():
            build(self.learner, batch_spec)
        check_made_in_scope(self.learner, self.workers.strategy)
        check_losses(self.learner)
        network = getattr(self.learner, "network", self.learner)
        self.workers.assert_same_on_all(weights=[tuple(v.shape) for v in network.variables])
        return self._program_of(self.step, batch_spec)

    def run(
        self, chunk: Chunk, *, epochs: int = 1, test: bool = False
    ) -> tuple[list[Logs], list[Logs]]:
        """Run a chunk; return its logs, and those of the test after it."""
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
        return [logs], [tested(local_slice(self.inside, self.workers))]

    def _program_of(self, step: str, batch_spec: BatchSpec) -> DistributedProgram:
        return self.programs.cached(
            ("workers", step, batch_spec.key),
            lambda: DistributedProgram(self.workers, self.learner, step, batch_spec),
        )

    def _average(self) -> None:
        """Average the values that each replica computes by itself (moving averages)."""
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


def check_distributed_driver(wanted: FitDriver) -> None:
    """Check that several workers can use a driver.

    Raises:
        InputError: they cannot.
    """
    if wanted not in ("auto", "graph"):
        raise InputError(f"several workers train with driver='graph'; got {wanted!r}")
