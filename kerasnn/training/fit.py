"""`fit` and `evaluate`, drop-in for `Model.fit` and `Model.evaluate`.

The arguments, the order of events, warnings and results are Keras's; what differs is that
many steps run in one call of the compiled loop. What the loop cannot do (eager models,
sparse and ragged rows) goes to Keras's own loop, with a line in the log. A model made in
the scope of a strategy is trained on all its workers (`distributed`).
"""

import math
import warnings
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from keras import callbacks as keras_callbacks

from kerasnn.choices import FitDriver, OptimizerName
from kerasnn.errors import InputError
from kerasnn.manifest import data_fingerprint
from kerasnn.training import keras_names
from kerasnn.training.callbacks import hooks
from kerasnn.training.callbacks.history import History
from kerasnn.training.checkpoints.run_checkpoints import SECONDS_BETWEEN
from kerasnn.training.checks import Labels, warn_of_nan
from kerasnn.training.compiled.programs import programs_of
from kerasnn.training.compiled.runner import Runner
from kerasnn.training.distribution.checkpoints import make_checkpoints, make_saver
from kerasnn.training.distribution.runner import make_runner
from kerasnn.training.distribution.sharding import sharded_feed
from kerasnn.training.distribution.workers import workers_of
from kerasnn.training.epochs import Fit, Logs, run_fit, run_test
from kerasnn.training.fallback import check_driver, check_possible, log_fallback
from kerasnn.training.feeds.array_feed import ArrayFeed
from kerasnn.training.feeds.chunks import Feed
from kerasnn.training.feeds.keras_iterator import keras_iterator
from kerasnn.training.feeds.make_feed import make_feed
from kerasnn.training.feeds.table_source import takes_tables
from kerasnn.training.steps import Optimizer
from kerasnn.training.trainer import Trainer
from kerasnn.training.validation import HeldOut

Verbose = Literal["auto", 0, 1, 2]


