"""A `tf.Module` network with its optimizer and metrics, driven like a `keras.Model`."""

from typing import Any

import keras
import tensorflow as tf

from kerasnn.choices import OptimizerName
from kerasnn.errors import InputError
from kerasnn.models import check_network
from kerasnn.training.compiled.loop import Logs
from kerasnn.training.optimizers import make_optimizer
from kerasnn.training.steps import Network, Optimizer, test_step, train_step

Data = tuple[tf.Tensor, tf.Tensor]  # x [batch, n_in], y [batch] or [batch, n_out]


class Learner:
    """One network in training; to callbacks and to the loop it is a compiled Keras model.

    The metrics are running means over rows, not over batches: a short batch counts for
    its rows.

    Args:
        network: a `tf.Module` with explicit Variables and a `head`.
        optimizer: a `keras.optimizers.Optimizer`, or `GradientDescent`.
    """

    def __init__(self, network: Network, optimizer: Optimizer) -> None:
        self.network = network
        self.optimizer = optimizer
        self.stop_training = False
        self.history: keras.callbacks.History | None = None
        # In the type of the network: a float64 loss is not rounded.
        dtype = network.trainable_variables[0].dtype.name
        self.means = {
            name: keras.metrics.Mean(name, dtype=dtype)
            for name in ("loss", *network.head.metrics)
        }

    @property
    def name(self) -> str:
        """The network's."""
        return type(self.network).__name__

    @property
    def trainable_variables(self) -> tuple[tf.Variable, ...]:
        """The network's explicit Variables that training changes."""
        return self.network.trainable_variables

    def get_weights(self) -> list[Any]:
        """The network's Variables as NumPy arrays, for `EarlyStopping`."""
        return [variable.numpy() for variable in self.network.variables]

    def set_weights(self, weights: list[Any]) -> None:
        """Assign the network's Variables."""
        for variable, value in zip(self.network.variables, weights, strict=True):
            variable.assign(value)

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


def learner_of(
    model: keras.Model | tf.Module, optimizer: OptimizerName | Optimizer | None = None
) -> Any:
    """A Keras model as it is; a network with its optimizer.

    Raises:
        InputError: not such a network, or a Keras model that is given an optimizer.
        ValueError: the name of the optimizer is not one of the choices.
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
