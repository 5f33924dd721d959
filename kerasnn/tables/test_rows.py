"""Test rows of a table of their own, checked against the schema of the training rows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets import Notice, ReadOptions, Schema, Target, check_rows, read_table
from kerasnn.datasets.names import check_names
from kerasnn.datasets.schema.schema import Column
from kerasnn.datasets.schema.target import class_indices, target_values
from kerasnn.errors import InputError
from kerasnn.tables.validation import Validation


@dataclass(frozen=True)
class TestRows:
    """The test rows of a table of their own.

    Attributes:
        table: [rows, columns] raw; every cell that is used can be read.
        values: [rows] class indices, or float64.
        notices: rows that were left out, and columns unlike those of the training.
    """

    __test__ = False  # not a test class for pytest

    table: pd.DataFrame
    values: NDArray[Any]
    notices: tuple[Notice, ...] = ()


def read_test_rows(
    validation: Validation, schema: Schema, reading: ReadOptions | None
) -> TestRows | None:
    """Read the table of test rows; None if the validation names none.

    Rows without a known target, or with a cell that cannot be read, are left out and
    counted, unless `reading` is strict.

    Raises:
        InputError: the table cannot be read, a column is missing, or no row can be tested.
    """
    if validation.test_file is None:
        return None
    target, path = schema.target, Path(validation.test_file)
    assert target is not None
    read = read_table(path, reading, needed=[target.name, *schema.names])
    try:
        return _checked(read.table, schema, target, reading, (*read.notices,))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _checked(
    table: pd.DataFrame,
    schema: Schema,
    target: Target,
    reading: ReadOptions | None,
    notices: tuple[Notice, ...],
) -> TestRows:
    check_names([target.name], table.columns, by="target")
    strict = reading is not None and reading.strict
    found = check_rows(table, schema, strict=strict, reading=reading)
    values, known, of_target = known_targets(table[target.name], target, reading)
    if strict and not known.all():
        target_values(table[target.name], target)  # raises
    usable = known.copy()
    usable[[cell.row for cell in found.invalid]] = False
    if not usable.any():
        first = f": first, {found.invalid[0].message}" if found.invalid else ""
        raise InputError(
            f"none of its {len(table):,} rows can be tested; {int((~known).sum()):,} have"
            f" no known target {target.name!r}{first}"
        )
    rows = found.rows[usable].reset_index(drop=True)
    left_out = _left_out(len(table), int((~usable).sum()), int((~known).sum()))
    return TestRows(rows, values[usable], (*left_out, *of_target, *found.notices, *notices))


def _left_out(n_rows: int, n_left_out: int, n_unknown: int) -> tuple[Notice, ...]:
    """Return the notice about rows that are not tested."""
    if not n_left_out:
        return ()
    message = (
        f"{n_left_out:,} of {n_rows:,} rows of the test file are not tested: {n_unknown:,}"
        f" without a known target, {n_left_out - n_unknown:,} with a cell that cannot be"
        " read"
    )
    return (Notice("untested-rows", message, rows=n_left_out, is_warning=True),)


def known_targets(
    column: pd.Series, target: Target, reading: ReadOptions | None
) -> tuple[NDArray[Any], NDArray[np.bool_], tuple[Notice, ...]]:
    """Return [rows] targets, whether each is known, and notices; as for a column."""
    if target.task == "classification":
        indices = class_indices(column, target)
        return indices, indices >= 0, ()
    numeric = Column(
        target.name,
        "numeric",
        low=target.low,
        high=target.high,
        missing_texts=target.missing_texts,
        number_format=target.number_format,
    )
    table = column.to_frame(target.name)
    checked = check_rows(table, Schema((numeric,)), strict=False, reading=reading)
    values = checked.rows[target.name].to_numpy(np.float64)
    notices = tuple(notice for notice in checked.notices if notice.code == "other-format")
    return values, np.isfinite(values), notices
