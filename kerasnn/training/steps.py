"""One step, to be read in one sitting. It never knows which driver runs it."""

from typing import Any, Protocol

import tensorflow as tf

from kerasnn.models import Head


class Network(Protocol):
    """What the steps need of a `tf.Module` network."""

    head: Head

    @property
    def trainable_variables(self) -> tuple[tf.Variable, ...]:
        """The explicit Variables that training changes."""

    @property
    def variables(self) -> tuple[tf.Variable, ...]:
        """All its Variables."""

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Outputs [batch, n_out] of rows x."""


class Optimizer(Protocol):
    """What training needs of an optimizer; those of Keras have it."""

    variables: Any

    def build(self, variables: list[tf.Variable]) -> None:
        """Make what it remembers of each variable."""

    def scale_loss(self, loss: tf.Tensor) -> tf.Tensor:
        """The loss whose gradients `apply` expects."""

    def apply(self, gradients: list[tf.Tensor], variables: list[tf.Variable]) -> None:
        """Change each variable by its gradient."""

    def finalize_variable_values(self, variables: list[tf.Variable]) -> None:
        """After the last step: for instance, put averaged weights in place."""


def train_step(
    network: Network, x: tf.Tensor, y: tf.Tensor, optimizer: Optimizer
) -> tuple[tf.Tensor, tf.Tensor]:
    """Forward, loss, gradients, update: one step of gradient descent on one batch.

    Args:
        network: its `trainable_variables` are changed.
        x: [batch, n_in].
        y: [batch] labels, or [batch, n_out].
        optimizer: a `keras.optimizers.Optimizer`, or `GradientDescent`.

    Returns:
        losses [batch] and outputs [batch, n_out], both from before the update.
    """
    with tf.GradientTape() as tape:
        outputs = network(x)
        losses = network.head.loss(y, outputs)
        loss = tf.reduce_mean(losses)
        scaled_loss = optimizer.scale_loss(loss)  # the same, but for loss scaling
    variables = list(network.trainable_variables)
    optimizer.apply(tape.gradient(scaled_loss, variables), variables)
    return losses, outputs


def test_step(network: Network, x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Losses [batch] and outputs [batch, n_out] of one batch, nothing changed."""
    outputs = network(x)
    return network.head.loss(y, outputs), outputs


def predict_step(network: Network, x: tf.Tensor) -> dict[str, tf.Tensor]:
    """The named answers for rows x: `class` and `probabilities`, or `value`."""
    return network.head.answers(network(x))
