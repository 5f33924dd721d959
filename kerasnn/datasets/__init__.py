"""Where rows come from: the lessons' real data, and CSV files of numbers.

It gives NumPy arrays and pandas DataFrames, checked; it knows nothing of TensorFlow.
"""

from kerasnn.datasets.csv_file import read_numbers
from kerasnn.datasets.digits import DIGITS_COLUMNS, N_CLASSES, digits
from kerasnn.datasets.iris import IRIS_COLUMNS, IRIS_TARGET, iris_perceptron

__all__ = [
    "DIGITS_COLUMNS",
    "IRIS_COLUMNS",
    "IRIS_TARGET",
    "N_CLASSES",
    "digits",
    "iris_perceptron",
    "read_numbers",
]
