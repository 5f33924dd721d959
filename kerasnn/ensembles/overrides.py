"""The parameters of the estimators, checked, as wishes that a recipe takes."""

import math
import operator
from collections.abc import Callable
from typing import Any

from kerasnn.choices import Activation, FitDriver, NumericEmbedding, Sharing
from kerasnn.errors import InputError, check_choice

Check = Callable[[str, Any], Any]


def _whole(least: int) -> Check:
    def check(name: str, value: Any) -> int:
        try:
            number = operator.index(value)
        except TypeError:
            number = least - 1
        if isinstance(value, bool) or number < least:
            raise InputError(
                f"{name} must be 'auto' or a whole number of at least {least};"
                f" got {value!r}"
            )
        return number

    return check


def _number(low: float, high: float) -> Check:
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


def _choice(choices: Any) -> Check:
    def check(name: str, value: Any) -> Any:
        return check_choice(name, value, choices)

    return check


def _yes_or_no(name: str, value: Any) -> bool:
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


WISHES: dict[str, Check] = {
    "hidden_units": _units,
    "members": _whole(1),
    "folds": _folds,
    "epochs": _whole(1),
    "batch_size": _whole(1),
    "learning_rate": _number(0.0, 1e3),
    "weight_decay": _number(0.0, 1.0),
    "dropout": _number(0.0, 1.0),
    "smoothing": _number(0.0, 1.0),
    "activation": _choice(Activation),
    "embedding": _choice(NumericEmbedding),
    "sharing": _choice(Sharing),
    "calibrated": _yes_or_no,
}


def checked_wishes(parameters: dict[str, Any]) -> dict[str, Any]:
    """What the user has set of the recipe, checked.

    Raises:
        InputError: a parameter is out of range, or a choice is not one.
    """
    wishes = {}
    for name, check in WISHES.items():
        value = parameters.get(name, "auto")
        if not (isinstance(value, str) and value == "auto"):
            wishes[name] = check(name, value)
    return wishes


def checked_driver(driver: Any) -> FitDriver:
    """The driver of the loop.

    Raises:
        InputError: it is not one.
    """
    if driver == "keras":
        raise InputError("driver='keras' is for Keras models; use 'auto'")
    return _choice(FitDriver)("driver", driver)
