"""A multilayer perceptron as a `tf.Module` with explicit Variables."""

import tensorflow as tf

from kerasnn.layers import Dense
from kerasnn.models.mlp_base import MLPBase


class MLPNetwork(MLPBase, tf.Module):
    """A multilayer perceptron with explicit Variables; for the arguments see `MLPBase`."""

    def _init_module(self, name: str | None, dtype: str) -> None:
        tf.Module.__init__(self, name=name)
        self.dtype = tf.as_dtype(dtype).name

    def _make_variables(self) -> None:
        self.layers = [
            Dense(
                *sizes,
                use_bias=self.use_bias,
                initializer=self.initializer,
                seed=(self.seed, number),
                dtype=self.dtype,
            )
            for number, sizes in enumerate(self._layer_sizes())
        ]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Compute outputs [batch, n_out] of rows x [batch, n_in], cast to the dtype."""
        x = tf.cast(x, self.dtype)
        *hidden, output = self.layers
        for layer in hidden:
            x = type(self).activation(layer(x))
        return type(self).output_activation(output(x))

    def named_variables(self) -> dict[str, tf.Variable]:
        """Return kernel and bias of each layer, by the names of the Keras twin."""
        return {
            f"{name}_{number}": variable
            for number, layer in enumerate(self.layers)
            for name, variable in (("kernel", layer.kernel), ("bias", layer.bias))
            if variable is not None
        }

    def _assign(self, weights: list[tuple[tf.Tensor, tf.Tensor]]) -> None:
        for layer, (kernel, bias) in zip(self.layers, weights, strict=True):
            layer.kernel.assign(kernel)
            if layer.bias is not None:
                layer.bias.assign(bias)
