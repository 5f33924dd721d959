"""The rows of a table with their schema, and which of them are kept for the test."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.choices import Task
from kerasnn.datasets import Schema, Target, as_table, category_text, infer_schema
from kerasnn.datasets.checking import check_numbers
from kerasnn.errors import InputError
from kerasnn.manifest import data_fingerprint

Array = NDArray[Any]

MOST_TEST_SIZE = 0.5  # so that every class keeps a row to learn from
CLASSES_SHOWN = 10


@dataclass(frozen=True)
class Rows:
    """A table, what its columns are, and which of its rows are never learned from.

    Attributes:
        source: where it is from, for a person.
        table: [rows, columns], raw.
        schema: of all its rows, with the target.
        tested: [rows] whether a row is kept for the test.
        test_size: the share of the rows that was asked for.
        seed: that the rows were drawn with.
    """

    source: str
    table: pd.DataFrame
    schema: Schema
    tested: NDArray[np.bool_]
    test_size: float
    seed: int

    @property
    def target(self) -> Target:
        """What is to be predicted."""
        assert self.schema.target is not None  # `read_rows` asks for it
        return self.schema.target

    @property
    def columns(self) -> list[str]:
        """Those that the network takes."""
        return list(self.schema.names)

    @property
    def n_rows(self) -> int:
        """Of the table."""
        return len(self.table)

    @property
    def n_tested(self) -> int:
        """Rows that are kept for the test."""
        return int(self.tested.sum())

    @property
    def n_trained(self) -> int:
        """Rows that are learned from."""
        return self.n_rows - self.n_tested

    def inputs(self, *, tested: bool) -> pd.DataFrame:
        """[rows, columns] of the test, or of the training."""
        rows = self.table.loc[self.tested == tested, self.columns]
        return rows.reset_index(drop=True)

    def targets(self, *, tested: bool) -> pd.Series:
        """[rows] the raw targets of the same rows."""
        return self.table.loc[self.tested == tested, self.target.name]

    def labels(self, *, tested: bool) -> Array:
        """[rows] the targets, as the estimators take them: numbers or texts."""
        column = self.targets(tested=tested)
        if column.dtype.kind in "iuf":
            return column.to_numpy()
        if self.target.task == "regression":
            return check_numbers(self.target.name, column)
        return category_text(column)

    @cached_property
    def fingerprint(self) -> str:
        """Of the columns that are used and the target; see `fingerprint`."""
        return fingerprint(self.table, [*self.columns, self.target.name])


def read_rows(
    source: Any,
    *,
    target: str,
    task: Task | None = None,
    test_size: float = 0.2,
    ignore: Iterable[str] = (),
    categorical: Iterable[str] = (),
    numeric: Iterable[str] = (),
    boolean: Iterable[str] = (),
    datetime: Iterable[str] = (),
    seed: int = 0,
) -> Rows:
    """Read a table, find out what its columns are, and draw the rows of the test.

    Args:
        source: anything that `datasets.as_table` takes.
        target: the column to be predicted.
        task: "classification" or "regression"; None finds it in the target.
        test_size: share of the rows that are kept for the test, of each class alike; 0:
            none.
        ignore: names of columns to leave out.
        categorical: names of columns that are of this kind, whatever they look like.
        numeric: likewise.
        boolean: likewise.
        datetime: likewise.
        seed: decides which rows are kept for the test.

    Raises:
        InputError: the table, a column or the target cannot be used.
    """
    check_test_size(test_size)
    table = as_table(source)
    schema = infer_schema(
        table,
        target=target,
        task=task,
        ignore=ignore,
        categorical=categorical,
        numeric=numeric,
        boolean=boolean,
        datetime=datetime,
    )
    assert schema.target is not None
    groups = np.zeros(len(table), dtype=np.intp)
    if schema.target.task == "classification":
        groups = target_values(table[target], schema.target)
    name = str(source) if isinstance(source, (str, Path)) else type(source).__name__
    return Rows(name, table, schema, drawn(groups, test_size, seed=seed), test_size, seed)


def check_test_size(test_size: float) -> None:
    """It is a share that leaves every class a row.

    Raises:
        InputError: it is not.
    """
    if isinstance(test_size, bool) or not 0 <= test_size <= MOST_TEST_SIZE:
        raise InputError(
            f"test_size must be a number from 0 to {MOST_TEST_SIZE}; got {test_size!r}"
        )


def drawn(groups: Array, share: float, *, seed: int) -> NDArray[np.bool_]:
    """Rows drawn at random, from each group as many as its size says, to one.

    A group of two rows or more is never drawn wholly.

    Args:
        groups: [rows] integers.
        share: of the rows that are drawn, at most a half; one row at least, unless 0.
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
    # At equal distances, two rows or more, along the rows in the order of their groups.
    places = (np.arange(n_drawn) + rng.random()) * (n_rows / max(n_drawn, 1))
    chosen[order[places.astype(np.intp)]] = True
    return chosen


def fingerprint(table: pd.DataFrame, names: Iterable[str]) -> str:
    """The same rows in the same order, however they are stored, give the same text.

    Args:
        table: raw.
        names: of the columns that count.
    """
    names = list(names)
    hashes = [pd.util.hash_array(category_text(table[name])) for name in names]
    return data_fingerprint(np.array(names, dtype=np.str_), *hashes)


def target_values(column: pd.Series, target: Target) -> Array:
    """The targets of rows as scores need them.

    Args:
        column: [rows], raw.
        target: as it was in training.

    Returns:
        [rows] indices into the target's classes, or [rows] float64.

    Raises:
        InputError: a value is missing, no number or infinite, or a class is not known.
    """
    texts = category_text(column)
    missing = pd.isna(texts)
    if missing.any():
        raise InputError(
            f"the target {target.name!r} is missing in {missing.sum():,} of"
            f" {len(column):,} rows, first in row {missing.argmax()}. Fill it in, or leave"
            " these rows out"
        )
    if target.task == "regression":
        return check_numbers(target.name, column)
    found = pd.Index(target.classes, dtype=object).get_indexer(
        pd.Index(texts, dtype=object)
    )
    if (found < 0).any():
        row = int(np.argmax(found < 0))
        shown = ", ".join(map(repr, target.classes[:CLASSES_SHOWN]))
        more = ", ..." if len(target.classes) > CLASSES_SHOWN else ""
        raise InputError(
            f"the target {target.name!r}, row {row}: {texts[row]!r} is not"
            f" one of the classes that the network knows: {shown}{more}"
        )
    return found
