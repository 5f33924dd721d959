"""`fit`, drop-in for `Model.fit`: many steps in each compiled call.

Arguments, order of events, warnings and results are Keras's. What the compiled loop cannot
do (eager models, sparse and ragged rows) goes to Keras's own loop, with a line in the log.
In order: check the arguments, prepare the rows and trace the step, run the epochs.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from kerasnn.choices import FitDriver, OptimizerName, Verbose
from kerasnn.errors import InputError, warn_user
from kerasnn.manifest import data_fingerprint
from kerasnn.training import keras_names
from kerasnn.training.callbacks import hooks
from kerasnn.training.callbacks.callback_list import with_history
from kerasnn.training.callbacks.history import FitHistory
from kerasnn.training.callbacks.loop_hook import LoopHook, Position
from kerasnn.training.callbacks.non_finite import NonFiniteWarning
from kerasnn.training.checkpoints.run_checkpoints import SECONDS_BETWEEN
from kerasnn.training.checks import Labels, warn_of_nan
from kerasnn.training.compiled.chunks import Feed
from kerasnn.training.compiled.errors import NeedsKerasError
from kerasnn.training.compiled.programs import programs_of
from kerasnn.training.compiled.threads import in_one_thread
from kerasnn.training.distribution.execution import (
    CheckpointOptions,
    Execution,
    RunStart,
    draw_seed,
    execution_of,
)
from kerasnn.training.epochs import FitRun
from kerasnn.training.fallback import (
    CallRecord,
    check_driver,
    check_loop_supports,
    log_fallback,
)
from kerasnn.training.feeds.array_feed import ArrayFeed
from kerasnn.training.feeds.keras_iterator import Executions, keras_iterator
from kerasnn.training.feeds.make_feed import make_feed
from kerasnn.training.learner import learner_of
from kerasnn.training.paths.table_source import takes_tables
from kerasnn.training.runner import Runner
from kerasnn.training.steps import Optimizer
from kerasnn.training.trainer import Trainer, check_network_arguments
from kerasnn.training.validation import Validation


@in_one_thread
@takes_tables
def fit(  # noqa: D417 - Keras documents those of Model.fit
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
) -> FitHistory:
    """Train as `model.fit` does, with many steps in each compiled call.

    The arguments up to `validation_freq` are those of `keras.Model.fit`.

    Args:
        model: a compiled `keras.Model`, or a `tf.Module` network of `kerasnn.models`.
        x: arrays and streams as in Keras; or the path of a CSV or Parquet file or folder:
            `fit(model, "rows/", "price", validation_data=("later.csv", "price"))`. With a
            path, all columns but target and weights must be numbers. They become one
            matrix, in their order; if the model has several inputs, each gets the column
            of its name. They are stored as shards in the folder for temporary files
            (TMPDIR), or beside the checkpoints.
        y: targets as in Keras; with a path, the name of their column.
        sample_weight: as in Keras; with a path, the name of a column.
        validation_data: as in Keras; or a path with the names of these columns.
        verbose: "auto" and 1 show one bar over all epochs in a notebook or on a terminal,
            and occasional lines in a log; 2 shows Keras's line for each epoch, 0 nothing.
        seed: decides the row orders. None draws one from NumPy's global generator, which
            `keras.utils.set_random_seed` sets.
        driver: "auto" uses XLA for long runs, a TensorFlow graph for short ones, and
            Keras's own loop for what neither can do. "xla" uses XLA or raises an error.
            "graph" computes exactly what `model.fit` does, dropout masks included. "eager"
            runs the loop in Python, for a debugger; "keras" is `model.fit`.
        optimizer: for a `tf.Module`: a name or an optimizer; Adam by default. A Keras
            model has the one it was compiled with.
        checkpoint: a folder for checkpoints, from which the fit can resume if its process
            dies. Ctrl-C and SIGTERM then save one, and raise `InterruptedFitError`.
        checkpoint_every: smallest number of seconds between two checkpoints.
        resume: whether to resume from the newest checkpoint in the folder, if there is
            one. The same call ends with the same weights and history as if it had never
            been interrupted; with a `tf.data` pipeline or generator, only if it yields
            the same batches again.

    Returns:
        `keras.callbacks.History`, also as `model.history`.

    Raises:
        InterruptedFitError: a signal came; only with `checkpoint`.
        InputError: a label outside the classes; an unknown driver; a model that
            driver="xla" cannot compile, or that another thread trains or evaluates.
        ValueError: raised by Keras for other arguments.
    """
    check_driver(driver)
    execution = execution_of(model)
    options = CheckpointOptions(checkpoint, checkpoint_every, resume)
    start = execution.start(seed, driver, options)
    epochs = _capped(epochs)
    verbose = execution.workers.verbose(verbose)
    if not isinstance(model, keras.Model):
        check_network_arguments(
            validation_split=validation_split,
            shuffle=shuffle if shuffle is not True else None,
            class_weight=class_weight,
            sample_weight=sample_weight,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size,
            validation_freq=validation_freq if validation_freq != 1 else None,
        )
        return Trainer(model, optimizer=optimizer, driver=start.driver).fit(
            x,
            y,
            epochs=epochs,
            batch_size=batch_size or 32,
            seed=draw_seed() if start.seed is None else start.seed,
            initial_epoch=initial_epoch,
            validation_data=validation_data,
            callbacks=callbacks or (),
            verbose=verbose,
            checkpoints=start.checkpoints,
        )
    learner_of(model, optimizer)  # refuses an optimizer beside a compiled model
    keras_names.assert_compiled(model, "fit")
    return KerasFit(
        model,
        execution,
        start,
        FitArguments(
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size,
            validation_freq=validation_freq,
        ),
    ).run((x, y, sample_weight), validation_data, validation_split, shuffle, class_weight)


def fit_as_keras(
    model: keras.Model, arguments: dict[str, Any], driver: FitDriver, record: CallRecord
) -> Any:
    """Train in place of `Model.fit`; all that a program can see is as with Keras.

    Args:
        model: the model.
        arguments: all those of `Model.fit`, by name.
        driver: see `fit`.
        record: notes why Keras's own loop trained, if it had to.
    """
    keras_names.assert_compiled(model, "fit")
    execution = execution_of(model)
    # Like Keras, draw nothing from NumPy's global generator: it belongs to the program.
    start = execution.start(execution.fresh_seed(), driver, CheckpointOptions())
    names = ("validation_data", "validation_split", "shuffle", "class_weight")
    rows = tuple(arguments.pop(name) for name in ("x", "y", "sample_weight"))
    options = [arguments.pop(name) for name in names]
    arguments["epochs"] = _capped(arguments["epochs"])
    settings = FitArguments(**arguments)
    return KerasFit(model, execution, start, settings, record).run(rows, *options)


@dataclass(frozen=True)
class FitArguments:
    """The arguments of `Model.fit` that Keras's own loop takes over as they are."""

    batch_size: int | None
    epochs: int
    verbose: Verbose
    callbacks: Any
    initial_epoch: int
    steps_per_epoch: int | None
    validation_steps: int | None
    validation_batch_size: int | None
    validation_freq: int | list[int]


