"""Which columns a network uses: how much its loss grows when one of them is shuffled.

Columns that tell the same share their importance: shuffling one, the other still tells it.

Source: Breiman, Random forests (2001), section 10.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.choices import Task
from kerasnn.errors import InputError, check_whole_number
from kerasnn.reports.scores import losses

Array = NDArray[Any]

LEAST_ROWS = 200  # even where there are very many columns


@dataclass(frozen=True)
class Importance:
    """A column's importance.

    Attributes:
        name: of the column.
        mean: increase of the loss when it is shuffled, the mean over the repeats: log loss
            in nats, or root mean squared error in the target's unit.
        spread: standard deviation over the repeats.
    """

    name: str
    mean: float
    spread: float


def permutation_importance(
    predict: Callable[[pd.DataFrame], Array],
    table: pd.DataFrame,
    truth: Array,
    *,
    task: Task,
    columns: Sequence[str] | None = None,
    repeats: int = 5,
    most_rows: int = 2000,
    most_predictions: int = 100_000,
    seed: int = 0,
) -> list[Importance]:
    """The importance of each column, the greatest first.

    Every column is shuffled by the same permutations, so that its importance does not
    depend on which others are looked at.

    Args:
        predict: from a table to [rows, n_classes] probabilities or [rows] float; it is
            called once for each column, with `repeats` times the rows, and once more.
        table: test rows, raw.
        truth: [rows] integers in 0..n_classes-1, or [rows] float.
        task: "classification" or "regression".
        columns: those that are shuffled; all by default.
        repeats: permutations of each column.
        most_rows: rows that are drawn where there are more.
        most_predictions: fewer rows are drawn, down to 200, if it would be more in all.
        seed: of rows and permutations.

    Raises:
        InputError: table and truth do not match, there is no row or no such column.
    """
    names = list(table.columns) if columns is None else list(columns)
    _check(table, truth, names, repeats)
    rng = np.random.default_rng(seed)
    fit = most_predictions // (repeats * max(len(names), 1))
    n_rows = min(len(table), most_rows, max(fit, LEAST_ROWS))
    rows = np.sort(rng.permutation(len(table))[:n_rows])
    base, truth = table.iloc[rows].reset_index(drop=True), truth[rows]
    before = _loss(task, losses(task, truth, predict(base)))

    permutations = np.stack([rng.permutation(n_rows) for _ in range(repeats)])
    repeated = base.take(np.tile(np.arange(n_rows), repeats)).reset_index(drop=True)
    found = []
    for name in names:
        shuffled = repeated.copy(deep=False)
        shuffled[name] = base[name].array.take(permutations.ravel())
        of_rows = losses(task, np.tile(truth, repeats), predict(shuffled))
        grown = _loss(task, of_rows.reshape(repeats, n_rows)) - before
        found.append(Importance(name, float(grown.mean()), float(grown.std())))
    return sorted(found, key=lambda one: -one.mean)


def _loss(task: Task, of_rows: Array) -> Array:
    mean = of_rows.mean(axis=-1)
    return np.sqrt(mean) if task == "regression" else mean


def _check(table: pd.DataFrame, truth: Array, names: list[str], repeats: int) -> None:
    check_whole_number("repeats", repeats, minimum=1)
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
