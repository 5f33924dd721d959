"""Keras's iterator over any data that `Model.fit` takes."""

import itertools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasnn.training import keras_names
from kerasnn.training.compiled.errors import NeedsKerasError
from kerasnn.training.feeds.plan import EpochPlan
from kerasnn.training.feeds.row_source import RowSource, adapted

RAN_OUT = (
    "Your input ran out of data; interrupting training. Make sure that your dataset or"
    " generator can generate at least `steps_per_epoch * epochs` batches. You may need to"
    " use the `.repeat()` function when building your dataset."
)


class Executions(keras_names.EpochIterator):
    """Keras's iterator, one execution at a time, as under TensorFlow.

    It counts batches, keeps the position across epochs, and warns when data run out.
    """

    def _get_iterator(self) -> Any:
        """Return the object whose `iter` begins an epoch.

        After each epoch Keras begins another one that it never reads. A `tf.data` pipeline
        that shuffles draws its next order when it begins, not at the first batch.
        """
        if isinstance(self.data_adapter, keras_names.TFDatasetAdapter):
            return self.data_adapter.get_tf_dataset()
        return super()._get_iterator()

    def __next__(self) -> tuple[int, int, list[Any]]:
        """Return first and last step of an execution, and its batches."""
        first, last, iterator = next(self._epoch_iterator)
        batches = list(itertools.islice(iterator, self.steps_per_execution))
        if not batches:
            with self.catch_stop_iteration():
                raise StopIteration
            raise StopIteration
        return first, last, batches


def keras_iterator(
    model: keras.Model, data: tuple[Any, Any, Any], **arguments: Any
) -> Executions:
    """Return Keras's iterator over x, y and sample_weight.

    Raises:
        InputError: rows from disk are combined with other arrays.
    """
    x, y, sample_weight = data
    if isinstance(x, RowSource):
        x = adapted(
            x,
            arguments.get("batch_size"),
            shuffle=bool(arguments.get("shuffle")),
            y=y,
            sample_weight=sample_weight,
            class_weight=arguments.pop("class_weight", None),
        )
    return Executions(
        x=x,
        y=y,
        sample_weight=sample_weight,
        steps_per_execution=model.steps_per_execution,
        **arguments,
    )


class PlannedRows(keras_names.DataAdapter):
    """Rows too large to be copied, read as the batches of a plan.

    Args:
        data: nested NumPy arrays; memory maps are read batch by batch.
        plan: batches and row orders.
    """

    def __init__(self, data: Any, plan: EpochPlan) -> None:
        self.data = keras.tree.map_structure(
            lambda leaf: None if leaf is None else np.asarray(leaf), data
        )
        self.plan = plan
        self.epoch = 0

    def get_numpy_iterator(self) -> Iterator[Any]:
        """The batches of the next epoch."""
        batches = self.plan.batches(self.epoch)
        self.epoch += 1
        for rows in batches:
            yield keras.tree.map_structure(
                lambda leaf, at=rows: None if leaf is None else leaf[at], self.data
            )

    @property
    def num_batches(self) -> int:
        """Number of batches of an epoch."""
        return self.plan.steps

    @property
    def batch_size(self) -> int:
        """Rows of the first batch."""
        return self.plan.sizes[0]


def dense(data: Any) -> Any:
    """Return nested data with NumPy arrays, tensors, or specs of them as leaves.

    Args:
        data: x, (x, y) or (x, y, sample_weight).

    Raises:
        NeedsKerasError: a leaf is ragged, sparse, or holds objects.
    """
    leaves = [_dense(leaf, path, data) for path, leaf in keras.tree.flatten_with_path(data)]
    return keras.tree.pack_sequence_as(data, leaves)


def _dense(leaf: Any, path: tuple[Any, ...], data: Any) -> Any:
    if leaf is None or isinstance(leaf, tf.Tensor | tf.TensorSpec):
        return leaf
    name = _leaf_name(path, isinstance(data, tuple))
    if isinstance(leaf, tf.RaggedTensor | tf.RaggedTensorSpec):
        raise NeedsKerasError(
            f"{name} is ragged, {leaf.shape}: pad it with .to_tensor() or"
            " keras.utils.pad_sequences to train in the compiled loop"
        )
    if isinstance(leaf, tf.SparseTensor | tf.SparseTensorSpec):
        raise NeedsKerasError(
            f"{name} is sparse, {leaf.shape}: make it dense with tf.sparse.to_dense to"
            " train in the compiled loop"
        )
    if isinstance(leaf, tf.TypeSpec):
        raise NeedsKerasError(f"{name} is a {type(leaf).__name__}, and not a tensor")
    array = np.asarray(leaf)  # of PyTorch, JAX, or a list
    if array.dtype != object:
        return array
    if array.ndim == 0:  # for instance a sparse matrix of SciPy
        raise NeedsKerasError(f"{name} is a {type(leaf).__name__}, and not an array")
    kinds = sorted({type(value).__name__ for value in array.flat})
    if {"str", "bytes"}.issuperset(kinds):
        return tf.constant(array)
    raise NeedsKerasError(
        f"{name} holds objects ({', '.join(kinds[:3]) or 'none'}) in {len(array)} rows:"
        " give one array of numbers, or of texts, to train in the compiled loop"
    )


def _leaf_name(path: tuple[Any, ...], has_targets: bool) -> str:
    """Return a leaf as the user would write it: x['age']."""
    name = ("x", "y", "sample_weight")[path[0]] if has_targets and path else "x"
    inner = path[1:] if has_targets else path
    return name + "".join(f"[{key!r}]" for key in inner)
