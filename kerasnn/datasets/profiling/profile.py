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
from kerasnn.datasets.cells.factorized import FactorizedColumn, factorize
from kerasnn.datasets.cells.parsing import are_plain_numbers, numbers
from kerasnn.datasets.files.read_options import ReadOptions
from kerasnn.datasets.files.table_files import bounded_chunks
from kerasnn.datasets.names import check_names
from kerasnn.datasets.notices import Notice
from kerasnn.datasets.profiling.counting import ColumnCounter, ColumnCounts
from kerasnn.datasets.profiling.sampling import RowSample
from kerasnn.datasets.schema.free_text import without_idle_texts
from kerasnn.datasets.schema.hints import ColumnHints
from kerasnn.datasets.schema.inference import infer_schema
from kerasnn.datasets.schema.kinds import CellOptions, cell_options
from kerasnn.datasets.schema.schema import MAX_LEVELS, Column, LeftOut, Schema, Target
from kerasnn.datasets.schema.target import (
    SOME_IN_ONE_ROW,
    class_indices,
    infer_target,
    missing_target_error,
    single_row_error,
    target_notices,
    target_values,
    usable_rows,
)
from kerasnn.errors import InputError

_TRUTH_ROWS = 0.9  # of the rows are true or false: the others are unknown levels


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
    profile: TableProfile,
    target: str,
    *,
    task: Task | None,
    hints: ColumnHints,
    reading: ReadOptions | None = None,
) -> Schema:
    """Return the schema of all rows: kinds from the sample, counts from all rows.

    Args:
        profile: of the table.
        target: the column to predict.
        task: as for `infer_schema`.
        hints: as for `infer_schema`.
        reading: as for `infer_schema`.

    Raises:
        InputError: see `infer_schema`.
    """
    without_target = dataclasses.replace(hints, ignore=[*hints.ignore, target])
    rows = profile.sample.sort_index()
    found = infer_schema(rows, hints=without_target, reading=reading)
    hinted = hints.by_column(profile.sample.columns, target)
    known = [_with_counts(c, profile, hinted=c.name in hinted) for c in found.columns]
    columns = tuple(c for c in known if isinstance(c, Column))
    left_out = [c for c in found.left_out if c.name != target]
    left_out += [c for c in known if isinstance(c, LeftOut)]
    if not columns:
        raise InputError(f"the table has no column that can be used beside {target!r}")
    found_target, notices = _target(profile, target, task, cell_options(rows, reading))
    schema = Schema(
        columns=columns,
        left_out=tuple(_with_sample_size(c, profile) for c in left_out),
        target=found_target,
        rows=profile.rows,
        notices=(*notices, *(_of_sample(notice, profile) for notice in found.notices)),
    )
    if schema.target is None or not schema.has_text:
        return schema
    usable = profile.sample[usable_rows(profile.sample[target], schema.target)]
    values = target_values(usable[target], schema.target)
    return without_idle_texts(schema, usable, values, schema.target.task)


def _with_counts(
    column: Column, profile: TableProfile, *, hinted: bool
) -> Column | LeftOut:
    """Complete a column of the sample by the counts of all rows."""
    counts = profile.counts[column.name].read_as(column)
    is_numeric = column.kind == "numeric"
    if is_numeric and not hinted and _are_row_numbers(column.name, profile):
        reason = f"row numbers; numeric=[{column.name!r}] keeps it"
        return LeftOut(column.name, reason)
    column = dataclasses.replace(column, missing=counts.missing)
    if counts.texts is None or column.kind in ("numeric", "datetime", "text"):
        return column
    rows_of = dict(counts.texts)
    if column.kind == "boolean":
        known = tuple(rows_of.get(level, 0) for level in column.levels)
        if len(rows_of) <= 2 or sum(known) >= _TRUTH_ROWS * sum(rows_of.values()):
            return dataclasses.replace(column, counts=known)
        rows_of = dict(profile.counts[column.name].texts or {})  # as they are spelled
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


def _of_sample(notice: Notice, profile: TableProfile) -> Notice:
    if profile.is_complete:
        return notice
    drawn = f"in {len(profile.sample):,} rows drawn from {profile.rows:,}"
    return dataclasses.replace(notice, message=f"{drawn}: {notice.message}")


def _target(
    profile: TableProfile, name: str, task: Task | None, cells: CellOptions
) -> tuple[Target, list[Notice]]:
    """Return the target: its task from the sample, its classes from all rows."""
    counts = profile.counts[name]
    if counts.missing and not cells.is_lenient:
        raise missing_target_error(name, counts.missing, profile.rows)
    values = profile.sample[name].sort_index()
    if profile.is_complete or counts.texts is None:
        found = infer_target(values, task=task, cells=cells)
        notices = target_notices(factorize(values), found)
        return found, [_of_sample(notice, profile) for notice in notices]
    values = _with_each_class(values, counts.texts)
    found = infer_target(values, name=name, task=task, cells=cells)
    rows_of = _rows_of_texts(counts, found)
    if found.task == "classification":
        rows = class_indices(rows_of, found)
        known = np.bincount(rows[rows >= 0], minlength=len(found.classes)).tolist()
        single = [c for c, n in zip(found.classes, known, strict=True) if n < 2]
        if single and task is None and _are_amounts(found):
            amounts, notices = _target(profile, name, "regression", cells)
            return dataclasses.replace(amounts, reason=SOME_IN_ONE_ROW), notices
        if single and not cells.is_lenient:
            raise single_row_error(name, single, row=None)
        found = dataclasses.replace(
            found,
            classes=tuple(c for c in found.classes if c not in single),
            counts=tuple(n for n in known if n > 1),
        )
    return found, target_notices(rows_of, found)


def _rows_of_texts(counts: ColumnCounts, target: Target) -> FactorizedColumn:
    """Return the column of all rows, from their counts."""
    counts = counts.read_as(target)
    texts = counts.texts or {}
    missing = np.full(counts.missing, -1)
    codes = np.append(np.repeat(np.arange(len(texts)), list(texts.values())), missing)
    return FactorizedColumn(codes, list(texts), "text")


def _are_amounts(target: Target) -> bool:
    """Return whether the classes are more than two whole numbers."""
    return len(target.classes) > 2 and are_plain_numbers(factorize(list(target.classes)))


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
