"""A table that is read once from beginning to end: a sample of its rows, exact counts.

What its columns are is found in the sample, as in a table in memory; how many rows have
which text, and how many have none, is counted in all rows.
"""

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kerasnn.datasets import (
    MOST_LEVELS,
    Column,
    LeftOut,
    Schema,
    Target,
    infer_schema,
    infer_target,
    table_chunks,
)
from kerasnn.datasets.cells import read_cells
from kerasnn.datasets.counting import ColumnCounter, ColumnCounts
from kerasnn.datasets.names import check_names
from kerasnn.datasets.readings import numbers
from kerasnn.datasets.sampling import RowSample
from kerasnn.errors import InputError

CELLS_AT_ONCE = 2_000_000
ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class Survey:
    """What one pass over a table has found.

    Attributes:
        rows: how many there are.
        sample: raw rows in random order, their numbers as index.
        counts: of each column, of all rows.
    """

    rows: int
    sample: pd.DataFrame
    counts: Mapping[str, ColumnCounts]

    @property
    def whole(self) -> bool:
        """Whether the sample is the table."""
        return len(self.sample) == self.rows


def surveyed(path: Path, *, most: int, texts: Collection[str], seed: int) -> Survey:
    """Read a table once.

    Args:
        path: as for `datasets.table_chunks`.
        most: rows of the sample.
        texts: names of columns whose texts are counted although they hold numbers.
        seed: of the sample.

    Raises:
        InputError: a file cannot be used, or such a column is not there.
    """
    sample = RowSample(most, seed)
    counters: dict[str, ColumnCounter] = {}
    for chunk in chunks_of(path):
        if not counters:
            check_names(texts, chunk.columns)
            counters = {n: ColumnCounter(texts=n in texts) for n in chunk.columns}
        sample.add(chunk)
        for name, counter in counters.items():
            counter.add(chunk[name])
    counts = {name: counter.counts() for name, counter in counters.items()}
    return Survey(sample.rows, sample.drawn(), counts)


def chunks_of(path: Path) -> Iterator[pd.DataFrame]:
    """The rows of a table, a bounded number of cells at a time."""
    width = len(next(table_chunks(path, 1)).columns)
    yield from table_chunks(path, min(ROWS_AT_ONCE, max(CELLS_AT_ONCE // width, 1)))


def schema_of(survey: Survey, target: str, **wishes: Any) -> Schema:
    """The schema of all rows: kinds from the sample, counts from all of them.

    Args:
        survey: of the table.
        target: the column to be predicted.
        wishes: as for `infer_schema`.

    Raises:
        InputError: as of `infer_schema`.
    """
    task = wishes.pop("task", None)
    found = infer_schema(
        survey.sample.sort_index(), ignore=[*wishes.pop("ignore", ()), target], **wishes
    )
    asked = {name for names in wishes.values() for name in names}
    known = [_with_counts(c, survey, asked=c.name in asked) for c in found.columns]
    columns = tuple(c for c in known if isinstance(c, Column))
    left_out = [c for c in found.left_out if c.name != target]
    left_out += [c for c in known if isinstance(c, LeftOut)]
    if not columns:
        raise InputError(f"the table has no column that can be used beside {target!r}")
    return Schema(
        columns=columns,
        left_out=tuple(_of_sample(c, survey) for c in left_out),
        target=_target(survey, target, task),
        rows=survey.rows,
    )


def _with_counts(column: Column, survey: Survey, *, asked: bool) -> Column | LeftOut:
    """A column of the sample with what was counted in all rows."""
    counts = survey.counts[column.name]
    if column.kind == "numeric" and not asked and _are_row_numbers(column.name, survey):
        reason = f"row numbers; numeric=[{column.name!r}] keeps it"
        return LeftOut(column.name, reason)
    column = dataclasses.replace(column, missing=counts.missing)
    if counts.texts is None or column.kind in ("numeric", "datetime"):
        return column
    rows_of = dict(counts.texts)
    if column.kind == "boolean" and len(rows_of) <= 2:
        known = tuple(rows_of.get(level, 0) for level in column.levels)
        return dataclasses.replace(column, counts=known)
    ranked = sorted(rows_of, key=lambda text: (-rows_of[text], text))
    return dataclasses.replace(
        column,
        kind="categorical",
        levels=tuple(ranked[:MOST_LEVELS]),
        counts=tuple(rows_of[text] for text in ranked[:MOST_LEVELS]),
        n_levels=len(ranked),
    )


def _are_row_numbers(name: str, survey: Survey) -> bool:
    """Whether the values rise by one from row to row."""
    values = pd.to_numeric(survey.sample[name], errors="coerce").to_numpy(np.float64)
    first = values - survey.sample.index.to_numpy()
    return len(first) > 1 and bool((first == first[0]).all())


def _of_sample(column: LeftOut, survey: Survey) -> LeftOut:
    """The reason, with the rows in which it was found."""
    if survey.whole or column.reason == "as asked":
        return column
    seen = f"in {len(survey.sample):,} rows drawn from {survey.rows:,}"
    return dataclasses.replace(column, reason=f"{seen}: {column.reason}")


def _target(survey: Survey, name: str, task: Any) -> Target:
    """The target: what it is from the sample, its classes from all rows."""
    counts = survey.counts[name]
    if counts.missing:
        raise InputError(
            f"the target {name!r} is missing in {counts.missing:,} of {survey.rows:,} rows."
            " Fill it in, or leave these rows out"
        )
    values = survey.sample[name].sort_index()
    if survey.whole or counts.texts is None:
        return infer_target(values, task=task)
    values = _with_each_class(values, counts.texts)
    found = infer_target(values, name=name, task=task)
    if found.task == "regression":
        return found
    alone = [text for text in found.classes if counts.texts[text] < 2]
    if alone:
        raise InputError(
            f"the target {name!r} has a class with one row only: {alone[0]!r}. Each class"
            " needs two rows or more: add some, leave the class out or, where it is a"
            " number, say task='regression'"
        )
    known = tuple(counts.texts[text] for text in found.classes)
    return dataclasses.replace(found, counts=known)


def _with_each_class(values: pd.Series, texts: Mapping[str, int]) -> pd.Series:
    """The targets of a sample, and each text twice: classes may not have been drawn."""
    rare = pd.Series(np.repeat(np.array(list(texts), object), 2))
    if values.dtype == object and read_cells(values).content == "numbers":  # Decimal
        values = pd.Series(numbers(values)[0])
    if pd.api.types.is_bool_dtype(values.dtype):
        return pd.concat([values, (rare == "True").astype(values.dtype)])
    if pd.api.types.is_numeric_dtype(values.dtype):
        return pd.concat([values, pd.to_numeric(rare)])
    if isinstance(values.dtype, pd.CategoricalDtype):
        return pd.concat([values.astype(object), rare]).astype("category")
    return pd.concat([values, rare])
