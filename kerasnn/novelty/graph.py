"""The signature `check` in pure TensorFlow operations: raw columns to flags.

It repeats `ColumnLimits`, `ColumnBins.codes` and `Combinations.of_rows` on tensors
(tests/test_novelty.py). Levels are found by a hash of 62 bits among sorted ones: a constant
of 12 bytes a level, and no lookup table.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.datasets import MISSING_TEXTS
from kerasnn.datasets.schema.limits import ColumnLimits
from kerasnn.novelty.bins import ColumnBins
from kerasnn.novelty.combinations import Combinations
from kerasnn.novelty.fitting import Novelty
from kerasnn.preprocessing.dates import date_parts
from kerasnn.preprocessing.graph import PreprocessingGraph, texts_of_codes
from kerasnn.preprocessing.levels import MISSING, Levels

_HASHES = 2**62
_UNKNOWN, _MISSING = 0, 1  # codes of texts; those of levels follow

Columns = dict[str, tf.Tensor]


def check_function(
    novelty: Novelty, preprocessing: PreprocessingGraph
) -> Callable[[Columns], Columns]:
    """Return the function of raw columns that is the signature `check`.

    It takes columns as `Features.input_specs` says, and returns for each row
    `unusual` [rows] bool, `outside`, `unseen` and `missing` [rows, columns] bool (missing
    where the training never was), `unlikely` [rows] bool, and `combination` [rows, 2]
    int32: the positions of the two columns whose values surprise most together, -1 in rows
    that are not unlikely.

    Args:
        novelty: what ordinary rows are like.
        preprocessing: reads the cells.
    """
    names = [bins.name for bins in novelty.bins]
    by_name = dict(zip(names, zip(novelty.bins, novelty.limits, strict=True), strict=True))
    numbers = _Numbers([by_name[name] for name in preprocessing.number_columns])
    dates = {*preprocessing.number_columns}
    texts = [name for name in preprocessing.text_columns if name not in dates]
    levels = _Levels([by_name[name] for name in texts])
    rows_of_texts = [preprocessing.text_columns.index(name) for name in texts]
    order = [[*preprocessing.number_columns, *texts].index(name) for name in names]

    def check(columns: Columns) -> Columns:
        values, cells = preprocessing.cells(columns)
        codes = levels.codes(tf.gather(cells, np.array(rows_of_texts, np.int32)))
        nothing = tf.zeros_like(values, tf.bool), tf.zeros_like(codes, tf.bool)
        outside = _in_order([numbers.outside(values), nothing[1]], order)
        unseen = _in_order([nothing[0], levels.unseen(codes)], order)
        missing = _in_order([numbers.missing(values), levels.missing(codes)], order)
        bins = _in_order([numbers.bins(values), levels.bins(codes)], order)
        unlikely, combination = _unlikely(novelty.combinations, bins)
        cells_flagged = tf.reduce_any(outside | unseen | missing, axis=1)
        return {
            "unusual": cells_flagged | unlikely,
            "outside": outside,
            "unseen": unseen,
            "missing": missing,
            "unlikely": unlikely,
            "combination": combination,
        }

    return check


def _in_order(parts: Sequence[tf.Tensor], order: Sequence[int]) -> tf.Tensor:
    """Return [rows, columns] in the order of the schema, of parts [columns, rows]."""
    return tf.transpose(tf.gather(tf.concat(parts, axis=0), np.array(order, np.int32)))


class _Numbers:
    """Columns of numbers and dates, as tensors [columns, rows] float64."""

    def __init__(self, columns: Sequence[tuple[ColumnBins, ColumnLimits]]) -> None:
        width = max((len(bins.edges) for bins, _ in columns), default=0)
        self._edges = np.full((len(columns), 1, width), np.inf)
        for row, (bins, _) in zip(self._edges, columns, strict=True):
            row[0, : len(bins.edges)] = bins.edges
        self._n_edges = np.array([[len(b.edges)] for b, _ in columns], np.int32).reshape(
            -1, 1
        )
        ends = [_ends(limits) for _, limits in columns]
        self._low, self._high = np.array(ends, np.float64).reshape(-1, 2, 1).swapaxes(0, 1)
        self._was_missing = _column([limits.was_missing for _, limits in columns])

    def outside(self, values: tf.Tensor) -> tf.Tensor:
        return (values < self._low) | (values > self._high)

    def missing(self, values: tf.Tensor) -> tf.Tensor:
        return tf.math.is_nan(values) & ~self._was_missing

    def bins(self, values: tf.Tensor) -> tf.Tensor:
        below = tf.cast(values[:, :, tf.newaxis] >= self._edges, tf.int32)
        found = tf.minimum(tf.reduce_sum(below, axis=2), self._n_edges)
        return tf.where(tf.math.is_nan(values), self._n_edges + 1, found)


def _ends(limits: ColumnLimits) -> tuple[float, float]:
    if limits.first is not None and limits.last is not None:
        dates = pd.Series(np.array([limits.first, limits.last], "datetime64[s]"))
        first, last = date_parts(dates)["days"].tolist()
        return first, last
    low, high = limits.low, limits.high
    return -np.inf if low is None else low, np.inf if high is None else high


class _Levels:
    """Columns of levels and of free text, as codes [columns, rows] int32."""

    def __init__(self, columns: Sequence[tuple[ColumnBins, ColumnLimits]]) -> None:
        self._n_columns = len(columns)
        found = [_spellings(bins, limits) for bins, limits in columns]
        keys = [[_prefix(i) + text for text in codes] for i, codes in enumerate(found)]
        with tf.init_scope():
            hashes = _hashes(tf.constant([*chain.from_iterable(keys)], tf.string)).numpy()
        codes = np.array([c for one in found for c in one.values()], np.int32)
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._codes = hashes[order], codes[order]
        self._n_levels = _column([len(bins.levels) for bins, _ in columns], np.int32)
        self._is_complete = _column([limits.levels is not None for _, limits in columns])
        self._was_missing = _column([limits.was_missing for _, limits in columns])

    def codes(self, texts: tf.Tensor) -> tf.Tensor:
        if not self._n_columns:
            return tf.zeros(tf.shape(texts), tf.int32)
        prefixes = np.array([[_prefix(i)] for i in range(self._n_columns)], object)
        hashes = _hashes(tf.reshape(prefixes + texts, [-1]))
        places = tf.searchsorted(self._hashes, hashes)
        places = tf.minimum(places, len(self._hashes) - 1)
        is_known = tf.gather(self._hashes, places) == hashes
        codes = tf.where(is_known, tf.gather(self._codes, places), _UNKNOWN)
        return tf.reshape(codes, tf.shape(texts))

    def unseen(self, codes: tf.Tensor) -> tf.Tensor:
        return (codes == _UNKNOWN) & self._is_complete

    def missing(self, codes: tf.Tensor) -> tf.Tensor:
        return (codes == _MISSING) & ~self._was_missing

    def bins(self, codes: tf.Tensor) -> tf.Tensor:
        frequent = codes - _MISSING - 1
        others = tf.where(codes == _MISSING, self._n_levels + 1, self._n_levels)
        return tf.where((frequent >= 0) & (frequent < self._n_levels), frequent, others)


def _column(values: Sequence[object], dtype: type = np.bool_) -> NDArray[Any]:
    return np.array(values, dtype).reshape(-1, 1)


def _spellings(bins: ColumnBins, limits: ColumnLimits) -> dict[bytes, int]:
    """Return the code of each text of a column: missing, frequent levels, others."""
    others = sorted((limits.levels or frozenset()) - {*bins.levels})
    levels = Levels(bins.name, (*bins.levels, *others), "codes")
    codes = {t: c + _MISSING for t, c in texts_of_codes(levels, bins.kind).items()}
    return codes | {text.encode(): _MISSING for text in (MISSING, *MISSING_TEXTS)}


def _prefix(column: int) -> bytes:
    return f"{column}:".encode()


def _hashes(texts: tf.Tensor) -> tf.Tensor:
    return tf.strings.to_hash_bucket_fast(texts, _HASHES)


def _unlikely(
    combinations: Combinations | None, bins: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return [rows] whether a row is unlikely, and [rows, 2] the columns that cause it."""
    rows = tf.shape(bins)[0]
    if combinations is None:
        return tf.zeros([rows], tf.bool), tf.fill([rows, 2], tf.constant(-1, tf.int32))
    first, second = combinations.pairs.T
    places = tf.gather(bins, first, axis=1) * combinations.sizes[second]
    places += tf.gather(bins, second, axis=1) + combinations.starts
    surprises = tf.gather(tf.constant(combinations.surprises), places)
    total = tf.reduce_sum(tf.cast(surprises, tf.float64), axis=1)
    unlikely = total > combinations.threshold
    worst = tf.gather(tf.constant(combinations.pairs), tf.argmax(surprises, axis=1))
    return unlikely, tf.where(unlikely[:, tf.newaxis], worst, -1)
