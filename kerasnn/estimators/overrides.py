"""Parameters of the estimators, checked: the overrides of a recipe."""

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from kerasnn.choices import (
    Activation,
    FitDriver,
    NumericEmbedding,
    Quality,
)
from kerasnn.ensembles.recipe import Overrides
from kerasnn.errors import InputError, check_choice

_Check = Callable[[str, Any], Any]


def _whole(minimum: int) -> _Check:
    def check(name: str, value: Any) -> int:
        try:
            number = operator.index(value)
        except TypeError:
            number = minimum - 1
        if isinstance(value, bool) or number < minimum:
            raise InputError(
                f"{name} must be 'auto' or a whole number of at least {minimum};"
                f" got {value!r}"
            )
        return number

    return check


def _number(low: float, high: float) -> _Check:
    def check(name: str, value: Any) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if isinstance(value, bool) or not low <= number < high:
            raise InputError(
                f"{name} must be 'auto' or a number from {low:g} to below {high:g};"
                f" got {value!r}"
            )
        return number

    return check


def _choice(choices: Any) -> _Check:
    return lambda name, value: check_choice(name, value, choices)


def _boolean(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{name} must be 'auto', True or False; got {value!r}")
    return value


def _units(name: str, value: Any) -> tuple[int, ...]:
    try:
        return tuple(_whole(1)(name, units) for units in value)
    except (TypeError, InputError):
        raise InputError(
            f"{name} must be 'auto' or whole numbers of at least 1, such as (64, 32);"
            f" got {value!r}"
        ) from None


def _folds(name: str, value: Any) -> int:
    number = _whole(0)(name, value)
    if number == 1:
        raise InputError(f"{name} must be 0 or at least 2; got 1")
    return number


_CHECKS: dict[str, _Check] = {
    "hidden_units": _units,
    "members": _whole(1),
    "folds": _folds,
    "epochs": _whole(1),
    "batch_size": _whole(1),
    "learning_rate": _number(0.0, 1e3),
    "weight_decay": _number(0.0, 1.0),
    "dropout": _number(0.0, 1.0),
    "label_smoothing": _number(0.0, 1.0),
    "activation": _choice(Activation),
    "embedding": _choice(NumericEmbedding),
    "calibrate": _boolean,
}
OVERRIDABLE = tuple(_CHECKS)  # parameters of an estimator that override its recipe


def checked_overrides(parameters: Mapping[str, Any]) -> Overrides:
    """Return the settings of the recipe that the user has set, checked.

    Raises:
        InputError: a value is out of range, or is not one of the choices.
    """
    given = {name: parameters.get(name, "auto") for name in OVERRIDABLE}
    return {
        name: _CHECKS[name](name, value)
        for name, value in given.items()
        if not (isinstance(value, str) and value == "auto")
    }


def checked_trees(value: Any) -> bool:
    """Return whether trees may stand beside the networks, checked.

    Raises:
        InputError: it is not "auto" or a boolean.
    """
    if isinstance(value, str) and value == "auto":
        return True
    return _boolean("trees", value)


def checked_quality(quality: Any) -> Quality:
    """Return how much effort a fit makes, checked.

    Raises:
        InputError: it is not a quality.
    """
    return check_choice("quality", quality, Quality)


def checked_driver(driver: Any) -> FitDriver:
    """Return the driver of the loop, checked.

    Raises:
        InputError: it is not a driver, or "keras".
    """
    if driver == "keras":
        raise InputError("driver='keras' is for Keras models; use 'auto'")
    return check_choice("driver", driver, FitDriver)
