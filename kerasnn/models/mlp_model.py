"""A multilayer perceptron as a `keras.Model` with the same explicit Variables."""

from itertools import chain, zip_longest
from typing import Any

import keras
import tensorflow as tf

from kerasnn.layers import dense
from kerasnn.models.mlp_base import MLPBase

_Data = tuple[tf.Tensor, ...]  # (x, y) or (x, y, sample_weight)


class MLPModel(MLPBase, keras.Model):
    """The Keras twin of `MLPNetwork`: the same weights from the same seed.

    Its Variables come from `add_weight`: Keras 3 neither trains nor saves a raw
    `tf.Variable` of a `keras.Model`. Compile it like any Keras model, with a loss
    `from_logits=True` for a classifier. Keras computes losses in float32 by default: a
    float64 model needs, for instance, `MeanSquaredError(dtype="float64")`.
    For the arguments see `MLPBase`.
    """

    def _init_module(self, name: str | None, dtype: str) -> None:
        keras.Model.__init__(self, name=name, dtype=dtype)

    def _make_variables(self) -> None:
        weights = self._initial_weights()
        self.kernels = [
            self._variable(f"kernel_{number}", kernel)
            for number, (kernel, _) in enumerate(weights)
        ]
        self.biases = [
            self._variable(f"bias_{number}", bias)
            for number, (_, bias) in enumerate(weights if self.use_bias else [])
        ]
        self.built = True  # all Variables exist; no input is needed to create them

    def _variable(self, name: str, value: tf.Tensor) -> keras.Variable:
        return self.add_weight(
            name=name, shape=value.shape, initializer=lambda shape, dtype: value
        )

    def named_variables(self) -> dict[str, keras.Variable]:
        """Return kernel and bias of each layer."""
        layers = zip_longest(self.kernels, self.biases)  # there may be no biases
        variables = chain.from_iterable(layers)
        return {variable.name: variable for variable in variables if variable is not None}

    def _assign(self, weights: list[tuple[tf.Tensor, tf.Tensor]]) -> None:
        for variable, (kernel, _) in zip(self.kernels, weights, strict=True):
            variable.assign(kernel)
        for variable, (_, bias) in zip(self.biases, weights, strict=False):
            variable.assign(bias)  # there are none without biases

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Compute outputs [batch, n_out] of rows x [batch, n_in]."""
        x = tf.cast(x, self.compute_dtype)
        biases = self.biases if self.use_bias else [None] * len(self.kernels)
        *hidden, output = zip(self.kernels, biases, strict=True)
        for kernel, bias in hidden:
            x = type(self).activation(dense(x, kernel, bias))
        return type(self).output_activation(dense(x, *output))

    def train_step(self, data: _Data) -> dict[str, tf.Tensor]:
        """Train on one batch: forward, loss, gradients, update, metrics.

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
        """Return the arguments that make this model again, without its weights."""
        return {**super().get_config(), "name": self.name}
