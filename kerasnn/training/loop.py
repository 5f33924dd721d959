"""The step over whole epochs: one function, run by one of three drivers.

`run_epochs` is plain Python that autograph understands. The driver decides what becomes
of it: nothing ("eager": step through it with a debugger), one TensorFlow graph ("graph"),
or one graph compiled by XLA ("xla"). The rows stay on the device; what changes from call
to call (row orders, the number of epochs, learning rates) is a tensor, so nothing is
traced twice.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import tensorflow as tf

from kerasnn.choices import Driver
from kerasnn.training.learner import Learns

Run = Callable[..., tf.Tensor]


def make_run(learner: Learns, driver: Driver, names: Sequence[str]) -> Run:
    """`run_epochs` for this learner, under this driver.

    Args:
        learner: what is trained.
        driver: "eager", "graph" or "xla"; `Trainer` has checked it.
        names: the metrics to return, keys of `learner.get_metrics_result()`.
    """
    run = partial(run_epochs, learner, tuple(names))
    if driver == "eager":
        return run
    return tf.function(run, jit_compile=driver == "xla")


def run_epochs(
    learner: Learns,
    names: tuple[str, ...],
    n_epochs: tf.Tensor,
    data: Any,
    blocks: list[tf.Tensor],
    test_data: Any | None,
    test_blocks: list[tf.Tensor],
) -> tf.Tensor:
    """Train for some epochs, and test after each.

    Args:
        learner: its weights, slots and metrics change.
        names: the metrics to return.
        n_epochs: scalar int32, how many of the planned epochs to run.
        data: tensors [n_rows, ...], usually (x, y).
        blocks: row numbers, each [planned epochs, steps, batch] int32.
        test_data: like `data`, or None for no testing.
        test_blocks: row numbers, each [1, steps, batch] int32; [] for no testing.

    Returns:
        [planned epochs, metrics] float64: `names` after training, then after testing;
        zero for the epochs not run.
    """
    # The loop must not convert the learner's own code: Keras does not either.
    train = tf.autograph.experimental.do_not_convert(learner.train_step)
    test = tf.autograph.experimental.do_not_convert(learner.test_step)
    n_metrics = len(names) * (1 if test_data is None else 2)
    logs = tf.TensorArray(tf.float64, size=blocks[0].shape[0], element_shape=(n_metrics,))
    logs = logs.unstack(tf.zeros((blocks[0].shape[0], n_metrics), tf.float64))
    epoch = tf.constant(0)
    while epoch < n_epochs:  # not tf.range(n_epochs): XLA would compile for each value
        learner.reset_metrics()
        run_steps(train, data, blocks, epoch)
        row = metric_values(learner, names)
        if test_data is not None:
            learner.reset_metrics()
            run_steps(test, test_data, test_blocks, tf.constant(0))
            row = tf.concat([row, metric_values(learner, names)], axis=0)
        logs = logs.write(epoch, row)
        epoch += 1
    return logs.stack()


def run_steps(
    step: Callable[[Any], Any],
    data: Any,
    blocks: list[tf.Tensor],
    epoch: tf.Tensor,
) -> None:
    """One step for each batch of one epoch."""
    for block in blocks:
        for i in tf.range(block.shape[1]):
            step(take_rows(data, block[epoch, i]))


def take_rows(data: Any, rows: tf.Tensor) -> Any:
    """The given rows of every tensor in a structure."""
    return tf.nest.map_structure(lambda tensor: tf.gather(tensor, rows), data)


def metric_values(learner: Learns, names: tuple[str, ...]) -> tf.Tensor:
    """The named running metrics, [metrics] float64."""
    result = learner.get_metrics_result()
    return tf.stack([tf.cast(result[name], tf.float64) for name in names])