@dataclass(frozen=True)
class KerasFit:
    """A fit of a Keras model.

    Attributes:
        model: the compiled model.
        execution: where its steps run.
        start: seed, driver and checkpoints.
        arguments: those of `Model.fit`.
        record: notes the outcome if `Model.fit` was called, not `kerasnn.fit`.
    """

    model: keras.Model
    execution: Execution
    start: RunStart
    arguments: FitArguments
    record: CallRecord | None = None

    def run(
        self,
        rows: tuple[Any, ...],
        validation_data: Any,
        validation_split: float,
        shuffle: bool | Literal["batch"],
        class_weight: dict[int, float] | None,
    ) -> FitHistory:
        """Train in the compiled loop, or in Keras's own if the compiled one cannot."""
        if validation_split and validation_data is None:
            rows, validation_data = keras_names.split_validation(rows, validation_split)
        iterator = keras_iterator(
            self.model,
            rows,
            batch_size=self.arguments.batch_size,
            steps_per_epoch=self.arguments.steps_per_epoch,
            shuffle=shuffle,
            class_weight=class_weight,
        )
        adapter = iterator.data_adapter
        validation = self._validation(validation_data)
        try:
            check_loop_supports(self.model, self.execution, self.start.driver)
            feed = self._feed(iterator)
            runner = self._runner(feed, validation)
            self._check_rows(feed, validation)
        except NeedsKerasError as error:
            callbacks = self._log_fallback(error)
            return keras_names.keras_method("fit")(
                self.model,
                adapter,
                validation_data=validation and validation.for_keras(),
                shuffle=False,  # the adapter shuffles
                **{**_as_dict(self.arguments), "callbacks": callbacks},
            )
        self._fit_run(runner, feed, validation, iterator.steps_per_execution).run()
        return self.model.history

    def _validation(self, data: Any) -> Validation | None:
        if data is None:
            return None
        return Validation(
            self.model,
            data,
            batch_size=self.arguments.validation_batch_size or self.arguments.batch_size,
            steps=self.arguments.validation_steps,
            freq=self.arguments.validation_freq,
        )

    def _feed(self, iterator: Executions) -> Feed:
        several_epochs = hooks.accept_delayed_epochs(self.arguments.callbacks)
        adapter = iterator.data_adapter
        feed = make_feed(
            iterator,
            seed=self.start.seed,
            several_epochs=several_epochs,
            order=keras_names.seeded_row_order(adapter) if self.record else None,
        )
        return self.execution.feed(
            feed, epochs=self.arguments.epochs, initial_epoch=self.arguments.initial_epoch
        )

    def _runner(self, feed: Feed, validation: Validation | None) -> Runner:
        """Choose the driver and trace the steps, as far as the data are known."""
        driver = self.start.driver
        programs = programs_of(self.model)
        epochs = self.arguments.epochs - self.arguments.initial_epoch
        steps = None if feed.steps is None else feed.steps * epochs
        shapes = feed.shapes if isinstance(feed, ArrayFeed) else ()
        chosen = programs.choose(driver, steps, shapes)
        if validation:
            validation.prepare(self.execution, driver, chosen)
        several_epochs = isinstance(feed, ArrayFeed) and feed.planned > 1
        runner = self.execution.runner(
            programs,
            "train_step",
            wanted=driver,
            driver=chosen,
            inside=validation.inside() if validation and several_epochs else None,
        )
        if feed.batch_spec is not None:
            runner.prepare(feed.batch_spec)
        return runner

    def _log_fallback(self, error: NeedsKerasError) -> Any:
        """Log that Keras's own loop takes over; return the callbacks for it.

        Raises:
            InputError: it cannot, because a driver or checkpoints were asked for.
        """
        if self.start.checkpoints is not None:
            raise InputError(
                f"checkpoint= is for the compiled loop, which cannot train this: {error};"
                " keras.callbacks.BackupAndRestore is for Keras's own"
            ) from error
        return log_fallback(
            self.model,
            self.execution,
            self.start.driver,
            error,
            self.arguments.callbacks,
            self.record,
        )

    def _check_rows(self, feed: Feed, validation: Validation | None) -> None:
        """Check for missing values and impossible labels, which XLA does not report.

        Raises:
            InputError: a label is not one of the classes.
            NeedsKerasError: the same in a call of `Model.fit`, which has its own error.
        """
        if isinstance(feed, ArrayFeed) and self.record is None:
            warn_of_nan(feed.data)
        if feed.batch_spec is not None:
            specs = feed.batch_spec.structure.pack(feed.batch_spec.row_specs())
            labels = Labels(self.model, keras.utils.unpack_x_y_sample_weight(specs)[0])
            check = labels.check if self.record is None else labels.check_as_tensorflow
            feeds = (feed, validation.feed if validation else None)
            try:
                for rows in filter(None, feeds):
                    rows.check_with(check)
            except tf.errors.InvalidArgumentError as error:
                raise NeedsKerasError(error.message) from error  # Keras raises its own

    def _fit_run(
        self, runner: Runner, feed: Feed, validation: Validation | None, execution: int
    ) -> FitRun:
        arguments, checkpoints = self.arguments, self.start.checkpoints
        history, callbacks = with_history(
            self.model,
            arguments.callbacks,
            verbose=arguments.verbose,
            epochs=arguments.epochs,
            steps=feed.steps,
            as_keras=self.record is not None,
        )
        fit_hooks: list[LoopHook] = []
        if self.record is None:
            fit_hooks.append(NonFiniteWarning(callbacks))
        if checkpoints is not None:
            settings = _settings(feed, self.start.seed)
            fit_hooks.append(self.execution.saver(checkpoints, settings))
        return FitRun(
            runner,
            feed,
            callbacks,
            history,
            arguments.epochs,
            start=Position(arguments.initial_epoch),
            execution=execution,
            validation=validation,
            hooks=fit_hooks,
        )


def _settings(feed: Feed, seed: int | None) -> dict[str, Any]:
    """Return the settings, beside the model, that must be the same when a fit resumes."""
    settings: dict[str, Any] = {"seed": seed, "steps": feed.steps}
    if isinstance(feed, ArrayFeed):
        rows = [np.asarray(tensor) for tensor in feed.rows]
        settings |= {"rows": len(rows[0]), "data": data_fingerprint(*rows)}
    return settings


def _as_dict(arguments: FitArguments) -> dict[str, Any]:
    """Return the arguments by name; `asdict` would copy the callbacks."""
    names = (field.name for field in dataclasses.fields(arguments))
    return {name: getattr(arguments, name) for name in names}


def _capped(epochs: int) -> int:
    """Return the number of epochs, capped by `keras.config.set_max_epochs`."""
    maximum = keras.config.max_epochs()
    if maximum and maximum < epochs:
        warn_user(f"Limiting epochs to {maximum}")
        return maximum
    return epochs
