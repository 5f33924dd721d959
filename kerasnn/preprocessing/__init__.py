"""Preprocessing: fitted on training rows, run in NumPy and in the TensorFlow graph.

Input is a checked table with its schema, output is `x` [rows, n_in] float32 and `codes`
[rows, n_embedded] int32. Each step exists twice: in NumPy, for training and for readers,
and in TensorFlow (`graph`), for serving. Both give the same bits.
"""

from kerasnn.preprocessing.features import Prepared
from kerasnn.preprocessing.levels import LevelOptions
from kerasnn.preprocessing.preprocessor import Preprocessor

__all__ = ["LevelOptions", "Prepared", "Preprocessor"]