@takes_tables
def fit(  # noqa: D417 - those of Model.fit are told there
    model: keras.Model | tf.Module,
    x: Any = None,
    y: Any = None,
    batch_size: int | None = None,
    epochs: int = 1,
    verbose: Verbose = "auto",
    callbacks: Any = None,
    validation_split: float = 0.0,
    validation_data: Any = None,
    shuffle: bool | Literal["batch"] = True,
    class_weight: dict[int, float] | None = None,
    sample_weight: Any = None,
    initial_epoch: int = 0,
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
    validation_batch_size: int | None = None,
    validation_freq: int | list[int] = 1,
    *,
    seed: int | None = None,
    driver: FitDriver = "auto",
    optimizer: OptimizerName | Optimizer | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: float = SECONDS_BETWEEN,
    resume: bool = False,
) -> keras_callbacks.History:
    """Train, as `model.fit` does, many steps in each call of a compiled loop.

    The arguments up to `validation_freq` are those of `keras.Model.fit`.

    Args:
        model: a compiled `keras.Model`, or a `tf.Module` network of `kerasnn.models`.
        x, y, sample_weight, validation_data: also the path of a CSV or Parquet file or of
            a folder of them, with the names of the columns that are targets and weights:
            `fit(model, "rows/", "price", validation_data=("later.csv", "price"))`. All
            other columns, which must be numbers, become one matrix, in their order; a
            model with several inputs gets the columns of their names. They are written to
            shards in the folder for temporary files (TMPDIR), or among the checkpoints.
        seed: of the row orders. None draws one from NumPy's global generator, which
            `keras.utils.set_random_seed` sets.
        driver: "auto" takes XLA for long runs and a TensorFlow graph for short ones, and
            Keras's own loop for what neither can do. "xla" insists. "graph" computes what
            `model.fit` does, dropout masks and all. "eager" runs the loop in Python, for
            a debugger; "keras" is `model.fit`.
        optimizer: for a `tf.Module`: a name or an optimizer; Adam by default. A Keras
            model brings the one it was compiled with.
        checkpoint: a folder. What the fit needs to go on is kept there, so that nothing
            is lost when the process dies; Ctrl-C and SIGTERM save, and raise
            `InterruptedFitError`.
        checkpoint_every: seconds between two of them.
        resume: go on from the newest checkpoint in the folder, if there is one: the same
            call ends with the same weights and history as if it had never been
            interrupted. Of a `tf.data` pipeline or generator that holds if it gives the
            same batches again.

    Returns:
        `keras.callbacks.History`, also as `model.history`.

    Raises:
        InterruptedFitError: a signal came; only with `checkpoint`.
        InputError: a label outside the classes; a driver that does not exist; a model that
            driver="xla" cannot compile.
        ValueError: what Keras raises for other arguments.
    """
    check_driver(driver)
    workers = workers_of(model)
    seed = workers.agreed_seed(seed)
    verbose = verbose if workers.is_chief else 0
    saver = None
    if checkpoint is not None:
        checkpoints = make_checkpoints(
            workers, checkpoint, every_seconds=checkpoint_every, resume=resume
        )
        seed = checkpoints.setting("seed", seed)
        if seed is None:
            seed = int(np.random.randint(2**31))  # noqa: NPY002
        driver = checkpoints.driver(driver)
        saver = make_saver(workers, checkpoints)
    if not isinstance(model, keras.Model):
        check_for_network(
            validation_split=validation_split,
            shuffle=shuffle if shuffle is not True else None,
            class_weight=class_weight,
            sample_weight=sample_weight,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size,
            validation_freq=validation_freq if validation_freq != 1 else None,
        )
        return Trainer(model, optimizer=optimizer, driver=driver).fit(
            x,
            y,
            epochs=_capped(epochs),
            batch_size=batch_size or 32,
            seed=int(np.random.randint(2**31)) if seed is None else seed,  # noqa: NPY002
            initial_epoch=initial_epoch,
            validation_data=validation_data,
            callbacks=callbacks or (),
            verbose=verbose,
            saver=saver,
        )
    if optimizer is not None:
        raise InputError(
            "a Keras model is trained with the optimizer it was compiled with;"
            f" got {optimizer=}: give it to model.compile instead"
        )
    keras_names.assert_compiled(model, "fit")
    epochs = _capped(epochs)
    if validation_split and validation_data is None:
        (x, y, sample_weight), validation_data = keras_names.split_validation(
            (x, y, sample_weight), validation_split
        )
    iterator = keras_iterator(
        model,
        (x, y, sample_weight),
        batch_size=batch_size,
        steps_per_epoch=steps_per_epoch,
        shuffle=shuffle,
        class_weight=class_weight,
    )
    adapter = iterator.data_adapter
    held_out = None
    if validation_data is not None:
        held_out = HeldOut(
            model,
            validation_data,
            batch_size=validation_batch_size or batch_size,
            steps=validation_steps,
            freq=validation_freq,
        )
    try:
        check_possible(model, driver)
        feed = make_feed(
            iterator, seed=seed, several_epochs=hooks.accept_delayed_epochs(callbacks)
        )
        feed = sharded_feed(workers, feed, epochs=epochs, initial_epoch=initial_epoch)
        runner = _runner(model, feed, held_out, driver, epochs - initial_epoch)
    except InputError:
        raise
    except Exception as error:  # Keras raises it again, or does what the loop cannot
        if saver is not None:
            raise InputError(
                f"checkpoint= is for the compiled loop, which cannot train this: {error};"
                " keras.callbacks.BackupAndRestore is for Keras's own"
            ) from error
        log_fallback(model, driver, error)
        return keras.Model.fit(
            model,
            adapter,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_data=held_out and held_out.for_keras(),
            shuffle=False,  # the adapter does
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size,
            validation_freq=validation_freq,
        )
    _look_at_rows(model, feed, held_out)
    history, callbacks = _callbacks(
        model, callbacks, verbose=verbose, epochs=epochs, steps=feed.steps
    )
    run_fit(
        Fit(
            runner,
            feed,
            callbacks,
            history,
            epochs,
            NonFiniteWarning(callbacks),
            execution=iterator.steps_per_execution,
            validation=held_out,
            saver=saver,
            settings=_settings(feed, seed) if saver else {},
        ),
        initial_epoch,
    )
    return model.history


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
) -> Any:
    """Loss and metrics, as `model.evaluate` gives them, many steps in each call.

    The arguments are those of `keras.Model.evaluate`, and paths as for `fit`; for `driver`
    see there ("auto" does without XLA here). With verbose="auto" there is a progress bar
    only if the rows take more than one call.

    Returns:
        One number, a list in the order of `model.metrics`, or a dict; for a `tf.Module`
        network a dict.

    Raises:
        InputError: see `fit`.
        ValueError: what Keras raises for other arguments.
    """
    check_driver(driver)
    if not isinstance(model, keras.Model):
        check_for_network(sample_weight=sample_weight, steps=steps, callbacks=callbacks)
        return Trainer(model, driver="graph").evaluate(x, y)
    keras_names.assert_compiled(model, "evaluate")
    iterator = keras_iterator(
        model, (x, y, sample_weight), batch_size=batch_size, steps_per_epoch=steps
    )
    adapter = iterator.data_adapter
    try:
        check_possible(model, driver)
        feed = sharded_feed(workers_of(model), make_feed(iterator))
        runner = _test_runner(model, feed, driver)
    except InputError:
        raise
    except Exception as error:  # see fit
        log_fallback(model, driver, error)
        return keras.Model.evaluate(
            model,
            adapter,
            batch_size=batch_size,
            verbose=verbose,
            steps=steps,
            callbacks=callbacks,
            return_dict=return_dict,
        )
    if not isinstance(callbacks, keras_callbacks.CallbackList):
        callbacks = keras_callbacks.CallbackList(
            callbacks,
            add_progbar=verbose != 0,
            verbose=verbose,
            epochs=1,
            steps=feed.steps,
            model=model,
        )
    feed.reset()
    logs = run_test(runner, feed, callbacks, iterator.steps_per_execution)
    return logs if return_dict else keras_names.evaluate_in_order(model, logs)


