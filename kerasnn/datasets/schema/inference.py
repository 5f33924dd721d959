"""Kinds of a table's columns, inferred from the cells, with the reason in words.

Constant columns, ids and free text are left out, with the reason.
"""

from typing import Any

import numpy as np
import pandas as pd

from kerasnn.choices import ColumnKind, Task
from kerasnn.datasets.cells.factorized import FactorizedColumn, factorize
from kerasnn.datasets.cells.parsing import (
    are_plain_numbers,
    category_text,
    dates,
    numbers,
)
from kerasnn.datasets.files.frames import as_table
from kerasnn.datasets.names import check_names
from kerasnn.datasets.schema.columns import describe_column
from kerasnn.datasets.schema.free_text import is_free_text, without_idle_texts
from kerasnn.datasets.schema.hints import ColumnHints, Hint
from kerasnn.datasets.schema.ids import id_reason
from kerasnn.datasets.schema.schema import Column, LeftOut, Schema
from kerasnn.datasets.schema.target import infer_target, target_values
from kerasnn.errors import InputError

# Texts of false and true, in lower case.
_TRUTHS = (("false", "true"), ("no", "yes"), ("f", "t"), ("n", "y"))
_MAX_CODES = 10  # different whole numbers that may be codes
_MIN_TEXTS = 20  # fewer distinct texts are not enough to find mistakes
_ISO_SHARE = 0.95  # of the texts are dates: the rest are mistakes
_NUMBER_SHARE = 0.9  # of the distinct texts are numbers: the rest are mistakes


def infer_schema(
    table: Any,
    *,
    target: str | None = None,
    task: Task | None = None,
    hints: ColumnHints | None = None,
) -> Schema:
    """Infer the schema of a table's columns, in their order.

    Args:
        table: anything that `as_table` accepts, with one row or more.
        target: the column to predict.
        task: "classification" or "regression"; None infers it from the target.
        hints: kinds of columns that the user knows, and columns to ignore, such as
            `ColumnHints(categorical=["pclass"], ignore=["name"])`.

    Raises:
        InputError: a name is not a column or is given twice; the target or a column cannot
            be used (infinite, of mixed types, invalid dates); or no column is left.
    """
    table = as_table(table)
    if not len(table):
        raise InputError("the table has no rows; a schema is found in its rows")
    if target is not None:
        check_names([target], table.columns, by="target")
    known = (hints or ColumnHints()).by_column(table.columns, target)
    found_target = None if target is None else infer_target(table[target], task=task)
    found = [
        _inferred(name, table[name], known.get(name))
        for name in table.columns
        if name != target
    ]
    schema = Schema(
        columns=tuple(c for c in found if isinstance(c, Column)),
        left_out=tuple(c for c in found if isinstance(c, LeftOut)),
        target=found_target,
        rows=len(table),
    )
    _check_any_column(schema)
    if found_target is None or not schema.has_text:
        return schema
    values = target_values(table[found_target.name], found_target)
    return without_idle_texts(schema, table, values, found_target.task)


def _check_any_column(schema: Schema) -> None:
    if schema.columns:
        return
    beside = "" if schema.target is None else f" beside the target {schema.target.name!r}"
    if not schema.left_out:
        raise InputError(f"the table has no column{beside}")
    reasons = "".join(f"\n  {c.name!r}: {c.reason}" for c in schema.left_out[:20])
    raise InputError(f"the table has no column that can be used{beside}:{reasons}")


def _inferred(name: str, series: pd.Series, hint: Hint | None) -> Column | LeftOut:
    if hint == "ignore":
        return LeftOut(name, "as asked")
    try:
        return _column(name, series, hint)
    except InputError as error:
        raise InputError(f"{error}. Or leave the column out: ignore=[{name!r}]") from None


def _column(name: str, series: pd.Series, hint: ColumnKind | None) -> Column | LeftOut:
    column = factorize(series)
    if not column.values:
        return LeftOut(name, "all values are missing")
    if len(column.values) == 1 and not column.missing:
        return LeftOut(name, f"constant: always {_shown(column.values[0])}")
    if hint is not None:
        return describe_column(hint, name, column, "as asked")
    if isinstance(series.dtype, pd.CategoricalDtype):
        reason = f"a category column, {len(column.values):,} different"
        return describe_column("categorical", name, column, reason)
    kind, reason = _kind(name, column)
    if kind == "categorical" and is_free_text(column):
        return describe_column("text", name, column, "free text")
    unfit = id_reason(name, column) if kind in ("numeric", "categorical") else ""
    return LeftOut(name, unfit) if unfit else describe_column(kind, name, column, reason)


def _kind(name: str, column: FactorizedColumn) -> tuple[ColumnKind, str]:
    """Return the kind of a column that has two values or more, and the reason."""
    if column.content == "mixed":
        raise _two_types(name, column, 0, column.other_type())
    if column.content == "booleans":
        return "boolean", "true or false"
    if column.content == "dates":
        return "datetime", "dates"
    if are_plain_numbers(column):
        origin = "text that is all numbers, " if column.content == "text" else ""
        return "numeric", origin + _number_reason(name, column)
    truth = _truth(column)
    if truth:
        return "boolean", f"two texts: {truth[0]!r} for false, {truth[1]!r} for true"
    invalid = dates(column)[1]
    if (~invalid[column.codes >= 0]).mean() >= _ISO_SHARE:
        return "datetime", "text that is dates"
    _check_mostly_numbers(name, column)
    return "categorical", f"text, {len(column.values):,} different"


def _number_reason(name: str, column: FactorizedColumn) -> str:
    values = numbers(column)[0]
    values = values[np.isfinite(values)]
    if not (values == np.floor(values)).all():
        return "numbers"
    n_distinct = len(column.values)
    if n_distinct > _MAX_CODES:
        return "whole numbers"
    codes = f": if they are codes, give categorical=[{name!r}]" if n_distinct > 2 else ""
    return f"whole numbers, {n_distinct} different{codes}"


def _truth(column: FactorizedColumn) -> tuple[str, str] | None:
    """Return the two texts, false first, if they are known texts of false and true."""
    if column.content != "text" or len(column.values) != 2:
        return None
    first, second = sorted(column.values, key=str.casefold)
    folded = (first.casefold(), second.casefold())
    return (first, second) if folded in _TRUTHS else None


def _check_mostly_numbers(name: str, column: FactorizedColumn) -> None:
    """Raise if nearly all texts are numbers: the others are mistakes."""
    invalid = numbers(column.distinct)[1]
    if len(invalid) <= _MIN_TEXTS or not invalid.any():
        return
    if (~invalid).mean() >= _NUMBER_SHARE:
        raise _two_types(name, column, int(np.argmin(invalid)), int(np.argmax(invalid)))


def _two_types(name: str, column: FactorizedColumn, one: int, other: int) -> InputError:
    return InputError(
        f"column {name!r} has {column.mixture(one, other)}. Put the cells right, or say"
        f" categorical=[{name!r}]"
    )


def _shown(value: Any) -> str:
    text = category_text([value])[0]
    return repr(text) if isinstance(value, str) else str(text)
