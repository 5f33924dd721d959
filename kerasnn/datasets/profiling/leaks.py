"""Leaks: columns that predict the target on their own, found before the training.

Each column predicts the target of a row from the other rows (leave-one-out): by the rows
with the same text, by the nearest numbers, or by whether the cell is missing. Such a column
is usually the target in other words, or is known only after it.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.choices import Task
from kerasnn.datasets.cells.parsing import category_text
from kerasnn.datasets.notices import Notice
from kerasnn.datasets.schema.schema import Target

MAX_EXAMINED_ROWS = 5_000  # of a larger table a sample is examined
_MIN_ROWS = 20
_NEIGHBOURS = 2  # rows with the nearest numbers, on each side
# Errors of the column alone, relative to those of a constant prediction. On 32 public
# tables the best column has 0.11 (house votes), in regressions 0.08 (life expectancy).
_MAX_ERROR: dict[Task, float] = {"classification": 0.02, "regression": 0.005}
_MAX_ERROR_IF_MISSING = 0.1  # if only whether the cell is missing is used


def leak_notices(table: pd.DataFrame, values: NDArray[Any], target: Target) -> list[Notice]:
    """Return a warning for each column that predicts the target on its own.

    Args:
        table: [rows, columns] from `checked_table`.
        values: [rows] class indices, or float64.
        target: of the values.
    """
    if len(table) < _MIN_ROWS:
        return []
    # In random order: a table may be sorted by its target, and neighbours may be equal.
    rows = np.random.default_rng(0).permutation(len(table))[:MAX_EXAMINED_ROWS]
    table, truth = table.iloc[rows], truth_matrix(values[rows], target)
    constant = prediction_error(
        truth, leave_one_out_mean(truth, np.zeros(len(truth), np.intp))
    )
    if constant == 0:  # all targets are equal: there is nothing to predict
        return []
    limit = constant * _MAX_ERROR[target.task]
    found = []
    for name, column in table.items():
        error, missing = min(_errors(column, truth)), _missing_error(column, truth)
        if error <= limit or missing <= constant * _MAX_ERROR_IF_MISSING:
            found.append(_notice(str(name), target, min(error, missing), constant))
    return found


def truth_matrix(values: NDArray[Any], target: Target) -> NDArray[np.float64]:
    """Return [rows, n_classes] of 0 and 1, or [rows, 1] numbers."""
    if target.task == "regression":
        return values.astype(np.float64)[:, None]
    return np.eye(len(target.classes))[values]


def _errors(column: pd.Series, truth: NDArray[np.float64]) -> Iterator[float]:
    """Yield the errors of predictions of the target by one column."""
    if column.dtype.kind not in "fM":
        codes = pd.factorize(category_text(column), use_na_sentinel=False)[0]
        yield prediction_error(truth, leave_one_out_mean(truth, codes))
        return
    order = np.argsort(column.to_numpy(), kind="stable")  # missing ones are the last
    yield prediction_error(truth[order], neighbours_mean(truth[order]))
    if truth.shape[1] == 1 and column.dtype.kind == "f":
        yield _straight_line_error(column.to_numpy(), truth[:, 0])


def _missing_error(column: pd.Series, truth: NDArray[np.float64]) -> float:
    missing = column.isna().to_numpy().astype(np.intp)
    return prediction_error(truth, leave_one_out_mean(truth, missing))


def leave_one_out_mean(
    truth: NDArray[np.float64], codes: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the mean of the other rows with a row's code, else of all rows."""
    sums = np.zeros((codes.max() + 1, truth.shape[1]))
    np.add.at(sums, codes, truth)
    others = np.bincount(codes)[codes][:, None] - 1
    means = (sums[codes] - truth) / np.maximum(others, 1)
    return np.where(others > 0, means, truth.mean(axis=0))


def neighbours_mean(
    truth: NDArray[np.float64], reach: int = _NEIGHBOURS
) -> NDArray[np.float64]:
    """Return the mean of the rows at most `reach` before or after each row, without it."""
    sums, found = np.zeros_like(truth), np.zeros((len(truth), 1))
    for step in range(1, min(reach, len(truth) - 1) + 1):
        sums[step:] += truth[:-step]
        sums[:-step] += truth[step:]
        found[step:] += 1
        found[:-step] += 1
    return sums / found


def _straight_line_error(column: NDArray[Any], truth: NDArray[Any]) -> float:
    known = ~np.isnan(column)
    if known.mean() < 0.5 or np.ptp(column[known]) == 0:
        return np.inf
    x, y = column[known], truth[known]
    slope = np.cov(x, y)[0, 1] / x.var(ddof=1)
    rest = np.abs(y - y.mean() - slope * (x - x.mean()))
    return float((rest**2).mean())


def prediction_error(truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """Return the share of wrong classes, or the mean squared error."""
    if truth.shape[1] > 1:
        return float((truth.argmax(axis=1) != predicted.argmax(axis=1)).mean())
    return float(((truth - predicted) ** 2).mean())


def _notice(name: str, target: Target, error: float, constant: float) -> Notice:
    if target.task == "classification":
        evidence = f"{1 - error:.1%} of the rows right, {1 - constant:.1%} without it"
    else:
        evidence = f"R2 is {1 - error / constant:.4f}"
    return Notice(
        "leak",
        f"column {name!r} alone predicts the target {target.name!r}: {evidence}. If it is"
        f" not known before the target, leave it out: ignore=[{name!r}]",
        columns=(name,),
        is_warning=True,
    )
