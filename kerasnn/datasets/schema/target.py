"""The column to predict: its task with the reason, its classes, its values as targets."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from kerasnn.choices import Task
from kerasnn.datasets.cells.factorized import FactorizedColumn, factorize
from kerasnn.datasets.cells.parsing import are_plain_numbers, category_text, numbers
from kerasnn.datasets.schema.checking import check_numbers
from kerasnn.datasets.schema.schema import Target
from kerasnn.errors import InputError

_MAX_CLASSES = 20  # whole numbers with more distinct values are amounts
_MIN_ROWS_PER_CLASS = 10  # whole numbers that repeat less often, on average, are amounts
_MAX_SHOWN = 10  # classes in a message


def infer_target(
    values: ArrayLike | pd.Series, *, name: str | None = None, task: Task | None = None
) -> Target:
    """Infer the task and the classes of a target column.

    Text, booleans and categories are classes. Whole numbers are classes if they have two
    values, or at most 20 values with 10 rows each on average. Other numbers are a
    regression.

    Args:
        values: [rows], of any dtype.
        name: of the column; None takes that of the Series, or "y".
        task: "classification" or "regression" if it is known.

    Raises:
        InputError: values are missing, all the same, not finite or not of the task; or a
            class has one row only.
    """
    if name is None:
        name = str(getattr(values, "name", None) or "y")
    column = factorize(values)
    _check_present(name, column)
    is_category = isinstance(getattr(values, "dtype", None), pd.CategoricalDtype)
    task, reason = (task, "as asked") if task else _task(name, column, is_category)
    if task == "regression":
        return _regression(name, column, reason)
    return _classification(name, column, reason)


def target_values(column: pd.Series, target: Target) -> NDArray[Any]:
    """Return the targets of rows as class indices or numbers.

    Args:
        column: [rows], raw.
        target: as in training.

    Returns:
        [rows] indices into the target's classes, or [rows] float64.

    Raises:
        InputError: a value is missing, not a number or infinite, or a class is unknown.
    """
    texts = category_text(column)
    missing = pd.isna(texts)
    if missing.any():
        raise missing_target_error(
            target.name, int(missing.sum()), len(column), first_row=int(missing.argmax())
        )
    if target.task == "regression":
        return check_numbers(target.name, column)
    classes = pd.Index(target.classes, dtype=object)
    indices = classes.get_indexer(pd.Index(texts, dtype=object))
    if (indices < 0).any():
        row = int(np.argmax(indices < 0))
        shown = ", ".join(map(repr, target.classes[:_MAX_SHOWN]))
        more = ", ..." if len(target.classes) > _MAX_SHOWN else ""
        raise InputError(
            f"the target {target.name!r}, row {row}: {texts[row]!r} is not"
            f" one of the classes that the network knows: {shown}{more}"
        )
    return indices


def missing_target_error(
    name: str, missing: int, rows: int, first_row: int | None = None
) -> InputError:
    """Return the error about missing targets."""
    where = "" if first_row is None else f", first in row {first_row}"
    return InputError(
        f"the target {name!r} is missing in {missing:,} of {rows:,} rows{where}. Fill it"
        " in, or leave these rows out"
    )


def single_row_error(name: str, classes: Sequence[str], row: int | None) -> InputError:
    """Return the error about classes that have one row only.

    Args:
        name: of the target.
        classes: those with one row.
        row: of the first of them, if it is known.
    """
    shown = ", ".join(repr(c) for c in classes[:5]) + (", ..." if len(classes) > 5 else "")
    where = "" if row is None else f", row {row}"
    found = "classes" if len(classes) > 1 else "a class"
    return InputError(
        f"the target {name!r} has {found} with one row only: {shown}{where}. Each class"
        " needs two rows or more: add some, leave the class out or, where it is a number,"
        " say task='regression'"
    )


def _check_present(name: str, column: FactorizedColumn) -> None:
    rows = len(column.codes)
    if not rows:
        raise InputError(f"the target {name!r} has no values: there are no rows")
    if not column.values:
        raise InputError(
            f"the target {name!r} has no values: all {rows:,} rows are missing"
        )
    if column.missing:
        raise missing_target_error(name, column.missing, rows, column.first_row(-1))
    if len(column.values) == 1:
        raise InputError(
            f"the target {name!r} is constant: all {rows:,} rows are {column.values[0]!r}."
            " There is nothing to tell apart; is it the right column?"
        )


def _task(name: str, column: FactorizedColumn, is_category: bool) -> tuple[Task, str]:
    n_distinct = len(column.values)
    if is_category:
        return "classification", f"a category column, {n_distinct:,} different"
    if column.content == "booleans":
        return "classification", "true or false"
    if column.content == "dates":
        raise InputError(
            f"the target {name!r} holds dates; give numbers, such as days, or say"
            " task='classification'"
        )
    if column.content == "mixed":
        raise InputError(
            f"the target {name!r} has {column.mixture(0, column.other_type())}. Put the"
            " rows right, or say task='classification'"
        )
    if not are_plain_numbers(column):
        return "classification", f"text, {n_distinct:,} different"
    values = numbers(column)[0]
    if not np.isfinite(values).all() or (values != np.floor(values)).any():
        return "regression", "numbers that are not whole"
    whole = f"whole numbers, {n_distinct:,} different in {len(values):,} rows"
    enough_rows = n_distinct * _MIN_ROWS_PER_CLASS <= len(values)
    few = n_distinct <= _MAX_CLASSES and enough_rows
    task: Task = "classification" if few or n_distinct == 2 else "regression"
    return task, f"{whole}; task= says otherwise"


def _regression(name: str, column: FactorizedColumn, reason: str) -> Target:
    values, invalid = numbers(column)
    if invalid.any():
        row = int(np.argmax(invalid))
        raise InputError(
            f"the target {name!r}, row {row}: {column.values[column.codes[row]]!r} is not"
            " a number, and task='regression' needs numbers"
        )
    if np.isinf(values).any():
        row = int(np.argmax(np.isinf(values)))
        raise InputError(f"the target {name!r}, row {row}: {values[row]} is not finite")
    return Target(
        name, "regression", reason, low=float(values.min()), high=float(values.max())
    )


def _classification(name: str, column: FactorizedColumn, reason: str) -> Target:
    texts = category_text(column)
    classes, counts = np.unique(texts.astype(str), return_counts=True)
    single = [str(c) for c in classes[counts == 1]]
    if single:
        row = list(texts).index(single[0]) if len(single) == 1 else None
        raise single_row_error(name, single, row)
    order = np.arange(len(classes))
    if are_plain_numbers(column):  # numbers are sorted by size, text as text
        order = np.argsort([float(c) for c in classes], kind="stable")
    return Target(
        name,
        "classification",
        reason,
        classes=tuple(str(c) for c in classes[order]),
        counts=tuple(int(c) for c in counts[order]),
    )
