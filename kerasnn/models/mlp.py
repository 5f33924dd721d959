"""A multilayer perceptron as a `tf.Module` with explicit Variables."""

from collections.abc import Sequence

import tensorflow as tf

from kerasnn.choices import Initializer
from kerasnn.errors import check_whole_number
from kerasnn.layers import Dense
from kerasnn.models.mlp_settings import MLPSettings


class MLPNetwork(MLPSettings, tf.Module):
    """A multilayer perceptron; subclasses define activations, head and defaults.

    Args:
        n_in: features of a row.
        hidden_units: units of each hidden layer; () for none.
        n_out: outputs; classes for a classifier.
        use_bias: False omits every bias.
        initializer: "ones", "normal", "glorot" or "he"; see `layers.initial_weights`.
        seed: the same seed gives the same weights.
        dtype: "float32" or "float64".
        name: of the network.
    """

    def __init__(
        self,
        n_in: int | None = None,
        hidden_units: Sequence[int] | None = None,
        n_out: int | None = None,
        *,
        use_bias: bool | None = None,
        initializer: Initializer | None = None,
        seed: int = 0,
        dtype: str = "float32",
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.dtype = tf.as_dtype(dtype).name
        self._configure(
            seed,
            n_in=n_in,
            hidden_units=hidden_units,
            n_out=n_out,
            use_bias=use_bias,
            initializer=initializer,
        )
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

    def initialize(self, seed: int) -> None:
        """Assign new initial weights, those of a network made with this seed."""
        self.seed = check_whole_number("seed", seed, minimum=0)
        for layer, (kernel, bias) in zip(self.layers, self._initial_weights(), strict=True):
            layer.kernel.assign(kernel)
            if layer.bias is not None:
                layer.bias.assign(bias)
