"""Checks of rows, labels and variables before training; XLA checks nothing."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from kerasnn.errors import InputError, warn_user
from kerasnn.layers import raw_variables
from kerasnn.models import Head

_Array = NDArray[Any]


def checked_rows(x: ArrayLike, n_in: int, dtype: str) -> _Array:
    """Return rows as an array [rows, n_in] of the network's type.

    Raises:
        InputError: the shape is wrong, there are no rows, or a value is not finite.
    """
    array = _as_numbers("x", x)
    if array.ndim != 2 or array.shape[1] != n_in:
        raise InputError(f"x must be [rows, {n_in}]; got shape {array.shape}")
    if not len(array):
        raise InputError("x has no rows")
    return _finite("x", array, dtype)


def checked_targets(
    y: ArrayLike, n_rows: int, head: Head, n_out: int, dtype: str
) -> _Array:
    """Return targets as the head of the network takes them.

    Returns:
        Labels [rows] int32; or one-hot rows or values [rows, n_out] of the network's type.

    Raises:
        InputError: the shape or number of rows is wrong, a label is not a class, or a value
            is not finite.
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
    """Check that every variable of the forward pass is trained, or frozen on purpose.

    A Keras layer inside a `tf.Module`, or a raw `tf.Variable` in a `keras.Model`, is
    otherwise silently not trained.

    Args:
        model: the network.
        x: a few rows, [batch, n_in].

    Raises:
        InputError: a trainable variable is not among `model.trainable_variables`.
    """
    with tf.GradientTape() as tape:
        model(x)
    known = {id(v) for v in raw_variables([*model.trainable_variables, *model.variables])}
    missing = [v.name for v in tape.watched_variables() if id(v) not in known]
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


def warn_of_nan(data: Any) -> None:
    """Warn of rows with missing values, which make the loss NaN.

    Args:
        data: x, (x, y) or (x, y, sample_weight), of tensors that hold all rows.
    """
    x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
    for name, part in (("x", x), ("y", y)):
        for leaf in keras.tree.flatten(part):
            if leaf is not None and leaf.dtype.is_floating:
                _warn_of_nan(name, leaf.numpy())


class Labels:
    """A check of targets that must be class numbers; XLA turns any other number into NaN.

    Models with a custom train_step or loss are not checked: how they use their targets is
    unknown.

    Args:
        model: compiled and traced.
        x: of a batch, or all rows: tensors, or specs of them.
    """

    def __init__(self, model: keras.Model, x: Any) -> None:
        self._output_names: Sequence[str] | None = getattr(model, "output_names", None)
        self._classes: dict[str | int | None, tuple[int, int | None]] = {}
        custom = any(
            getattr(type(model), name) is not getattr(keras.Model, name)
            for name in ("train_step", "compute_loss")
        )
        losses = self._by_output(model.loss)
        if custom or not any(map(_is_sparse, losses.values())):
            return
        outputs = self._by_output(_output_specs(model, x))
        for name, loss in losses.items():
            if _is_sparse(loss) and name in outputs and outputs[name].shape[-1]:
                ignored = getattr(loss, "ignore_class", None)
                self._classes[name] = outputs[name].shape[-1], ignored

    def check(self, data: Any) -> None:
        """Check the targets of some rows.

        Args:
            data: x, (x, y) or (x, y, sample_weight), of tensors or arrays.

        Raises:
            InputError: a label is not one of the classes.
        """
        if not self._classes:
            return
        _, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        for name, labels in self._by_output(y).items():
            if name in self._classes and labels is not None:
                _check_classes(np.asarray(labels), *self._classes[name])

    def check_as_tensorflow(self, data: Any) -> None:
        """Check the targets of some rows in place of TensorFlow's own check.

        Raises:
            InvalidArgumentError: a label is not one of the classes.
        """
        try:
            self.check(data)
        except InputError as error:
            raise tf.errors.InvalidArgumentError(None, None, str(error)) from None

    def _by_output(self, nested: Any) -> dict[str | int | None, Any]:
        """Return losses, targets or outputs by output name; a single one under None."""
        if isinstance(nested, dict):
            return dict(nested)
        if isinstance(nested, list | tuple):
            return dict(zip(self._output_names or range(len(nested)), nested, strict=False))
        return {None: nested}


def _warn_of_nan(name: str, values: _Array) -> None:
    if values.size and np.isnan(values.min()):  # one pass; min passes NaN on
        rows = int(np.isnan(values.reshape(len(values), -1)).any(axis=1).sum())
        warn_user(
            f"{name} has NaN in {rows} of {len(values)} rows; the loss may be NaN."
            " Fill the missing values, or leave these rows out"
        )


def _is_sparse(loss: Any) -> bool:
    """Return whether a loss takes class numbers; a subclass may not."""
    if isinstance(loss, str):
        return loss.lower().replace("_", "") == "sparsecategoricalcrossentropy"
    return (
        type(loss) is keras.losses.SparseCategoricalCrossentropy
        or loss is keras.losses.sparse_categorical_crossentropy
    )


def _output_specs(model: keras.Model, x: Any) -> Any:
    """Return the specs of the outputs; [] if the model cannot infer them."""
    symbols = keras.tree.map_structure(
        lambda leaf: keras.KerasTensor((None, *leaf.shape[1:]), leaf.dtype.name), x
    )
    try:
        return model.compute_output_spec(symbols)
    except Exception:  # some models can only compute
        return []


def _check_classes(labels: _Array, n_classes: int, ignored: int | None = None) -> None:
    outside = (labels < 0) | (labels >= n_classes)
    if ignored is not None:
        outside &= labels != ignored
    if outside.any():
        where = tuple(map(int, np.argwhere(outside)[0]))
        is_column = labels.ndim > 1 and labels.shape[-1] == 1
        row = "".join(f"[{i}]" for i in (where[:-1] if is_column else where))
        raise InputError(
            f"labels must be in 0..{n_classes - 1}, the classes of the model;"
            f" got y{row}={labels[where]} and {int(outside.sum()) - 1} more"
        )


def _as_numbers(name: str, values: ArrayLike) -> _Array:
    try:
        array = np.asarray(values)
    except ValueError:
        raise InputError(f"{name} has rows of different lengths") from None
    if array.dtype.kind not in "biuf" or array.ndim == 0:
        raise InputError(
            f"{name} must be an array of numbers; got {array.dtype} {array.shape}"
        )
    return array


def _finite(name: str, array: _Array, dtype: str) -> _Array:
    """Return the array in the network's type; raise if a value is not finite in it."""
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


def _check_distributions(rows: _Array) -> None:
    wrong = np.flatnonzero((rows < 0).any(axis=1) | (np.abs(rows.sum(axis=1) - 1) > 1e-3))
    if wrong.size:
        row = int(wrong[0])
        raise InputError(
            "rows of y must be one-hot, or probabilities that sum to 1;"
            f" got y[{row}]={rows[row].tolist()}"
        )


def _checked_labels(labels: _Array, n_classes: int) -> _Array:
    broken = np.flatnonzero(labels != np.rint(labels))  # NaN is not equal to itself
    if broken.size:
        row = int(broken[0])
        raise InputError(f"labels must be whole numbers; got y[{row}]={labels[row]}")
    _check_classes(labels, n_classes)
    return labels.astype(np.int32)
