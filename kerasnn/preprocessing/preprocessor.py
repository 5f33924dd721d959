"""What is fitted on training rows, and what it makes of any rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.choices import ColumnKind, NumericScaling
from kerasnn.datasets.counting import ColumnCounts
from kerasnn.datasets.schema import Schema
from kerasnn.errors import InputError, check_whole_number
from kerasnn.preprocessing.dates import are_known, date_parts, varying_parts
from kerasnn.preprocessing.graph import PreprocessingGraph
from kerasnn.preprocessing.levels import Levels, fit_levels
from kerasnn.preprocessing.repeated import RepeatedValues, fit_repeated_values
from kerasnn.preprocessing.scaling import Scaling, fit_scaling, scaling_from_dict

FORMAT = 1


class Prepared(NamedTuple):
    """Rows as a network takes them.

    Attributes:
        x: [rows, n_in] float32: the scaled numbers, then columns of -1, 0 and 1.
        codes: [rows, n_embedded] int32, of the levels of each embedded column.
    """

    x: NDArray[np.float32]
    codes: NDArray[np.int32]


@dataclass(frozen=True)
class Number:
    """A feature that is scaled: a numeric column, or a part of a date.

    Attributes:
        column: its name.
        part: of `dates.PARTS`; "" for a numeric column.
    """

    column: str
    part: str = ""

    @property
    def feature_name(self) -> str:
        """The column's name, and the part."""
        return f"{self.column} {self.part}".rstrip()


@dataclass(frozen=True, eq=False)
class Preprocessor:
    """Fitted preprocessing; made by `Preprocessor.fit`.

    The columns of x are the scaled numbers (0 where missing); 1 for each column whose
    missing values count, where one is missing; then for each boolean or categorical
    column of few levels a -1 or 1, or a 0 or 1 for each level, which are all 0 for an
    unknown level. A column of many levels goes to `codes`, in which 0 is unknown.

    Attributes:
        kinds: of all the columns of the schema, by name, in order.
        numbers: the scaled features.
        scaling: how they are scaled.
        missing: columns that have a missing indicator.
        in_x: the levels of columns that go to x.
        embedded: the levels of columns that go to codes.
        repeated: the values of numeric columns that go to codes as well, after those.
    """

    kinds: Mapping[str, ColumnKind]
    numbers: tuple[Number, ...]
    scaling: Scaling
    missing: tuple[str, ...]
    in_x: tuple[Levels, ...]
    embedded: tuple[Levels, ...]
    repeated: tuple[RepeatedValues, ...] = ()

    @classmethod
    def fit(
        cls,
        table: pd.DataFrame,
        schema: Schema,
        *,
        scaling: NumericScaling = "robust",
        one_hot_levels: int = 8,
        min_count: int = 3,
        max_levels: int = 1000,
        repeated_values: bool = False,
        counts: Mapping[str, ColumnCounts] | None = None,
    ) -> "Preprocessor":
        """Fit to training rows, or to a sample of them and counts of them all.

        Args:
            table: as `checked_table` gives it.
            schema: of the table.
            scaling: "robust", by median and quartiles, clipped smoothly to +-3;
                "standard", by mean and standard deviation; "quantile", to normal scores.
            one_hot_levels: columns of more levels get codes, for an embedding.
            min_count: levels in fewer rows are taken for unknown, and fewer missing
                values do not count as information of their own.
            max_levels: at most so many levels of a column are kept, the most frequent.
            repeated_values: whether the values of numeric columns that are mostly one
                number get codes beside the number; see `repeated`.
            counts: of each column, of all rows, where the table is a sample of them.

        Raises:
            InputError: a setting is out of range, or no column says anything.
        """
        check_whole_number("one_hot_levels", one_hot_levels, least=2)
        check_whole_number("min_count", min_count, least=1)
        check_whole_number("max_levels", max_levels, least=1)
        numbers = tuple(_numbers(table, schema))
        levels = [
            fit_levels(
                table[column.name],
                column,
                None if counts is None else counts[column.name],
                one_hot_levels=one_hot_levels,
                min_count=min_count,
                most=max_levels,
            )
            for column in schema.columns
            if column.kind in ("categorical", "boolean")
        ]
        fitted = cls(
            kinds={column.name: column.kind for column in schema.columns},
            numbers=numbers,
            scaling=fit_scaling(_values(table, numbers), scaling),
            missing=tuple(_with_indicator(table, schema, min_count, counts)),
            in_x=tuple(kept for kept in levels if kept and kept.form != "codes"),
            embedded=tuple(kept for kept in levels if kept and kept.form == "codes"),
            repeated=tuple(_repeated(table, schema)) if repeated_values else (),
        )
        if not fitted.n_in and not fitted.n_embedded:
            raise InputError(
                f"no column says anything in these {len(table)} rows: no level of"
                f" {', '.join(map(repr, fitted.names))} is in {min_count} of them;"
                " give more rows, or min_count=1"
            )
        return fitted

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the raw table, in order."""
        return tuple(self.kinds)

    @property
    def n_numeric(self) -> int:
        """How many columns of x, the first ones, are scaled numbers."""
        return len(self.numbers)

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """A name for each column of x: "age", "age missing", "workclass=Private"."""
        return (
            *(number.feature_name for number in self.numbers),
            *(f"{column} missing" for column in self.missing),
            *(name for levels in self.in_x for name in levels.feature_names),
        )

    @property
    def n_in(self) -> int:
        """Columns of x."""
        return len(self.feature_names)

    @property
    def n_embedded(self) -> int:
        """Columns of codes."""
        return len(self.embedded) + len(self.repeated)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """How many codes each column of codes has, 0 among them."""
        kept = (
            *(levels.texts for levels in self.embedded),
            *(repeated.values for repeated in self.repeated),
        )
        return tuple(len(one) + 1 for one in kept)

    def prepare(self, table: pd.DataFrame) -> Prepared:
        """What the network takes, of rows as `checked_table` gives them."""
        x = np.empty((len(table), self.n_in), np.float32)
        n = self.n_numeric
        x[:, :n] = self.scaling.apply(_values(table, self.numbers))
        for column in self.missing:
            x[:, n] = _missing_rows(table[column], self.kinds[column])
            n += 1
        for levels in self.in_x:
            columns = levels.rows_of_x[levels.codes(table[levels.column])]
            x[:, n : n + columns.shape[1]] = columns
            n += columns.shape[1]
        codes = np.empty((len(table), self.n_embedded), np.int32)
        for i, levels in enumerate(self.embedded):
            codes[:, i] = levels.codes(table[levels.column])
        for i, repeated in enumerate(self.repeated, start=len(self.embedded)):
            codes[:, i] = repeated.codes(table[repeated.column].to_numpy())
        return Prepared(x, codes)

    @cached_property
    def graph(self) -> PreprocessingGraph:
        """The same in the TensorFlow graph, with the lookup tables."""
        return PreprocessingGraph(self)

    def __call__(self, inputs: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """What `prepare` gives, from raw columns as tensors: x and codes.

        Args:
            inputs: by name, as `input_specs` says; others are passed over.
        """
        return self.graph(inputs)

    def input_specs(self) -> dict[str, tf.TensorSpec]:
        """Of each raw column, [rows].

        Numeric columns are float64, NaN where missing. All others are text, where "" and
        the other `MISSING_TEXTS` are missing; dates are ISO 8601, and what is none is
        missing.
        """
        return {
            name: tf.TensorSpec([None], tf.float64 if kind == "numeric" else tf.string)
            for name, kind in self.kinds.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "format": FORMAT,
            "kinds": dict(self.kinds),
            "numbers": [vars(number) for number in self.numbers],
            "scaling": self.scaling.to_dict(),
            "missing": list(self.missing),
            "levels": [
                {**vars(levels), "texts": list(levels.texts)}
                for levels in (*self.in_x, *self.embedded)
            ],
            "repeated": [
                {"column": repeated.column, "values": list(repeated.values)}
                for repeated in self.repeated
            ],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Preprocessor":
        """From what `to_dict` gave.

        Raises:
            InputError: it is of another format.
        """
        if content.get("format") != FORMAT:
            raise InputError(
                f"this is not preprocessing of format {FORMAT};"
                f" its format is {content.get('format')!r}"
            )
        levels = [Levels(**{**c, "texts": tuple(c["texts"])}) for c in content["levels"]]
        return cls(
            kinds=dict(content["kinds"]),
            numbers=tuple(Number(**number) for number in content["numbers"]),
            scaling=scaling_from_dict(content["scaling"]),
            missing=tuple(content["missing"]),
            in_x=tuple(kept for kept in levels if kept.form != "codes"),
            embedded=tuple(kept for kept in levels if kept.form == "codes"),
            repeated=tuple(
                RepeatedValues(c["column"], tuple(c["values"])) for c in content["repeated"]
            ),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled, and copied, as its JSON: the graph's tables are made anew."""
        return Preprocessor.from_dict, (self.to_dict(),)


