"""The default recipe: every number that decides how a network for a table is trained.

What was tried, and what each part gave, stands in docs/recipe.md.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

from kerasnn.choices import Activation, NumericEmbedding, Sharing, TabularTask
from kerasnn.errors import InputError


@dataclass(frozen=True)
class Recipe:
    """How an ensemble is made and trained.

    Attributes:
        members: networks; with folds a multiple of them.
        folds: each member leaves one out, by which the epoch is chosen; 0: every member
            learns from all rows, to the last epoch; 1: all leave the same rows out.
        epochs, batch_size: of the training; batches are of equal size, at most so large.
        learning_rate: the highest of the schedule.
        cycles: waves of the learning rate.
        weight_decay, dropout: constant for half of the training, then down to zero.
        smoothing: of the labels.
        checks: how often the held-out rows are looked at.
        calibrated: whether the sharpness of the probabilities is fitted to held-out rows.
        standard_errors: an epoch that is worse than the best by less is as good; the last
            of these is kept.
        frequent_value_codes: whether frequent values of numeric columns get codes too.
    """

    members: int
    folds: int
    epochs: int
    batch_size: int
    learning_rate: float
    hidden_units: tuple[int, ...]
    activation: Activation
    curved: bool
    embedding: NumericEmbedding
    scaled: bool
    sharing: Sharing
    cycles: int
    weight_decay: float
    dropout: float
    smoothing: float
    checks: int
    calibrated: bool
    standard_errors: float
    frequent_value_codes: bool

    @property
    def repeats(self) -> int:
        """How many times the rows are dealt into folds."""
        return self.members // self.folds if self.folds else 0


SMALL, LARGE = 1_400, 10_000  # rows, from which other numbers have proved better
ROWS_PASSED = 1_600_000  # by a member in all its epochs, about, of a large table


def default_recipe(task: TabularTask, n_rows: int) -> Recipe:
    """The recipe for so many rows."""
    regression = task == "regression"
    small, large = n_rows < SMALL, n_rows >= LARGE
    return Recipe(
        members=16 if small else 8,
        folds=8 if small else 4,
        epochs=64 if small else max(8, min(96, ROWS_PASSED // n_rows)),
        batch_size=16 if small else 256 if large else 128,
        learning_rate=0.2 if regression else 0.04,
        hidden_units=(128, 128, 128) if small else (256, 256, 256),
        activation="mish" if regression and not small else "relu",
        curved=regression and not small,
        embedding="periodic",
        scaled=True,
        sharing="separate",
        cycles=4,
        weight_decay=0.02,
        dropout=0.15,
        smoothing=0.0 if small or large or regression else 0.1,
        checks=32,
        calibrated=True,
        standard_errors=1.0 if small else 2.0,
        frequent_value_codes=large,
    )


def with_wishes(recipe: Recipe, wishes: dict[str, Any]) -> Recipe:
    """The recipe with what the user has set; "auto" leaves what it says."""
    return dataclasses.replace(recipe, **{k: v for k, v in wishes.items() if v != "auto"})


def recipe_for(task: TabularTask, n_rows: int, wishes: dict[str, Any]) -> Recipe:
    """The default for so many rows in memory, with what the user has set.

    Raises:
        InputError: there are more folds than rows, or members that are no multiple of them.
    """
    recipe = default_recipe(task, n_rows)
    if "folds" in wishes and wishes["folds"] > n_rows:
        raise InputError(
            f"folds must be at most the number of rows, {n_rows};"
            f" got folds={wishes['folds']}"
        )
    folds = wishes.get("folds", min(recipe.folds, n_rows))
    members = wishes.get("members", recipe.members)
    if "folds" not in wishes and "members" in wishes:
        # As many folds as go into the members.
        folds = max(f for f in range(folds + 1) if f != 1 and members % max(f, 1) == 0)
    elif "members" not in wishes:
        members = max(members // folds, 1) * folds if folds else members
    if folds and members % folds:
        raise InputError(
            f"members must be a multiple of folds; got {members=} and {folds=}"
        )
    return with_wishes(recipe, {**wishes, "folds": folds, "members": members})


DISK_ROWS_PASSED = 16_000_000


def disk_recipe(task: TabularTask, n_rows: int, wishes: dict[str, Any]) -> Recipe:
    """The recipe for a table that is larger than memory, with what the user has set.

    Raises:
        InputError: folds are asked for: such a table has one part that all leave out.
    """
    if "folds" in wishes:
        raise InputError(
            "folds must be 'auto' for a table that is read from disk: it has one part that"
            f" no member learns from; got folds={wishes['folds']}"
        )
    usual = {"members": 4, "epochs": max(2, min(8, DISK_ROWS_PASSED // n_rows))}
    recipe = default_recipe(task, max(n_rows, LARGE))
    return with_wishes(recipe, {**usual, **wishes, "folds": 1})