def _settings(feed: Feed, seed: int | None) -> dict[str, Any]:
    """What decides the result, beside the model: a resumed fit must have the same."""
    settings: dict[str, Any] = {"seed": seed, "steps": feed.steps}
    if isinstance(feed, ArrayFeed):
        rows = [np.asarray(tensor) for tensor in feed.rows]
        settings |= {"rows": len(rows[0]), "data": data_fingerprint(*rows)}
    return settings


class NonFiniteWarning:
    """Warns once of a loss that is not finite; training goes on, as in Keras."""

    def __init__(self, callbacks: keras_callbacks.CallbackList) -> None:
        # Whoever asked to be stopped knows.
        stops = keras_callbacks.TerminateOnNaN
        self._warned = any(isinstance(c, stops) for c in callbacks.callbacks)

    def before(self, epoch: int) -> None:
        """Nothing to keep."""

    def after(self, epoch: int, logs: Logs) -> None:
        """Look at the losses of an epoch."""
        for name in ("loss", "val_loss"):
            value = logs.get(name, 0.0)
            if not self._warned and isinstance(value, float) and not math.isfinite(value):
                self._warned = True
                warnings.warn(
                    f"{name} is {value} in epoch {epoch + 1}, and training goes on;"
                    " keras.callbacks.TerminateOnNaN() would stop it. A smaller learning"
                    " rate or scaled inputs may help",
                    stacklevel=2,
                )


def _runner(
    model: keras.Model,
    feed: Feed,
    held_out: HeldOut | None,
    driver: FitDriver,
    epochs: int,
) -> Runner:
    """Runs the training steps; traced already, where the data can be known."""
    programs = programs_of(model)
    chosen = programs.choose(driver, None if feed.steps is None else feed.steps * epochs)
    if held_out:
        held_out.prepare(driver, chosen)
    ahead = isinstance(feed, ArrayFeed) and feed.planned > 1
    runner = make_runner(
        programs,
        "train_step",
        wanted=driver,
        driver=chosen,
        inside=held_out.inside() if held_out and ahead else None,
    )
    if feed.batch_spec is not None:
        runner.prepare(feed.batch_spec)
    return runner


def _look_at_rows(model: keras.Model, feed: Feed, held_out: HeldOut | None) -> None:
    """Missing values and impossible labels, of which XLA says nothing.

    Raises:
        InputError: a label is not one of the classes.
    """
    if isinstance(feed, ArrayFeed):
        warn_of_nan(feed.data)
    if feed.batch_spec is not None:
        specs = feed.batch_spec.structure.pack(feed.batch_spec.row_specs())
        labels = Labels(model, keras.utils.unpack_x_y_sample_weight(specs)[0])
        for rows in (feed, held_out.feed if held_out else None):
            if rows is not None:
                rows.check_with(labels.check)


def _test_runner(model: keras.Model, feed: Feed, driver: FitDriver) -> Runner:
    programs = programs_of(model)
    chosen = programs.choose(driver, None)
    runner = make_runner(programs, "test_step", wanted=driver, driver=chosen)
    if feed.batch_spec is not None:
        runner.prepare(feed.batch_spec)
    return runner


def _callbacks(
    learner: Any, callbacks: Any, *, verbose: Verbose, epochs: int, steps: int | None
) -> tuple[History, keras_callbacks.CallbackList]:
    """Keras's list, with our history in it if the user has none."""
    history = History()
    if not isinstance(callbacks, keras_callbacks.CallbackList):
        given = keras.tree.flatten(callbacks) if callbacks else []
        own = any(isinstance(c, keras_callbacks.History) for c in given)
        callbacks = keras_callbacks.CallbackList(
            given if own else [*given, history],
            add_progbar=verbose != 0,
            verbose=verbose,
            epochs=epochs,
            steps=steps,
            model=learner,
        )
    return history, callbacks


def check_for_network(**arguments: Any) -> None:
    """A `tf.Module` network is trained with fewer arguments than a Keras model.

    Raises:
        InputError: one of the others is given.
    """
    given = [
        name
        for name, value in arguments.items()
        if value is not None and not (isinstance(value, float | bool) and not value)
    ]
    if given:
        raise InputError(
            f"a tf.Module network knows no {', '.join(given)}; its Keras twin"
            " (kerasnn.models) takes every argument of keras.Model"
        )


def _capped(epochs: int) -> int:
    """`keras.config.set_max_epochs` caps every fit."""
    most = keras.config.max_epochs()
    if most and most < epochs:
        warnings.warn(f"Limiting epochs to {most}", stacklevel=3)
        return most
    return epochs
