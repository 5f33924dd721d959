"""Permutation importance: the growth of the loss when a column is shuffled.

Columns with the same information share their importance: if one is shuffled, the network
has the other.

Source: Breiman, Random forests (2001), section 10.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kerasnn.choices import Task
from kerasnn.errors import InputError, check_whole_number
from kerasnn.reports.scores import losses

_MIN_ROWS = 200  # even with very many columns


@dataclass(frozen=True)
class Importance:
    """The importance of a column.

    Attributes:
        name: of the column.
        mean: increase of the loss when it is shuffled, mean over the repeats: log loss in
            nats, or root mean squared error in the unit of the target.
        spread: standard deviation over the repeats.
    """

    name: str
    mean: float
    spread: float


@dataclass(frozen=True)
class Permutations:
    """The rows and permutations that importances are measured with.

    Attributes:
        repeats: permutations of each column.
        max_rows: more rows are sampled down to so many.
        max_predictions: for more predictions in total fewer rows are sampled, down to 200.
        seed: of rows and permutations.
    """

    repeats: int = 5
    max_rows: int = 2000
    max_predictions: int = 100_000
    seed: int = 0


def permutation_importance(
    predict: Callable[[pd.DataFrame], np.ndarray],
    table: pd.DataFrame,
    truth: np.ndarray,
    *,
    task: Task,
    columns: Sequence[str] | None = None,
    permutations: Permutations | None = None,
) -> list[Importance]:
    """Return the importance of each column, the greatest first.

    Every column is shuffled by the same permutations, so that its importance does not
    depend on the other columns in the list.

    Args:
        predict: from a table to [rows, n_classes] probabilities or [rows] float. It is
            called once, and once for each column with `repeats` times the rows.
        table: test rows, raw.
        truth: [rows] integers in 0..n_classes-1, or [rows] float.
        task: "classification" or "regression".
        columns: to shuffle; all by default.
        permutations: how many, and of how many rows; None for the defaults.

    Raises:
        InputError: table and truth do not match, there is no row, or no such column.
    """
    settings = permutations or Permutations()
    repeats = check_whole_number("repeats", settings.repeats, minimum=1)
    names = list(table.columns) if columns is None else list(columns)
    _check(table, truth, names)
    rng = np.random.default_rng(settings.seed)
    affordable = settings.max_predictions // (repeats * max(len(names), 1))
    n_rows = min(len(table), settings.max_rows, max(affordable, _MIN_ROWS))
    rows = np.sort(rng.permutation(len(table))[:n_rows])
    base, truth = table.iloc[rows].reset_index(drop=True), truth[rows]
    loss = _mean_loss(task, losses(task, truth, predict(base)))

    orders = np.stack([rng.permutation(n_rows) for _ in range(repeats)])
    repeated = base.take(np.tile(np.arange(n_rows), repeats)).reset_index(drop=True)
    found = []
    for name in names:
        shuffled = repeated.copy(deep=False)
        shuffled[name] = base[name].array.take(orders.ravel())
        of_rows = losses(task, np.tile(truth, repeats), predict(shuffled))
        growth = _mean_loss(task, of_rows.reshape(repeats, n_rows)) - loss
        found.append(Importance(name, float(growth.mean()), float(growth.std())))
    return sorted(found, key=lambda column: -column.mean)


def _mean_loss(task: Task, of_rows: np.ndarray) -> np.ndarray:
    mean = of_rows.mean(axis=-1)
    return np.sqrt(mean) if task == "regression" else mean


def _check(table: pd.DataFrame, truth: np.ndarray, names: list[str]) -> None:
    if not len(table) or len(table) != len(truth):
        raise InputError(
            "table and truth must have the same rows, at least one;"
            f" got {len(table)} and {len(truth)}"
        )
    absent = [name for name in names if name not in table.columns]
    if absent:
        raise InputError(
            f"there is no column {absent[0]!r} to shuffle; the table has"
            f" {', '.join(map(str, table.columns))}"
        )
