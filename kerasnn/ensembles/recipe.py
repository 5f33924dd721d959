"""The default recipe: every setting that decides how a network for a table is trained.

docs/recipe.md says what was tried, and what each part gave.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kerasnn.choices import (
    Activation,
    NumericEmbedding,
    Quality,
    TabularTask,
)
from kerasnn.errors import InputError
from kerasnn.splits import Folds

Overrides = Mapping[str, Any]  # settings of a recipe that the user has set, by name


@dataclass(frozen=True)
class Recipe:
    """Settings of an ensemble and its training.

    Attributes:
        members: networks of the ensemble; with folds, a multiple of their number.
        folds: parts of the rows; each member leaves one out, which selects the epoch. 0:
            every member learns from all rows, to the last epoch; 1: all members leave the
            same rows out.
        epochs: passes over the rows.
        batch_size: largest number of rows in a batch; batches have equal size.
        learning_rate: highest value of the schedule.
        hidden_units: units of each hidden layer.
        activation: of the hidden layers.
        parametric_activation: whether each unit learns how much activation it applies.
        embedding: of numbers.
        scaled: whether each input of the first layer has a trained scale.
        cycles: waves of the learning rate.
        weight_decay, dropout: constant for half of the training, then decreasing to zero.
        label_smoothing: share of a label that is spread over all classes.
        n_evaluations: evaluations of the validation rows in a training, about.
        calibrate: whether the temperature and the floor of the probabilities are fitted.
        standard_errors: an epoch counts as equal to the best one if it is worse by less
            than this; the last one of equal epochs is kept.
        frequent_value_codes: whether frequent values of a numeric column get codes too.
    """

    members: int
    folds: int
    epochs: int
    batch_size: int
    learning_rate: float
    hidden_units: tuple[int, ...]
    activation: Activation
    parametric_activation: bool
    embedding: NumericEmbedding
    scaled: bool
    cycles: int
    weight_decay: float
    dropout: float
    label_smoothing: float
    n_evaluations: int
    calibrate: bool
    standard_errors: float
    frequent_value_codes: bool

    @property
    def repeats(self) -> int:
        """Number of times that the rows are divided into folds."""
        return self.members // self.folds if self.folds else 0


SMALL, LARGE = 1_400, 10_000  # rows; other settings proved better beyond them
ROWS_PASSED = 1_600_000  # rows that a member passes in all epochs, for a large table
DISK_ROWS_PASSED = 16_000_000
FAST_ROWS_PASSED = 1_200_000


def default_recipe(task: TabularTask, n_rows: int, quality: Quality = "default") -> Recipe:
    """Return the recipe for a number of training rows.

    Args:
        task: of the network.
        n_rows: number of training rows.
        quality: "fast" takes a small part of the time of "default", "best" about four
            times as long.
    """
    recipe = _default_recipe(task, n_rows)
    if quality == "fast":
        return dataclasses.replace(
            recipe,
            members=4,
            folds=4,
            epochs=max(4, min(24, FAST_ROWS_PASSED // n_rows)),
            batch_size=recipe.batch_size * (1 if n_rows < SMALL else 2),
            hidden_units=(128, 128),
            cycles=2,
            n_evaluations=8,
        )
    if quality == "best":
        members, epochs = 2 * recipe.members, 2 * recipe.epochs
        return dataclasses.replace(recipe, members=members, epochs=epochs)
    return recipe


def _default_recipe(task: TabularTask, n_rows: int) -> Recipe:
    regression = task == "regression"
    small, large = n_rows < SMALL, n_rows >= LARGE
    return Recipe(
        members=16 if small else 8,
        folds=8 if small else 4,
        epochs=24 if small else max(8, min(96, ROWS_PASSED // n_rows)),
        batch_size=32 if small else 256 if large else 128,
        learning_rate=0.2 if regression else 0.04,
        hidden_units=(128, 128) if small else (256, 256, 256),
        activation="mish" if regression and not small else "relu",
        parametric_activation=regression and not small,
        embedding="periodic",
        scaled=True,
        cycles=4,
        weight_decay=0.02,
        dropout=0.15,
        label_smoothing=0.0 if small or large or regression else 0.1,
        n_evaluations=32,
        calibrate=True,
        standard_errors=1.0 if small else 2.0,
        frequent_value_codes=large,
    )


def memory_recipe(
    task: TabularTask,
    n_rows: int,
    overrides: Overrides,
    division: Folds | None = None,
    quality: Quality = "default",
) -> Recipe:
    """Return the recipe for rows in memory, with the user's overrides.

    Args:
        task: of the network.
        n_rows: number of training rows.
        overrides: settings of the user.
        division: groups or times that the folds respect; they limit the number of folds.
        quality: as for `default_recipe`.

    Raises:
        InputError: there are more folds than rows, groups or times, or members are not a
            multiple of folds.
    """
    recipe, division = default_recipe(task, n_rows, quality), division or Folds()
    if overrides.get("folds") != 0:
        division.check(n_rows)
    minimum, maximum = division.minimum, division.maximum(n_rows)
    if "folds" in overrides and overrides["folds"] > maximum:
        raise InputError(
            f"folds must be at most the number of {division.unit}, {maximum};"
            f" got folds={overrides['folds']}"
        )
    folds = overrides.get("folds", min(recipe.folds, maximum))
    members = overrides.get("members", recipe.members)
    if "folds" not in overrides and "members" in overrides:
        # The largest number of folds that divides the members.
        possible = (f for f in range(folds + 1) if f == 0 or f >= minimum)
        folds = max(f for f in possible if members % max(f, 1) == 0)
    elif "members" not in overrides:
        members = max(members // folds, 1) * folds if folds else members
    if folds and members % folds:
        raise InputError(
            f"members must be a multiple of folds; got {members=} and {folds=}"
        )
    return dataclasses.replace(recipe, **{**overrides, "folds": folds, "members": members})


def disk_recipe(
    task: TabularTask, n_rows: int, overrides: Overrides, quality: Quality = "default"
) -> Recipe:
    """Return the recipe for rows on disk, with the user's overrides.

    Raises:
        InputError: folds are set; all members leave out the same rows.
    """
    if "folds" in overrides:
        raise InputError(
            "folds must be 'auto' for a table that is read from disk: it has one part that"
            f" no member learns from; got folds={overrides['folds']}"
        )
    times = {"fast": 0.5, "default": 1, "best": 2}[quality]
    epochs = int(max(2, min(8, DISK_ROWS_PASSED // n_rows)) * times)
    usual = {"members": 8 if quality == "best" else 4, "epochs": epochs}
    recipe = default_recipe(task, max(n_rows, LARGE), quality)
    return dataclasses.replace(recipe, **{**usual, **overrides, "folds": 1})
