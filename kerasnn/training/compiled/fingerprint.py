"""Fingerprints of models: if they are equal, the models are traced to the same graph.

Everything that a trace can read is in the fingerprint: each attribute of each object that
the model holds, and which Variable stands where. What changes no trace (names, values of
Variables, initializers) is left out by name. A model that holds anything with an unknown
effect, such as a user's function, an array or another package's object, has none.
"""

import enum
import inspect
from collections.abc import Mapping
from functools import partial
from types import FunctionType, ModuleType, NoneType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasnn.layers import raw_variables
from kerasnn.training import keras_names

_PACKAGES = ("keras.", "kerasnn.training.keras_model")
_FUNCTIONS = ("keras.", "tensorflow.")
_PLAIN = (NoneType, bool, int, float, complex, str, bytes, enum.Enum, tf.DType, np.generic)
# Their formulas are elementwise, and their slots may be made before the first step.
_NAMES = ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "Nadam")
ELEMENTWISE_OPTIMIZERS = {
    getattr(keras.optimizers, name) for name in (*_NAMES, "Lion", "Ftrl")
}
# The code of a class that a trace runs: someone may have replaced it.
_CODE = (
    *("__call__", "call", "train_step", "test_step", "predict_step", "compute_loss"),
    *("update_state", "result", "reset_state", "update_step", "apply"),
)


class NotComparableError(Exception):
    """A model holds something whose effect on a trace is unknown; the message says what."""


def variables_of(model: keras.Model) -> list[tf.Variable]:
    """Return every Variable that the steps of a model may use, once, in a fixed order."""
    optimizer = getattr(model, "optimizer", None)
    held = [*model.variables, *(optimizer.variables if optimizer else ())]
    held += model.metrics_variables
    return list({id(v): v for v in raw_variables(held)}.values())


def model_fingerprint(model: keras.Model, *, names: bool) -> tuple[Any, ...]:
    """Return the fingerprint of a built model.

    Args:
        model: its Variables, metrics and optimizer slots exist.
        names: whether the names of inputs and outputs matter to a trace.

    Raises:
        NotComparableError: it has none.
    """
    described = _Description(variables_of(model))
    try:
        whole = described.of(model)
    except RecursionError:
        raise NotComparableError("its layers are nested too deeply") from None
    inputs = tuple(tensor.name for tensor in model.inputs or ())
    outputs = tuple(getattr(model, "output_names", None) or ())
    named = names or len(inputs) > 1 or len(model.outputs or ()) > 1
    settings = (
        *(keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format()),
        keras.config.dtype_policy().name,
        *((inputs, outputs) if named else ()),
    )
    return settings, whole


class _Description:
    """Describes objects; an object that was seen before is described by its number.

    Args:
        variables: are described by their places in this list.
    """

    def __init__(self, variables: list[tf.Variable]) -> None:
        self._places = {id(variable): i for i, variable in enumerate(variables)}
        self._numbers: dict[int, int] = {}
        self._held: list[Any] = []  # kept alive, so that no other object gets their ids

    def of(self, value: Any) -> Any:
        """Return a hashable description."""
        if isinstance(value, _PLAIN):
            return type(value), repr(value)
        if isinstance(value, keras.Variable | tf.Variable):
            return self._of_variable(value)
        if isinstance(value, Mapping):
            return "dict", tuple((self.of(k), self.of(v)) for k, v in value.items())
        if isinstance(value, tuple | list):
            return "list", tuple(self.of(item) for item in value)
        if isinstance(value, set | frozenset):
            return "set", tuple(sorted(repr(self.of(item)) for item in value))
        if isinstance(value, ModuleType):
            return value.__name__
        if isinstance(value, FunctionType | type):
            return self._of_code(value)
        if isinstance(value, partial):
            return "partial", self.of((value.func, value.args, value.keywords))
        if isinstance(value, inspect.Signature):
            return str(value)
        return self._of_object(value)

    def _of_variable(self, variable: Any) -> Any:
        (raw,) = raw_variables([variable])
        if id(raw) not in self._places:
            raise NotComparableError(f"it uses a Variable of another: {variable}")
        kind = (self._places[id(raw)], raw.shape, raw.dtype, raw.device, variable.trainable)
        if variable is raw:
            return kind
        names = ("regularizer", "constraint", "overwrite_with_gradient", "aggregation")
        return *kind, *(self.of(getattr(variable, name)) for name in names)

    def _of_code(self, code: Any) -> Any:
        if not f"{code.__module__}.".startswith(_FUNCTIONS) or (
            getattr(code, "__closure__", None)
        ):
            raise NotComparableError(f"it uses {code.__module__}.{code.__qualname__}")
        return code

    def _of_object(self, value: Any) -> Any:
        kind = type(value)
        if not kind.__module__.startswith(_PACKAGES):
            raise NotComparableError(f"it holds a {kind.__module__}.{kind.__qualname__}")
        number = self._numbers.get(id(value))
        if number is not None:
            return "again", number
        self._numbers[id(value)] = len(self._numbers)
        self._held.append(value)
        parts = tuple(
            (name, self.of(part))
            for name, part in keras_names.attributes(value).items()
            if not isinstance(part, keras.Initializer)
        )
        code = tuple(getattr(kind, name, None) for name in _CODE)
        return kind, code, parts
