"""IRIS as in the lesson: two measurements, and a label of -1 or 1."""

from importlib.resources import files

import numpy as np
import pandas as pd
from numpy.typing import NDArray

IRIS_COLUMNS = ("X0", "X1")  # sepal length and sepal width, in cm
IRIS_TARGET = "Y"  # -1 for Iris setosa, 1 for the other two


def iris_perceptron() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 150 rows of the first lesson.

    This is the UCI edition of iris: its row 37 is 4.9, 3.1 where scikit-learn's is
    4.9, 3.6. The lesson's numbers depend on it.

    Returns:
        x: [150, 2] float64, the columns `IRIS_COLUMNS`.
        y: [150, 1] float64, -1 for the first 50 rows, 1 for the rest.

    Source: R. A. Fisher, The use of multiple measurements in taxonomic problems (1936).
    """
    with (files("kerasnn.datasets") / "iris_perceptron.csv").open() as file:
        table = pd.read_csv(file, dtype=np.float64)
    return table[list(IRIS_COLUMNS)].to_numpy(), table[[IRIS_TARGET]].to_numpy()
