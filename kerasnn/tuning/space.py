"""What a sweep chooses from: ranges and lists of settings, or a function of the user's.

How settings become a network is the estimators'; which are tried next is the sampler's.
"""

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import Trial

from kerasnn.choices import TabularTask
from kerasnn.ensembles.overrides import OVERRIDABLE
from kerasnn.ensembles.recipe import default_recipe
from kerasnn.errors import InputError
from kerasnn.estimators import NetworkEstimator

Settings = dict[str, Any]
Suggest = Callable[[Trial], Mapping[str, Any]]
Spec = Mapping[str, Any]

# Losses on folds of another number are of networks that learned from more or fewer rows.
NOT_TUNED = {"folds"}


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included; whole ones where both are."""

    low: float
    high: float
    log: bool = False

    def suggest(self, name: str, trial: Trial) -> float:
        """A number of this trial."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def as_kept(self, value: Any) -> float | None:
        """The value as the study has it; None where it is not in the range."""
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return value if number and self.low <= value <= self.high else None


@dataclass(frozen=True)
class Choices:
    """One of several values, tuples among them, which the study keeps as texts."""

    values: tuple[Any, ...]

    def suggest(self, name: str, trial: Trial) -> Any:
        """A value of this trial."""
        kept = [_kept(value) for value in self.values]
        return self.values[kept.index(trial.suggest_categorical(name, kept))]

    def as_kept(self, value: Any) -> Any:
        """The value as the study has it; None where it is not one of them."""
        return _kept(value) if value in self.values else None


@dataclass(frozen=True)
class Space:
    """Ranges and choices by the name of the estimator's parameter."""

    parts: dict[str, Range | Choices]

    def __call__(self, trial: Trial) -> Settings:
        """The settings of a trial."""
        return {name: part.suggest(name, trial) for name, part in self.parts.items()}

    def as_kept(self, settings: Mapping[str, Any]) -> Settings | None:
        """Settings as the study has them; None where one is not in the space."""
        kept = {name: part.as_kept(settings[name]) for name, part in self.parts.items()}
        return None if any(value is None for value in kept.values()) else kept


def default_space(task: TabularTask, n_rows: int) -> dict[str, Any]:
    """The settings that matter, around those of the default recipe, which are in it.

    Args:
        task: of the network.
        n_rows: training rows.

    Returns:
        A `space` for `tune`.
    """
    recipe = default_recipe(task, n_rows)
    rate, batch = recipe.learning_rate, recipe.batch_size
    return {
        "learning_rate": (rate / 4, rate * 4, "log"),
        "weight_decay": (0.002, 0.2, "log"),
        "dropout": (0.0, 0.5),
        "hidden_units": [(64, 64), (128, 128, 128), (256, 256, 256)],
        "embedding": ["periodic", "piecewise-linear", "none"],
        "batch_size": [batch, 2 * batch, 4 * batch],
    }


def checked_space(spec: Spec, estimator: NetworkEstimator) -> Space:
    """A dict of lists (choices) and tuples (ranges) as a space.

    Raises:
        InputError: a name is no parameter that can be tuned, or a value is neither.
    """
    check_settings(spec, estimator)
    if not spec:
        raise InputError("space must have one parameter at least; got {}")
    return Space({name: _part(name, value) for name, value in spec.items()})


def check_settings(names: Iterable[str], estimator: NetworkEstimator) -> None:
    """Every name is that of a parameter that can be tuned.

    Raises:
        InputError: one is not; the message says what was probably meant.
    """
    possible = [
        n for n in OVERRIDABLE if n in estimator.get_params() and n not in NOT_TUNED
    ]
    for name in names:
        if name not in possible:
            near = difflib.get_close_matches(str(name), possible, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(
                f"space must name parameters of {type(estimator).__name__} among"
                f" {', '.join(possible)}; got {name!r}{hint}"
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


def _kept(value: Any) -> Any:
    """What Optuna can keep in a file."""
    plain = value is None or isinstance(value, (bool, int, float, str))
    return value if plain else str(value)
