"""The methods that stand in the place of Keras's `fit`, `evaluate` and `predict`.

They decide at each call. A call that is not for the compiled loop goes to Keras's method
with the arguments as they came.
"""

import contextlib
import functools
import inspect
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from kerasnn.acceleration.tally import TALLY
from kerasnn.choices import AccelerateDriver
from kerasnn.errors import InputError
from kerasnn.training import keras_names
from kerasnn.training.compiled.errors import NeedsKerasError
from kerasnn.training.compiled.threads import used
from kerasnn.training.distribution.execution import execution_of
from kerasnn.training.evaluate import evaluate_keras
from kerasnn.training.fallback import CallRecord, check_loop_supports
from kerasnn.training.fit import fit_as_keras
from kerasnn.training.predict import predict_keras

Arguments = dict[str, Any]
DriverOf = Callable[[keras.Model], AccelerateDriver | None]
_Call = Callable[[keras.Model, Arguments, AccelerateDriver, CallRecord], Any]


@functools.cache
def methods_in_place_of_keras(driver_of: DriverOf) -> dict[str, Callable[..., Any]]:
    """Return the three methods by name.

    Args:
        driver_of: returns the driver of a model's calls; None for Keras's own.
    """
    calls: dict[str, _Call] = {
        "fit": fit_as_keras,
        "evaluate": _evaluate,
        "predict": _predict,
    }
    return {name: _method(name, call, driver_of) for name, call in calls.items()}


def _method(name: str, call: _Call, driver_of: DriverOf) -> Callable[..., Any]:
    """Return a method with the signature, name and docstring of Keras's."""
    keras_s = keras_names.keras_method(name)
    signature = inspect.signature(keras_s)

    @functools.wraps(keras_s)
    def method(self: keras.Model, *args: Any, **kwargs: Any) -> Any:
        driver = driver_of(self)
        if driver is None or not tf.executing_eagerly():
            return keras_s(self, *args, **kwargs)
        try:
            bound = signature.bind(self, *args, **kwargs)
        except TypeError:  # raised again, as Keras words it
            return keras_s(self, *args, **kwargs)
        bound.apply_defaults()
        _, *arguments = bound.arguments.items()
        by_name = dict(arguments)
        if by_name.pop("kwargs", None):  # Keras's own fit tests, or they are unknown
            return keras_s(self, *args, **kwargs)
        with TALLY.counted(name) as record, contextlib.ExitStack() as stack:
            record.reason = _why_not(self, name, stack)
            if record.reason is not None:
                return keras_s(self, *args, **kwargs)
            return call(self, by_name, driver, record)

    return method


def _why_not(model: keras.Model, name: str, stack: contextlib.ExitStack) -> str | None:
    """Return why Keras must run a call, before anything has been done; None if it need not.

    Args:
        model: the model.
        name: of the method.
        stack: holds the model for this thread.
    """
    if name != "predict" and not model.compiled:
        return "the model is not compiled"
    strategy = model.distribute_strategy
    if isinstance(strategy, tf.distribute.MirroredStrategy):
        return f"{type(strategy).__name__} distributes the model"
    try:
        check_loop_supports(model, execution_of(model), "auto")
        if name != "predict":
            stack.enter_context(used(model, name))
    except (NeedsKerasError, InputError) as error:
        return str(error)
    return None


def _evaluate(
    model: keras.Model, arguments: Arguments, driver: AccelerateDriver, record: CallRecord
) -> Any:
    rows = tuple(arguments.pop(name) for name in ("x", "y", "sample_weight"))
    return evaluate_keras(model, rows, arguments, driver, record)


def _predict(
    model: keras.Model, arguments: Arguments, driver: AccelerateDriver, record: CallRecord
) -> Any:
    return predict_keras(model, arguments.pop("x"), arguments, driver, record)
