"""Dense layers in a row, as a `keras.Model` with the same explicit Variables."""

from typing import Any, ClassVar

import keras
import tensorflow as tf

from kerasnn.choices import Initializer
from kerasnn.layers import dense
from kerasnn.models.heads import Head
from kerasnn.models.mlp import (
    Activation,
    checked_seed,
    checked_sizes,
    mlp_config,
    mlp_initial_weights,
)

Data = tuple[tf.Tensor, ...]  # (x, y) or (x, y, sample_weight)


class MLPModel(keras.Model):
    """The Keras twin of `MLPNetwork`: the same weights from the same seed.

    Its Variables come from `add_weight`: Keras 3 neither trains nor saves a raw
    `tf.Variable` of a `keras.Model`. Compile it like any Keras model, with a loss
    `from_logits=True` for a classifier. Keras computes a loss in float32 unless it is told
    otherwise: a float64 model wants, for instance, `MeanSquaredError(dtype="float64")`.

    Args:
        n_in: features of a row.
        hidden_units: units of each hidden layer; () for none.
        n_out: outputs; classes for a classifier.
        use_bias: False leaves every bias out.
        initializer: "ones", "normal", "glorot" or "he"; see `layers.initial_weights`.
        seed: the same seed gives the same weights.
        dtype: "float32" or "float64".
    """

    activation: ClassVar[Activation]
    output_activation: ClassVar[Activation]
    head: ClassVar[Head]

    def __init__(
        self,
        n_in: int,
        hidden_units: tuple[int, ...],
        n_out: int,
        *,
        use_bias: bool,
        initializer: Initializer,
        seed: int,
        dtype: str,
        name: str | None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.n_in, *units, self.n_out = checked_sizes(n_in, hidden_units, n_out)
        self.hidden_units = tuple(units)
        self.use_bias = use_bias
        self.initializer: Initializer = initializer
        self.seed = checked_seed(seed)
        weights = mlp_initial_weights(self)
        self.kernels = [
            self._variable(f"kernel_{number}", kernel)
            for number, (kernel, _) in enumerate(weights)
        ]
        self.biases = [
            self._variable(f"bias_{number}", bias)
            for number, (_, bias) in enumerate(weights if use_bias else [])
        ]
        self.built = True  # every Variable is there; no input is needed to make them

    def _variable(self, name: str, value: tf.Tensor) -> keras.Variable:
        return self.add_weight(
            name=name, shape=value.shape, initializer=lambda shape, dtype: value
        )

    def initialize(self, seed: int) -> None:
        """Assign new initial weights, those of a model made with this seed."""
        self.seed = checked_seed(seed)
        weights = mlp_initial_weights(self)
        for variable, (kernel, _) in zip(self.kernels, weights, strict=True):
            variable.assign(kernel)
        for variable, (_, bias) in zip(self.biases, weights, strict=False):
            variable.assign(bias)  # there are none without biases

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Outputs [batch, n_out] of rows x [batch, n_in]."""
        x = tf.cast(x, self.compute_dtype)
        biases = self.biases if self.use_bias else [None] * len(self.kernels)
        *hidden, output = zip(self.kernels, biases, strict=True)
        for kernel, bias in hidden:
            x = type(self).activation(dense(x, kernel, bias))
        return type(self).output_activation(dense(x, *output))

    def train_step(self, data: Data) -> dict[str, tf.Tensor]:
        """Forward, loss, gradients, update, metrics: one step on one batch.

        Returns:
            The running mean of each metric since `reset_metrics`.
        """
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            outputs = self(x, training=True)
            loss = self.compute_loss(x, y, outputs, sample_weight)
            scaled_loss = self.optimizer.scale_loss(loss)  # the same, but for loss scaling
        variables = self.trainable_variables
        gradients = tape.gradient(scaled_loss, [variable.value for variable in variables])
        self.optimizer.apply(gradients, variables)
        for metric in self.metrics:
            if metric.name == "loss":  # weighted by rows: the last batch may be short
                metric.update_state(loss, sample_weight=tf.shape(x)[0])
        return self.compute_metrics(x, y, outputs, sample_weight)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this model again (without its trained weights)."""
        return {**mlp_config(self), "name": self.name}
