"""The step: forward, loss, gradients, update. It does not know which driver runs it."""

from typing import Any, Protocol

import tensorflow as tf

from kerasnn.models import Head


class Network(Protocol):
    """A `tf.Module` network, as the steps use it."""

    head: Head

    @property
    def trainable_variables(self) -> tuple[tf.Variable, ...]:
        """The Variables that training changes."""

    @property
    def variables(self) -> tuple[tf.Variable, ...]:
        """All Variables."""

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Return the outputs [batch, n_out] of rows x."""


class Optimizer(Protocol):
    """An optimizer, as training uses it; Keras's optimizers fit."""

    variables: Any

    def build(self, variables: list[tf.Variable]) -> None:
        """Create the slots of each variable."""

    def scale_loss(self, loss: tf.Tensor) -> tf.Tensor:
        """Return the loss whose gradients `apply` expects."""

    def apply(self, gradients: list[tf.Tensor], variables: list[tf.Variable]) -> None:
        """Update each variable with its gradient."""

    def finalize_variable_values(self, variables: list[tf.Variable]) -> None:
        """Run after the last step: for example, assign averaged weights."""


def train_step(
    network: Network, x: tf.Tensor, y: tf.Tensor, optimizer: Optimizer
) -> tuple[tf.Tensor, tf.Tensor]:
    """Run one step of gradient descent on one batch.

    Args:
        network: its `trainable_variables` are updated.
        x: [batch, n_in].
        y: [batch] labels, or [batch, n_out].
        optimizer: a `keras.optimizers.Optimizer`, or `GradientDescent`.

    Returns:
        losses [batch] and outputs [batch, n_out], both before the update.
    """
    with tf.GradientTape() as tape:
        outputs = network(x)
        losses = network.head.loss(y, outputs)
        loss = tf.reduce_mean(losses)
        scaled_loss = optimizer.scale_loss(loss)  # equal to loss without loss scaling
    variables = list(network.trainable_variables)
    optimizer.apply(tape.gradient(scaled_loss, variables), variables)
    return losses, outputs


def test_step(network: Network, x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return losses [batch] and outputs [batch, n_out] of one batch; change nothing."""
    outputs = network(x)
    return network.head.loss(y, outputs), outputs


def predict_step(network: Network, x: tf.Tensor) -> dict[str, tf.Tensor]:
    """Return the named outputs for rows x: `class` and `probabilities`, or `value`."""
    return network.head.answers(network(x))
