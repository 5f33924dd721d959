"""Losses and probabilities of the outputs of a `TabularNetwork`."""

import tensorflow as tf

from kerasnn.choices import TabularTask


def member_losses(
    task: TabularTask, targets: tf.Tensor, outputs: tf.Tensor, label_smoothing: float = 0.0
) -> tf.Tensor:
    """Compute the loss of each row of each member.

    Args:
        task: "binary", "multiclass" or "regression".
        targets: [members, batch] int32, or [members, batch, n_out] standardised values.
        outputs: [members, batch, n_logits].
        label_smoothing: share of a label that is spread evenly over the classes.

    Returns:
        [members, batch] float32: cross-entropy in nats, or the squared error, the mean
        over the outputs.
    """
    if task == "regression":
        return tf.reduce_mean(tf.math.squared_difference(targets, outputs), axis=-1)
    if task == "binary":
        labels = tf.cast(targets, tf.float32) * (1 - label_smoothing) + label_smoothing / 2
        return tf.nn.sigmoid_cross_entropy_with_logits(labels, outputs[..., 0])
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, outputs)
    if not label_smoothing:
        return losses
    spread = -tf.reduce_mean(tf.nn.log_softmax(outputs), axis=-1)
    return (1 - label_smoothing) * losses + label_smoothing * spread


def probabilities(task: TabularTask, logits: tf.Tensor) -> tf.Tensor:
    """Return probabilities [..., n_out] of logits [..., n_logits]."""
    if task == "binary":
        second = tf.sigmoid(logits)
        return tf.concat([tf.sigmoid(-logits), second], axis=-1)
    return tf.nn.softmax(logits)
