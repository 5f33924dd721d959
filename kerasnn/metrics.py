"""Metrics of each row; the caller averages over rows."""

import tensorflow as tf


def accuracy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return 1 for each row whose largest logit is at its label, else 0.

    Args:
        labels: [batch] integers, or [batch, n_classes] one-hot rows.
        logits: [batch, n_classes] float.

    Returns:
        [batch] float32.

    Raises:
        ValueError: a rank is wrong (seen at trace time, free at run time).
    """
    if labels.shape.rank not in (1, 2) or logits.shape.rank != 2:
        raise ValueError(
            "labels must be [batch] or [batch, n_classes] and logits"
            f" [batch, n_classes]; got {labels.shape} and {logits.shape}"
        )
    if labels.shape.rank == 2:
        labels = tf.argmax(labels, axis=1)
    hits = tf.cast(labels, tf.int64) == tf.argmax(logits, axis=1)
    return tf.cast(hits, tf.float32)
