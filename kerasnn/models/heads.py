"""Heads: the loss, the metrics and the answers that belong to a network's outputs."""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import tensorflow as tf

from kerasnn import losses, metrics
from kerasnn.errors import InputError

PerRow = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]  # (targets, outputs) -> [batch]


class Head(NamedTuple):
    """The last step of a network, shared by its `tf.Module` and its Keras twin."""

    task: Literal["classification", "regression"]
    loss: PerRow
    metrics: Mapping[str, PerRow]
    answers: Callable[[tf.Tensor], dict[str, tf.Tensor]]  # outputs -> named outputs


def check_network(model: object) -> None:
    """Check that a network has what training and export need.

    Raises:
        InputError: an attribute is missing.
    """
    needed = ("head", "n_in", "n_out", "dtype")
    missing = [name for name in needed if not hasattr(model, name)]
    if missing:
        raise InputError(
            "a network needs head, n_in, n_out and dtype, as those of kerasnn.models have;"
            f" {type(model).__name__} has no {', '.join(missing)}"
        )


def _softmax_loss(targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Compute the cross-entropy of labels [batch] or one-hot rows [batch, n_classes]."""
    if targets.shape.rank == 1:
        return losses.cross_entropy(targets, logits)
    return losses.categorical_cross_entropy(targets, logits)


def _class_and_probabilities(logits: tf.Tensor) -> dict[str, tf.Tensor]:
    """Return class [batch] int64 and probabilities [batch, n_classes]."""
    return {
        "class": tf.argmax(logits, axis=1),
        "probabilities": tf.nn.softmax(logits),
    }


def _value(outputs: tf.Tensor) -> dict[str, tf.Tensor]:
    """Return value [batch, n_out]."""
    return {"value": tf.identity(outputs)}


REGRESSION = Head("regression", losses.squared_error, {}, _value)
CLASSIFICATION = Head(
    "classification",
    _softmax_loss,
    {"accuracy": metrics.accuracy},
    _class_and_probabilities,
)
