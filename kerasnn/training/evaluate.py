"""`evaluate`, drop-in for `Model.evaluate`: many steps in each compiled call."""

from typing import Any

import keras
import tensorflow as tf
from keras import callbacks as keras_callbacks

from kerasnn.choices import FitDriver, Verbose
from kerasnn.training import keras_names
from kerasnn.training.compiled.chunks import Feed
from kerasnn.training.compiled.errors import NeedsKerasError
from kerasnn.training.compiled.programs import programs_of
from kerasnn.training.compiled.threads import in_one_thread
from kerasnn.training.distribution.execution import Execution, execution_of
from kerasnn.training.fallback import (
    CallRecord,
    check_driver,
    check_loop_supports,
    log_fallback,
)
from kerasnn.training.feeds.keras_iterator import Executions, keras_iterator
from kerasnn.training.feeds.make_feed import make_feed
from kerasnn.training.paths.table_source import takes_tables
from kerasnn.training.runner import Runner, run_test
from kerasnn.training.trainer import Trainer, check_network_arguments


@in_one_thread
@takes_tables
def evaluate(
    model: keras.Model | tf.Module,
    x: Any = None,
    y: Any = None,
    batch_size: int | None = None,
    verbose: Verbose = "auto",
    sample_weight: Any = None,
    steps: int | None = None,
    callbacks: Any = None,
    return_dict: bool = False,
    *,
    driver: FitDriver = "auto",
) -> float | list[float] | dict[str, float]:
    """Compute loss and metrics, as `model.evaluate` does.

    The arguments are those of `keras.Model.evaluate`; `x` may be a path as for `fit`. For
    `driver` see `fit`; "auto" does not use XLA here. With verbose="auto" a progress bar
    appears only if the rows take more than one call.

    Returns:
        A number, a list in the order of `model.metrics`, or a dict; a dict for a
        `tf.Module` network.

    Raises:
        InputError: see `fit`.
        ValueError: raised by Keras for other arguments.
    """
    check_driver(driver)
    if not isinstance(model, keras.Model):
        check_network_arguments(
            sample_weight=sample_weight, steps=steps, callbacks=callbacks
        )
        return Trainer(model, driver="graph").evaluate(x, y)
    arguments = {
        "batch_size": batch_size,
        "verbose": verbose,
        "steps": steps,
        "callbacks": callbacks,
        "return_dict": return_dict,
    }
    return evaluate_keras(model, (x, y, sample_weight), arguments, driver)


def evaluate_keras(
    model: keras.Model,
    rows: tuple[Any, Any, Any],
    arguments: dict[str, Any],
    driver: FitDriver,
    record: CallRecord | None = None,
) -> float | list[float] | dict[str, float]:
    """Evaluate a Keras model.

    Args:
        model: the model.
        rows: x, y and sample_weight.
        arguments: the other arguments of `Model.evaluate`, by name.
        driver: see `fit`.
        record: notes the outcome if `Model.evaluate` was called, not `kerasnn.evaluate`.
    """
    keras_names.assert_compiled(model, "evaluate")
    execution = execution_of(model)
    batch_size, steps = arguments["batch_size"], arguments["steps"]
    iterator = keras_iterator(model, rows, batch_size=batch_size, steps_per_epoch=steps)
    adapter, callbacks = iterator.data_adapter, arguments["callbacks"]
    try:
        check_loop_supports(model, execution, driver)
        runner, feed = _prepare(model, execution, iterator, driver)
    except NeedsKerasError as error:
        callbacks = log_fallback(model, execution, driver, error, callbacks, record)
        evaluate_as_keras = keras_names.keras_method("evaluate")
        return evaluate_as_keras(model, adapter, **{**arguments, "callbacks": callbacks})
    if not isinstance(callbacks, keras_callbacks.CallbackList):
        callbacks = keras_callbacks.CallbackList(
            callbacks,
            add_progbar=arguments["verbose"] != 0,
            verbose=arguments["verbose"],
            epochs=1,
            steps=feed.steps,
            model=model,
        )
    feed.reset()
    logs = run_test(runner, feed, callbacks, iterator.steps_per_execution)
    if arguments["return_dict"]:
        return logs
    return keras_names.evaluate_in_order(model, logs)


def _prepare(
    model: keras.Model, execution: Execution, iterator: Executions, driver: FitDriver
) -> tuple[Runner, Feed]:
    """Read the first rows and trace the test step."""
    feed = execution.feed(make_feed(iterator))
    programs = programs_of(model)
    chosen = programs.choose(driver, None)
    runner = execution.runner(programs, "test_step", wanted=driver, driver=chosen)
    if feed.batch_spec is not None:
        runner.prepare(feed.batch_spec)
    return runner, feed
