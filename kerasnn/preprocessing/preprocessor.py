"""Preprocessing of checked tables: fitted on training rows, applied to any rows."""

from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.choices import ColumnKind, NumericScaling
from kerasnn.datasets import Schema
from kerasnn.datasets.profiling.counting import ColumnCounts
from kerasnn.errors import InputError
from kerasnn.preprocessing.dates import are_known, date_parts, varying_parts
from kerasnn.preprocessing.features import Features, Number, Prepared
from kerasnn.preprocessing.frequent_values import FrequentValues, fit_frequent_values
from kerasnn.preprocessing.graph import PreprocessingGraph
from kerasnn.preprocessing.levels import LevelOptions, fit_levels
from kerasnn.preprocessing.scaling import fit_scaling
from kerasnn.preprocessing.texts import TextVectors, fit_text_vectors

AllCounts = Mapping[str, ColumnCounts]  # by column


class Preprocessor(Features):
    """Fitted preprocessing; created by `Preprocessor.fit`."""

    @classmethod
    def fit(
        cls,
        table: pd.DataFrame,
        schema: Schema,
        *,
        scaling: NumericScaling = "robust",
        levels: LevelOptions | None = None,
        frequent_value_codes: bool = False,
        counts: AllCounts | None = None,
    ) -> "Preprocessor":
        """Fit to training rows, or to a sample and the counts of all rows.

        Args:
            table: from `checked_table`.
            schema: of the table.
            scaling: "robust": median and quartiles, clipped smoothly to +-3; "standard":
                mean and standard deviation.
            levels: which levels of categorical columns are kept.
            frequent_value_codes: whether the values of numeric columns that are mostly one
                number get codes beside the number; see `frequent_values`.
            counts: of each column over all rows, if the table is a sample of them.

        Raises:
            InputError: the scaling is unknown, or no column has information.
        """
        options = levels or LevelOptions()
        if counts is not None:
            counts = {c.name: counts[c.name].read_as(c) for c in schema.columns}
        texts = tuple(
            fit_text_vectors(column.name, table[column.name])
            for column in schema.columns
            if column.kind == "text"
        )
        numbers = tuple(_numbers(table, schema, texts))
        kept = [
            fit_levels(
                table[column.name], column, options, counts[column.name] if counts else None
            )
            for column in schema.columns
            if column.kind in ("categorical", "boolean")
        ]
        frequent = _frequent_values(table, schema) if frequent_value_codes else ()
        fitted = cls(
            kinds={column.name: column.kind for column in schema.columns},
            numbers=numbers,
            scaling=fit_scaling(_values(table, numbers, texts), scaling),
            missing=tuple(_with_indicator(table, schema, options.min_count, counts)),
            in_x=tuple(found for found in kept if found and found.form != "codes"),
            embedded=tuple(found for found in kept if found and found.form == "codes"),
            frequent=tuple(frequent),
            date_formats={c.name: c.date_format for c in schema.columns if c.date_format},
            missing_texts={
                c.name: c.missing_texts for c in schema.columns if c.missing_texts
            },
            texts=texts,
        )
        if not fitted.n_in and not fitted.n_embedded:
            raise InputError(
                f"no column is informative in these {len(table)} rows: no level of"
                f" {', '.join(map(repr, fitted.names))} occurs in {options.min_count} of"
                " them; give more rows, or columns whose values repeat"
            )
        return fitted

    def prepare(self, table: pd.DataFrame) -> Prepared:
        """Return x and codes of rows from `checked_table`."""
        x = np.empty((len(table), self.n_in), np.float32)
        n = self.n_numeric
        x[:, :n] = self.scaling.apply(_values(table, self.numbers, self.texts))
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
        for i, frequent in enumerate(self.frequent, start=len(self.embedded)):
            codes[:, i] = frequent.codes(table[frequent.column].to_numpy())
        return Prepared(x, codes)

    @cached_property
    def graph(self) -> PreprocessingGraph:
        """The same preprocessing in a TensorFlow graph, with its lookup table."""
        return PreprocessingGraph(self)

    def __call__(self, inputs: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Return x and codes, as `prepare`, of raw columns as tensors.

        Args:
            inputs: by name, see `input_specs`; others are ignored.
        """
        return self.graph(inputs)


def _numbers(
    table: pd.DataFrame, schema: Schema, texts: tuple[TextVectors, ...]
) -> Iterator[Number]:
    """Yield the features to scale: numeric columns, parts of dates that vary, and texts."""
    parts_of = {vectors.column: vectors.parts for vectors in texts}
    for column in schema.columns:
        if column.kind == "numeric":
            yield Number(column.name)
        elif column.kind == "datetime":
            dates = table[column.name]
            for part in varying_parts(dates, repeating_only=column.repeating_only):
                yield Number(column.name, part)
        for part in parts_of.get(column.name, ()):
            yield Number(column.name, part)


def _frequent_values(table: pd.DataFrame, schema: Schema) -> Iterator[FrequentValues]:
    for column in schema.columns:
        if column.kind == "numeric":
            found = fit_frequent_values(column.name, table[column.name].to_numpy())
            if found is not None:
                yield found


def _values(
    table: pd.DataFrame, numbers: tuple[Number, ...], texts: tuple[TextVectors, ...]
) -> NDArray[np.float64]:
    """Return [rows, n_numbers] before scaling, NaN where missing."""
    values = np.empty((len(table), len(numbers)))
    parts = {vectors.column: vectors.numbers(table[vectors.column]) for vectors in texts}
    dates = {number.column for number in numbers if number.part} - set(parts)
    parts |= {name: date_parts(table[name]) for name in dates}
    for i, number in enumerate(numbers):
        if number.part:
            values[:, i] = parts[number.column][number.part]
    whole = [i for i, number in enumerate(numbers) if not number.part]
    values[:, whole] = table[[numbers[i].column for i in whole]].to_numpy(np.float64)
    return values


def _missing_rows(values: pd.Series, kind: ColumnKind) -> NDArray[np.bool_]:
    return ~are_known(values) if kind == "datetime" else values.isna().to_numpy()


def _with_indicator(
    table: pd.DataFrame, schema: Schema, min_count: int, counts: AllCounts | None
) -> Iterator[str]:
    """Yield the columns of numbers and dates that get a missing indicator."""
    for column in schema.columns:
        if column.kind not in ("numeric", "datetime"):
            continue
        missing = int(_missing_rows(table[column.name], column.kind).sum())
        rows = len(table)
        # The counts do not contain invalid dates, which count as missing too.
        if counts is not None and column.kind == "numeric":
            missing, rows = counts[column.name].missing, counts[column.name].rows
        if min_count <= missing < rows:
            yield column.name
