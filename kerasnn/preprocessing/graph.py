"""Preprocessing in the TensorFlow graph: raw named columns to x and codes.

It repeats `Preprocessor.prepare` on tensors, with the same bits
(tests/test_preprocessing_graph.py), and parses raw texts as `datasets` does.
"""

import re
from collections.abc import Iterable

import tensorflow as tf

from kerasnn.choices import ColumnKind
from kerasnn.datasets import MISSING_TEXTS, WHOLE_AS_FLOAT
from kerasnn.datasets.cells.parsing import missing_numbers
from kerasnn.datasets.cells.truths import TRUTHS, in_every_case, levels_by_truth
from kerasnn.preprocessing.features import Features
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
    """Fitted preprocessing as a function of tensors, with its lookup tables.

    Args:
        features: the fitted values.
    """

    def __init__(self, features: Features) -> None:
        super().__init__()
        self._features = features
        with tf.init_scope():
            self.in_x_tables = [
                _lookup(levels, features.kinds[levels.column]) for levels in features.in_x
            ]
            self.embedded_tables = [
                _lookup(levels, features.kinds[levels.column])
                for levels in features.embedded
            ]

    def __call__(self, inputs: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Return x [rows, n_in] float32 and codes [rows, n_embedded] int32.

        Args:
            inputs: raw columns, see `Features.input_specs`.
        """
        texts = {
            name: self._text(name, inputs[name])
            for name, kind in self._features.kinds.items()
            if kind != "numeric"
        }
        numbers = self._numbers(inputs, texts)
        missing = [tf.math.is_nan(numbers[column, ""]) for column in self._features.missing]
        rows = tf.shape(inputs[self._features.names[0]])[0]
        x = [
            self._scaled(numbers, rows),
            *(tf.cast(where, tf.float32)[:, None] for where in missing),
            *self._levels_in_x(texts),
        ]
        return tf.concat(x, axis=1), self._codes(texts, numbers, rows)

    def _text(self, name: str, text: tf.Tensor) -> tf.Tensor:
        """Return a column's text without outer blanks; "" where it is a missing text."""
        text = tf.strings.regex_replace(text, _OUTER_BLANKS, "")
        is_iso = self._features.kinds[name] == "datetime" and not (
            self._features.date_formats.get(name)
        )
        text = text if is_iso else _whole(text)
        return _without(text, self._features.missing_texts.get(name, ()))

    def _numbers(
        self, inputs: dict[str, tf.Tensor], texts: dict[str, tf.Tensor]
    ) -> dict[tuple[str, str], tf.Tensor]:
        """Return [rows] float64 by column and part; the part "" of dates is days."""
        numbers = {}
        for name, kind in self._features.kinds.items():
            if kind == "numeric":
                absent = missing_numbers(self._features.missing_texts.get(name, ()))
                numbers[name, ""] = _without_numbers(inputs[name], absent)
            elif kind == "datetime":
                date_format = self._features.date_formats.get(name, "")
                parts = graph_date_parts(texts[name], date_format)
                numbers |= {(name, part): value for part, value in parts.items()}
                numbers[name, ""] = parts["days"]
        return numbers

    def _scaled(
        self, numbers: dict[tuple[str, str], tf.Tensor], rows: tf.Tensor
    ) -> tf.Tensor:
        """Return [rows, n_numeric] float32."""
        columns = [numbers[n.column, n.part] for n in self._features.numbers]
        if not columns:
            return tf.zeros([rows, 0], tf.float32)
        values = tf.stack(columns, axis=1)
        missing = tf.math.is_nan(values)
        values = _clip_inputs(tf.where(missing, tf.zeros_like(values), values))
        scaled = _linear(values, self._features.scaling)
        zero = missing | (tf.abs(scaled) < MIN_SCALED)
        return tf.cast(tf.where(zero, tf.zeros_like(scaled), scaled), tf.float32)

    def _levels_in_x(self, texts: dict[str, tf.Tensor]) -> list[tf.Tensor]:
        """Return [rows, n] float32 for each column of few levels."""
        return [
            tf.gather(levels.rows_of_x, table.lookup(texts[levels.column]))
            for levels, table in zip(self._features.in_x, self.in_x_tables, strict=True)
        ]

    def _codes(
        self,
        texts: dict[str, tf.Tensor],
        numbers: dict[tuple[str, str], tf.Tensor],
        rows: tf.Tensor,
    ) -> tf.Tensor:
        """Return [rows, n_embedded] int32."""
        codes = [
            table.lookup(texts[levels.column])
            for levels, table in zip(
                self._features.embedded, self.embedded_tables, strict=True
            )
        ]
        codes += [
            _frequent_value_codes(numbers[frequent.column, ""], frequent)
            for frequent in self._features.frequent
        ]
        return tf.stack(codes, axis=1) if codes else tf.zeros([rows, 0], tf.int32)


def _frequent_value_codes(values: tf.Tensor, frequent: FrequentValues) -> tf.Tensor:
    known = tf.constant(frequent.values, tf.float64)
    missing = tf.math.is_nan(values)
    values = _clip_inputs(tf.where(missing, tf.zeros_like(values), values))
    places = tf.minimum(tf.searchsorted(known, values), len(frequent.values) - 1)
    found = (tf.gather(known, places) == values) & ~missing
    return tf.where(found, places + 1, tf.zeros_like(places))


def _lookup(levels: Levels, kind: ColumnKind) -> tf.lookup.StaticHashTable:
    """Return a table from texts to codes: all `MISSING_TEXTS`, or truths, are equal."""
    codes = {text: code for code, text in enumerate(levels.texts, start=1)}
    if kind == "boolean" and (level_of := levels_by_truth(levels.texts)):
        codes = {
            spelling: codes[level_of[truth]]
            for text, truth in TRUTHS.items()
            if truth in level_of
            for spelling in in_every_case(text)
        }
    if MISSING in codes:
        codes |= dict.fromkeys(MISSING_TEXTS, codes[MISSING])
    keys = tf.constant([text.encode("utf-8", "surrogatepass") for text in codes])
    values = tf.constant(list(codes.values()), tf.int32)
    initializer = tf.lookup.KeyValueTensorInitializer(keys, values)
    return tf.lookup.StaticHashTable(initializer, default_value=0)


def _without(text: tf.Tensor, missing: Iterable[str]) -> tf.Tensor:
    """Return a text, "" where it is one of the missing texts."""
    pattern = "|".join(map(re.escape, missing))
    return tf.strings.regex_replace(text, rf"\A(?:{pattern})\z", "") if pattern else text


def _without_numbers(values: tf.Tensor, missing: Iterable[float]) -> tf.Tensor:
    """Return numbers, NaN where one of the missing numbers is."""
    for number in missing:
        values = tf.where(values == number, tf.constant(float("nan"), tf.float64), values)
    return values


def _whole(text: tf.Tensor) -> tf.Tensor:
    """Replace "3.0" by "3", as `category_text` does."""
    return tf.strings.regex_replace(text, WHOLE_AS_FLOAT, r"\1")


def _clip_inputs(values: tf.Tensor) -> tf.Tensor:
    """Repeat `scaling.clip_inputs`, for values without NaN."""
    values = tf.clip_by_value(values, -MAX_INPUT, MAX_INPUT)
    return tf.where(tf.abs(values) < MIN_INPUT, tf.zeros_like(values), values)


def _linear(values: tf.Tensor, scaling: LinearScaling) -> tf.Tensor:
    """Repeat `LinearScaling.apply`, in float64."""
    scaled = (values - scaling.centers) * scaling.factors
    scaled = tf.clip_by_value(scaled, -MAX_SCALED, MAX_SCALED)
    return graph_smooth_clip(scaled) if scaling.clipped else scaled


def graph_smooth_clip(scaled: tf.Tensor) -> tf.Tensor:
    """Repeat `scaling.smooth_clip`."""
    square = scaled * scaled
    return tf.sign(scaled) * tf.sqrt(square / (1.0 + square * (1.0 / CLIP**2)))
