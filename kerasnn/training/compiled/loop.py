"""The compiled loop: one function that runs a step over many batches.

The driver runs `run_epochs` as it is ("eager", for a debugger), as one TensorFlow graph
("graph"), or as one graph compiled by XLA ("xla"). The rows stay on the device. What
changes between calls (row orders, epochs and steps to run, learning rates) is a tensor, so
nothing is traced twice.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

import keras
import tensorflow as tf

from kerasnn.choices import Driver
from kerasnn.training.compiled.specs import DataStructure, Tensors
from kerasnn.training.compiled.tracing import make_variables, trace

Logs = dict[str, Any]  # by name: tensors in a graph; afterwards floats, or arrays
Tables = tuple[dict[str, tf.TensorArray], dict[str, tf.TensorArray]]  # of a step, of tests

_State = TypeVar("_State")


class Trainable(Protocol):
    """Protocol of what the loop trains: a compiled `keras.Model`, or a `Learner`."""

    optimizer: Any

    def train_step(self, data: Any) -> Logs:
        """Train on one batch; return the running metrics."""

    def test_step(self, data: Any) -> Logs:
        """Evaluate one batch; return the running metrics."""

    def reset_metrics(self) -> None:
        """Restart the running metrics."""

    def get_metrics_result(self) -> Logs:
        """Return the running metrics."""


class Step:
    """A training or test step on flat tensors, traced once.

    Args:
        learner: the model or learner.
        step: its `train_step` or `test_step`.
        structure: of the data.
        batch: specs of the tensors of a batch; the first dimension is None if batches
            differ in size.
        driver: "eager" calls the step without its graph.

    Raises:
        UntraceableError: the step cannot be traced.
    """

    def __init__(
        self,
        learner: Trainable,
        step: Callable[[Any], Any],
        structure: DataStructure,
        batch: list[tf.TensorSpec],
        driver: Driver,
    ) -> None:
        self.learner = learner
        self.groups: dict[str, str] = {}  # of logs in a nested dict: its name

        def on_batch(*tensors: tf.Tensor) -> Logs:
            logs = step(structure.pack(list(tensors)))
            if not isinstance(logs, Mapping):
                raise TypeError(
                    f"{step.__name__} must return a dict of metrics; got {logs!r}"
                )
            self.groups = {
                name: group
                for group, value in logs.items()
                if isinstance(value, Mapping)
                for name in flat(value)
            }
            return {k: tf.convert_to_tensor(v) for k, v in flat(logs).items()}

        if step.__name__ == "train_step":
            make_variables(learner, structure.pack(batch))
        traced = trace(on_batch, batch, learner)
        self.logs: Logs = traced.structured_outputs  # as symbols: shape and type of each
        self.run = on_batch if driver == "eager" else traced
        # XLA needs static sizes: each has its loop. Elsewhere one loop serves all sizes, so
        # that the graph has the step once: its `tf.random` operations go on as Keras's do.
        self.loops_by_size = driver == "xla"
        self.resets_inside = _can_reset_inside(learner)
        metrics = learner.get_metrics_result()
        # Keras's rule: if the logs are not the metrics, those of the last step count.
        self.logs_are_metrics = not self.groups and metrics.keys() == self.logs.keys()

    def __call__(self, batch: Tensors) -> Logs:
        """Run on one batch; return the logs of the step."""
        return self.run(*batch)

    def empty_logs(self) -> Logs:
        """Return the logs of zero steps."""
        return {
            name: tf.zeros([size or 0 for size in log.shape], log.dtype)
            for name, log in self.logs.items()
        }

    def metrics(self) -> Logs:
        """Return the running metrics, in Keras's order."""
        result = self.learner.get_metrics_result()
        return {name: tf.convert_to_tensor(value) for name, value in result.items()}

    def reset(self) -> bool:
        """Restart the running metrics; return True, as a branch of `tf.cond` must."""
        self.learner.reset_metrics()
        return True


class StepRange(NamedTuple):
    """The part of the planned epochs that a call runs; one int32 tensor for the graph.

    Attributes:
        epochs: number of epochs; 1 if only some steps of an epoch run.
        reset: whether the metrics restart with each epoch.
        first: the first step to run.
        stop: the step after the last one to run.
        test_steps: steps of the test after each epoch; 0 for no test.
    """

    epochs: int = 1
    reset: bool = True
    first: int = 0
    stop: int = 0
    test_steps: int = 0


