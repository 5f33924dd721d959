"""The compiled loops of a learner, cached with it, and the choice of the driver.

Long runs use XLA, because they repay its compilation. Shorter ones run as a TensorFlow
graph; `fallback` hands the rest to Keras's own loop. XLA refuses what it cannot compile
before anything has run, so that the graph can take over at the same batch.
"""

import contextlib
import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf

from kerasnn.choices import Driver, FitDriver
from kerasnn.errors import InputError
from kerasnn.training import keras_names
from kerasnn.training.compiled.errors import NeedsKerasError
from kerasnn.training.compiled.loop import Logs, Step, StepRange, Trainable, run_epochs
from kerasnn.training.compiled.sharing import shared_program
from kerasnn.training.compiled.specs import BatchSpec, Tensors
from kerasnn.training.compiled.xla_cache import keep_programs, xla_cache

# XLA starts about a second later. In a small network, it saves 0.02 to 0.03 ms a step for
# each Variable, because each adds operations. For large networks neither is known.
# On a CPU, a step of two convolutions took 3 times (2D) to 20 times (1D) as long.
XLA_PAYS_FROM_STEPS = 5000
XLA_PAYS_FROM_UPDATES = 20_000  # steps times Variables
MIN_XLA_STEPS = 1250
MAX_SMALL_VARIABLES = 32
MAX_PROGRAMS = 16  # kept for a learner; the least recently used one is dropped
_MAX_COUNTED = 64  # shapes whose steps are counted
# XLA raises these for an operation that it does not have or cannot compile.
REFUSALS = (
    tf.errors.InvalidArgumentError,
    tf.errors.UnimplementedError,
    tf.errors.NotFoundError,
    tf.errors.InternalError,
)

_T = TypeVar("_T")

_log = logging.getLogger("kerasnn")
_caching = threading.Lock()


class RefusedError(Exception):
    """XLA cannot compile this step; the message says why."""


