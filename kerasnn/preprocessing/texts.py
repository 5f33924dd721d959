"""Free text as numbers: hashed n-grams of characters, with a vector for each.

A row is the sum of its n-grams' vectors, divided by the square root of their number. The
vectors are the first directions of the training rows' weighted counts.

Source: latent semantic analysis, Deerwester et al. (1990); n-grams of characters as in
Bojanowski et al. (2017), Enriching Word Vectors with Subword Information.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD

N_BUCKETS = 4096  # of hashed n-grams
MAX_PARTS = 16  # numbers of a text
MAX_CHARACTERS = 2_000  # of a text that are read
MAX_FITTED_ROWS = 20_000  # to which the vectors are fitted
_ROWS_PER_PART = 10  # at least, when vectors are fitted
_ROWS_AT_ONCE = 4_096
_WIDTHS = (3, 4, 5)  # characters of an n-gram
_BLANKS = r"[\t-\r\x1c-\x1f\x{85}\pZ]+"


@dataclass(frozen=True, eq=False)
class TextVectors:
    """The vectors of the n-grams of one column.

    Attributes:
        column: its name.
        vectors: [N_BUCKETS, n_parts] float32.
    """

    column: str
    vectors: NDArray[np.float32]

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the numbers of a text: "text 1", "text 2", ..."""
        return tuple(f"text {i}" for i in range(1, self.vectors.shape[1] + 1))

    def graph(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the numbers of texts by part, each [rows] float64; 0 for empty texts.

        Args:
            texts: [rows] string, UTF-8.
        """
        ids = _bucket_ids(texts)
        vectors = tf.gather(tf.constant(self.vectors), ids.flat_values)
        rows, n_rows = ids.value_rowids(), ids.nrows()
        sums = tf.math.unsorted_segment_sum(tf.cast(vectors, tf.float64), rows, n_rows)
        counts = tf.cast(tf.maximum(ids.row_lengths(), 1), tf.float64)
        values = tf.unstack(sums / tf.sqrt(counts)[:, None], axis=1)
        return dict(zip(self.parts, values, strict=True))

    def numbers(self, texts: pd.Series) -> dict[str, NDArray[np.float64]]:
        """Return the same for a column of str, None where missing."""
        encoded = _utf8(texts)
        starts = range(0, max(len(encoded), 1), _ROWS_AT_ONCE)
        blocks = [self.graph(tf.constant(encoded[i : i + _ROWS_AT_ONCE])) for i in starts]
        return {p: np.concatenate([b[p].numpy() for b in blocks]) for p in self.parts}

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        vectors = base64.b64encode(self.vectors.astype("<f4").tobytes()).decode("ascii")
        return {"column": self.column, "parts": self.vectors.shape[1], "vectors": vectors}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Return the vectors that `to_dict` wrote."""
        flat = np.frombuffer(base64.b64decode(content["vectors"]), "<f4")
        return cls(content["column"], flat.reshape(N_BUCKETS, content["parts"]))


def fit_text_vectors(column: str, texts: pd.Series) -> TextVectors:
    """Fit vectors to the training rows of a column.

    Args:
        column: its name.
        texts: [rows] str, None where missing.
    """
    encoded = _utf8(texts.iloc[:MAX_FITTED_ROWS])
    counts = _counts(encoded)
    n_parts = max(1, min(MAX_PARTS, counts.shape[0] // _ROWS_PER_PART))
    rows_with = np.bincount(counts.indices, minlength=N_BUCKETS)
    weights = np.log((1 + counts.shape[0]) / (1 + rows_with))  # idf: rare n-grams say more
    lengths = np.sqrt(np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1.0))
    weighted = counts.multiply(weights).multiply(1.0 / lengths[:, None]).tocsr()
    found = TruncatedSVD(n_parts, random_state=0).fit(weighted)
    return TextVectors(column, (found.components_.T * weights[:, None]).astype(np.float32))


def _counts(encoded: NDArray[np.object_]) -> csr_matrix:
    """Return [rows, N_BUCKETS] counts of the n-grams of texts."""
    ids, lengths = [], []
    for i in range(0, max(len(encoded), 1), _ROWS_AT_ONCE):
        found = _bucket_ids(tf.constant(encoded[i : i + _ROWS_AT_ONCE]))
        ids.append(found.flat_values.numpy())
        lengths.append(found.row_lengths().numpy())
    columns = np.concatenate(ids)
    ends = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    counts = csr_matrix(
        (np.ones(len(columns)), columns, ends), shape=(len(encoded), N_BUCKETS)
    )
    counts.sum_duplicates()
    return counts


def _bucket_ids(texts: tf.Tensor) -> tf.RaggedTensor:
    """Return the buckets of each text's n-grams, [rows, n] int64.

    A blank is added before the first word and after the last. Case does not matter.
    """
    short = tf.strings.substr(texts, 0, MAX_CHARACTERS, unit="UTF8_CHAR")
    small = tf.strings.lower(short, encoding="utf-8")
    words = tf.strings.regex_replace(small, _BLANKS, " ")
    characters = tf.strings.unicode_split(tf.strings.join([" ", words, " "]), "UTF-8")
    grams = [tf.strings.ngrams(characters, width, separator="") for width in _WIDTHS]
    return tf.strings.to_hash_bucket_fast(tf.concat(grams, axis=1), N_BUCKETS)


def _utf8(texts: pd.Series) -> NDArray[np.object_]:
    encoded = np.empty(len(texts), object)
    known = texts.to_numpy(object, na_value="")
    encoded[:] = [text.encode("utf-8", "surrogatepass") for text in known]
    return encoded
