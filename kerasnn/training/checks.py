"""What must hold of rows, labels and variables before the graph: XLA checks nothing."""

import warnings
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


def warn_of_nan(data: Any) -> None:
    """Count rows with missing values, which a network turns into a loss of NaN.

    Args:
        data: x, (x, y) or (x, y, sample_weight), of tensors that hold all rows.
    """
    x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
    for name, part in (("x", x), ("y", y)):
        for leaf in keras.tree.flatten(part):
            if leaf is not None and leaf.dtype.is_floating:
                _warn_of_nan(name, leaf)


class Labels:
    """The targets that must be class numbers: XLA turns any other into NaN.

    Args:
        model: compiled and traced. What a step or loss of the user's own makes of its
            targets is not known, and not checked.
        x: of a batch, or all rows: tensors, or specs of them.
    """

    def __init__(self, model: keras.Model, x: Any) -> None:
        self._classes: dict[str | int | None, tuple[int, int | None]] = {}
        own = any(
            getattr(type(model), name) is not getattr(keras.Model, name)
            for name in ("train_step", "compute_loss")
        )
        losses = _named(model.loss, model)
        if own or not any(map(_is_sparse, losses.values())):
            return
        outputs = _named(_outputs(model, x), model)
        for name, loss in losses.items():
            if _is_sparse(loss) and name in outputs and outputs[name].shape[-1]:
                ignored = getattr(loss, "ignore_class", None)
                self._classes[name] = outputs[name].shape[-1], ignored
        self._names = getattr(model, "output_names", None)

    def check(self, data: Any) -> None:
        """Look at the targets of some rows.

        Args:
            data: x, (x, y) or (x, y, sample_weight), of tensors or arrays.

        Raises:
            InputError: a label is not one of the classes.
        """
        if not self._classes:
            return
        _, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        for name, labels in _named(y, self).items():
            if name in self._classes and labels is not None:
                _check_classes(np.asarray(labels), *self._classes[name])

    @property
    def output_names(self) -> list[str] | None:
        """Those of the model."""
        return self._names


def _named(things: Any, model: Any) -> dict[str | int | None, Any]:
    """Losses, targets or outputs by the name of the output; the only one is None."""
    if isinstance(things, dict):
        return dict(things)
    if isinstance(things, list | tuple):
        names = getattr(model, "output_names", None) or range(len(things))
        return dict(zip(names, things, strict=False))
    return {None: things}


def _warn_of_nan(name: str, tensor: tf.Tensor) -> None:
    values = tensor.numpy()
    if values.size and np.isnan(values.min()):  # one pass; min hands NaN on
        rows = int(np.isnan(values.reshape(len(values), -1)).any(axis=1).sum())
        warnings.warn(
            f"{name} has NaN in {rows} of {len(values)} rows; the loss may be NaN."
            " Fill the missing values, or leave these rows out",
            stacklevel=2,
        )


def _is_sparse(loss: Any) -> bool:
    """Whether a loss takes class numbers; a subclass may take others."""
    if isinstance(loss, str):
        return loss.lower().replace("_", "") == "sparsecategoricalcrossentropy"
    return (
        type(loss) is keras.losses.SparseCategoricalCrossentropy
        or loss is keras.losses.sparse_categorical_crossentropy
    )


def _outputs(model: keras.Model, x: Any) -> Any:
    """The shapes that the model answers rows with; [] if it cannot say."""
    symbols = keras.tree.map_structure(
        lambda leaf: keras.KerasTensor((None, *leaf.shape[1:]), leaf.dtype.name), x
    )
    try:
        return model.compute_output_spec(symbols)
    except Exception:  # a model may only know how to compute
        return []


def _check_classes(labels: Array, n_classes: int | None, ignored: int | None) -> None:
    if n_classes is None:
        return
    outside = (labels < 0) | (labels >= n_classes)
    if ignored is not None:
        outside &= labels != ignored
    if outside.any():
        where = tuple(map(int, np.argwhere(outside)[0]))
        row = "".join(
            f"[{i}]" for i in (where[:-1] if labels.shape[-1:] == (1,) else where)
        )
        raise InputError(
            f"labels must be in 0..{n_classes - 1}, the classes of the model;"
            f" got y{row}={labels[where]} and {int(outside.sum()) - 1} more"
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
