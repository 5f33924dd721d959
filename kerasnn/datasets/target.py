"""The column to be predicted: class or number, with the reason, and whether it can be."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from kerasnn.choices import Task
from kerasnn.datasets.cells import Cells, category_text, read_cells
from kerasnn.datasets.readings import are_plain_numbers, numbers
from kerasnn.datasets.schema import Target
from kerasnn.errors import InputError

_MOST_CLASSES = 20  # whole numbers with more different values are amounts
_ROWS_A_CLASS = 10  # whole numbers that repeat less often, on average, are amounts


def infer_target(
    values: ArrayLike | pd.Series, *, name: str | None = None, task: Task | None = None
) -> Target:
    """What a target column is.

    Text, booleans and categories are classes, and so are whole numbers with two values, or
    with at most 20 that each stand in 10 rows on average; other numbers are a regression.

    Args:
        values: [rows], of any dtype.
        name: of the column; None takes that of the Series, or "y".
        task: "classification" or "regression" where it is known.

    Raises:
        InputError: values are missing, all the same, not finite or not of the task; or a
            class has one row only.
    """
    if name is None:
        name = str(getattr(values, "name", None) or "y")
    cells = read_cells(values)
    _check_present(name, cells)
    is_category = isinstance(getattr(values, "dtype", None), pd.CategoricalDtype)
    task, reason = (task, "as asked") if task else _task(name, cells, is_category)
    if task == "regression":
        return _regression(name, cells, reason)
    return _classification(name, cells, reason)


def _check_present(name: str, cells: Cells) -> None:
    rows = len(cells.codes)
    if not rows:
        raise InputError(f"the target {name!r} has no values: there are no rows")
    if not cells.values:
        raise InputError(
            f"the target {name!r} has no values: all {rows:,} rows are missing"
        )
    if cells.missing:
        raise InputError(
            f"the target {name!r} is missing in {cells.missing:,} of {rows:,} rows, first"
            f" in row {cells.first_row(-1)}. Fill it in, or leave these rows out"
        )
    if len(cells.values) == 1:
        raise InputError(
            f"the target {name!r} is constant: all {rows:,} rows are {cells.values[0]!r}."
            " There is nothing to tell apart; is it the right column?"
        )


def _task(name: str, cells: Cells, is_category: bool) -> tuple[Task, str]:
    n_different = len(cells.values)
    if is_category:
        return "classification", f"a category column, {n_different:,} different"
    if cells.content == "booleans":
        return "classification", "true or false"
    if cells.content in ("dates", "mixed"):
        raise InputError(_unfit(name, cells))
    if not are_plain_numbers(cells):
        return "classification", f"text, {n_different:,} different"
    values = numbers(cells)[0]
    if not np.isfinite(values).all() or (values != np.floor(values)).any():
        return "regression", "numbers that are not whole"
    whole = f"whole numbers, {n_different:,} different in {len(values):,} rows"
    few = n_different <= _MOST_CLASSES and n_different * _ROWS_A_CLASS <= len(values)
    task: Task = "classification" if few or n_different == 2 else "regression"
    return task, f"{whole}; task= says otherwise"


def _unfit(name: str, cells: Cells) -> str:
    if cells.content == "dates":
        return (
            f"the target {name!r} holds dates; give numbers, such as days, or say"
            " task='classification'"
        )
    return (
        f"the target {name!r} has {cells.mixture(0, cells.other_type())}. Put the"
        " rows right, or say task='classification'"
    )


def _regression(name: str, cells: Cells, reason: str) -> Target:
    values, wrong = numbers(cells)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"the target {name!r}, row {row}: {cells.values[cells.codes[row]]!r} is not a"
            " number, and task='regression' needs numbers"
        )
    if np.isinf(values).any():
        row = int(np.argmax(np.isinf(values)))
        raise InputError(f"the target {name!r}, row {row}: {values[row]} is not finite")
    return Target(
        name, "regression", reason, low=float(values.min()), high=float(values.max())
    )


def _classification(name: str, cells: Cells, reason: str) -> Target:
    texts = category_text(cells)
    classes, counts = np.unique(texts.astype(str), return_counts=True)
    alone = [str(c) for c in classes[counts == 1]]
    if alone:
        raise InputError(_alone(name, alone, texts))
    order = _class_order(cells, classes)
    return Target(
        name,
        "classification",
        reason,
        classes=tuple(str(c) for c in classes[order]),
        counts=tuple(int(c) for c in counts[order]),
    )


def _alone(name: str, alone: list[str], texts: Any) -> str:
    shown = ", ".join(repr(c) for c in alone[:5]) + (", ..." if len(alone) > 5 else "")
    many = (
        f"classes with one row only: {shown}"
        if len(alone) > 1
        else (f"a class with one row only: {shown}, row {list(texts).index(alone[0])}")
    )
    return (
        f"the target {name!r} has {many}. Each class needs two rows or more: add some,"
        " leave the class out"
        " or, where it is a number, say task='regression'"
    )


def _class_order(cells: Cells, classes: np.ndarray) -> np.ndarray:
    """Numbers by size, text as it sorts."""
    if are_plain_numbers(cells):
        return np.argsort([float(c) for c in classes], kind="stable")
    return np.arange(len(classes))
