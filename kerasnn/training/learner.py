"""A `tf.Module` network with its optimizer and metrics, driven like a `keras.Model`."""

from typing import Any, Protocol

import keras
import tensorflow as tf

from kerasnn.training.steps import Network, Optimizer, test_step, train_step

Data = tuple[tf.Tensor, tf.Tensor]  # x [batch, n_in], y [batch] or [batch, n_out]
Logs = dict[str, tf.Tensor]


class Learns(Protocol):
    """What the loop drives: a `Learner`, or a compiled `keras.Model` as it is."""

    optimizer: Any

    def train_step(self, data: Any) -> Logs:
        """Change the weights by one batch; the running metrics."""

    def test_step(self, data: Any) -> Logs:
        """Take one batch into the metrics; the running metrics."""

    def reset_metrics(self) -> None:
        """Begin the running metrics anew."""

    def get_metrics_result(self) -> Logs:
        """The running metrics."""


class Learner:
    """One network in training.

    The metrics are running means over rows, not over batches: a short batch counts for
    its rows.

    Args:
        network: a `tf.Module` with explicit Variables and a `head`.
        optimizer: a `keras.optimizers.Optimizer`, or `GradientDescent`.
    """

    def __init__(self, network: Network, optimizer: Optimizer) -> None:
        self.network = network
        self.optimizer = optimizer
        # In the type of the network: a float64 loss is not rounded.
        dtype = network.trainable_variables[0].dtype.name
        self.means = {
            name: keras.metrics.Mean(name, dtype=dtype)
            for name in ("loss", *network.head.metrics)
        }

    def train_step(self, data: Data) -> Logs:
        """One step of gradient descent on one batch; the running metrics."""
        x, y = data
        losses, outputs = train_step(self.network, x, y, self.optimizer)
        return self._update_metrics(y, losses, outputs)

    def test_step(self, data: Data) -> Logs:
        """One batch taken into the metrics, nothing learned; the running metrics."""
        x, y = data
        losses, outputs = test_step(self.network, x, y)
        return self._update_metrics(y, losses, outputs)

    def _update_metrics(self, y: tf.Tensor, losses: tf.Tensor, outputs: tf.Tensor) -> Logs:
        self.means["loss"].update_state(losses)
        for name, metric in self.network.head.metrics.items():
            self.means[name].update_state(metric(y, outputs))
        return self.get_metrics_result()

    def reset_metrics(self) -> None:
        """Begin the running means anew."""
        for mean in self.means.values():
            mean.reset_state()

    def get_metrics_result(self) -> Logs:
        """The running mean of each metric since `reset_metrics`."""
        return {name: mean.result() for name, mean in self.means.items()}
