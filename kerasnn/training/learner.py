"""A `tf.Module` network with optimizer and metrics, which trains like a `keras.Model`."""

from typing import Any

import keras
import tensorflow as tf

from kerasnn.choices import OptimizerName
from kerasnn.errors import InputError
from kerasnn.models import check_network
from kerasnn.training.compiled.loop import Logs
from kerasnn.training.optimizers import make_optimizer
from kerasnn.training.steps import Network, Optimizer, test_step, train_step

_Batch = tuple[tf.Tensor, tf.Tensor]  # x [batch, n_in], y [batch] or [batch, n_out]


class Learner:
    """A network in training, with the interface of a compiled Keras model.

    The metrics are running means over rows, not over batches.

    Args:
        network: a `tf.Module` with explicit Variables and a `head`.
        optimizer: a `keras.optimizers.Optimizer`, or `GradientDescent`.
    """

    def __init__(self, network: Network, optimizer: Optimizer) -> None:
        self.network = network
        self.optimizer = optimizer
        self.stop_training = False
        self.history: keras.callbacks.History | None = None
        # In the type of the network, so that a float64 loss is not rounded.
        dtype = network.trainable_variables[0].dtype.name
        self.means = {
            name: keras.metrics.Mean(name, dtype=dtype)
            for name in ("loss", *network.head.metrics)
        }

    @property
    def name(self) -> str:
        """Name of the network's class."""
        return type(self.network).__name__

    @property
    def trainable_variables(self) -> tuple[tf.Variable, ...]:
        """The Variables that training changes."""
        return self.network.trainable_variables

    def get_weights(self) -> list[Any]:
        """Return the network's Variables as NumPy arrays, for `EarlyStopping`."""
        return [variable.numpy() for variable in self.network.variables]

    def set_weights(self, weights: list[Any]) -> None:
        """Assign the network's Variables."""
        for variable, value in zip(self.network.variables, weights, strict=True):
            variable.assign(value)

    def train_step(self, data: _Batch) -> Logs:
        """Train on one batch; return the running metrics."""
        x, y = data
        losses, outputs = train_step(self.network, x, y, self.optimizer)
        return self._update_metrics(y, losses, outputs)

    def test_step(self, data: _Batch) -> Logs:
        """Evaluate one batch; return the running metrics."""
        x, y = data
        losses, outputs = test_step(self.network, x, y)
        return self._update_metrics(y, losses, outputs)

    def _update_metrics(self, y: tf.Tensor, losses: tf.Tensor, outputs: tf.Tensor) -> Logs:
        self.means["loss"].update_state(losses)
        for name, metric in self.network.head.metrics.items():
            self.means[name].update_state(metric(y, outputs))
        return self.get_metrics_result()

    def reset_metrics(self) -> None:
        """Restart the running means."""
        for mean in self.means.values():
            mean.reset_state()

    def get_metrics_result(self) -> Logs:
        """Return the running mean of each metric since `reset_metrics`."""
        return {name: mean.result() for name, mean in self.means.items()}


def learner_of(
    model: keras.Model | tf.Module, optimizer: OptimizerName | Optimizer | None = None
) -> Any:
    """Return a Keras model unchanged, or a network as a `Learner`.

    Raises:
        InputError: the network is unsuitable, or a Keras model was given an optimizer.
        ValueError: the name of the optimizer is unknown.
    """
    if isinstance(model, keras.Model):
        if optimizer is not None:
            raise InputError(
                "a Keras model is trained with the optimizer it was compiled with;"
                f" got {optimizer=}: give it to model.compile instead"
            )
        return model
    check_network(model)
    if optimizer is None or isinstance(optimizer, str):
        optimizer = make_optimizer(optimizer or "adam")
    optimizer.build(list(model.trainable_variables))
    return Learner(model, optimizer)
