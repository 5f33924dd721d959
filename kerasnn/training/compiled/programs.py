"""The compiled loops of one learner, kept with it, and which driver runs them.

The ladder: XLA where the run is long enough to repay its compilation, else the same loop
as a TensorFlow graph, else (`ladder`) Keras's own. What XLA cannot compile it
refuses before anything has run, so that the graph can take over at the same batch.
"""

import contextlib
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasnn.choices import Driver, FitDriver
from kerasnn.errors import InputError
from kerasnn.training import keras_names
from kerasnn.training.compiled.dropout import fast_dropout
from kerasnn.training.compiled.loop import Logs, Step, StepRange, Trainable, run_epochs
from kerasnn.training.compiled.specs import BatchSpec, Tensors

# XLA takes about a second more to start and saves 0.1 to 0.3 ms in each small step.
XLA_PAYS_FROM_STEPS = 5000
# What XLA raises for an operation that it does not have, or cannot compile.
REFUSALS = (
    tf.errors.InvalidArgumentError,
    tf.errors.UnimplementedError,
    tf.errors.NotFoundError,
    tf.errors.InternalError,
)

log = logging.getLogger("kerasnn")


class RefusedError(Exception):
    """XLA cannot compile this step; the message says what stands in the way."""


class Program:
    """`run_epochs` for one learner and one kind of batches, under one driver.

    Attributes:
        driver: "eager", "graph" or "xla".
        resets_inside: whether it resets the metrics.
        seconds_per_step: as last seen; None before the first steps.
        largest: most steps that a call has run.
    """

    def __init__(
        self,
        driver: Driver,
        step: Step,
        batches: BatchSpec,
        test: Step | None,
        test_batches: BatchSpec | None,
    ) -> None:
        self.driver = driver
        self.seconds_per_step: float | None = None
        self.largest = 0
        self.resets_inside = step.resets_inside
        self._ready: set[tuple[Any, ...]] = set()
        run = partial(run_epochs, step, test)
        if driver != "eager":
            run = tf.function(run, jit_compile=driver == "xla").get_concrete_function(
                tf.TensorSpec([len(StepRange._fields)], tf.int32),
                batches.row_specs(),
                batches.block_specs(),
                test_batches.row_specs() if test_batches else [],
                test_batches.block_specs() if test_batches else [],
            )
            self.graph = run.graph
        self._run = run

    def prepare(
        self, rows: Tensors, blocks: Tensors, test_rows: Tensors, test_blocks: Tensors
    ) -> None:
        """Compile for tensors of these shapes, by a call that runs nothing.

        Raises:
            RefusedError: XLA cannot; nothing has been changed.
        """
        shapes = tuple(tuple(t.shape) for t in (*rows, *blocks, *test_rows, *test_blocks))
        if self.driver == "eager" or shapes in self._ready:
            return
        nothing = tf.constant(StepRange(epochs=0), tf.int32)
        try:
            self._run(nothing, rows, blocks, test_rows, test_blocks)
        except REFUSALS as error:
            if self.driver == "xla":
                raise RefusedError(refusal(error)) from error
            raise
        self._ready.add(shapes)

    def __call__(
        self,
        step_range: StepRange,
        rows: Tensors,
        blocks: Tensors,
        test_rows: Tensors,
        test_blocks: Tensors,
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Run a step_range; the logs of each of its epochs, and of each test.

        Raises:
            RefusedError: see `prepare`.
        """
        self.prepare(rows, blocks, test_rows, test_blocks)
        started = time.perf_counter()
        stacked, stacked_tests = self._run(
            tf.constant(step_range, tf.int32), rows, blocks, test_rows, test_blocks
        )
        logs = _epoch_by_epoch(stacked, step_range.epochs)
        tests = _epoch_by_epoch(
            stacked_tests, step_range.epochs if step_range.test_steps else 0
        )
        if step_range.stop > step_range.first:
            steps = step_range.epochs * (step_range.stop - step_range.first)
            self.largest = max(self.largest, steps)
            self.seconds_per_step = (time.perf_counter() - started) / steps
        return logs, tests


class Programs:
    """The programs of one learner; they are dropped when it is compiled anew."""

    def __init__(self, learner: Trainable) -> None:
        self.learner = learner
        self.refused: str | None = None  # by XLA, and why
        self.told: set[str] = set()  # why Keras's own loop took over
        self.steps = 0  # that were asked for in all
        self._compiled_as: tuple[Any, ...] = ()
        self._steps: dict[tuple[Any, ...], Step] = {}
        self._programs: dict[tuple[Any, ...], Any] = {}

    def follow(self) -> None:
        """Drop what was made for a model that has been compiled anew since."""
        compiled_as = _compiled_as(self.learner)
        if compiled_as != self._compiled_as:
            self._compiled_as = compiled_as
            self.drop()

    def all(self) -> list[Any]:
        """Those made so far."""
        return list(self._programs.values())

    def drop(self) -> None:
        """Drop all programs."""
        self._steps.clear()
        self._programs.clear()
        self.refused = None

    def choose(self, driver: FitDriver, steps: int | None) -> Driver:
        """The driver of a run of so many steps; None where nobody knows, or none trains.

        It depends on nothing that a second run would see differently: another driver
        draws other dropout masks.

        Raises:
            InputError: XLA was asked for, and cannot compile this model.
        """
        obstacle = self.refused or _obstacle(self.learner)
        if driver == "xla" and obstacle:
            raise InputError(f"driver='xla' cannot compile this model: {obstacle}")
        if driver in ("xla", "graph", "eager"):
            return driver
        if obstacle:
            return "graph"
        self.steps += steps or 0
        if steps is not None and self.steps >= XLA_PAYS_FROM_STEPS:
            return "xla"  # many short runs are a long one
        return "xla" if getattr(self.learner, "jit_compile", False) else "graph"

    def refuse(self, driver: FitDriver, reason: str) -> None:
        """Remember that XLA cannot, and say so, unless it was asked for.

        Raises:
            InputError: it was.
        """
        if driver == "xla":
            raise InputError(f"driver='xla' cannot compile this model: {reason}")
        if self.refused is None:
            log.warning("%s: trains without XLA: %s", _name(self.learner), reason)
        self.refused = reason

    def program(
        self,
        driver: Driver,
        step: str,
        batches: BatchSpec,
        test_batches: BatchSpec | None = None,
    ) -> Program:
        """The program for these batches, made when it is first asked for.

        Args:
            driver: under which it runs.
            step: "train_step" or "test_step".
            batches: of the rows.
            test_batches: of the rows for the test after each epoch, if there is one.
        """
        key = (driver, step, batches.key, test_batches and test_batches.key)
        if key not in self._programs:
            test = test_batches and self._step(driver, "test_step", test_batches)
            self._programs[key] = Program(
                driver, self._step(driver, step, batches), batches, test, test_batches
            )
        return self._programs[key]

    def prediction(
        self, driver: Driver, batches: BatchSpec, make: Callable[[], Any]
    ) -> Any:
        """The predict step for these batches, made when it is first asked for."""
        return self.cached((driver, "predict_step", batches.key), make)

    def cached(self, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        """What is made when it is first asked for, and dropped with the programs."""
        if key not in self._programs:
            self._programs[key] = make()
        return self._programs[key]

    def _step(self, driver: Driver, name: str, batches: BatchSpec) -> Step:
        key = (driver, name, repr(batches.structure.nest), tuple(batches.batch_specs()))
        if key not in self._steps:
            with fast_dropout() if driver == "xla" else contextlib.nullcontext():
                self._steps[key] = Step(
                    self.learner,
                    getattr(self.learner, name),
                    batches.structure,
                    batches.batch_specs(),
                    driver,
                )
        return self._steps[key]


def programs_of(learner: Trainable) -> Programs:
    """The programs kept with a learner.

    They lie in its `__dict__` past Keras's attribute tracking, so that saving, copying and
    pickling the model neither see nor carry them, and they go when it goes.
    """
    found = learner.__dict__.get("_kerasnn_programs")
    if found is None or found.learner is not learner:
        found = learner.__dict__["_kerasnn_programs"] = Programs(learner)
    found.follow()
    return found


def _compiled_as(learner: Trainable) -> tuple[Any, ...]:
    if isinstance(learner, keras.Model):
        return keras_names.compiled_as(learner)
    return (learner.optimizer,)


def _obstacle(learner: Trainable) -> str | None:
    """What Keras itself knows to be impossible under XLA."""
    if not isinstance(learner, keras.Model) or keras_names.model_supports_jit(learner):
        return None
    layers = keras_names.layers_without_xla(learner)
    return f"Keras marks {', '.join(layers) or 'op determinism'} as impossible under XLA"


def _name(learner: Trainable) -> str:
    return getattr(learner, "name", None) or type(learner).__name__


def refusal(error: Exception) -> str:
    """The part of TensorFlow's message that a person can use."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    useful = [line for line in lines if "nsupported" in line or "No registered" in line]
    return (useful or lines or [type(error).__name__])[0][:300]


def _epoch_by_epoch(logs: Logs, epochs: int) -> list[dict[str, Any]]:
    """Stacked logs taken apart: a float where a log is one number, else an array."""
    if not epochs:
        return []
    values = {name: np.asarray(log)[:epochs] for name, log in logs.items()}
    return [
        {name: float(v[i]) if v[i].ndim == 0 else v[i] for name, v in values.items()}
        for i in range(epochs)
    ]
