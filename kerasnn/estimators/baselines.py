"""Predictions of simple models for the same rows: a constant, and a linear model."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from kerasnn.choices import Task
from kerasnn.errors import InputError

# A linear model learns little from more rows; this keeps it to a few seconds.
MAX_ROWS = 20_000
_MIN_ROWS = 1000
_MAX_CELLS = 50_000_000  # rows x inputs x classes


class BaselineInputs(NamedTuple):
    """Inputs of a linear model.

    Attributes:
        x: [rows, n_in] finite float.
        codes: [rows, n_codes] integers, levels of categorical columns; None without any.
    """

    x: np.ndarray
    codes: np.ndarray | None = None


def baseline_predictions(
    task: Task,
    train: BaselineInputs,
    y_train: np.ndarray,
    test: BaselineInputs,
    *,
    n_classes: int = 0,
    seed: int = 0,
    max_rows: int = MAX_ROWS,
) -> dict[str, np.ndarray]:
    """Return the predictions of "linear" and of "constant" for the test rows.

    classification: logistic regression, and the shares of the classes. regression: ridge
    regression, and the mean. The linear models use standardised inputs and an indicator for
    each code. Of many rows they learn from a sample, which has rows of every class.

    Args:
        task: "classification" or "regression".
        train: inputs of the training rows.
        y_train: [rows] integers in 0..n_classes-1, or [rows] float.
        test: inputs of the test rows.
        n_classes: classification: number of columns of the probabilities.
        seed: of the sample.
        max_rows: largest number of rows that a linear model learns from.

    Returns:
        [test rows, n_classes] probabilities or [test rows] float, by name.

    Raises:
        InputError: the rows do not match.
    """
    n_in = train.x.shape[-1]
    x, x_test = _joined("train", train), _joined("test", test)
    if len(x) != len(y_train) or x.shape[1] != x_test.shape[1]:
        raise InputError(
            "x_train and y_train must have the same rows, x_train and x_test the same"
            f" columns; got {x.shape}, {y_train.shape} and {x_test.shape}"
        )
    n_cells = x.shape[1] * max(n_classes, 1)
    maximum = min(max_rows, max(_MAX_CELLS // max(n_cells, 1), _MIN_ROWS))
    rows = _drawn_rows(task, y_train, maximum, seed)
    if task == "regression":
        linear = _linear(Ridge(), n_in, x.shape[1]).fit(x[rows], y_train[rows])
        mean = DummyRegressor().fit(x, y_train)
        return {"linear": linear.predict(x_test), "constant": mean.predict(x_test)}
    shares = DummyClassifier(strategy="prior").fit(x, y_train)
    return {
        "linear": _logistic(x[rows], y_train[rows], x_test, n_in, n_classes),
        "constant": _all_classes(shares.predict_proba(x_test), shares.classes_, n_classes),
    }


def _joined(name: str, inputs: BaselineInputs) -> np.ndarray:
    """Return [rows, n_in + n_codes]: the pipeline takes one array."""
    x, codes = inputs
    if x.ndim != 2 or (codes is not None and len(codes) != len(x)):
        shape = None if codes is None else codes.shape
        raise InputError(
            f"x_{name} must be [rows, n_in] and codes_{name} [rows, n_codes];"
            f" got {x.shape} and {shape}"
        )
    parts = [x] if codes is None else [x, codes]
    return np.concatenate(parts, axis=1, dtype=np.float64)


def _linear(model: Any, n_in: int, n_inputs: int) -> Pipeline:
    numbers, levels = list(range(n_in)), list(range(n_in, n_inputs))
    indicators = OneHotEncoder(handle_unknown="ignore")
    inputs = ColumnTransformer(
        [("numbers", StandardScaler(), numbers), ("levels", indicators, levels)]
    )
    return make_pipeline(inputs, model)


def _logistic(
    x: np.ndarray, labels: np.ndarray, test: np.ndarray, n_in: int, n_classes: int
) -> np.ndarray:
    if len(np.unique(labels)) == 1:  # scikit-learn needs two classes
        return np.eye(n_classes)[np.full(len(test), labels[0])]
    with warnings.catch_warnings():
        # A step short of the optimum is near enough for a baseline.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = _linear(LogisticRegression(max_iter=200), n_in, x.shape[1])
        with threadpool_limits(1):  # two threads took two to three times as long
            model.fit(x, labels)
    return _all_classes(model.predict_proba(test), model.classes_, n_classes)


def _all_classes(
    probabilities: np.ndarray, classes: np.ndarray, n_classes: int
) -> np.ndarray:
    """Return columns for all classes, 0 for those without training rows."""
    spread = np.zeros((len(probabilities), n_classes))
    spread[:, classes] = probabilities
    return spread


def _drawn_rows(task: Task, y: np.ndarray, maximum: int, seed: int) -> np.ndarray:
    """Return sorted numbers of the rows that a linear model learns from."""
    if len(y) <= maximum:
        return np.arange(len(y))
    order = np.random.default_rng(seed).permutation(len(y))
    chosen = order[:maximum]
    if task == "classification":
        firsts = np.unique(y[order], return_index=True)[1]
        chosen = np.union1d(chosen, order[firsts])
    return np.sort(chosen)
