"""The answers of `check` as a table: for each row whether it is unusual, and why."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets import Column, Schema
from kerasnn.errors import list_names

_MAX_REASONS = 5  # named for one row
_MAX_TEXT = 40


def findings_table(
    outputs: Mapping[str, NDArray[Any]], rows: pd.DataFrame, schema: Schema
) -> pd.DataFrame:
    """Return `unusual` (bool), `columns` (names, comma-separated) and `reason` of each row.

    Args:
        outputs: of `check_function`, [rows, ...].
        rows: checked, with the columns of the schema, for the words.
        schema: of the training.
    """
    columns, reasons = [""] * len(rows), [""] * len(rows)
    for row in np.flatnonzero(outputs["unusual"]).tolist():
        found = list(_reasons(row, outputs, rows, schema))
        names = dict.fromkeys(name for named, _ in found for name in named)
        columns[row] = ", ".join(names)
        texts = [text for _, text in found[:_MAX_REASONS]]
        more = len(found) - len(texts)
        reasons[row] = "; ".join([*texts, *([f"{more} more"] if more else [])])
    return pd.DataFrame(
        {
            "unusual": np.asarray(outputs["unusual"], np.bool_),
            "columns": pd.Series(columns, index=rows.index, dtype=object),
            "reason": pd.Series(reasons, index=rows.index, dtype=object),
        },
        index=rows.index,
    )


def _reasons(
    row: int, outputs: Mapping[str, NDArray[Any]], rows: pd.DataFrame, schema: Schema
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield columns, and what is unusual of them."""
    flags = [outputs[name][row] for name in ("outside", "unseen", "missing")]
    for i in np.flatnonzero(np.any(flags, axis=0)).tolist():
        column = schema.columns[i]
        cell = _shown(rows[column.name].iloc[row])
        if flags[0][i]:
            yield (column.name,), f"{column.name} {cell} is outside {_range(column)}"
        elif flags[1][i]:
            yield (column.name,), f"{column.name} {cell} was never seen"
        else:
            yield (column.name,), f"{column.name} is missing and never was"
    if outputs["unlikely"][row]:
        names = tuple(schema.columns[i].name for i in outputs["combination"][row])
        cells = [f"{name} {_shown(rows[name].iloc[row])}" for name in names]
        yield names, f"an unlikely combination, above all {list_names(cells)}"


def _range(column: Column) -> str:
    if column.kind == "datetime":
        return f"{column.first} to {column.last}"
    return f"{column.low:.6g} to {column.high:.6g}"


def _shown(cell: Any) -> str:
    if pd.isna(cell):
        return "missing"
    if isinstance(cell, float):
        return f"{cell:.6g}"
    if isinstance(cell, pd.Timestamp):
        return cell.isoformat()
    text = str(cell)
    return repr(text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}...")
