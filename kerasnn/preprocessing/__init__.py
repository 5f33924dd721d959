"""From checked rows to what a network takes: fitted on training rows, run in the graph.

A table with its schema goes in; `x` [rows, n_in] float32 and `codes` [rows, n_embedded]
int32 come out. Each step stands here twice: in NumPy, to read and to train with, and in
TensorFlow (`graph`), to be served. The two agree to the bit.
"""

from kerasnn.preprocessing.preprocessor import Prepared, Preprocessor

__all__ = ["Prepared", "Preprocessor"]
