"""The scale that contributions are measured on: logits, or the target's unit."""

import tensorflow as tf

from kerasnn.choices import TabularTask

_SMALLEST = 1e-30  # a probability of float32 ends at 1e-38


def explained_scale(task: TabularTask, answers: tf.Tensor) -> tf.Tensor:
    """Return answers on the scale on which contributions add up.

    Args:
        task: "binary", "multiclass" or "regression".
        answers: [..., classes] probabilities, or [..., values].

    Returns:
        [..., 1] the logit of the second of two classes; [..., classes] logarithms of the
        probabilities minus their mean; or the values as they are.
    """
    if task == "regression":
        return answers
    logs = tf.math.log(tf.maximum(answers, _SMALLEST))
    if task == "binary":
        return logs[..., 1:] - logs[..., :1]
    return logs - tf.reduce_mean(logs, axis=-1, keepdims=True)
