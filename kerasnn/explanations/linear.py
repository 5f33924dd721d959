"""The linear approximation of a network in the sums of its first layer."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.explanations.background import Background
from kerasnn.explanations.scale import explained_scale
from kerasnn.models import TabularNetwork


@dataclass(frozen=True, eq=False)
class Linear:
    """The effect of each input on the sums of the first layer, and of the sums on answers.

    Attributes:
        inputs: [members, rows, n_embedded] of the background rows.
        weights: [members, n_embedded, units] of the first layer.
        bias: [members, 1, units] of the first layer.
        gradient: [members, units, values] of the answers with respect to the sums, averaged
            over rows that are mixed from two background rows each.
    """

    inputs: NDArray[np.float32]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    gradient: NDArray[np.float32]

    def sums(self, of_inputs: NDArray[np.intp], count: int) -> NDArray[np.float32]:
        """Return what groups of inputs add to the sums of each background row.

        Args:
            of_inputs: [n_embedded] the group of each input.
            count: number of groups.

        Returns:
            [members, rows, count, units].
        """
        groups = (np.flatnonzero(of_inputs == group) for group in range(count))
        parts = [self.inputs[:, :, own] @ self.weights[:, own] for own in groups]
        return np.stack(parts, axis=2)

    def sizes(self, of_inputs: NDArray[np.intp], count: int) -> NDArray[np.float64]:
        """Return how far each column moves the answers, to first order, [count].

        Args:
            of_inputs: [n_embedded] the column of each input.
            count: number of columns.
        """
        of_values = np.abs(self.weights @ self.gradient).mean(axis=(0, 2))
        effects = self.inputs.std(axis=(0, 1)) * of_values
        return np.bincount(of_inputs, effects, minlength=count).astype(np.float64)


def linear_approximation(network: TabularNetwork, background: Background) -> Linear:
    """Return the approximation around the background rows."""
    rows = tf.constant(background.x), tf.constant(background.codes)
    inputs = network.embedded(*map(network.for_each_member, rows)).numpy()
    weights, bias = network.first_kernel().numpy(), network.first_bias().numpy()
    of_trees = 0.0 if network.config.forest is None else network.tree_outputs(*rows)
    gradient = _mean_gradient(network, inputs @ weights + bias, of_trees)
    return Linear(inputs, weights, bias, gradient)


def _mean_gradient(
    network: TabularNetwork, sums: NDArray[np.float32], of_trees: tf.Tensor | float
) -> NDArray[np.float32]:
    """Return the gradient [members, units, values], averaged over midpoints of two rows.

    Args:
        network: trained.
        sums: [members, rows, units] of the first layer.
        of_trees: [rows, n_logits] outputs of the trees, or 0.
    """
    half = sums.shape[1] // 2
    between = tf.constant((sums + np.roll(sums, half, axis=1)) / 2)
    if network.config.forest is not None:
        of_trees = (of_trees + tf.roll(of_trees, half, axis=0)) / 2
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(between)
        values = explained_scale(
            network.config.task,
            network.member_answers(network.outputs_of_sums(between) + of_trees),
        )
        each = tf.unstack(values, axis=-1)
    gradients = [tape.gradient(value, between).numpy().mean(axis=1) for value in each]
    return np.stack(gradients, axis=-1)
