"""The scale that contributions are measured on: logits, or the target's unit."""

import tensorflow as tf

from kerasnn.choices import TabularTask
from kerasnn.models import TabularNetwork

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


def linear_scale(network: TabularNetwork, outputs: tf.Tensor) -> tf.Tensor:
    """Return changes of outputs, [..., n_logits], on the explained scale, [..., values].

    That is exact but for the floor of probabilities, and values that are clipped.
    """
    task = network.config.task
    if task == "regression":
        return outputs * network.target_scale
    logits = outputs * network.inverse_temperature
    if task == "multiclass":
        logits -= tf.reduce_mean(logits, axis=-1, keepdims=True)
    return logits
