"""Keras models whose `fit`, `evaluate` and `predict` are the compiled ones."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import keras

from kerasnn.training.evaluate import evaluate
from kerasnn.training.fit import fit
from kerasnn.training.predict import predict


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as a method, with its docstring; its model is `self`."""

    @wraps(function)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if function is evaluate:
            kwargs.pop("_use_cached_eval_dataset", None)  # said by Keras's own fit
        return function(self, *args, **kwargs)

    first, *others = inspect.signature(function).parameters.values()
    method.__signature__ = inspect.Signature([first.replace(name="self"), *others])  # type: ignore[attr-defined]
    return method


class CompiledEpochs:
    """Beside `keras.Model` in the bases of a class: trains in compiled epochs."""

    fit = _method(fit)
    evaluate = _method(evaluate)
    predict = _method(predict)


class Model(CompiledEpochs, keras.Model):
    """`keras.Model`, for subclasses and as `kerasnn.Model(inputs, outputs)`."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """With inputs and outputs, a functional model."""
        if cls is Model and (args or {"inputs", "outputs"} <= kwargs.keys()):
            # Keras puts its Functional class into the bases of the class that is given
            # inputs and outputs: into this one's, so that subclasses stay what they are.
            return Functional(*args, **kwargs)
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        keras.Model.__init__(self, *args, **kwargs)


@keras.saving.register_keras_serializable(package="kerasnn")
class Functional(CompiledEpochs, keras.Model):
    """The class of `kerasnn.Model(inputs, outputs)`; Keras adds its own of this name."""


@keras.saving.register_keras_serializable(package="kerasnn")
class Sequential(CompiledEpochs, keras.Sequential):
    """`keras.Sequential`, trained in compiled epochs."""
