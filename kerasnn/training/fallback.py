"""What the compiled loop cannot do, and the step down to Keras's own loop."""

import logging
from typing import Any, get_args

import keras
import tensorflow as tf

from kerasnn.choices import FitDriver
from kerasnn.errors import InputError
from kerasnn.training.compiled.programs import programs_of
from kerasnn.training.distribution.workers import strategy_of

log = logging.getLogger("kerasnn")


class NeedsKerasError(Exception):
    """Only Keras's own loop does this; the message says why."""


def check_driver(driver: str) -> None:
    """One of the choices.

    Raises:
        InputError: it is not.
    """
    if driver not in get_args(FitDriver):
        raise InputError(f"driver must be one of {get_args(FitDriver)}; got {driver!r}")


def check_possible(learner: Any, driver: FitDriver) -> None:
    """Whether the loop can drive this learner at all.

    Raises:
        NeedsKerasError: it cannot, or Keras's loop was asked for.
    """
    if not isinstance(learner, keras.Model):
        return
    if driver == "keras":
        raise NeedsKerasError("driver='keras'")
    if learner.run_eagerly:
        raise NeedsKerasError("the model was compiled with run_eagerly=True")
    strategy = learner.distribute_strategy
    scope = tf.distribute.get_strategy()
    alone = not tf.distribute.has_strategy() and strategy is scope
    ours = strategy_of(learner) is strategy
    if not alone and not (ours and (scope is strategy or not tf.distribute.has_strategy())):
        raise NeedsKerasError(f"{type(strategy).__name__} distributes the model")
    if keras.distribution.distribution() is not None:
        raise NeedsKerasError("keras.distribution distributes the model")
    for name in ("make_train_function", "make_test_function", "make_predict_function"):
        if getattr(type(learner), name) is not getattr(keras.Model, name):
            raise NeedsKerasError(f"{type(learner).__name__} has a {name} of its own")


def log_fallback(learner: Any, driver: FitDriver, error: Exception) -> None:
    """Say that Keras's own loop takes over, and why.

    Raises:
        InputError: XLA was asked for.
        Exception: the error itself, where there is no loop of Keras's.
    """
    if driver == "keras" and isinstance(error, NeedsKerasError):
        return
    reason = (
        str(error)
        if isinstance(error, NeedsKerasError)
        else f"{type(error).__name__}: {error}"
    )
    reason = reason.splitlines()[0] if reason else type(error).__name__
    if driver == "xla":
        raise InputError(f"driver='xla' cannot train this: {reason}") from error
    if not isinstance(learner, keras.Model):
        raise error
    if strategy_of(learner) is not None:  # Keras's own loop fails there
        if isinstance(error, NeedsKerasError):
            raise InputError(f"several workers cannot train this: {reason}") from error
        raise error
    told = programs_of(learner).told
    if reason not in told:  # a loop of fits says it once
        told.add(reason)
        log.warning("%s: Keras's own loop takes over: %s", learner.name, reason)
