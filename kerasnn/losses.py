"""Losses of each row, from logits or outputs; the caller averages over rows."""

import tensorflow as tf


def squared_error(targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Compute the squared error of each row, mean over the outputs.

    Args:
        targets: [batch, n_out] float.
        outputs: [batch, n_out] float, of the same type.

    Returns:
        [batch] float.

    Raises:
        ValueError: the shapes differ (seen at trace time, free at run time);
            [batch] - [batch, 1] would broadcast to [batch, batch].
    """
    if outputs.shape.rank != 2 or not targets.shape.is_compatible_with(outputs.shape):
        raise ValueError(
            "targets and outputs must both be [batch, n_out];"
            f" got {targets.shape} and {outputs.shape}"
        )
    return tf.reduce_mean(tf.math.squared_difference(targets, outputs), axis=1)


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Compute the negative log-likelihood of each row, in nats, from integer labels.

    Args:
        labels: [batch] integers in 0..n_classes-1; `training` has checked the range.
        logits: [batch, n_classes] float, not normalised.

    Returns:
        [batch] float.

    Raises:
        ValueError: a rank is wrong (seen at trace time, free at run time).

    Source: Bishop, Pattern Recognition and Machine Learning (2006), eq. 4.108.
    """
    if labels.shape.rank != 1 or logits.shape.rank != 2:
        raise ValueError(
            "labels must be [batch] and logits [batch, n_classes];"
            f" got {labels.shape} and {logits.shape}"
        )
    # From logits: log(softmax(x)) underflows to -inf on confident rows.
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def categorical_cross_entropy(targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Compute the cross-entropy of each row, in nats, from one-hot rows or probabilities.

    Args:
        targets: [batch, n_classes] float, each row summing to one.
        logits: [batch, n_classes] float, of the same type, not normalised.

    Returns:
        [batch] float.

    Raises:
        ValueError: the shapes differ (seen at trace time, free at run time).
    """
    if logits.shape.rank != 2 or not targets.shape.is_compatible_with(logits.shape):
        raise ValueError(
            "targets and logits must both be [batch, n_classes];"
            f" got {targets.shape} and {logits.shape}"
        )
    return tf.nn.softmax_cross_entropy_with_logits(targets, logits)
