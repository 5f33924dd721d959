"""One pass of statistics over a table: a sample of its rows, and exact counts.

The kinds of columns are inferred from the sample, as for a table in memory. Missing values
and rows of each text are counted in all rows.
"""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from kerasnn.choices import Task
from kerasnn.datasets.cells.factorized import factorize
from kerasnn.datasets.cells.parsing import numbers
from kerasnn.datasets.files.read_options import ReadOptions
from kerasnn.datasets.files.table_files import bounded_chunks
from kerasnn.datasets.names import check_names
from kerasnn.datasets.notices import Notice
from kerasnn.datasets.profiling.counting import ColumnCounter, ColumnCounts
from kerasnn.datasets.profiling.sampling import RowSample
from kerasnn.datasets.schema.free_text import without_idle_texts
from kerasnn.datasets.schema.hints import ColumnHints
from kerasnn.datasets.schema.inference import infer_schema
from kerasnn.datasets.schema.schema import MAX_LEVELS, Column, LeftOut, Schema, Target
from kerasnn.datasets.schema.target import (
    infer_target,
    missing_target_error,
    single_row_error,
    target_values,
)
from kerasnn.errors import InputError


@dataclass(frozen=True)
class TableProfile:
    """Statistics of a table.

    Attributes:
        rows: number of rows.
        sample: raw rows in random order, with row numbers as index.
        counts: of each column, over all rows.
        notices: guesses and repairs while the files were read.
    """

    rows: int
    sample: pd.DataFrame
    counts: Mapping[str, ColumnCounts]
    notices: tuple[Notice, ...] = ()

    @property
    def is_complete(self) -> bool:
        """True if the sample contains all rows."""
        return len(self.sample) == self.rows


def profile_table(
    path: Path,
    *,
    sample_rows: int,
    texts: Collection[str],
    seed: int,
    options: ReadOptions | None = None,
) -> TableProfile:
    """Read a table once.

    Args:
        path: as for `bounded_chunks`.
        sample_rows: maximum rows of the sample.
        texts: names of columns whose texts are counted even if they are numbers.
        seed: of the sample.
        options: how to read the files.

    Raises:
        InputError: a file cannot be used, or such a column is missing.
    """
    sample = RowSample(sample_rows, seed)
    counters: dict[str, ColumnCounter] = {}
    notices: list[Notice] = []
    for chunk in bounded_chunks(path, options=options, needed=texts, notices=notices):
        if not counters:
            check_names(texts, chunk.columns)
            counters = {n: ColumnCounter(texts=n in texts) for n in chunk.columns}
        sample.add(chunk)
        for name, counter in counters.items():
            counter.add(chunk[name])
    counts = {name: counter.counts() for name, counter in counters.items()}
    return TableProfile(sample.rows, sample.drawn(), counts, tuple(notices))


def profiled_schema(
    profile: TableProfile, target: str, *, task: Task | None, hints: ColumnHints
) -> Schema:
    """Return the schema of all rows: kinds from the sample, counts from all rows.

    Args:
        profile: of the table.
        target: the column to predict.
        task: as for `infer_schema`.
        hints: as for `infer_schema`.

    Raises:
        InputError: see `infer_schema`.
    """
    without_target = dataclasses.replace(hints, ignore=[*hints.ignore, target])
    found = infer_schema(profile.sample.sort_index(), hints=without_target)
    hinted = hints.by_column(profile.sample.columns, target)
    known = [_with_counts(c, profile, hinted=c.name in hinted) for c in found.columns]
    columns = tuple(c for c in known if isinstance(c, Column))
    left_out = [c for c in found.left_out if c.name != target]
    left_out += [c for c in known if isinstance(c, LeftOut)]
    if not columns:
        raise InputError(f"the table has no column that can be used beside {target!r}")
    schema = Schema(
        columns=columns,
        left_out=tuple(_with_sample_size(c, profile) for c in left_out),
        target=_target(profile, target, task),
        rows=profile.rows,
    )
    if schema.target is None or not schema.has_text:
        return schema
    values = target_values(profile.sample[target], schema.target)
    return without_idle_texts(schema, profile.sample, values, schema.target.task)


def _with_counts(
    column: Column, profile: TableProfile, *, hinted: bool
) -> Column | LeftOut:
    """Complete a column of the sample by the counts of all rows."""
    counts = profile.counts[column.name]
    is_numeric = column.kind == "numeric"
    if is_numeric and not hinted and _are_row_numbers(column.name, profile):
        reason = f"row numbers; numeric=[{column.name!r}] keeps it"
        return LeftOut(column.name, reason)
    column = dataclasses.replace(column, missing=counts.missing)
    if counts.texts is None or column.kind in ("numeric", "datetime", "text"):
        return column
    rows_of = dict(counts.texts)
    if column.kind == "boolean" and len(rows_of) <= 2:
        known = tuple(rows_of.get(level, 0) for level in column.levels)
        return dataclasses.replace(column, counts=known)
    ranked = sorted(rows_of, key=lambda text: (-rows_of[text], text))
    return dataclasses.replace(
        column,
        kind="categorical",
        levels=tuple(ranked[:MAX_LEVELS]),
        counts=tuple(rows_of[text] for text in ranked[:MAX_LEVELS]),
        n_levels=len(ranked),
    )


def _are_row_numbers(name: str, profile: TableProfile) -> bool:
    """Return whether the values increase by one from row to row."""
    values = pd.to_numeric(profile.sample[name], errors="coerce").to_numpy(np.float64)
    first = values - profile.sample.index.to_numpy()
    return len(first) > 1 and bool((first == first[0]).all())


def _with_sample_size(column: LeftOut, profile: TableProfile) -> LeftOut:
    if profile.is_complete or column.reason == "as asked":
        return column
    rows = f"in {len(profile.sample):,} rows drawn from {profile.rows:,}"
    return dataclasses.replace(column, reason=f"{rows}: {column.reason}")


def _target(profile: TableProfile, name: str, task: Task | None) -> Target:
    """Return the target: its task from the sample, its classes from all rows."""
    counts = profile.counts[name]
    if counts.missing:
        raise missing_target_error(name, counts.missing, profile.rows)
    values = profile.sample[name].sort_index()
    if profile.is_complete or counts.texts is None:
        return infer_target(values, task=task)
    values = _with_each_class(values, counts.texts)
    found = infer_target(values, name=name, task=task)
    if found.task == "regression":
        return found
    known = [counts.texts[text] for text in found.classes]
    single = [c for c, rows in zip(found.classes, known, strict=True) if rows < 2]
    if single:
        raise single_row_error(name, single, row=None)
    return dataclasses.replace(found, counts=tuple(known))


def _with_each_class(values: pd.Series, texts: Mapping[str, int]) -> pd.Series:
    """Append each text twice to a sample, because it may lack rare classes."""
    rare = pd.Series(np.repeat(np.array(list(texts), object), 2))
    if values.dtype == object and factorize(values).content == "numbers":  # Decimal
        values = pd.Series(numbers(values)[0])
    if pd.api.types.is_bool_dtype(values.dtype):
        return pd.concat([values, (rare == "True").astype(values.dtype)])
    if pd.api.types.is_numeric_dtype(values.dtype):
        return pd.concat([values, pd.to_numeric(rare)])
    if isinstance(values.dtype, pd.CategoricalDtype):
        return pd.concat([values.astype(object), rare]).astype("category")
    return pd.concat([values, rare])
