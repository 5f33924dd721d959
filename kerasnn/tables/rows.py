"""The rows of a table with their schema, divided into training and test."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.choices import Task
from kerasnn.datasets import (
    ColumnHints,
    Notice,
    ReadOptions,
    Schema,
    Target,
    category_text,
    infer_schema,
    read_table,
)
from kerasnn.datasets.profiling.leaks import leak_notices
from kerasnn.datasets.profiling.odd_values import odd_value_notices
from kerasnn.datasets.profiling.split_warnings import split_notices
from kerasnn.datasets.schema.checking import check_rows
from kerasnn.datasets.schema.target import target_values, usable_rows
from kerasnn.errors import InputError
from kerasnn.manifest import data_fingerprint
from kerasnn.splits import Division, Folds, last_block, whole_groups
from kerasnn.tables.test_rows import TestRows, read_test_rows
from kerasnn.tables.validation import Validation

MAX_TEST_SIZE = 0.5  # so that every class keeps a row of training


@dataclass(frozen=True, kw_only=True)
class TableRows(ABC):
    """A table with its schema, and a division of its rows into training and test.

    Attributes:
        source: name of the table, for the user.
        schema: of all rows, with the target.
        n_rows: number of rows, without test rows of a table of their own.
        n_tested: number of test rows.
        n_trained: number of training rows.
        test_size: share of test rows that was asked for.
        seed: with which the test rows were drawn.
        validation: groups, times and test rows that the user named.
        notices: guesses and repairs while the table was read.
    """

    source: str
    schema: Schema
    n_rows: int
    n_tested: int
    n_trained: int
    test_size: float
    seed: int
    validation: Validation = field(default_factory=Validation)
    notices: tuple[Notice, ...] = ()

    @property
    def n_held_out(self) -> int:
        """Number of rows that only choose the epoch."""
        return 0

    @property
    def n_unused(self) -> int:
        """Number of rows of gaps, and of tested groups and times that are not needed."""
        n_inside = 0 if self.validation.test_file is not None else self.n_tested
        return self.n_rows - self.n_trained - n_inside - self.n_held_out

    @property
    def target(self) -> Target:
        """The column to predict."""
        assert self.schema.target is not None  # `read_rows` and `stream_rows` need it
        return self.schema.target

    @abstractmethod
    def inputs(self, *, tested: bool) -> pd.DataFrame:
        """Return [rows, columns] of test or training, the columns of the schema."""

    @abstractmethod
    def targets(self, *, tested: bool) -> NDArray[Any]:
        """Return [rows] class indices or float64, of the same rows."""


@dataclass(frozen=True, kw_only=True)
class RowsInMemory(TableRows):
    """A table in memory.

    Attributes:
        table: [rows, columns], raw.
        values: [rows] targets, class indices or float64.
        trained: [rows] whether a row is learned from.
        tested: [rows] whether a row is a test row; those of a gap are neither.
        folds: what the folds of the rows respect.
        test_rows: the test rows, if they are of another table.
    """

    table: pd.DataFrame
    values: NDArray[Any]
    trained: NDArray[np.bool_]
    tested: NDArray[np.bool_]
    folds: Folds = field(default_factory=Folds)
    test_rows: TestRows | None = None

    def inputs(self, *, tested: bool) -> pd.DataFrame:
        """See `TableRows`."""
        if tested and self.test_rows is not None:
            return self.test_rows.table[[*self.schema.names]]
        rows = self.table.loc[self._rows(tested=tested), [*self.schema.names]]
        return rows.reset_index(drop=True)

    def targets(self, *, tested: bool) -> NDArray[Any]:
        """See `TableRows`."""
        if tested and self.test_rows is not None:
            return self.test_rows.values
        return self.values[self._rows(tested=tested)]

    def _rows(self, *, tested: bool) -> NDArray[np.bool_]:
        return self.tested if tested else self.trained

    @property
    def fit_arguments(self) -> dict[str, Any]:
        """The groups, times and gap of the training rows, as an estimator's `fit` takes."""
        folds = self.folds.of_rows(self.trained)
        values = {"groups": folds.groups, "time": folds.times, "gap": folds.gap}
        return {
            name: v for name, v in values.items() if v is not None and (name != "gap" or v)
        }

    def labels(self, *, tested: bool) -> NDArray[Any] | pd.Categorical:
        """Return [rows] targets as estimators take them: numbers, or a Categorical.

        The categories are the classes, as numbers if the column is numeric.
        """
        column = self.table[self.target.name]
        numeric = column.dtype.kind in "iuf"
        if self.target.task == "regression":
            if tested and self.test_rows is not None:
                return self.test_rows.values
            values = column.to_numpy() if numeric else self.values
            return values[self._rows(tested=tested)]
        classes = np.array(self.target.classes, dtype=object)
        if numeric:
            classes = classes.astype(str).astype(column.to_numpy().dtype)
        categories = pd.Index(classes, dtype=classes.dtype)
        return pd.Categorical.from_codes(self.targets(tested=tested), categories)

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of the columns that are used and of the target."""
        return table_fingerprint(self.table, [*self.schema.names, self.target.name])


def read_rows(
    source: Any,
    *,
    target: str,
    task: Task | None = None,
    hints: ColumnHints | None = None,
    test_size: float | None = None,
    seed: int = 0,
    reading: ReadOptions | None = None,
    validation: Validation | None = None,
) -> RowsInMemory:
    """Read a table, infer its schema, and draw the test rows.

    Args:
        source: anything that `datasets.as_table` accepts.
        target: the column to predict.
        task: "classification" or "regression"; None infers it from the target.
        hints: kinds of columns that the user knows, and columns to ignore.
        test_size: share of test rows, the same in each class; 0 for none; None for 0.2, or
            none if the validation names a file of test rows.
        seed: decides which rows are test rows.
        reading: how to read the table; None guesses. Rows without a target are left out,
            unless it is strict.
        validation: groups and times that the division respects, or a file of test rows.

    Raises:
        InputError: the table, a column or the target cannot be used.
    """
    validation = validation or Validation()
    share = validation.share(test_size)
    check_test_size(share)
    reading = reading or ReadOptions()
    read = read_table(source, reading, needed=[target, *validation.columns])
    validation.check_columns(list(read.table.columns), target)
    schema = infer_schema(
        read.table,
        target=target,
        task=task,
        hints=validation.hints(hints),
        reading=reading,
    )
    assert schema.target is not None
    table = read.table[usable_rows(read.table[target], schema.target)]
    table = table.reset_index(drop=True)
    values = target_values(table[target], schema.target)
    folds = validation.folds(table, reading)
    schema = validation.schema(schema, table, hints)
    division = _divided(values, schema, folds, share, seed)
    test_rows = read_test_rows(validation, schema, reading)
    warnings = score_warnings(table, schema, values, division.tested, validation)
    n_tested = len(test_rows.values) if test_rows else int(division.tested.sum())
    return RowsInMemory(
        source=str(source) if isinstance(source, (str, Path)) else type(source).__name__,
        schema=schema,
        n_rows=len(table),
        n_tested=n_tested,
        n_trained=int(division.trained.sum()),
        test_size=share,
        seed=seed,
        validation=validation,
        notices=(
            *warnings,
            *read.notices,
            *schema.notices,
            *(test_rows.notices if test_rows else ()),
        ),
        table=table,
        values=values,
        trained=division.trained,
        tested=division.tested,
        folds=folds,
        test_rows=test_rows,
    )


def _divided(
    values: NDArray[Any], schema: Schema, folds: Folds, share: float, seed: int
) -> Division:
    """Return the rows of training and test."""
    assert schema.target is not None
    classifies = schema.target.task == "classification"
    if folds.groups is not None:
        return whole_groups(folds.groups, values, share, seed=seed)
    if folds.times is not None:
        return last_block(folds.times, share, gap=folds.gap)
    classes = values if classifies else np.zeros(len(values), dtype=np.intp)
    tested = drawn(classes, share, seed=seed)
    return Division(~tested, tested)


def score_warnings(
    table: pd.DataFrame,
    schema: Schema,
    values: NDArray[Any],
    tested: NDArray[np.bool_],
    validation: Validation,
) -> tuple[Notice, ...]:
    """Return warnings about what may make the scores misleading.

    Args:
        table: [rows, columns] raw, in the order of the source.
        schema: of the table, with the target.
        values: [rows] class indices, or float64.
        tested: [rows] whether a row is a test row.
        validation: what the division respects already.
    """
    assert schema.target is not None
    checked = check_rows(table, schema, strict=False).rows
    return (
        *leak_notices(checked, values, schema.target),
        *split_notices(
            table,
            checked,
            values,
            schema.target,
            tested,
            in_time=validation.time is not None,
        ),
        *odd_value_notices(table, checked),
    )


def check_test_size(test_size: float) -> None:
    """Check that a share of test rows leaves every class a training row.

    Raises:
        InputError: it does not.
    """
    if isinstance(test_size, bool) or not 0 <= test_size <= MAX_TEST_SIZE:
        raise InputError(
            f"test_size must be a number from 0 to {MAX_TEST_SIZE}; got {test_size!r}"
        )


def drawn(groups: NDArray[Any], share: float, *, seed: int) -> NDArray[np.bool_]:
    """Draw rows at random, from each group in proportion to its size, to within one row.

    A group of two rows or more is never drawn completely.

    Args:
        groups: [rows] integers.
        share: of the rows that are drawn, at most 0.5; at least one row, unless it is 0.
        seed: decides which.

    Returns:
        [rows] whether a row was drawn.
    """
    n_rows = len(groups)
    chosen = np.zeros(n_rows, dtype=np.bool_)
    if share == 0:
        return chosen
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(n_rows), groups))
    n_drawn = min(max(round(n_rows * share), 1), n_rows // 2)
    # At equal distances of two rows or more, in rows that are sorted by group.
    places = (np.arange(n_drawn) + rng.random()) * (n_rows / max(n_drawn, 1))
    chosen[order[places.astype(np.intp)]] = True
    return chosen


def table_fingerprint(table: pd.DataFrame, names: Iterable[str]) -> str:
    """Return a text that is equal for the same rows in the same order, in any storage.

    Args:
        table: raw.
        names: of the columns that count.
    """
    names = list(names)
    hashes = [pd.util.hash_array(category_text(table[name])) for name in names]
    return data_fingerprint(np.array(names, dtype=np.str_), *hashes)