def _numbers(table: pd.DataFrame, schema: Schema) -> list[Number]:
    """The features to scale: numeric columns, and the parts of dates that vary."""
    numbers = []
    for column in schema.columns:
        if column.kind == "numeric":
            numbers.append(Number(column.name))
        elif column.kind == "datetime":
            parts = varying_parts(table[column.name])
            numbers += [Number(column.name, part) for part in parts]
    return numbers


def _repeated(table: pd.DataFrame, schema: Schema) -> Iterator[RepeatedValues]:
    """The numeric columns whose values have something of their own to say."""
    for column in schema.columns:
        if column.kind == "numeric":
            found = fit_repeated_values(column.name, table[column.name].to_numpy())
            if found is not None:
                yield found


def _values(table: pd.DataFrame, numbers: tuple[Number, ...]) -> NDArray[np.float64]:
    """[rows, n_numbers], NaN where missing, not yet scaled."""
    values = np.empty((len(table), len(numbers)))
    parts = {
        name: date_parts(table[name]) for name in {n.column for n in numbers if n.part}
    }
    for i, number in enumerate(numbers):
        column = number.column
        values[:, i] = parts[column][number.part] if number.part else table[column]
    return values


def _missing_rows(values: pd.Series, kind: ColumnKind) -> NDArray[np.bool_]:
    return ~are_known(values) if kind == "datetime" else values.isna().to_numpy()


def _with_indicator(
    table: pd.DataFrame,
    schema: Schema,
    min_count: int,
    counts: Mapping[str, ColumnCounts] | None,
) -> list[str]:
    """Columns of numbers and dates in which missing values are information."""
    names = [c.name for c in schema.columns if c.kind in ("numeric", "datetime")]
    found = {}
    for name in names:
        kind = schema.column(name).kind
        missing = int(_missing_rows(table[name], kind).sum()), len(table)
        found[name] = missing
        # A date may be one that is not known, which nothing but its text tells.
        if counts is not None and kind == "numeric":
            found[name] = counts[name].missing, counts[name].rows
    return [name for name, (n, rows) in found.items() if min_count <= n < rows]
