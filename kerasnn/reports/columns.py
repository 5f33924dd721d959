"""Sections of a report about the columns of a table."""

from kerasnn.datasets import Column, Schema, Target
from kerasnn.reports.formatting import format_count, format_share
from kerasnn.reports.page import Cell, Section, Table

_MAX_LEVELS = 5


def schema_sections(schema: Schema) -> list[Section]:
    """Describe the inferred columns, and the omitted ones with the reason."""
    rows: list[list[str | Cell]] = []
    if schema.target is not None:
        target = schema.target
        shown = _target_values(target)
        rows.append([target.name, f"target, {target.task}", "", shown, target.reason])
    rows += [
        [c.name, c.kind, format_share(c.missing, schema.rows), _values(c), c.reason]
        for c in schema.columns
    ]
    inferred = Section(
        "What was inferred",
        f"From {format_count(schema.rows, 'row')}. If the kind of a column is wrong, name"
        " the right one.",
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
