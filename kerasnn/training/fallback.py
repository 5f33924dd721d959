"""When Keras's own loop takes over, and how that is reported."""

import logging
from dataclasses import dataclass
from typing import Any, get_args

import keras
import tensorflow as tf
from keras import callbacks as keras_callbacks

from kerasnn.choices import FitDriver
from kerasnn.errors import InputError
from kerasnn.training.compiled.errors import NeedsKerasError, UntraceableError
from kerasnn.training.compiled.programs import programs_of
from kerasnn.training.distribution.execution import Execution

_log = logging.getLogger("kerasnn")


@dataclass
class CallRecord:
    """The outcome of a call of Keras's `fit`, `evaluate` or `predict`.

    Attributes:
        reason: why Keras's own loop ran; None if the compiled one did.
    """

    reason: str | None = None


def check_driver(driver: str) -> None:
    """Check that a driver is one of the choices.

    Raises:
        InputError: it is not.
    """
    if driver not in get_args(FitDriver):
        raise InputError(f"driver must be one of {get_args(FitDriver)}; got {driver!r}")


def check_loop_supports(
    model: keras.Model, execution: Execution, driver: FitDriver
) -> None:
    """Check that the compiled loop can drive a model.

    Raises:
        NeedsKerasError: it cannot, or Keras's own loop was asked for.
    """
    if driver == "keras":
        raise NeedsKerasError("driver='keras'")
    if model.run_eagerly:
        raise NeedsKerasError("the model was compiled with run_eagerly=True")
    if tf.config.functions_run_eagerly() and driver != "eager":
        raise NeedsKerasError(
            "tf.config.run_functions_eagerly(True) was called; call it with False to"
            " compile the step, or use driver='eager' for kerasnn's loop in Python"
        )
    strategy = model.distribute_strategy
    scope = tf.distribute.get_strategy()
    alone = not tf.distribute.has_strategy() and strategy is scope
    ours = execution.strategy is strategy
    if not alone and not (ours and (scope is strategy or not tf.distribute.has_strategy())):
        raise NeedsKerasError(f"{type(strategy).__name__} distributes the model")
    if keras.distribution.distribution() is not None:
        raise NeedsKerasError("keras.distribution distributes the model")
    for name in ("make_train_function", "make_test_function", "make_predict_function"):
        if getattr(type(model), name) is not getattr(keras.Model, name):
            raise NeedsKerasError(f"{type(model).__name__} overrides {name}")


def log_fallback(
    model: keras.Model,
    execution: Execution,
    driver: FitDriver,
    error: NeedsKerasError,
    callbacks: Any = None,
    record: CallRecord | None = None,
) -> Any:
    """Log that Keras's own loop takes over, and why; return the callbacks for it.

    In a call of Keras's own methods the reason only goes into the record.

    If the user's step cannot be traced, the line waits for the first batch: if Keras's loop
    fails too, the error is in the user's code, and the line would only distract.

    Raises:
        InputError: XLA was asked for, or the model is distributed.
    """
    if driver == "keras":
        return callbacks
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    if record is not None:
        record.reason = reason
        return callbacks
    if driver == "xla":
        raise InputError(f"driver='xla' cannot train this: {reason}") from error
    execution.check_may_fall_back(reason)
    notice = FallbackNotice(model, reason)
    if not isinstance(error, UntraceableError):
        notice.log()
        return callbacks
    if isinstance(callbacks, keras_callbacks.CallbackList):
        callbacks.append(notice)
        return callbacks
    return [*(keras.tree.flatten(callbacks) if callbacks else []), notice]


class FallbackNotice(keras_callbacks.Callback):
    """Logs why Keras's own loop runs, once its first batch has succeeded.

    Args:
        model: the model.
        reason: why.
    """

    def __init__(self, model: keras.Model, reason: str) -> None:
        super().__init__()
        self._model_name = model.name
        self._logged = programs_of(model).told
        self._reason = reason

    def log(self) -> None:
        """Log the reason, unless it has been logged for the model before."""
        if self._reason not in self._logged:
            self._logged.add(self._reason)
            _log.warning(
                "%s: Keras's own loop takes over: %s", self._model_name, self._reason
            )

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Log."""
        self.log()

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Log."""
        self.log()

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """Log."""
        self.log()
