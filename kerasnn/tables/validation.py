"""How the rows of a table are divided: groups, times and test rows that the user names."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kerasnn.datasets import (
    ColumnHints,
    LeftOut,
    ReadOptions,
    Schema,
    checked_table,
)
from kerasnn.datasets.cells.factorized import FactorizedColumn, factorize
from kerasnn.datasets.names import check_names
from kerasnn.datasets.schema.kinds import ColumnReading, cell_options
from kerasnn.errors import InputError, check_whole_number
from kerasnn.preprocessing.dates import varying_parts
from kerasnn.splits import Folds, group_codes, time_reading, time_values

DEFAULT_TEST_SIZE = 0.2


@dataclass(frozen=True)
class Validation:
    """Groups or times that the division of a table's rows respects; by default none.

    Attributes:
        group: column whose equal values are rows of one group, such as a patient: a group
            is learned from as a whole, or left out as a whole.
        time: column of numbers or dates: networks are scored on later rows than those that
            they learned from.
        gap: rows that are left out before the later ones; with `time`.
        test_file: table of the test rows; then all rows of the other one are learned from.
    """

    group: str | None = None
    time: str | None = None
    gap: int = 0
    test_file: str | Path | None = None

    def __post_init__(self) -> None:
        check_whole_number("gap", self.gap, minimum=0)
        if self.group is not None and self.time is not None:
            raise InputError(
                f"group='{self.group}' and time='{self.time}' must not be given together:"
                " whole groups have no order in time. Give the time if later rows are to"
                " be predicted, or the group if rows of new groups are"
            )
        if self.gap and self.time is None:
            raise InputError(f"gap needs time=, the column of times; got gap={self.gap}")

    @property
    def columns(self) -> list[str]:
        """The columns that it names."""
        return [name for name in (self.group, self.time) if name is not None]

    def described(self) -> dict[str, Any]:
        """Return what is set, as JSON values."""
        values = dataclasses.asdict(self)
        values["test_file"] = None if self.test_file is None else str(self.test_file)
        return {name: value for name, value in values.items() if value}

    def share(self, test_size: float | None) -> float:
        """Return the share of test rows to draw; 0 if a file holds the test rows.

        Raises:
            InputError: both a file and a share are given.
        """
        if self.test_file is None:
            return DEFAULT_TEST_SIZE if test_size is None else test_size
        if test_size:
            raise InputError(
                "test_size must not be given with test_file, which holds the test rows; got"
                f" {test_size=} and test_file='{self.test_file}'"
            )
        return 0.0

    def check_columns(self, names: Sequence[str], target: str) -> None:
        """Check that the columns exist.

        Raises:
            InputError: one does not, or it is the target.
        """
        for option, name in (("group", self.group), ("time", self.time)):
            if name is None:
                continue
            check_names([name], names, by=option)
            if name == target:
                raise InputError(
                    f"{option} must be another column than the target; got {name!r}"
                )

    def hints(self, hints: ColumnHints | None) -> ColumnHints:
        """Return the hints of the user; a group that they do not name is no feature."""
        hints = hints or ColumnHints()
        if self.group is None or self.group in _hinted(hints):
            return hints
        return dataclasses.replace(hints, ignore=[*hints.ignore, self.group])

    def schema(
        self, schema: Schema, table: pd.DataFrame, hints: ColumnHints | None
    ) -> Schema:
        """Return the schema without columns that are of no use for later rows.

        The time is a feature only through the parts of dates that repeat. A group or a time
        that the user names in a hint is a feature like any other.

        Args:
            schema: of the table, inferred with `self.hints`.
            table: [rows, columns], raw, all rows or a sample.
            hints: of the user.

        Raises:
            InputError: no column is left.
        """
        named = _hinted(hints or ColumnHints())
        if self.group is not None and self.group not in named:
            schema = _left_out(schema, self.group, "the group; categorical")
        if self.time is None or self.time in named:
            return schema
        column = next((c for c in schema.columns if c.name == self.time), None)
        if column is None or column.kind != "datetime":
            return _left_out(schema, self.time, "the time; numeric")
        column = dataclasses.replace(column, repeating_only=True)
        dates = checked_table(table, Schema((column,)))[self.time]
        if not varying_parts(dates, repeating_only=True):
            return _left_out(schema, self.time, "the time, no part repeats; datetime")
        columns = tuple(column if c.name == self.time else c for c in schema.columns)
        return dataclasses.replace(schema, columns=columns)

    def groups(self, table: pd.DataFrame, reading: ReadOptions | None) -> FactorizedColumn:
        """Return the groups of rows."""
        assert self.group is not None
        return factorize(table[self.group]).without(tuple(reading.na) if reading else ())

    def time_reading(
        self, table: pd.DataFrame, reading: ReadOptions | None
    ) -> ColumnReading:
        """Return how the times are read.

        Raises:
            InputError: they are neither numbers nor dates.
        """
        assert self.time is not None
        found = time_reading(
            table[self.time], what=self.what, cells=cell_options(table, reading)
        )
        named = tuple(reading.na) if reading else ()
        return dataclasses.replace(found, missing_texts=(*found.missing_texts, *named))

    def folds(self, table: pd.DataFrame, reading: ReadOptions | None) -> Folds:
        """Return what the folds of some rows respect.

        Args:
            table: [rows, columns], raw.
            reading: how the table was read.

        Raises:
            InputError: a group or a time is missing or cannot be used.
        """
        if self.group is not None:
            groups = group_codes(self.groups(table, reading), what=self.what)
            return Folds(groups=groups)
        if self.time is None:
            return Folds()
        times = time_values(
            table[self.time], what=self.what, reading=self.time_reading(table, reading)
        )
        return Folds(times=times, gap=self.gap)

    @property
    def what(self) -> str:
        """The column that it names, for messages."""
        if self.group is not None:
            return f"the group {self.group!r}"
        return f"the time {self.time!r}"

    @property
    def how(self) -> str:
        """How test rows and folds are divided, one line; "" for at random."""
        parts = []
        if self.test_file is not None:
            parts.append(f"test rows of {self.test_file}")
        if self.group is not None:
            parts.append(f"by whole groups of {self.group}")
        if self.time is not None:
            gap = f", {self.gap:,} rows apart" if self.gap else ""
            parts.append(
                f"by {self.time}, scored on later rows than those learned from{gap}"
            )
        return "; ".join(parts)

    @property
    def test_rows_text(self) -> str:
        """The description of the test rows, for messages."""
        if self.test_file is not None:
            return f"test rows of {Path(self.test_file).name}, never learned from"
        if self.group is not None:
            return f"test rows, whole groups of {self.group}, never learned from"
        if self.time is not None:
            return f"test rows, the latest by {self.time}, never learned from"
        return "test rows, never learned from"

    @property
    def validation_rows_text(self) -> str:
        """The description of the validation rows and the members that predicted them."""
        if self.time is not None:
            return (
                f"the later training rows by {self.time}, each by members that learned from"
                " earlier ones"
            )
        whole = f", with its whole {self.group}" if self.group is not None else ""
        return f"training rows, each by the members that left it out{whole}"


def _hinted(hints: ColumnHints) -> set[str]:
    """Return the columns that the user wants to be features."""
    kinds = vars(hints).items()
    return {name for kind, names in kinds if kind != "ignore" for name in names}


def _left_out(schema: Schema, name: str, reason: str) -> Schema:
    """Return the schema without a column.

    Args:
        schema: with or without it.
        name: of the column.
        reason: why, and the hint that keeps it.

    Raises:
        InputError: it is the only column.
    """
    columns = tuple(c for c in schema.columns if c.name != name)
    if not columns:
        raise InputError(
            f"the table has no column that can be used beside {name!r}, {reason}=[{name!r}]"
            " makes it a feature"
        )
    left_out = tuple(c for c in schema.left_out if c.name != name)
    left_out += (LeftOut(name, f"{reason}=[{name!r}] keeps it"),)
    return dataclasses.replace(schema, columns=columns, left_out=left_out)
