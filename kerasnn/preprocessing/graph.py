"""Preprocessing in the TensorFlow graph: raw named columns to what a network takes.

What `Preprocessor.prepare` does to a checked table, done to tensors, with the same bits:
tests/test_preprocessing_graph.py holds them together. Here the raw texts are read as
`datasets` reads them.
"""

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from kerasnn.datasets import MISSING_TEXTS, WHOLE_AS_FLOAT
from kerasnn.preprocessing.graph_dates import graph_date_parts
from kerasnn.preprocessing.levels import MISSING, Levels
from kerasnn.preprocessing.repeated import RepeatedValues
from kerasnn.preprocessing.scaling import (
    CLIP,
    FARTHEST,
    LARGEST,
    NEAREST,
    SMALLEST,
    LinearScaling,
    QuantileScaling,
    slopes,
)

if TYPE_CHECKING:
    from kerasnn.preprocessing.preprocessor import Preprocessor

# What Python's `str.strip` takes away; `tf.strings.strip` knows ASCII's blanks only.
_BLANKS = r"[\t-\r\x1c-\x1f\x{85}\pZ]+"
_OUTER_BLANKS = rf"\A{_BLANKS}|{_BLANKS}\z"


class PreprocessingGraph(tf.Module):
    """A fitted `Preprocessor` as a function of tensors, with its lookup tables.

    Args:
        preprocessor: what it does.
    """

    def __init__(self, preprocessor: "Preprocessor") -> None:
        super().__init__()
        self._fitted = preprocessor
        with tf.init_scope():
            self.in_x_tables = [_lookup(levels) for levels in preprocessor.in_x]
            self.embedded_tables = [_lookup(levels) for levels in preprocessor.embedded]

    def __call__(self, inputs: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """X [rows, n_in] float32 and codes [rows, n_embedded] int32.

        Args:
            inputs: the raw columns, as `Preprocessor.input_specs` says.
        """
        texts = {
            name: tf.strings.regex_replace(inputs[name], _OUTER_BLANKS, "")
            for name, kind in self._fitted.kinds.items()
            if kind != "numeric"
        }
        numbers = self._numbers(inputs, texts)
        missing = [tf.math.is_nan(numbers[column, ""]) for column in self._fitted.missing]
        rows = tf.shape(inputs[self._fitted.names[0]])[0]
        x = [
            self._scaled(numbers, rows),
            *(tf.cast(where, tf.float32)[:, None] for where in missing),
            *self._levels_in_x(texts),
        ]
        return tf.concat(x, axis=1), self._codes(texts, numbers, rows)

    def _numbers(
        self, inputs: dict[str, tf.Tensor], texts: dict[str, tf.Tensor]
    ) -> dict[tuple[str, str], tf.Tensor]:
        """Each number [rows] float64 by column and part; of a date also the part ""."""
        numbers = {}
        for name, kind in self._fitted.kinds.items():
            if kind == "numeric":
                numbers[name, ""] = inputs[name]
            elif kind == "datetime":
                parts = graph_date_parts(texts[name])
                numbers |= {(name, part): value for part, value in parts.items()}
                numbers[name, ""] = parts["days"]
        return numbers

    def _scaled(
        self, numbers: dict[tuple[str, str], tf.Tensor], rows: tf.Tensor
    ) -> tf.Tensor:
        """[rows, n_numeric] float32."""
        columns = [numbers[n.column, n.part] for n in self._fitted.numbers]
        if not columns:
            return tf.zeros([rows, 0], tf.float32)
        values = tf.stack(columns, axis=1)
        missing = tf.math.is_nan(values)
        values = _tamed(tf.where(missing, tf.zeros_like(values), values))
        scaling = self._fitted.scaling
        if isinstance(scaling, LinearScaling):
            scaled = _linear(values, scaling)
        else:
            scaled = _by_quantiles(values, scaling)
        zero = missing | (tf.abs(scaled) < NEAREST)
        return tf.cast(tf.where(zero, tf.zeros_like(scaled), scaled), tf.float32)

    def _levels_in_x(self, texts: dict[str, tf.Tensor]) -> list[tf.Tensor]:
        """[rows, n] float32 of each column of few levels."""
        return [
            tf.gather(levels.rows_of_x, table.lookup(_whole(texts[levels.column])))
            for levels, table in zip(self._fitted.in_x, self.in_x_tables, strict=True)
        ]

    def _codes(
        self,
        texts: dict[str, tf.Tensor],
        numbers: dict[tuple[str, str], tf.Tensor],
        rows: tf.Tensor,
    ) -> tf.Tensor:
        """[rows, n_embedded] int32."""
        codes = [
            table.lookup(_whole(texts[levels.column]))
            for levels, table in zip(
                self._fitted.embedded, self.embedded_tables, strict=True
            )
        ]
        codes += [
            _repeated_codes(numbers[repeated.column, ""], repeated)
            for repeated in self._fitted.repeated
        ]
        return tf.stack(codes, axis=1) if codes else tf.zeros([rows, 0], tf.int32)


def _repeated_codes(values: tf.Tensor, repeated: RepeatedValues) -> tf.Tensor:
    """As `RepeatedValues.codes`."""
    known = tf.constant(repeated.values, tf.float64)
    missing = tf.math.is_nan(values)
    values = _tamed(tf.where(missing, tf.zeros_like(values), values))
    places = tf.minimum(tf.searchsorted(known, values), len(repeated.values) - 1)
    found = (tf.gather(known, places) == values) & ~missing
    return tf.where(found, places + 1, tf.zeros_like(places))


def _lookup(levels: Levels) -> tf.lookup.StaticHashTable:
    """From text to code; every way to write a missing value to the code of missing."""
    codes = {text: code for code, text in enumerate(levels.texts, start=1)}
    if MISSING in codes:
        codes |= dict.fromkeys(MISSING_TEXTS, codes[MISSING])
    keys = tf.constant([text.encode("utf-8", "surrogatepass") for text in codes])
    values = tf.constant(list(codes.values()), tf.int32)
    initializer = tf.lookup.KeyValueTensorInitializer(keys, values)
    return tf.lookup.StaticHashTable(initializer, default_value=0)


def _whole(text: tf.Tensor) -> tf.Tensor:
    """The text "3" of "3.0", as `category_text` gives it."""
    return tf.strings.regex_replace(text, WHOLE_AS_FLOAT, r"\1")


def _tamed(values: tf.Tensor) -> tf.Tensor:
    """As `scaling.tamed`; without NaN."""
    values = tf.clip_by_value(values, -LARGEST, LARGEST)
    return tf.where(tf.abs(values) < SMALLEST, tf.zeros_like(values), values)


def _linear(values: tf.Tensor, scaling: LinearScaling) -> tf.Tensor:
    """As `LinearScaling.apply`, in float64."""
    scaled = (values - scaling.centers) * scaling.factors
    scaled = tf.clip_by_value(scaled, -FARTHEST, FARTHEST)
    return smooth_clip(scaled) if scaling.clipped else scaled


def smooth_clip(scaled: tf.Tensor) -> tf.Tensor:
    """As `scaling.smooth_clip`."""
    square = scaled * scaled
    return tf.sign(scaled) * tf.sqrt(square / (1.0 + square * (1.0 / CLIP**2)))


def _by_quantiles(values: tf.Tensor, scaling: QuantileScaling) -> tf.Tensor:
    """As `QuantileScaling.apply`, in float64, all features at once."""
    most = max(map(len, scaling.knots))
    pairs = list(zip(scaling.knots, scaling.scores, strict=True))

    def padded(rows: list[np.ndarray], value: float) -> np.ndarray:
        return np.array(
            [np.pad(r, (0, most - len(r)), constant_values=value) for r in rows]
        )

    knots = padded([k for k, _ in pairs], np.inf)  # [features, most]; none is below a value
    scores = padded([s for _, s in pairs], 0.0)
    rises = padded([slopes(k, s) for k, s in pairs], 0.0)
    first = np.array([k[0] for k, _ in pairs])
    last = np.array([k[-1] for k, _ in pairs])
    x = tf.transpose(tf.minimum(tf.maximum(values, first), last))
    below = tf.searchsorted(knots, x, side="right") - 1

    def at(table: np.ndarray) -> tf.Tensor:
        return tf.gather(table, below, batch_dims=1)

    return tf.transpose(at(scores) + (x - at(knots)) * at(rises))
