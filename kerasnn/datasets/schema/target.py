"""The column to predict: its task with the reason, its classes, its values as targets."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from kerasnn.choices import Task
from kerasnn.datasets.cells.date_format import find_date_format
from kerasnn.datasets.cells.factorized import FactorizedColumn, factorize, text_of
from kerasnn.datasets.cells.number_format import find_number_format
from kerasnn.datasets.cells.parsing import (
    are_plain_numbers,
    by_spelling,
    category_text,
    numbers,
)
from kerasnn.datasets.cells.truths import are_truths, levels_by_truth, truth_of
from kerasnn.datasets.notices import Notice
from kerasnn.datasets.schema.checking import check_numbers
from kerasnn.datasets.schema.kinds import (
    CellOptions,
    ambiguous_numbers,
    hinted_reading,
    infer_reading,
)
from kerasnn.datasets.schema.schema import Target
from kerasnn.errors import InputError

_MAX_CLASSES = 20  # whole numbers with more distinct values are amounts
_MIN_ROWS_PER_CLASS = 10  # whole numbers that repeat less often, on average, are amounts
_MAX_SHOWN = 10  # classes in a message
_MAX_LEFT_OUT = 0.1  # of the rows, without a warning
_WHOLE = re.compile(r"-?[1-9][0-9]*", re.ASCII)
SOME_IN_ONE_ROW = "whole numbers, some in one row only; task= says otherwise"


def infer_target(
    values: ArrayLike | pd.Series,
    *,
    name: str | None = None,
    task: Task | None = None,
    cells: CellOptions | None = None,
) -> Target:
    """Infer the task and the classes of a target column.

    Text, booleans and categories are classes. Whole numbers are classes if they have two
    values, or at most 20 values with at least two rows each and 10 on average. Other
    numbers are a regression.

    Args:
        values: [rows], of any dtype.
        name: of the column; None takes that of the Series, or "y".
        task: "classification" or "regression" if it is known.
        cells: how cells are read. If they are lenient, rows without a usable target are
            allowed, and their classes are not among the target's; see `usable_rows`.

    Raises:
        InputError: values are all missing, all the same or unfit for the task; or, if every
            row must be usable, a value is missing or not finite, or a class has one row
            only.
    """
    if name is None:
        name = str(getattr(values, "name", None) or "y")
    cells = cells or CellOptions()
    named = tuple(cells.options.na)
    column = factorize(values).without(named)
    _check_any(name, column)
    if column.missing and not cells.is_lenient:
        raise missing_target_error(
            name, column.missing, len(column.codes), column.first_row(-1)
        )
    _check_different(name, column, column.values)
    is_category = isinstance(getattr(values, "dtype", None), pd.CategoricalDtype)
    found = _read(name, column, task, cells, is_category=is_category)
    column = column.without(found.missing_texts)
    if found.task == "classification":
        found = _with_classes(found, column, is_lenient=cells.is_lenient)
    else:
        found = _with_range(found, column)
    return replace(found, missing_texts=(*found.missing_texts, *named))


def usable_rows(column: pd.Series, target: Target) -> NDArray[np.bool_]:
    """Return [rows] whether a row has a target: a number, or one of the classes."""
    if target.task == "classification":
        return class_indices(column, target) >= 0
    factorized = factorize(column).without(target.missing_texts)
    return np.isfinite(numbers(factorized, target.number_format)[0])


def target_notices(column: FactorizedColumn, target: Target) -> list[Notice]:
    """Return notices about the rows that `usable_rows` leaves out, and about the format.

    Args:
        column: [rows], raw.
        target: from `infer_target`.
    """
    factorized = column.without(target.missing_texts)
    n_missing, n_rows = factorized.missing, len(column.codes)
    found = []
    if n_missing:
        message = (
            f"the target {target.name!r} is missing in {n_missing:,} of {n_rows:,} rows,"
            f" which {'is' if n_missing == 1 else 'are'} left out"
        )
        found.append(Notice("missing-target", message, (target.name,), n_missing))
    is_known = class_indices(factorized.distinct, target) >= 0
    single = [factorized.values[i] for i in np.flatnonzero(~is_known)]
    if target.task == "classification" and single:
        shown = ", ".join(repr(text_of(v)) for v in single[:_MAX_SHOWN])
        message = (
            f"the target {target.name!r} has {len(single):,} of its classes in one row"
            f" only, which {'is' if len(single) == 1 else 'are'} left out: {shown}"
        )
        many = len(single) > _MAX_LEFT_OUT * n_rows
        found.append(
            Notice("one-row-class", message, (target.name,), len(single), is_warning=many)
        )
    found += _alike_classes(target)
    if target.number_format is not None:
        texts = [value for value in factorized.values if isinstance(value, str)]
        found += ambiguous_numbers(target.name, texts, target.number_format)
    return found


def _alike_classes(target: Target) -> list[Notice]:
    """Return the warning about classes that are spelled almost alike."""
    return [
        Notice(
            "alike-classes",
            f"the classes {', '.join(map(repr, texts))} of the target {target.name!r}"
            " differ only in case, blanks, dashes, quotes, accents or zeros: write them in"
            " one way if they are one",
            (target.name,),
            is_warning=True,
        )
        for texts in by_spelling(target.classes)
        if len(texts) > 1
    ]


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
    factorized = factorize(column).without(target.missing_texts)
    if factorized.missing:
        raise missing_target_error(
            target.name,
            factorized.missing,
            len(column),
            first_row=factorized.first_row(-1),
        )
    if target.task == "regression":
        return check_numbers(target.name, factorized, target.number_format)
    indices = class_indices(column, target)
    if (indices < 0).any():
        row = int(np.argmax(indices < 0))
        texts = category_text(factorized)
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


def class_indices(
    column: pd.Series | Sequence[str] | FactorizedColumn, target: Target
) -> NDArray[np.intp]:
    """Return [rows] indices into the classes, -1 for others; booleans in any spelling."""
    factorized = factorize(column).without(target.missing_texts)
    index_of = {text: i for i, text in enumerate(target.classes)}
    class_of = levels_by_truth(target.classes)
    texts = [text_of(value) for value in factorized.values]
    known = [t if t in index_of else class_of.get(truth_of(t), t) for t in texts]
    return factorized.take([index_of.get(text, -1) for text in known], -1, np.intp)


def _check_any(name: str, column: FactorizedColumn) -> None:
    rows = len(column.codes)
    if not rows:
        raise InputError(f"the target {name!r} has no values: there are no rows")
    if not column.values:
        raise InputError(
            f"the target {name!r} has no values: all {rows:,} rows are missing"
        )


def _check_different(name: str, column: FactorizedColumn, values: Sequence[Any]) -> None:
    if len(values) > 1:
        return
    rows = len(column.codes) - column.missing
    beside = ""
    if column.missing:
        beside = (
            f", and {column.missing:,} are missing: empty, or a text such as '-' or '?',"
            " which means missing. If it is a class, write it as a word"
        )
    raise InputError(
        f"the target {name!r} is constant: all {rows:,} rows are {values[0]!r}{beside}."
        " There is nothing to tell apart; is it the right column?"
    )


def _read(
    name: str,
    column: FactorizedColumn,
    task: Task | None,
    cells: CellOptions,
    *,
    is_category: bool,
) -> Target:
    """Return the task with the reason, and how the cells are read."""
    n_distinct = len(column.values)
    if task == "regression":
        return _read_numbers(name, column, cells, "as asked")
    if task == "classification":
        return Target(name, task, "as asked")
    if is_category:
        return Target(
            name, "classification", f"a category column, {n_distinct:,} different"
        )
    if column.content == "booleans":
        return Target(name, "classification", "true or false")
    if column.content == "dates":
        raise _dates_error(name)
    is_numeric = are_plain_numbers(column) or _are_long_amounts(column)
    if not is_numeric and column.content in ("text", "mixed"):
        is_numeric = _is_numeric(name, column, cells)
    is_text = not is_numeric and column.content == "text"
    if is_text and find_date_format(column.values) is not None:
        raise _dates_error(name, durations=find_number_format(column.values) is not None)
    if not is_numeric and column.content == "mixed":
        raise InputError(
            f"the target {name!r} has {column.mixture(0, column.other_type())}. Put the"
            " rows right, or say task='classification'"
        )
    if not is_numeric:
        return Target(name, "classification", f"text, {n_distinct:,} different")
    found = _read_numbers(name, column, cells, "")
    column = column.without(found.missing_texts)
    task, reason = _task(column, numbers(column, found.number_format)[0])
    if task == "classification":
        return Target(name, task, reason)
    return replace(found, reason=reason)


def _are_long_amounts(column: FactorizedColumn) -> bool:
    """Return whether most rows have a long whole number of their own, which is no class."""
    if len(column.values) <= _MAX_CLASSES or 2 * len(column.values) < column.counts.sum():
        return False
    return column.content == "numbers" or all(
        isinstance(value, str) and _WHOLE.fullmatch(value) for value in column.values
    )


def _dates_error(name: str, *, durations: bool = False) -> InputError:
    if durations:
        return InputError(
            f"the target {name!r} holds times of day or durations; say task='regression' to"
            " predict durations in seconds, or task='classification'"
        )
    return InputError(
        f"the target {name!r} holds dates; give numbers, such as days, or say"
        " task='classification'"
    )


def _is_numeric(name: str, column: FactorizedColumn, cells: CellOptions) -> bool:
    """Return whether texts are numbers in some format."""
    lenient = replace(cells, options=replace(cells.options, strict=False))
    text = column.as_text
    try:
        return infer_reading(name, text, lenient).kind == "numeric"
    except InputError:
        return False


def _read_numbers(
    name: str, column: FactorizedColumn, cells: CellOptions, reason: str
) -> Target:
    strict = replace(cells.options, strict=not cells.is_lenient)
    reading = hinted_reading(name, column, "numeric", replace(cells, options=strict))
    return Target(
        name,
        "regression",
        reason,
        missing_texts=reading.missing_texts,
        number_format=reading.number_format,
    )


def _task(column: FactorizedColumn, values: NDArray[np.float64]) -> tuple[Task, str]:
    """Return the task of numbers, NaN where missing, and the reason."""
    values = values[~np.isnan(values)]
    n_distinct = len(column.values)
    if not np.isfinite(values).all() or (values != np.floor(values)).any():
        return "regression", "numbers that are not whole"
    whole = f"whole numbers, {n_distinct:,} different in {len(values):,} rows"
    enough_rows = n_distinct * _MIN_ROWS_PER_CLASS <= len(values)
    few = n_distinct <= _MAX_CLASSES and enough_rows
    if few and n_distinct > 2 and column.counts.min() == 1:
        return "regression", SOME_IN_ONE_ROW
    task: Task = "classification" if few or n_distinct == 2 else "regression"
    return task, f"{whole}; task= says otherwise"


def _with_range(target: Target, column: FactorizedColumn) -> Target:
    name = target.name
    values, invalid = numbers(column, target.number_format)
    if invalid.any():
        row = int(np.argmax(invalid))
        raise InputError(
            f"the target {name!r}, row {row}: {column.values[column.codes[row]]!r} is not"
            " a number, and task='regression' needs numbers"
        )
    if np.isinf(values).any():
        row = int(np.argmax(np.isinf(values)))
        raise InputError(f"the target {name!r}, row {row}: {values[row]} is not finite")
    return replace(target, low=float(np.nanmin(values)), high=float(np.nanmax(values)))


def _with_classes(target: Target, column: FactorizedColumn, *, is_lenient: bool) -> Target:
    """Return the target with its classes; those with one row are an error, or left out."""
    rows_of: dict[str, int] = {}
    for value, rows in zip(column.values, column.counts.tolist(), strict=True):
        rows_of[text_of(value)] = rows_of.get(text_of(value), 0) + rows
    rows_of = _merged_truths(rows_of)
    classes = sorted(rows_of)
    if are_plain_numbers(column):  # numbers are sorted by size, text as text
        classes.sort(key=float)
    single = [text for text in classes if rows_of[text] == 1]
    kept = [text for text in classes if rows_of[text] > 1]
    if single and (not is_lenient or not kept):
        texts = list(category_text(column))
        row = texts.index(single[0]) if len(single) == 1 else None
        raise single_row_error(target.name, single, row)
    _check_different(target.name, column, kept)
    return replace(
        target, classes=tuple(kept), counts=tuple(rows_of[text] for text in kept)
    )


def _merged_truths(rows_of: dict[str, int]) -> dict[str, int]:
    """Return the rows of each class; several spellings become False and True."""
    if len(rows_of) < 3 or not are_truths(rows_of):
        return rows_of
    merged = {}
    for truth in (False, True):
        texts = [text for text in rows_of if truth_of(text) is truth]
        merged[str(truth)] = sum(rows_of[text] for text in texts)
    return merged
