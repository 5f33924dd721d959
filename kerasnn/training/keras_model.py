"""Keras models whose `fit`, `evaluate` and `predict` are the compiled ones."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import keras

from kerasnn.training.evaluate import evaluate
from kerasnn.training.fit import fit
from kerasnn.training.predict import predict

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _method(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Turn `fit`, `evaluate` or `predict` into a method with the same docstring."""

    @wraps(function)
    def method(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        if method.__name__ == "evaluate":
            kwargs.pop("_use_cached_eval_dataset", None)  # passed by Keras's own fit
        return function(*args, **kwargs)

    first, *others = inspect.signature(function).parameters.values()
    method.__signature__ = inspect.Signature([first.replace(name="self"), *others])  # type: ignore[attr-defined]
    return method


class CompiledEpochs:
    """A mixin that comes before `keras.Model`: trains in compiled epochs."""

    fit = _method(fit)
    evaluate = _method(evaluate)
    predict = _method(predict)


class Model(CompiledEpochs, keras.Model):
    """`keras.Model`, for subclasses and as `kerasnn.Model(inputs, outputs)`."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make a functional model if inputs and outputs are given."""
        if cls is Model and (args or {"inputs", "outputs"} <= kwargs.keys()):
            # Keras adds its own Functional to the bases of a class that is called with
            # inputs and outputs. A class of its own keeps it out of subclasses of Model.
            return Functional(*args, **kwargs)
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        keras.Model.__init__(self, *args, **kwargs)


@keras.saving.register_keras_serializable(package="kerasnn")
class Functional(CompiledEpochs, keras.Model):
    """The class of `kerasnn.Model(inputs, outputs)`; its base is Keras's Functional."""


@keras.saving.register_keras_serializable(package="kerasnn")
class Sequential(CompiledEpochs, keras.Sequential):
    """`keras.Sequential`, trained in compiled epochs."""