class Program:
    """`run_epochs` for one learner and one signature of batches, under one driver.

    Attributes:
        driver: "eager", "graph" or "xla".
        resets_inside: whether it resets the metrics.
        groups: as `Step.groups`.
        seconds_per_step: of the last call; None before the first steps.
        largest: largest number of steps of a call so far.
    """

    def __init__(
        self,
        driver: Driver,
        step: Step,
        batch_spec: BatchSpec,
        test: Step | None,
        test_batch_spec: BatchSpec | None,
    ) -> None:
        self.driver = driver
        self.seconds_per_step: float | None = None
        self.largest = 0
        self.resets_inside = step.resets_inside
        self.groups = step.groups
        self._ready: set[tuple[Any, ...]] = set()
        run = partial(run_epochs, step, test)
        if driver == "xla":
            xla_cache()  # from here on it may find this program on disk
        if driver != "eager":
            loop = tf.function(run, jit_compile=driver == "xla", autograph=False)
            run = loop.get_concrete_function(
                tf.TensorSpec([len(StepRange._fields)], tf.int32),
                batch_spec.row_specs(),
                batch_spec.block_specs(),
                test_batch_spec.row_specs() if test_batch_spec else [],
                test_batch_spec.block_specs() if test_batch_spec else [],
            )
            self.graph = run.graph
        self._run = run

    def prepare(
        self, rows: Tensors, blocks: Tensors, test_rows: Tensors, test_blocks: Tensors
    ) -> None:
        """Compile for tensors of these shapes, by a call of zero epochs.

        Raises:
            RefusedError: XLA cannot compile the step; no Variable has changed.
        """
        tensors = (*rows, *blocks, *test_rows, *test_blocks)
        # A graph takes tensors of any size; XLA compiles for each.
        shapes = tuple(tuple(t.shape) for t in tensors) if self.driver == "xla" else ()
        if self.driver == "eager" or shapes in self._ready:
            return
        no_steps = tf.constant(StepRange(epochs=0), tf.int32)
        try:
            self._run(no_steps, rows, blocks, test_rows, test_blocks)
        except REFUSALS as error:
            if self.driver == "xla":
                raise RefusedError(refusal(error)) from error
            raise
        self._ready.add(shapes)
        if self.driver == "xla":
            keep_programs()

    def __call__(
        self,
        step_range: StepRange,
        rows: Tensors,
        blocks: Tensors,
        test_rows: Tensors,
        test_blocks: Tensors,
    ) -> tuple[list[Logs], list[Logs]]:
        """Run a range of steps; return the logs of each epoch, and of each test.

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
    """The cached programs of one learner; they are dropped when it is compiled again."""

    def __init__(self, learner: Trainable) -> None:
        self.learner = learner
        self.refused: str | None = None  # why XLA cannot compile it
        self.told: set[str] = set()  # reasons logged for Keras's own loop
        self.sharers = 1  # models that train with one trace, each for as many steps
        self._counts: OrderedDict[Any, int] = OrderedDict()  # steps so far, by shapes
        self._compiled_as: tuple[Any, ...] = ()
        self._steps: OrderedDict[tuple[Any, ...], Step] = OrderedDict()
        self._programs: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self._relaxed: dict[tuple[Any, ...], BatchSpec | None] = {}

    def follow(self) -> None:
        """Drop the programs if the model was compiled again."""
        compiled_as = _compiled_as(self.learner)
        if compiled_as != self._compiled_as:
            self._compiled_as = compiled_as
            self.drop()

    def all(self) -> list[Any]:
        """Return all cached programs."""
        return list(self._programs.values())

    def drop(self) -> None:
        """Drop all programs."""
        with _caching:
            self._steps.clear()
            self._programs.clear()
        self._relaxed.clear()
        self.refused = None

    def choose(
        self, driver: FitDriver, steps: int | None, shapes: tuple[Any, ...] = ()
    ) -> Driver:
        """Return the driver of a run.

        Drivers draw different dropout masks, so the choice depends only on what is equal
        when the run is repeated.

        Args:
            driver: the driver that was asked for.
            steps: of the run; None if unknown, or if it does not train.
            shapes: of its tensors: XLA compiles for each.

        Raises:
            InputError: XLA was asked for, and cannot compile this model.
        """
        if driver == "auto" and tf.config.functions_run_eagerly():
            return "eager"
        obstacle = self.refused or _obstacle(self.learner)
        if driver == "xla" and obstacle:
            raise InputError(f"driver='xla' cannot compile this model: {obstacle}")
        if driver in ("xla", "graph", "eager"):
            return driver
        if obstacle:
            return "graph"
        pays_from = xla_pays_from(self.learner)
        if steps is not None and self._count(steps, shapes) >= pays_from:
            return "xla"
        return "xla" if getattr(self.learner, "jit_compile", False) else "graph"

    def _count(self, steps: int, shapes: tuple[Any, ...]) -> int:
        """Return the steps so far: many short runs of equal shapes count as a long one."""
        count = self._counts.get(shapes, 0) + steps * self.sharers
        _remember(self._counts, shapes, count, _MAX_COUNTED)
        return count

    def refuse(self, driver: FitDriver, reason: str) -> None:
        """Note, and log, that XLA cannot compile this model.

        Raises:
            InputError: XLA was asked for.
        """
        if driver == "xla":
            raise InputError(f"driver='xla' cannot compile this model: {reason}")
        if self.refused is None:
            _log.warning("%s: trains without XLA: %s", _name(self.learner), reason)
        self.refused = reason

    def program(
        self,
        driver: Driver,
        step: str,
        batch_spec: BatchSpec,
        test_batch_spec: BatchSpec | None = None,
    ) -> Program:
        """Return the cached program for a signature of batches; make it the first time.

        Args:
            driver: the driver that runs it.
            step: "train_step" or "test_step".
            batch_spec: signature of the batches.
            test_batch_spec: signature of the batches of a test after each epoch.
        """

        def make(spec: BatchSpec) -> Program:
            traced = (driver, step, spec.key, test_batch_spec and test_batch_spec.key)
            return self._shared(traced, spec, partial(trace, spec))

        def trace(spec: BatchSpec) -> Program:
            test = test_batch_spec and self._step(driver, "test_step", test_batch_spec)
            trained = self._step(driver, step, spec)
            return Program(driver, trained, spec, test, test_batch_spec)

        if test_batch_spec is not None:
            test_batch_spec = self._relax(driver, "test_step", test_batch_spec)
        key = (driver, step, test_batch_spec and test_batch_spec.key)
        return self._for_any_size(key, batch_spec, make)

    def prediction(
        self, driver: Driver, batch_spec: BatchSpec, make: Callable[[BatchSpec], _T]
    ) -> _T:
        """Return the cached predict step for a signature; make it the first time."""
        key = (driver, "predict_step")

        def shared(spec: BatchSpec) -> _T:
            return self._shared((*key, spec.key), spec, partial(make, spec))

        return self._for_any_size(key, batch_spec, shared)

    def _shared(
        self, key: tuple[Any, ...], batch_spec: BatchSpec, make: Callable[[], _T]
    ) -> _T:
        """Return a program that a model of the same kind may have traced."""
        if key[0] == "eager" or keras_names.default_summary_writer() is not None:
            return make()
        return shared_program(self.learner, key, batch_spec, make)

    def _for_any_size(
        self, key: tuple[Any, ...], batch_spec: BatchSpec, make: Callable[[BatchSpec], _T]
    ) -> _T:
        """Return what is cached for any batch size, or for one size if it must know it."""
        driver, step, *_ = key
        writer = keras_names.default_summary_writer()  # a graph keeps that of its trace
        spec = self._relax(driver, step, batch_spec)
        try:
            return self.cached((*key, writer, spec.key), lambda: make(spec))
        except NeedsKerasError:
            if spec.key == batch_spec.key:
                raise
        self._relaxed[driver, step, spec.kind] = None  # the code must know the size
        return self.cached((*key, writer, batch_spec.key), lambda: make(batch_spec))

    def _relax(self, driver: Driver, step: str, spec: BatchSpec) -> BatchSpec:
        """Return a spec in which the sizes that have changed since the first are None."""
        if driver != "graph" or getattr(self.learner, "traces_each_size", False):
            return spec  # XLA compiles for each size
        kind = (driver, step, spec.kind)
        before = self._relaxed.get(kind, spec)
        if before is None:
            return spec
        if before.key != spec.key:
            spec = before.relaxed_with(spec)
        self._relaxed[kind] = spec
        return spec

    def cached(self, key: tuple[Any, ...], make: Callable[[], _T]) -> _T:
        """Return the cached value of a key; make it if there is none. `drop` drops it."""
        found = self._programs.get(key)
        value = make() if found is None else found
        return _remember(self._programs, key, value, MAX_PROGRAMS)

    def _step(self, driver: Driver, name: str, batch_spec: BatchSpec) -> Step:
        structure, specs = batch_spec.structure, batch_spec.batch_specs()
        writer = keras_names.default_summary_writer()
        key = (driver, name, writer, structure.key, tuple(specs))
        found = self._steps.get(key)
        if found is None:
            xla = driver == "xla"
            with keras_names.threefry_dropout() if xla else contextlib.nullcontext():
                step = getattr(self.learner, name)
                found = Step(self.learner, step, structure, specs, driver)
        return _remember(self._steps, key, found, MAX_PROGRAMS)


def programs_of(learner: Trainable) -> Programs:
    """Return the programs of a learner, without those of an earlier compilation.

    They are stored in its `__dict__`, hidden from Keras's attribute tracking, so that
    saving, copying and pickling the model ignore them. They are freed with the model.
    """
    found = learner.__dict__.get("_kerasnn_programs")
    if found is None or found.learner is not learner:
        found = learner.__dict__["_kerasnn_programs"] = Programs(learner)
    found.follow()
    return found


def _remember(cache: OrderedDict[Any, _T], key: Any, value: _T, maximum: int) -> _T:
    """Put a value at the end of a cache, and drop those beyond the maximum; return it."""
    with _caching:  # another thread may predict while one trains
        cache[key] = value
        cache.move_to_end(key)
        while len(cache) > maximum:
            cache.popitem(last=False)
    return value


def xla_pays_from(learner: Trainable) -> float:
    """Return the number of steps from which XLA repays its compilation; it may be inf."""
    if isinstance(learner, keras.Model) and keras_names.has_convolution(learner):
        return math.inf
    weights = getattr(learner, "variables", getattr(learner, "trainable_variables", ()))
    variables = len(weights)
    if not 0 < variables <= MAX_SMALL_VARIABLES:  # large, or not built yet
        return XLA_PAYS_FROM_STEPS
    few = max(MIN_XLA_STEPS, XLA_PAYS_FROM_UPDATES // variables)
    return min(XLA_PAYS_FROM_STEPS, few)


def _compiled_as(learner: Trainable) -> tuple[Any, ...]:
    if isinstance(learner, keras.Model):
        return keras_names.compiled_as(learner)
    return (getattr(learner, "optimizer", None),)  # a layer with Keras's Trainer has none


def _obstacle(learner: Trainable) -> str | None:
    """Return what Keras marks as not supported by XLA; None if there is nothing."""
    if not isinstance(learner, keras.Model) or keras_names.model_supports_jit(learner):
        return None
    layers = keras_names.layers_without_xla(learner)
    names = ", ".join(layers) or "op determinism"
    return f"Keras marks {names} as not supported by XLA"


def _name(learner: Trainable) -> str:
    return getattr(learner, "name", None) or type(learner).__name__


def refusal(error: Exception) -> str:
    """Return the part of TensorFlow's message that helps a user."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    useful = [line for line in lines if "nsupported" in line or "No registered" in line]
    return (useful or lines or [type(error).__name__])[0][:300]


def _epoch_by_epoch(logs: Logs, epochs: int) -> list[Logs]:
    """Split stacked logs by epoch: a float if a log is one number, else an array."""
    if not epochs:
        return []
    values = {name: np.asarray(log)[:epochs] for name, log in logs.items()}
    return [
        {name: float(v[i]) if v[i].ndim == 0 else v[i] for name, v in values.items()}
        for i in range(epochs)
    ]
