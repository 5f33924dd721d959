"""Kinds of a table's columns, inferred from the cells, with the reason in words.

Constant columns, ids and free text are left out, with the reason.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from kerasnn.choices import ColumnKind, Task
from kerasnn.datasets.cells.factorized import factorize
from kerasnn.datasets.cells.parsing import by_spelling, category_text
from kerasnn.datasets.files.frames import as_table
from kerasnn.datasets.files.read_options import ReadOptions
from kerasnn.datasets.names import check_names
from kerasnn.datasets.notices import Notice
from kerasnn.datasets.schema.columns import describe_column
from kerasnn.datasets.schema.free_text import is_free_text, without_idle_texts
from kerasnn.datasets.schema.hints import ColumnHints, Hint
from kerasnn.datasets.schema.ids import id_reason
from kerasnn.datasets.schema.kinds import (
    CellOptions,
    ColumnReading,
    cell_options,
    hinted_reading,
    infer_reading,
)
from kerasnn.datasets.schema.schema import MAX_LEVELS, Column, LeftOut, Schema
from kerasnn.datasets.schema.target import (
    infer_target,
    target_notices,
    target_values,
    usable_rows,
)
from kerasnn.errors import InputError


def infer_schema(
    table: Any,
    *,
    target: str | None = None,
    task: Task | None = None,
    hints: ColumnHints | None = None,
    reading: ReadOptions | None = None,
) -> Schema:
    """Infer the schema of a table's columns, in their order.

    Args:
        table: anything that `as_table` accepts, with one row or more.
        target: the column to predict.
        task: "classification" or "regression"; None infers it from the target.
        hints: kinds of columns that the user knows, and columns to ignore, such as
            `ColumnHints(categorical=["pclass"], ignore=["name"])`.
        reading: how cells are read. With it, infinite numbers are missing values, and rows
            may lack a usable target (see `usable_rows`), unless it is strict; without it
            they are errors, as in scikit-learn.

    Raises:
        InputError: a name is not a column or is given twice; the target or a column cannot
            be used (infinite, of mixed types); or no column is left. If `reading` is
            strict, also stray cells.
    """
    table = as_table(table)
    if not len(table):
        raise InputError("the table has no rows; a schema is inferred from rows")
    if target is not None:
        check_names([target], table.columns, by="target")
    known = (hints or ColumnHints()).by_column(table.columns, target)
    cells = cell_options(table, reading)
    found_target, notices = None, []
    if target is not None:
        found_target = infer_target(table[target], task=task, cells=cells)
        notices = target_notices(factorize(table[target]), found_target)
    found: list[Column | LeftOut] = []
    for name in table.columns:
        if name != target:
            column, said = _inferred(name, table[name], known.get(name), cells)
            found.append(column)
            notices += said
    if found and not any(isinstance(column, Column) for column in found):
        found, warnings = _with_ids(table, found, cells)
        notices += warnings
    schema = Schema(
        columns=tuple(c for c in found if isinstance(c, Column)),
        left_out=tuple(c for c in found if isinstance(c, LeftOut)),
        target=found_target,
        rows=len(table),
        notices=tuple(notices),
    )
    _check_any_column(schema)
    if found_target is None or not schema.has_text:
        return schema
    usable = table[usable_rows(table[found_target.name], found_target)]
    values = target_values(usable[found_target.name], found_target)
    return without_idle_texts(schema, usable, values, found_target.task)


def _with_ids(
    table: pd.DataFrame, found: Sequence[Column | LeftOut], cells: CellOptions
) -> tuple[list[Column | LeftOut], list[Notice]]:
    """Return the columns, with ids and row numbers put back, and a warning for each.

    For a table that has no other columns.
    """
    columns: list[Column | LeftOut] = []
    used = []
    for column in found:
        hint = f"numeric=[{column.name!r}] keeps it"
        if isinstance(column, LeftOut) and column.reason.endswith(hint):
            used.append(column)
            kept = _column(column.name, table[column.name], "numeric", cells)[0]
            columns.append(replace(kept, reason="there is no other column"))
        else:
            columns.append(column)
    return columns, [
        Notice(
            "only-ids",
            f"column {column.name!r} is used, because there is no other: it is"
            f" {column.reason.split(';')[0]}",
            (column.name,),
            is_warning=True,
        )
        for column in used
    ]


def _check_any_column(schema: Schema) -> None:
    if schema.columns:
        return
    beside = "" if schema.target is None else f" beside the target {schema.target.name!r}"
    if not schema.left_out:
        raise InputError(f"the table has no column{beside}")
    reasons = "".join(f"\n  {c.name!r}: {c.reason}" for c in schema.left_out[:20])
    raise InputError(f"the table has no column that can be used{beside}:{reasons}")


def _inferred(
    name: str, series: pd.Series, hint: Hint | None, cells: CellOptions
) -> tuple[Column | LeftOut, tuple[Notice, ...]]:
    if hint == "ignore":
        return LeftOut(name, "as asked"), ()
    try:
        return _column(name, series, hint, cells)
    except InputError as error:
        raise InputError(f"{error}. Or leave the column out: ignore=[{name!r}]") from None


def _column(
    name: str, series: pd.Series, hint: ColumnKind | None, cells: CellOptions
) -> tuple[Column | LeftOut, tuple[Notice, ...]]:
    named = tuple(cells.options.na)
    column = factorize(series).without(named)
    if not column.values:
        return LeftOut(name, "all values are missing"), ()
    if len(column.values) == 1 and not column.missing:
        return LeftOut(name, f"constant: always {_shown(column.values[0])}"), ()
    if hint is not None:
        reading = hinted_reading(name, column, hint, cells)
    elif isinstance(series.dtype, pd.CategoricalDtype):
        reason = f"a category column, {len(column.values):,} different"
        reading = ColumnReading("categorical", reason)
    else:
        reading = infer_reading(name, column, cells)
        unfit = ""
        if reading.kind == "categorical" and is_free_text(column):
            reading = ColumnReading("text", "free text")
        elif reading.kind in ("numeric", "categorical"):
            unfit = id_reason(name, column.without(reading.missing_texts), reading)
        if unfit:
            notices = reading.notices if reading.kind == "categorical" else ()
            return LeftOut(name, unfit), notices
    missing_texts = tuple(dict.fromkeys((*reading.missing_texts, *named)))
    reading = replace(reading, missing_texts=missing_texts)
    described = describe_column(name, column, reading)
    return described, (*reading.notices, *_alike_levels(described))


def _alike_levels(column: Column) -> tuple[Notice, ...]:
    """Return the notice about levels of a category that are spelled almost alike."""
    if column.kind != "categorical" or column.n_levels > MAX_LEVELS:
        return ()
    alike = [texts for texts in by_spelling(column.levels) if len(texts) > 1]
    if not alike:
        return ()
    more = f", and {len(alike) - 1:,} more" if len(alike) > 1 else ""
    message = (
        f"column {column.name!r}: {', '.join(map(repr, alike[0]))} differ only in case,"
        f" blanks, dashes, quotes, accents or zeros{more}, and are levels of their own:"
        " write them in one way if they are one"
    )
    return (Notice("alike-levels", message, (column.name,)),)


def _shown(value: Any) -> str:
    text = category_text([value])[0]
    return repr(text) if isinstance(value, str) else str(text)