def run_epochs(
    step: Step,
    test: Step | None,
    step_range: tf.Tensor,
    rows: Tensors,
    blocks: Tensors,
    test_rows: Tensors,
    test_blocks: Tensors,
) -> tuple[Logs, Logs]:
    """Run a step over some epochs, and a test after each.

    Args:
        step: usually a training step, which changes weights, slots and metrics.
        test: a test step, or None.
        step_range: a `StepRange` as int32 [5].
        rows: flat tensors, each [rows, ...].
        blocks: row numbers, each [planned epochs, steps, batch] int32.
        test_rows: like `rows`; [] for no test.
        test_blocks: row numbers, each [1, steps, batch] int32; [] for no test.

    Returns:
        The logs of the step and of the test, each [planned epochs, ...]; zero for epochs
        that did not run.
    """
    n_epochs, reset, first, stop, test_steps = tf.unstack(step_range)
    planned = tf.shape(blocks[0])[0]

    def one_epoch(epoch: tf.Tensor, tables: Tables) -> Tables:
        logs, test_logs = tables
        values = run_steps(step, rows, blocks, epoch, reset > 0, first, stop)
        logs = {name: logs[name].write(epoch, values[name]) for name in logs}
        if test is not None:
            values = run_steps(
                test, test_rows, test_blocks, 0, test_steps > 0, 0, test_steps
            )
            test_logs = {
                name: test_logs[name].write(epoch, values[name]) for name in test_logs
            }
        return logs, test_logs

    tables = _tables(step, planned), {} if test is None else _tables(test, planned)
    logs, test_logs = repeat(one_epoch, 0, n_epochs, tables)
    return (
        {name: table.stack() for name, table in logs.items()},
        {name: table.stack() for name, table in test_logs.items()},
    )


def run_steps(
    step: Step,
    rows: Tensors,
    blocks: Tensors,
    epoch: tf.Tensor,
    reset: tf.Tensor,
    first: tf.Tensor,
    stop: tf.Tensor,
) -> Logs:
    """Run the steps first..stop-1 of one epoch; the blocks hold its batches in order."""
    if step.resets_inside:
        tf.cond(reset, step.reset, lambda: False)
    logs = step.empty_logs()
    before = 0  # steps of earlier loops
    for together in [[block] for block in blocks] if step.loops_by_size else [blocks]:
        steps = tf.add_n([tf.shape(block)[1] for block in together])

        def one_step(i: tf.Tensor, logs: Logs, together: Tensors = together) -> Logs:
            numbers = _row_numbers(together, epoch, i)
            new = step([tf.gather(tensor, numbers) for tensor in rows])
            return logs if step.logs_are_metrics else new

        here = tf.maximum(first - before, 0), tf.minimum(stop - before, steps)
        logs = repeat(one_step, *here, logs)
        before += steps
    if step.logs_are_metrics:
        logs = step.metrics()
    return logs


def repeat(
    body: Callable[[tf.Tensor, _State], _State], first: Any, stop: Any, state: _State
) -> _State:
    """Return the state after `for i in range(first, stop): state = body(i, state)`.

    In a graph this is one loop of any length, which XLA compiles once. Autograph would turn
    a `while` into the same loop, but first read the code for half a second.
    """
    loop = tf.while_loop(
        lambda i, _: i < stop, lambda i, state: (i + 1, body(i, state)), (first, state)
    )
    return loop[1]


def _row_numbers(blocks: Tensors, epoch: tf.Tensor, i: tf.Tensor) -> tf.Tensor:
    """Return the row numbers of batch i of an epoch, whose batches are in the blocks."""
    if len(blocks) == 1:
        return blocks[0][epoch, i]
    parts: Tensors = []
    for block in blocks:
        steps, size = tf.unstack(tf.shape(block)[1:])
        here = tf.logical_and(i >= 0, i < steps)
        step = tf.clip_by_value(i, 0, steps - 1)
        parts.append(block[epoch, step, : tf.where(here, size, 0)])
        i -= steps
    return tf.concat(parts, 0)


def _tables(step: Step, planned: tf.Tensor) -> dict[str, tf.TensorArray]:
    """Return zeroed arrays for the logs of each planned epoch."""
    return {
        name: tf.TensorArray(log.dtype, size=planned, element_shape=log.shape).unstack(
            tf.zeros(tf.concat([[planned], log.shape], 0), log.dtype)
        )
        for name, log in step.logs.items()
    }


def grouped(logs: Logs, groups: Mapping[str, str]) -> dict[str, Any]:
    """Return logs nested as the step returned them, which Keras's callbacks expect.

    Args:
        logs: flat.
        groups: names of the dicts that hold some of them, as `Step.groups`.
    """
    result: dict[str, Any] = {}
    for name, value in logs.items():
        if name in groups:
            result.setdefault(groups[name], {})[name] = value
        else:
            result[name] = value
    return result


def _can_reset_inside(learner: Trainable) -> bool:
    """Return whether a graph can reset the metrics: sure only for Keras's own metrics."""
    if not isinstance(learner, keras.Model):
        return True
    if type(learner).reset_metrics is not keras.Model.reset_metrics:
        return False
    metrics = list(learner.metrics)
    for metric in metrics:  # those given to `compile` are in a container
        metrics += getattr(metric, "metrics", [])
    return all(type(m).reset_state.__module__.startswith("keras.") for m in metrics)


def flat(logs: Mapping[str, Any]) -> Logs:
    """Return logs by name, as Keras reports them; a nested dict's logs take its place."""
    result: Logs = {}
    for name, value in sorted(logs.items()):
        result |= flat(value) if isinstance(value, Mapping) else {name: value}
    return result
