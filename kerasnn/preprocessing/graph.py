"""Preprocessing in the TensorFlow graph: raw named columns to x and codes.

It repeats `Preprocessor.prepare` on tensors, with the same bits
(tests/test_preprocessing_graph.py), and parses raw texts as `datasets` does.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import tensorflow as tf

from kerasnn.choices import ColumnKind
from kerasnn.datasets import MISSING_TEXTS, WHOLE_AS_FLOAT
from kerasnn.datasets.cells.parsing import missing_numbers
from kerasnn.datasets.cells.truths import TRUTHS, levels_by_truth
from kerasnn.preprocessing.dates import DATE_PARTS
from kerasnn.preprocessing.features import Features, Number
from kerasnn.preprocessing.frequent_values import FrequentValues
from kerasnn.preprocessing.graph_dates import graph_date_parts
from kerasnn.preprocessing.levels import MISSING, Levels
from kerasnn.preprocessing.scaling import (
    CLIP,
    MAX_INPUT,
    MAX_SCALED,
    MIN_INPUT,
    MIN_SCALED,
    LinearScaling,
)

# The blanks of Python's `str.strip`; `tf.strings.strip` removes ASCII blanks only.
_BLANKS = r"[\t-\r\x1c-\x1f\x{85}\pZ]+"
_OUTER_BLANKS = rf"\A{_BLANKS}|{_BLANKS}\z"


class PreprocessingGraph(tf.Module):
    """Fitted preprocessing as a function of tensors, with its lookup table.

    Columns of one kind are stacked, so even with thousands of columns the graph has few
    operations, and one table for all levels.

    Args:
        features: the fitted values.
    """

    def __init__(self, features: Features) -> None:
        super().__init__()
        self._features = features
        kinds = features.kinds
        self._numeric = [name for name, kind in kinds.items() if kind == "numeric"]
        texts = [name for name, kind in kinds.items() if kind != "numeric"]
        self._texts = {name: position for position, name in enumerate(texts)}
        # Columns of one format follow each other.
        self._dates = sorted(
            (name for name, kind in kinds.items() if kind == "datetime"),
            key=self._date_format,
        )
        self._levels = (*features.in_x, *features.embedded)
        with tf.init_scope():
            self.table = _lookup(self._levels, kinds) if self._levels else None

    def __call__(self, inputs: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Return x [rows, n_in] float32 and codes [rows, n_embedded] int32.

        Args:
            inputs: raw columns, see `Features.input_specs`.
        """
        rows = tf.shape(inputs[self._features.names[0]])[0]
        inputs = self._without_missing(inputs)
        texts = self._cleaned_texts(inputs, rows)
        numbers = self._numbers(inputs, texts, rows)
        codes = self._level_codes(texts, rows)
        n_in_x = len(self._features.in_x)
        x = [
            self._scaled(numbers),
            self._missing(numbers),
            _in_x(self._features.in_x, codes[:n_in_x]),
        ]
        frequent = self._frequent_codes(inputs)
        return (
            tf.transpose(tf.concat(x, axis=0)),
            tf.transpose(tf.concat([codes[n_in_x:], *frequent], axis=0)),
        )

    @property
    def number_columns(self) -> tuple[str, ...]:
        """The columns of numbers and dates, in the order of `cells`."""
        return (*self._numeric, *self._dates)

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns of text, including dates, in the order of `cells`."""
        return tuple(self._texts)

    def cells(self, inputs: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the cells of raw columns as they are read, before they become features.

        Args:
            inputs: raw columns, see `Features.input_specs`.

        Returns:
            [number columns, rows] float64, NaN where missing, dates as days since 1970; and
            [text columns, rows] without outer blanks; see also `texts_of_codes`.
        """
        rows = tf.shape(inputs[self._features.names[0]])[0]
        inputs = self._without_missing(inputs)
        texts = self._cleaned_texts(inputs, rows)
        numbers = [_stacked([inputs[name] for name in self._numeric], rows, tf.float64)]
        if self._dates:
            numbers.append(self._date_parts(texts)[DATE_PARTS.index("days")])
        return tf.concat(numbers, axis=0), texts

    def _cleaned_texts(self, inputs: dict[str, tf.Tensor], rows: tf.Tensor) -> tf.Tensor:
        """Return [text columns, rows] without outer blanks."""
        texts = _stacked([inputs[name] for name in self._texts], rows, tf.string)
        return _cleaned(texts)

    def _without_missing(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Return the inputs without the texts that count as missing in a column."""
        changed = {}
        for name, texts in self._features.missing_texts.items():
            if self._features.kinds[name] == "numeric":
                changed[name] = _without_numbers(inputs[name], missing_numbers(texts))
            else:
                changed[name] = _without_texts(_cleaned(inputs[name]), texts)
        return {**inputs, **changed}

    def _date_format(self, column: str) -> str:
        return self._features.date_formats.get(column, "")

    def _date_parts(self, texts: tf.Tensor) -> list[tf.Tensor]:
        """Return [dates, rows] float64 of each of `DATE_PARTS`."""
        found = []
        for date_format, names in groupby(self._dates, self._date_format):
            dates = _picked(texts, map(self._texts.__getitem__, names))
            found.append(graph_date_parts(dates, date_format))
        return [tf.concat([parts[part] for parts in found], axis=0) for part in DATE_PARTS]

    def _numbers(
        self, inputs: dict[str, tf.Tensor], texts: tf.Tensor, rows: tf.Tensor
    ) -> tf.Tensor:
        """Return [numbers, rows] float64, in the order of `_positions`."""
        numbers = [_stacked([inputs[name] for name in self._numeric], rows, tf.float64)]
        if self._dates:
            numbers += self._date_parts(texts)
        for vectors in self._features.texts:
            of_text = vectors.graph(texts[self._texts[vectors.column]])
            numbers.append(tf.stack([of_text[part] for part in vectors.parts]))
        return tf.concat(numbers, axis=0)

    def _positions(self, numbers: Iterable[Number]) -> list[int]:
        """Return the positions of numbers in `_numbers`; the part "" of a date is days."""
        order = [
            *((name, "") for name in self._numeric),
            *((name, part) for part in DATE_PARTS for name in self._dates),
            *((text.column, part) for text in self._features.texts for part in text.parts),
        ]
        positions = {number: i for i, number in enumerate(order)}
        positions |= {(name, ""): positions[name, "days"] for name in self._dates}
        return [positions[number.column, number.part] for number in numbers]

    def _scaled(self, numbers: tf.Tensor) -> tf.Tensor:
        """Return [n_numeric, rows] float32."""
        values = _picked(numbers, self._positions(self._features.numbers))
        missing = tf.math.is_nan(values)
        values = _clip_inputs(tf.where(missing, tf.zeros_like(values), values))
        scaled = _linear(values, self._features.scaling)
        zero = missing | (tf.abs(scaled) < MIN_SCALED)
        return tf.cast(tf.where(zero, tf.zeros_like(scaled), scaled), tf.float32)

    def _missing(self, numbers: tf.Tensor) -> tf.Tensor:
        """Return [missing indicators, rows] float32."""
        columns = self._positions(map(Number, self._features.missing))
        return tf.cast(tf.math.is_nan(_picked(numbers, columns)), tf.float32)

    def _level_codes(self, texts: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """Return [columns with levels, rows] int32."""
        if self.table is None:
            return tf.zeros([0, rows], tf.int32)
        columns = [self._texts[levels.column] for levels in self._levels]
        prefixes = tf.constant([[_prefix(i)] for i in range(len(columns))])
        return self.table.lookup(prefixes + _picked(texts, columns))

    def _frequent_codes(self, inputs: dict[str, tf.Tensor]) -> list[tf.Tensor]:
        """Return [1, rows] int32 for each column of frequent values."""
        return [
            _frequent_value_codes(inputs[frequent.column], frequent)[tf.newaxis]
            for frequent in self._features.frequent
        ]


def _stacked(columns: Sequence[tf.Tensor], rows: tf.Tensor, dtype: Any) -> tf.Tensor:
    """Return columns as [columns, rows]."""
    return tf.stack(columns) if columns else tf.zeros([0, rows], dtype)


def _picked(stacked: tf.Tensor, positions: Iterable[int]) -> tf.Tensor:
    return tf.gather(stacked, np.fromiter(positions, np.int32))


def _in_x(all_levels: Sequence[Levels], codes: tf.Tensor) -> tf.Tensor:
    """Return [columns of x, rows] float32 of columns with few levels.

    Args:
        all_levels: of each column.
        codes: [len(all_levels), rows].
    """
    tables = [levels.rows_of_x for levels in all_levels]  # [codes, columns of x] each
    columns = np.repeat(np.arange(len(tables)), [table.shape[1] for table in tables])
    ones, minus_ones = (
        [np.argmax(c == sign) if sign in c else -1 for table in tables for c in table.T]
        for sign in (1, -1)
    )
    codes = _picked(codes, columns)

    def equal(wanted: list[Any]) -> tf.Tensor:
        return tf.cast(codes == np.array(wanted, np.int32)[:, np.newaxis], tf.float32)

    return equal(ones) - equal(minus_ones)


def _frequent_value_codes(values: tf.Tensor, frequent: FrequentValues) -> tf.Tensor:
    known = tf.constant(frequent.values, tf.float64)
    missing = tf.math.is_nan(values)
    values = _clip_inputs(tf.where(missing, tf.zeros_like(values), values))
    places = tf.minimum(tf.searchsorted(known, values), len(frequent.values) - 1)
    found = (tf.gather(known, places) == values) & ~missing
    return tf.where(found, places + 1, tf.zeros_like(places))


def _lookup(
    all_levels: Sequence[Levels], kinds: Mapping[str, ColumnKind]
) -> tf.lookup.StaticHashTable:
    """Return one table from prefixed texts to codes, for the levels of all columns."""
    codes: dict[bytes, int] = {}
    for i, levels in enumerate(all_levels):
        prefix = _prefix(i)
        found = texts_of_codes(levels, kinds[levels.column])
        codes |= {prefix + text: code for text, code in found.items()}
    keys, values = tf.constant([*codes]), tf.constant([*codes.values()], tf.int32)
    initializer = tf.lookup.KeyValueTensorInitializer(keys, values)
    return tf.lookup.StaticHashTable(initializer, default_value=0)


def _prefix(column: int) -> bytes:
    """Return what the keys of a column begin with; no other key of the table does."""
    return f"{column}:".encode()


def texts_of_codes(levels: Levels, kind: ColumnKind) -> dict[bytes, int]:
    """Return the code of each text; `MISSING_TEXTS`, or spellings of a truth, share one."""
    codes = {text: code for code, text in enumerate(levels.texts, start=1)}
    if kind == "boolean" and (level_of := levels_by_truth(levels.texts)):
        codes = {
            spelling: codes[level_of[truth]]
            for spelling, truth in TRUTHS.items()
            if truth in level_of
        }
    if MISSING in codes:
        codes |= dict.fromkeys(MISSING_TEXTS, codes[MISSING])
    return {text.encode("utf-8", "surrogatepass"): code for text, code in codes.items()}


def _cleaned(text: tf.Tensor) -> tf.Tensor:
    """Remove outer blanks, and replace "3.0" by "3", as `category_text` does."""
    text = tf.strings.regex_replace(text, _OUTER_BLANKS, "")
    return tf.strings.regex_replace(text, WHOLE_AS_FLOAT, r"\1")


def _without_texts(text: tf.Tensor, missing: Iterable[str]) -> tf.Tensor:
    """Return a text, "" where it is one of the missing texts."""
    pattern = "|".join(map(re.escape, missing))
    return tf.strings.regex_replace(text, rf"\A(?:{pattern})\z", "")


def _without_numbers(values: tf.Tensor, missing: Iterable[float]) -> tf.Tensor:
    """Return numbers, NaN in place of each of the missing numbers."""
    for number in missing:
        values = tf.where(values == number, tf.constant(float("nan"), tf.float64), values)
    return values


def _clip_inputs(values: tf.Tensor) -> tf.Tensor:
    """Repeat `scaling.clip_inputs`, for values without NaN."""
    values = tf.clip_by_value(values, -MAX_INPUT, MAX_INPUT)
    return tf.where(tf.abs(values) < MIN_INPUT, tf.zeros_like(values), values)


def _linear(values: tf.Tensor, scaling: LinearScaling) -> tf.Tensor:
    """Repeat `LinearScaling.apply`, for [n_features, rows] float64."""
    scaled = (values - scaling.centers[:, np.newaxis]) * scaling.factors[:, np.newaxis]
    scaled = tf.clip_by_value(scaled, -MAX_SCALED, MAX_SCALED)
    return graph_smooth_clip(scaled) if scaling.clipped else scaled


def graph_smooth_clip(scaled: tf.Tensor) -> tf.Tensor:
    """Repeat `scaling.smooth_clip`."""
    square = scaled * scaled
    return tf.sign(scaled) * tf.sqrt(square / (1.0 + square * (1.0 / CLIP**2)))
