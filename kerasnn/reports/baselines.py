"""Baselines: predictions of a constant and of a linear model for the same rows.

A network that is no better than these is not worth its trouble, and a report says so.
"""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from kerasnn.choices import Task
from kerasnn.errors import InputError

Array = NDArray[Any]

# A linear model learns little from more; this keeps it to a few seconds.
MOST_ROWS = 20_000
MOST_CELLS = 50_000_000  # rows x inputs x classes


def baseline_predictions(
    task: Task,
    x_train: Array,
    y_train: Array,
    x_test: Array,
    *,
    n_classes: int = 0,
    codes_train: Array | None = None,
    codes_test: Array | None = None,
    seed: int = 0,
) -> dict[str, Array]:
    """Predictions for the test rows: of "linear" and of "constant".

    classification: logistic regression, and the shares of the classes. regression: ridge
    regression, and the mean. The linear ones take standardised inputs and each code as an
    indicator; they learn from at most `MOST_ROWS` rows, drawn with each class among them.

    Args:
        task: "classification" or "regression".
        x_train: [rows, n_in] finite float.
        y_train: [rows] integers in 0..n_classes-1, or [rows] float.
        x_test: [test rows, n_in] finite float.
        n_classes: classification: how many columns the probabilities have.
        codes_train: [rows, n_codes] integers, levels of categorical columns.
        codes_test: [test rows, n_codes] integers.
        seed: of the rows drawn.

    Returns:
        [test rows, n_classes] probabilities or [test rows] float, by name.

    Raises:
        InputError: the rows do not match.
    """
    train = _inputs("train", x_train, codes_train)
    test = _inputs("test", x_test, codes_test)
    if len(train) != len(y_train) or train.shape[1] != test.shape[1]:
        raise InputError(
            "x_train and y_train must have the same rows, x_train and x_test the same"
            f" columns; got {train.shape}, {y_train.shape} and {test.shape}"
        )
    n_in = x_train.shape[1]
    rows = _drawn(task, y_train, n_inputs=train.shape[1], n_classes=n_classes, seed=seed)
    if task == "regression":
        linear = _linear(Ridge(), n_in, train.shape[1]).fit(train[rows], y_train[rows])
        mean = DummyRegressor().fit(train, y_train)
        return {"linear": linear.predict(test), "constant": mean.predict(test)}
    shares = DummyClassifier(strategy="prior").fit(train, y_train)
    return {
        "linear": _logistic(train[rows], y_train[rows], test, n_in, n_classes),
        "constant": _spread(shares.predict_proba(test), shares.classes_, n_classes),
    }


def _inputs(name: str, x: Array, codes: Array | None) -> Array:
    """[rows, n_in + n_codes]: both in one array, which the pipeline takes apart."""
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


def _logistic(x: Array, labels: Array, test: Array, n_in: int, n_classes: int) -> Array:
    if len(np.unique(labels)) == 1:  # nothing to tell apart
        return np.eye(n_classes)[np.full(len(test), labels[0])]
    with warnings.catch_warnings():
        # A step short of the optimum is near enough for a baseline.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = _linear(LogisticRegression(max_iter=200), n_in, x.shape[1])
        model.fit(x, labels)
    return _spread(model.predict_proba(test), model.classes_, n_classes)


def _spread(probabilities: Array, classes: Array, n_classes: int) -> Array:
    """Probabilities of the classes that were seen, as columns of all: 0 for the others."""
    spread = np.zeros((len(probabilities), n_classes))
    spread[:, classes] = probabilities
    return spread


def _drawn(task: Task, y: Array, *, n_inputs: int, n_classes: int, seed: int) -> Array:
    """Which rows the linear model learns from, in their order."""
    fit = MOST_CELLS // (max(n_inputs, 1) * max(n_classes, 1))
    most = min(MOST_ROWS, max(fit, 1000))
    if len(y) <= most:
        return np.arange(len(y))
    order = np.random.default_rng(seed).permutation(len(y))
    chosen = order[:most]
    if task == "classification":
        firsts = np.unique(y[order], return_index=True)[1]
        chosen = np.union1d(chosen, order[firsts])
    return np.sort(chosen)
