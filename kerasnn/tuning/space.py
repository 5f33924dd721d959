"""The search space of a sweep: ranges and lists of settings, or a custom function."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import Trial

from kerasnn.choices import TabularTask
from kerasnn.ensembles.recipe import default_recipe
from kerasnn.errors import InputError, suggestion
from kerasnn.estimators import NetworkEstimator
from kerasnn.estimators.overrides import OVERRIDABLE

Params = dict[str, Any]
Suggest = Callable[[Trial], Mapping[str, Any]]
Spec = Mapping[str, Any]

# With another number of folds the networks learn from more or fewer rows.
_NOT_TUNED = {"folds"}


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included; whole numbers if both are whole."""

    low: float
    high: float
    log: bool = False

    def suggest(self, name: str, trial: Trial) -> float:
        """Draw a number for a trial; of three digits, which are easier to read and type."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, log=self.log)
        drawn = trial.suggest_float(name, self.low, self.high, log=self.log)
        return min(max(float(f"{drawn:.3g}"), self.low), self.high)

    def as_stored(self, value: Any) -> float | None:
        """Return a value as the study stores it; None if it is out of the range."""
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return value if number and self.low <= value <= self.high else None


@dataclass(frozen=True)
class Choices:
    """One of several values; the study stores tuples as texts."""

    values: tuple[Any, ...]

    def suggest(self, name: str, trial: Trial) -> Any:
        """Draw a value for a trial."""
        stored = [_stored(value) for value in self.values]
        return self.values[stored.index(trial.suggest_categorical(name, stored))]

    def as_stored(self, value: Any) -> Any:
        """Return a value as the study stores it; None if it is not a choice."""
        return _stored(value) if value in self.values else None


@dataclass(frozen=True)
class Space:
    """Ranges and choices, by the name of an estimator's parameter."""

    parts: dict[str, Range | Choices]

    def __call__(self, trial: Trial) -> Params:
        """Draw the settings of a trial."""
        return {name: part.suggest(name, trial) for name, part in self.parts.items()}

    def as_stored(self, settings: Mapping[str, Any]) -> Params | None:
        """Return settings as the study stores them; None if one is not in the space."""
        stored = {name: part.as_stored(settings[name]) for name, part in self.parts.items()}
        return None if any(value is None for value in stored.values()) else stored


def default_space(task: TabularTask, n_rows: int) -> dict[str, Any]:
    """Return a space around the default recipe, which is part of it.

    Args:
        task: of the network.
        n_rows: number of training rows.

    Returns:
        A `space` for `tune`.
    """
    recipe = default_recipe(task, n_rows)
    rate, batch = recipe.learning_rate, recipe.batch_size
    return {
        "learning_rate": (rate / 4, rate * 4, "log"),
        "weight_decay": (0.002, 0.2, "log"),
        "dropout": (0.0, 0.5),
        "hidden_units": [(64, 64), (128, 128), (256, 256, 256)],
        "embedding": ["periodic", "piecewise-linear", "none"],
        "batch_size": [batch // 2, batch, 2 * batch],
    }


def checked_space(spec: Spec, estimator: NetworkEstimator) -> Space:
    """Return the space of a dict of lists (choices) and tuples (ranges).

    Raises:
        InputError: a parameter cannot be tuned, or a value is neither list nor tuple.
    """
    check_settings(spec, estimator)
    if not spec:
        raise InputError("space must have at least one parameter; got {}")
    return Space({name: _part(name, value) for name, value in spec.items()})


def check_settings(names: Iterable[str], estimator: NetworkEstimator) -> None:
    """Check that parameters exist and can be tuned.

    Raises:
        InputError: one cannot; the message suggests a similar name.
    """
    possible = [
        n for n in OVERRIDABLE if n in estimator.get_params() and n not in _NOT_TUNED
    ]
    for name in names:
        if name not in possible:
            raise InputError(
                f"space must name parameters of {type(estimator).__name__} among"
                f" {', '.join(possible)}; got {name!r}{suggestion(name, possible)}"
            )


def _part(name: str, value: Any) -> Range | Choices:
    if isinstance(value, list) and value:
        return Choices(tuple(tuple(v) if isinstance(v, list) else v for v in value))
    low, high, *scale = value if isinstance(value, tuple) and len(value) > 1 else (0, -1)
    numbers = all(
        isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v)
        for v in (low, high)
    )
    if not numbers or low > high or scale not in ([], ["log"]) or (scale and low <= 0):
        raise InputError(
            f"space[{name!r}] must be a list of choices, or a range: (low, high), or"
            f" (low, high, 'log') with low above 0; got {value!r}"
        )
    return Range(low, high, bool(scale))


def _stored(value: Any) -> Any:
    """Return what Optuna can store in a file."""
    plain = value is None or isinstance(value, (bool, int, float, str))
    return value if plain else str(value)
