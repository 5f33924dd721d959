"""Gradient descent by hand, and Keras's optimizers by name."""

from typing import get_args

import keras
import tensorflow as tf

from kerasnn.choices import OptimizerName

OPTIMIZERS: tuple[OptimizerName, ...] = get_args(OptimizerName)


class GradientDescent(tf.Module):
    """Gradient descent as the lesson writes it: variable -= learning_rate * gradient.

    Args:
        learning_rate: step size. It becomes a float64 Variable, so that `assign` neither
            retraces nor rounds it for a float64 network.
    """

    def __init__(self, learning_rate: float = 0.01) -> None:
        super().__init__()
        self.learning_rate = tf.Variable(
            learning_rate, dtype=tf.float64, trainable=False, name="learning_rate"
        )

    def build(self, variables: list[tf.Variable]) -> None:
        """Do nothing: plain gradient descent has no slots."""

    def scale_loss(self, loss: tf.Tensor) -> tf.Tensor:
        """Return the loss itself."""
        return loss

    def apply(self, gradients: list[tf.Tensor], variables: list[tf.Variable]) -> None:
        """Subtract the gradient, times the learning rate, from each variable."""
        for gradient, variable in zip(gradients, variables, strict=True):
            variable.assign_sub(tf.cast(self.learning_rate, gradient.dtype) * gradient)

    def finalize_variable_values(self, variables: list[tf.Variable]) -> None:
        """Do nothing: the weights are final."""


def make_optimizer(
    name: OptimizerName, learning_rate: float | None = None
) -> GradientDescent | keras.optimizers.Optimizer:
    """Return a new optimizer.

    Args:
        name: "by-hand" is `GradientDescent`, "momentum" is SGD with momentum 0.9; the
            others are Keras's names.
        learning_rate: step size; None for the optimizer's default.

    Raises:
        ValueError: the name is not one of `OPTIMIZERS`.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"optimizer must be one of {OPTIMIZERS}; got {name!r}")
    if name == "by-hand":
        optimizer = GradientDescent()
    elif name == "momentum":
        optimizer = keras.optimizers.SGD(momentum=0.9)
    else:
        optimizer = keras.optimizers.get(name)
    if learning_rate is not None:
        optimizer.learning_rate.assign(learning_rate)
    return optimizer
