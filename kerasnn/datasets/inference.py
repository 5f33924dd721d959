"""What each column of a table is, found in its cells, with the reason in words.

Columns that carry nothing are left out and told: constant ones, ids, free text. Whoever
knows better says so by name: `categorical=["pclass"]`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from kerasnn.choices import ColumnKind, Task
from kerasnn.datasets.cells import Cells, category_text, read_cells
from kerasnn.datasets.columns import described
from kerasnn.datasets.ids import id_reason
from kerasnn.datasets.names import check_names
from kerasnn.datasets.readings import are_plain_numbers, dates, numbers
from kerasnn.datasets.schema import Column, LeftOut, Schema
from kerasnn.datasets.tables import as_table
from kerasnn.datasets.target import infer_target
from kerasnn.errors import InputError

_Wish = ColumnKind | Literal["ignore"]

# Texts of false and true, whatever their case.
_TRUTHS = (("false", "true"), ("no", "yes"), ("f", "t"), ("n", "y"))
_MOST_CODES = 10  # so many different whole numbers or fewer may be codes
_LEAST_TEXTS = 20  # fewer different texts say little
_ISO_SHARE = 0.95  # of the texts are dates: the rest are mistakes
_NUMBER_SHARE = 0.9  # of the different texts are numbers: the rest are mistakes


def infer_schema(
    table: Any,
    *,
    target: str | None = None,
    task: Task | None = None,
    numeric: Iterable[str] = (),
    categorical: Iterable[str] = (),
    boolean: Iterable[str] = (),
    datetime: Iterable[str] = (),
    ignore: Iterable[str] = (),
) -> Schema:
    """The schema of a table's columns, in their order.

    Args:
        table: anything that `as_table` takes, with one row or more.
        target: the column to be predicted.
        task: "classification" or "regression"; None finds it in the target.
        numeric: names of columns of this kind, whatever they look like; they are left
            out only where they are constant.
        categorical: likewise.
        boolean: likewise; they have two values at most.
        datetime: likewise.
        ignore: names of columns to leave out.

    Raises:
        InputError: a name is not there or named twice; the target or a column cannot be
            used (infinite, of mixed types, dates that are none); or no column is left.
    """
    table = as_table(table)
    if not len(table):
        raise InputError("the table has no rows; a schema is found in its rows")
    asked = _asked(
        table,
        target,
        {
            "numeric": numeric,
            "categorical": categorical,
            "boolean": boolean,
            "datetime": datetime,
            "ignore": ignore,
        },
    )
    found_target = None if target is None else infer_target(table[target], task=task)
    found = [
        _inferred(name, table[name], asked.get(name))
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
    return schema


def _asked(
    table: pd.DataFrame, target: str | None, wishes: Mapping[_Wish, Iterable[str]]
) -> dict[str, _Wish]:
    """The wish for each column that has one."""
    if target is not None:
        check_names([target], table.columns, by="target")
    asked: dict[str, _Wish] = {}
    for wish, names in wishes.items():
        names = [names] if isinstance(names, str) else list(names)
        check_names(names, table.columns, by=wish)
        for name in names:
            if name == target:
                raise InputError(
                    f"{name!r} is the target and cannot be in {wish} as well; task= says"
                    " whether it is a class or a number"
                )
            if asked.setdefault(name, wish) != wish:
                raise InputError(
                    f"column {name!r} is named in {asked[name]} and in {wish}; one of them"
                )
    return asked


def _check_any_column(schema: Schema) -> None:
    if schema.columns:
        return
    beside = "" if schema.target is None else f" beside the target {schema.target.name!r}"
    if not schema.left_out:
        raise InputError(f"the table has no column{beside}")
    reasons = "".join(f"\n  {c.name!r}: {c.reason}" for c in schema.left_out[:20])
    raise InputError(f"the table has no column that can be used{beside}:{reasons}")


def _inferred(name: str, series: pd.Series, wish: _Wish | None) -> Column | LeftOut:
    if wish == "ignore":
        return LeftOut(name, "as asked")
    try:
        return _looked_at(name, series, wish)
    except InputError as error:
        raise InputError(f"{error}. Or leave the column out: ignore=[{name!r}]") from None


def _looked_at(name: str, series: pd.Series, wish: ColumnKind | None) -> Column | LeftOut:
    cells = read_cells(series)
    if not cells.values:
        return LeftOut(name, "all values are missing")
    if len(cells.values) == 1 and not cells.missing:
        return LeftOut(name, f"constant: always {_shown(cells.values[0])}")
    if wish is not None:
        return described(wish, name, cells, "as asked")
    kind, reason = _kind(name, series, cells)
    unfit = id_reason(name, cells) if kind in ("numeric", "categorical") else ""
    if unfit and not isinstance(series.dtype, pd.CategoricalDtype):
        return LeftOut(name, unfit)
    return described(kind, name, cells, reason)


def _kind(name: str, series: pd.Series, cells: Cells) -> tuple[ColumnKind, str]:
    """The kind of a column that has two values or more, and why."""
    many = f"{len(cells.values):,} different"
    if isinstance(series.dtype, pd.CategoricalDtype):
        return "categorical", f"a category column, {many}"
    if cells.content == "mixed":
        raise _two_types(name, cells, 0, cells.other_type())
    if cells.content == "booleans":
        return "boolean", "true or false"
    if cells.content == "dates":
        return "datetime", "dates"
    if are_plain_numbers(cells):
        origin = "text that is all numbers, " if cells.content == "text" else ""
        return "numeric", origin + _number_reason(name, cells)
    truth = _truth(cells)
    if truth:
        return "boolean", f"two texts: {truth[0]!r} for false, {truth[1]!r} for true"
    if _share(~dates(cells)[1], cells) >= _ISO_SHARE:
        return "datetime", "text that is dates"
    _check_mostly_numbers(name, cells)
    return "categorical", f"text, {many}"


def _share(good: np.ndarray, cells: Cells) -> float:
    present = cells.codes >= 0
    return float(good[present].mean())


def _number_reason(name: str, cells: Cells) -> str:
    values = numbers(cells)[0]
    values = values[np.isfinite(values)]
    if not (values == np.floor(values)).all():
        return "numbers"
    n_different = len(cells.values)
    if n_different > _MOST_CODES:
        return "whole numbers"
    codes = f": if they are codes, give categorical=[{name!r}]" if n_different > 2 else ""
    return f"whole numbers, {n_different} different{codes}"


def _truth(cells: Cells) -> tuple[str, str] | None:
    """The two texts, false first, if they are such a pair."""
    if cells.content != "text" or len(cells.values) != 2:
        return None
    first, second = sorted(cells.values, key=str.casefold)
    folded = (first.casefold(), second.casefold())
    return (first, second) if folded in _TRUTHS else None


def _check_mostly_numbers(name: str, cells: Cells) -> None:
    """Text that is nearly always a number is a column of numbers with mistakes."""
    wrong = numbers(Cells(np.arange(len(cells.values)), cells.values, cells.content))[1]
    if len(wrong) > _LEAST_TEXTS and (~wrong).mean() >= _NUMBER_SHARE and wrong.any():
        raise _two_types(name, cells, int(np.argmin(wrong)), int(np.argmax(wrong)))


def _two_types(name: str, cells: Cells, one: int, other: int) -> InputError:
    return InputError(
        f"column {name!r} has {cells.mixture(one, other)}. Put the cells right, or say"
        f" categorical=[{name!r}]"
    )


def _shown(value: Any) -> str:
    text = category_text([value])[0]
    return repr(text) if isinstance(value, str) else str(text)
