"""Sections of a report about the columns of a table."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd

from kerasnn.datasets import Column, Schema, Target
from kerasnn.reports.formatting import format_count, format_share
from kerasnn.reports.page import Cell, Section, Table

_MAX_LEVELS = 5
_N_BINS = 16  # of a drawing


def histograms(rows: pd.DataFrame, schema: Schema) -> dict[str, list[int]]:
    """Return the counts of numbers in equal intervals, by column.

    Args:
        rows: of a checked table.
        schema: of the table.
    """
    numeric = [column.name for column in schema.columns if column.kind == "numeric"]
    values = {name: rows[name].to_numpy(np.float64, na_value=np.nan) for name in numeric}
    return {
        name: np.histogram(numbers[np.isfinite(numbers)], bins=_N_BINS)[0].tolist()
        for name, numbers in values.items()
    }


def schema_sections(
    schema: Schema, counts: Mapping[str, Sequence[int]] = MappingProxyType({})
) -> list[Section]:
    """Describe the inferred columns, and the omitted ones with the reason.

    Args:
        schema: of the table.
        counts: from `histograms`; numbers have no drawing without them.
    """
    rows: list[list[str | Cell]] = []
    if schema.target is not None:
        target = schema.target
        shown = _target_values(target)
        values = Cell(shown, bins=_heights(target.counts))
        rows.append([target.name, f"target, {target.task}", "", values, target.reason])
    rows += [
        [
            c.name,
            c.kind,
            format_share(c.missing, schema.rows),
            Cell(_values(c), bins=_heights(counts.get(c.name, c.counts))),
            c.reason,
        ]
        for c in schema.columns
    ]
    inferred = Section(
        "The columns",
        f"As inferred from {format_count(schema.rows, 'row')}. If the kind of a column is"
        " wrong, name the right one. Drawings: how many rows have each level, the most"
        " frequent first, or numbers in equal intervals.",
        table=Table(["column", "kind", "missing", "values", "why"], rows, words=True),
    )
    if not schema.left_out:
        return [inferred, Section("Left out", "No column was left out.")]
    left_out = Section(
        "Left out",
        f"{format_count(len(schema.left_out), 'column')} that the network does not use.",
        table=Table(
            ["column", "why"], [[c.name, c.reason] for c in schema.left_out], words=True
        ),
    )
    return [inferred, left_out]


def _heights(counts: Sequence[int]) -> list[float]:
    """Return columns of a small drawing, the highest 1."""
    shown = counts[:_N_BINS]
    return [count / max(shown) for count in shown] if len(shown) > 1 and any(shown) else []


def _values(column: Column) -> str:
    if column.low is not None and column.high is not None:
        return _range(column.low, column.high)
    if column.first is not None:
        return f"{column.first} to {column.last}"
    return _levels(column.levels, column.counts, column.n_levels or len(column.levels))


def _target_values(target: Target) -> str:
    if target.low is not None and target.high is not None:
        return _range(target.low, target.high)
    return _levels(target.classes, target.counts, len(target.classes))


def _range(low: float, high: float) -> str:
    # Without commas: years are numbers as well.
    return f"{low:.10g} to {high:.10g}"


def _levels(levels: tuple[str, ...], counts: tuple[int, ...], n_levels: int) -> str:
    """Return the first levels with their counts, and the number of the others."""
    shown = levels[:_MAX_LEVELS]
    texts = (
        [f"{level} ({count:,})" for level, count in zip(shown, counts, strict=False)]
        if counts
        else list(shown)
    )
    more = n_levels - len(shown)
    return ", ".join(texts) + (f", and {more:,} more" if more > 0 else "")
