"""When Keras's own loop takes over, and how that is reported."""

import logging
from typing import get_args

import keras
import tensorflow as tf

from kerasnn.choices import FitDriver
from kerasnn.errors import InputError
from kerasnn.training.compiled.errors import NeedsKerasError
from kerasnn.training.compiled.programs import programs_of
from kerasnn.training.distribution.execution import Execution

_log = logging.getLogger("kerasnn")


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
            raise NeedsKerasError(f"{type(model).__name__} has a {name} of its own")


def log_fallback(
    model: keras.Model, execution: Execution, driver: FitDriver, error: NeedsKerasError
) -> None:
    """Log that Keras's own loop takes over, and why.

    Raises:
        InputError: XLA was asked for, or the model is distributed.
    """
    if driver == "keras":
        return
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    if driver == "xla":
        raise InputError(f"driver='xla' cannot train this: {reason}") from error
    if execution.strategy is not None:  # Keras's own loop fails there
        raise InputError(f"several workers cannot train this: {reason}") from error
    logged = programs_of(model).told
    if reason not in logged:  # fits in a loop log it once
        logged.add(reason)
        _log.warning("%s: Keras's own loop takes over: %s", model.name, reason)
