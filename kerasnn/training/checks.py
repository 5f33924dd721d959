"""What must hold of rows, labels and variables before the graph: XLA checks nothing."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from kerasnn.errors import InputError
from kerasnn.layers import raw_variables
from kerasnn.models import Head

Array = NDArray[Any]


def checked_rows(x: ArrayLike, n_in: int, dtype: str) -> Array:
    """Rows as an array [rows, n_in] of the network's type.

    Raises:
        InputError: not that shape, no rows, not numbers, or a value is not finite.
    """
    array = _as_numbers("x", x)
    if array.ndim != 2 or array.shape[1] != n_in:
        raise InputError(f"x must be [rows, {n_in}]; got shape {array.shape}")
    if not len(array):
        raise InputError("x has no rows")
    return _finite("x", array, dtype)


def checked_targets(y: ArrayLike, n_rows: int, head: Head, n_out: int, dtype: str) -> Array:
    """Targets as the head takes them.

    Returns:
        Labels [rows] int32; or one-hot rows or values [rows, n_out] of the network's type.

    Raises:
        InputError: the wrong shape or number of rows, a label that is not a class, or a
            value that is not finite.
    """
    array = _as_numbers("y", y)
    if len(array) != n_rows:
        raise InputError(
            f"x and y must have the same number of rows; got {n_rows} and {len(array)}"
        )
    if head.task == "classification" and array.ndim == 1:
        return _checked_labels(array, n_out)
    if array.ndim != 2 or array.shape[1] != n_out:
        labels = "[rows] labels or " if head.task == "classification" else ""
        raise InputError(f"y must be {labels}[rows, {n_out}]; got shape {array.shape}")
    array = _finite("y", array, dtype)
    if head.task == "classification":
        _check_distributions(array)
    return array


def check_variables(model: tf.Module | keras.Model, x: tf.Tensor) -> None:
    """Every variable that the forward pass touches is one that will be trained.

    A Keras layer inside a `tf.Module`, or a raw `tf.Variable` in a `keras.Model`, is
    otherwise left as it is without a word.

    Args:
        model: the network.
        x: a few rows, [batch, n_in].

    Raises:
        InputError: a trainable variable is not among `model.trainable_variables`.
    """
    with tf.GradientTape() as tape:
        model(x)
    known = {id(variable) for variable in raw_variables(model.trainable_variables)}
    frozen = {id(variable) for variable in raw_variables(model.variables)} - known
    missing = [
        v.name
        for v in tape.watched_variables()
        if id(v) not in known and id(v) not in frozen
    ]
    if missing:
        way_out = (
            "make it with self.add_weight(...)"
            if isinstance(model, keras.Model)
            else "hold tf.Variables, not Keras layers, in a tf.Module"
        )
        raise InputError(
            f"{type(model).__name__} would not train {', '.join(missing)}:"
            f" not among its trainable_variables; {way_out}"
        )


def _as_numbers(name: str, values: ArrayLike) -> Array:
    try:
        array = np.asarray(values)
    except ValueError:
        raise InputError(f"{name} has rows of different lengths") from None
    if array.dtype.kind not in "biuf" or array.ndim == 0:
        raise InputError(
            f"{name} must be an array of numbers; got {array.dtype} {array.shape}"
        )
    return array


def _finite(name: str, array: Array, dtype: str) -> Array:
    """The array in the network's type, in which every value must be finite."""
    with np.errstate(over="ignore"):  # 1e300 is infinite in float32
        cast = array.astype(dtype)
    wrong = np.argwhere(~np.isfinite(cast))
    if len(wrong):
        row, column = wrong[0]
        raise InputError(
            f"{name} must be finite in {dtype}; got {name}[{row}, {column}]="
            f"{array[row, column]} and {len(wrong) - 1} more"
        )
    return cast


def _check_distributions(rows: Array) -> None:
    """One-hot rows, or probabilities: none below zero, each row summing to one."""
    wrong = np.flatnonzero((rows < 0).any(axis=1) | (np.abs(rows.sum(axis=1) - 1) > 1e-3))
    if wrong.size:
        row = int(wrong[0])
        raise InputError(
            "rows of y must be one-hot, or probabilities that sum to 1;"
            f" got y[{row}]={rows[row].tolist()}"
        )


def _checked_labels(labels: Array, n_classes: int) -> Array:
    broken = np.flatnonzero(labels != np.rint(labels))  # NaN is not equal to itself
    if broken.size:
        row = int(broken[0])
        raise InputError(f"labels must be whole numbers; got y[{row}]={labels[row]}")
    outside = np.flatnonzero((labels < 0) | (labels >= n_classes))
    if outside.size:
        row = int(outside[0])
        raise InputError(
            f"labels must be in 0..{n_classes - 1}; got y[{row}]={labels[row]}"
        )
    return labels.astype(np.int32)
