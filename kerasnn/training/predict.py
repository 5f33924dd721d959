"""`predict`, drop-in for `Model.predict`: many batches in each call of one graph."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import callbacks as keras_callbacks

from kerasnn.choices import Driver, FitDriver, Verbose
from kerasnn.errors import InputError, warn_user
from kerasnn.training import keras_names
from kerasnn.training.callbacks import hooks
from kerasnn.training.compiled.errors import NeedsKerasError
from kerasnn.training.compiled.loop import repeat
from kerasnn.training.compiled.programs import REFUSALS, programs_of, refusal
from kerasnn.training.compiled.specs import BatchSpec, DataStructure, Tensors
from kerasnn.training.compiled.tracing import trace
from kerasnn.training.distribution.execution import execution_of
from kerasnn.training.fallback import (
    CallRecord,
    check_driver,
    check_loop_supports,
    log_fallback,
)
from kerasnn.training.feeds.keras_iterator import RAN_OUT, Executions, dense, keras_iterator
from kerasnn.training.paths.table_source import takes_tables
from kerasnn.training.runner import GROWTH, SECONDS_PER_CALL
from kerasnn.training.trainer import Trainer, check_network_arguments

# First and last batch of a call, and a function that computes their outputs.
_PredictCall = tuple[int, int, Callable[[], Tensors]]


@takes_tables
def predict(
    model: keras.Model | tf.Module,
    x: Any,
    batch_size: int | None = None,
    verbose: Verbose = "auto",
    steps: int | None = None,
    callbacks: Any = None,
    *,
    driver: FitDriver = "auto",
) -> Any:
    """Compute the model's outputs, as `model.predict` does.

    The arguments are those of `keras.Model.predict`; `x` may be a path as for `fit`. For
    `driver` see `fit`; "auto" does not use XLA here. With verbose="auto" a single batch
    gets no progress bar.

    Returns:
        NumPy arrays [rows, ...] in the structure of the model's outputs; the named answers
        of a `tf.Module` network.

    Raises:
        InputError: see `fit`.
        ValueError: raised by Keras for other arguments.
    """
    check_driver(driver)
    if not isinstance(model, keras.Model):
        check_network_arguments(steps=steps, callbacks=callbacks)
        return Trainer(model, driver="graph").predict(x)
    arguments = {
        "batch_size": batch_size,
        "verbose": verbose,
        "steps": steps,
        "callbacks": callbacks,
    }
    return predict_keras(model, x, arguments, driver)


def predict_keras(
    model: keras.Model,
    x: Any,
    arguments: dict[str, Any],
    driver: FitDriver,
    record: CallRecord | None = None,
) -> Any:
    """Compute the outputs of a Keras model.

    Args:
        model: the model.
        x: the rows.
        arguments: the other arguments of `Model.predict`, by name.
        driver: see `fit`.
        record: notes the outcome if `Model.predict` was called, not `kerasnn.predict`.

    Raises:
        InputError: driver="xla" cannot compile the model.
    """
    execution = execution_of(model)
    batch_size, steps = arguments["batch_size"], arguments["steps"]
    iterator = keras_iterator(
        model, (x, None, None), batch_size=batch_size, steps_per_epoch=steps
    )
    verbose, callbacks = arguments["verbose"], arguments["callbacks"]
    try:
        check_loop_supports(model, execution, driver)
        chosen = programs_of(model).choose("graph" if driver == "auto" else driver, None)
        prediction = Prediction(model, iterator, chosen)
    except NeedsKerasError as error:
        callbacks = log_fallback(model, execution, driver, error, callbacks, record)
        predict_as_keras, rows = keras_names.keras_method("predict"), iterator.data_adapter
        return predict_as_keras(model, rows, **{**arguments, "callbacks": callbacks})
    if not isinstance(callbacks, keras_callbacks.CallbackList):
        # One batch is too short for a bar; Keras shows one all the same.
        bar = verbose in (1, 2) or (verbose == "auto" and prediction.steps != 1)
        callbacks = keras_callbacks.CallbackList(
            callbacks,
            add_progbar=bar or (record is not None and verbose != 0),
            verbose=verbose,
            epochs=1,
            steps=prediction.steps,
            model=model,
        )
    try:
        return prediction.run(callbacks)
    except REFUSALS as error:
        if driver != "xla":
            raise
        reason = refusal(error)
        raise InputError(f"driver='xla' cannot compile this model: {reason}") from error


class PredictStep:
    """A `predict_step` on flat tensors, traced once for any number of rows.

    Args:
        model: the model.
        batch_spec: shapes and types of the rows.
        driver: "eager" calls the step without tracing.

    Raises:
        NeedsKerasError: an output is not a tensor with a row for each row.
    """

    def __init__(self, model: keras.Model, batch_spec: BatchSpec, driver: Driver) -> None:
        def on_batch(*tensors: tf.Tensor) -> Any:
            data = batch_spec.structure.pack(list(tensors))
            return model.predict_step(data)

        xla = True if driver == "xla" else None
        traced = trace(on_batch, batch_spec.row_specs(), model, jit_compile=xla)
        self.nest = traced.structured_outputs
        self.outputs = keras.tree.flatten(self.nest)
        for output in self.outputs:
            if not isinstance(output, tf.Tensor) or not output.shape.rank:
                raise NeedsKerasError(f"predict_step returns {output}")
        self._call = on_batch if driver == "eager" else traced
        self.many: Callable[..., Tensors] = partial(predict_many, self)
        if driver != "eager":
            part = tf.TensorSpec([3], tf.int32)
            many = tf.function(self.many, autograph=False)
            self.many = many.get_concrete_function(part, batch_spec.row_specs())

    def __call__(self, batch: Tensors) -> Tensors:
        """Return the flat outputs for a batch."""
        return keras.tree.flatten(self._call(*batch))


def predict_many(step: PredictStep, part: tf.Tensor, rows: Tensors) -> Tensors:
    """Compute the outputs of several batches, one after the other.

    Args:
        step: the step on one batch.
        part: first batch, the batch after the last one, and rows of a batch; int32 [3].
        rows: flat tensors, each [rows, ...].

    Returns:
        Flat outputs, each [rows of these batches, ...].
    """
    first, stop, size = tf.unstack(part)
    n_rows = tf.shape(rows[0])[0]
    tables = [
        tf.TensorArray(
            output.dtype,
            size=stop - first,
            element_shape=[None, *output.shape[1:]],
            infer_shape=False,
        )
        for output in step.outputs
    ]

    def one_batch(i: tf.Tensor, tables: list[tf.TensorArray]) -> list[tf.TensorArray]:
        end = tf.minimum((i + 1) * size, n_rows)
        outputs = step([tensor[i * size : end] for tensor in rows])
        return [t.write(i - first, o) for t, o in zip(tables, outputs, strict=True)]

    return [table.concat() for table in repeat(one_batch, first, stop, tables)]


class Prediction:
    """One prediction.

    Args:
        model: the model.
        iterator: Keras's iterator over the rows.
        driver: the driver of the step.
    """

    def __init__(self, model: keras.Model, iterator: Executions, driver: Driver) -> None:
        self.steps: int | None = iterator.num_batches
        self._model = model
        self._iterator = iterator
        self._driver: Driver = driver
        self._rows: Tensors = []
        adapter = iterator.data_adapter
        if isinstance(adapter, keras_names.ArrayDataAdapter):
            arrays = keras_names.adapter_arrays(adapter)
            data = dense(arrays)
            self._rows = [
                tf.convert_to_tensor(leaf) for leaf in DataStructure.flatten(data)
            ]
            self._step = self._step_for(data)
        else:
            look = keras_names.peek(adapter)
            if look is not None:
                self._step = self._step_for(look)

    def run(self, callbacks: keras_callbacks.CallbackList) -> Any:
        """Return all outputs as NumPy arrays in the structure of the model's outputs."""
        execution = self._model.steps_per_execution
        by_batch = hooks.needs_batch_hooks(callbacks, "predict")
        calls = (
            self._calls(execution if by_batch else None) if self._rows else self._stream()
        )
        self._model.stop_predicting = False
        callbacks.on_predict_begin()
        parts: list[list[Any]] = []
        for begin, end, call in calls:
            callbacks.on_predict_batch_begin(begin)
            outputs = call()
            parts.append([output.numpy() for output in outputs])
            callbacks.on_predict_batch_end(end, {"outputs": self._nested(outputs)})
            if self._model.stop_predicting:
                break
        callbacks.on_predict_end()
        return self._nested(
            [
                pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
                for pieces in zip(*parts, strict=True)
            ]
        )

    def _calls(self, count: int | None) -> Iterator[_PredictCall]:
        """Yield calls over rows in memory, of `count` batches; None lets them grow."""
        size = self._iterator.data_adapter.batch_size
        execution = self._model.steps_per_execution
        steps = -(-(self.steps or 0) // execution) * execution
        available = -(-len(self._rows[0]) // size)
        if steps - execution >= available and self._iterator.steps_per_epoch:
            warn_user(RAN_OUT)
        steps = min(steps, available)
        if steps == 1 and len(self._rows[0]) <= size:
            yield 0, 0, partial(self._step, self._rows)
            return
        begin, room = 0, count or 1
        while begin < steps:
            end = min(begin + room, steps)
            part = tf.constant([begin, end, size], tf.int32)
            started = time.perf_counter()
            last = max(end, begin + execution) - 1
            yield begin, last, partial(self._step.many, part, self._rows)
            if count is None and time.perf_counter() - started < SECONDS_PER_CALL / GROWTH:
                room *= GROWTH
            begin = end

    def _stream(self) -> Iterator[_PredictCall]:
        """Yield one call for each execution of a stream."""
        for begin, end, batches in self._iterator:
            yield begin, end, partial(self._execution, batches)

    def _execution(self, batches: list[Any]) -> Tensors:
        """Compute the outputs of an execution's batches, one after the other."""
        parts: list[Tensors] = []
        for batch in batches:
            self._step = self._step_for(batch)
            parts.append(self._step(DataStructure.flatten(batch)))
        if len(parts) == 1:
            return parts[0]
        return [tf.concat(pieces, 0) for pieces in zip(*parts, strict=True)]

    def _step_for(self, data: Any) -> PredictStep:
        batches = BatchSpec.of(dense(data), [None])
        return programs_of(self._model).prediction(
            self._driver,
            batches,
            lambda spec: PredictStep(self._model, spec, self._driver),
        )

    def _nested(self, outputs: list[Any]) -> Any:
        return keras.tree.pack_sequence_as(self._step.nest, outputs)
