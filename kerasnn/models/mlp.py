"""Dense layers in a row, as a `tf.Module` with explicit Variables."""

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import tensorflow as tf

from kerasnn.choices import Initializer
from kerasnn.errors import check_whole_number
from kerasnn.layers import Dense, initial_weights
from kerasnn.models.heads import Head

if TYPE_CHECKING:
    from kerasnn.models.mlp_model import MLPModel

Activation = Callable[[tf.Tensor], tf.Tensor]


def check_sizes(n_in: int, hidden_units: tuple[int, ...], n_out: int, *, seed: int) -> None:
    """Every layer has at least one unit, and the seed can be one.

    Raises:
        InputError: it has not.
    """
    check_whole_number("n_in", n_in, least=1)
    for number, units in enumerate(hidden_units):
        check_whole_number(f"hidden_units[{number}]", units, least=1)
    check_whole_number("n_out", n_out, least=1)
    check_whole_number("seed", seed, least=0)


def mlp_config(mlp: "MLPNetwork | MLPModel") -> dict[str, Any]:
    """The arguments that make a network again (without its trained weights)."""
    return {
        "n_in": mlp.n_in,
        "hidden_units": list(mlp.hidden_units),
        "n_out": mlp.n_out,
        "use_bias": mlp.use_bias,
        "initializer": mlp.initializer,
        "seed": mlp.seed,
        "dtype": mlp.dtype,
    }


class MLPNetwork(tf.Module):
    """A multilayer perceptron; the subclasses say which activations and which head.

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
        super().__init__(name=name)
        check_sizes(n_in, tuple(hidden_units), n_out, seed=seed)
        self.n_in, self.n_out = n_in, n_out
        self.hidden_units = tuple(hidden_units)
        self.use_bias = use_bias
        self.initializer: Initializer = initializer
        self.seed = seed
        self.dtype = tf.as_dtype(dtype).name
        self.layers = [
            Dense(
                *sizes,
                use_bias=use_bias,
                initializer=initializer,
                seed=(seed, number),
                dtype=self.dtype,
            )
            for number, sizes in enumerate(pairwise((n_in, *hidden_units, n_out)))
        ]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Outputs [batch, n_out] of rows x [batch, n_in], cast to the network's type."""
        x = tf.cast(x, self.dtype)
        *hidden, output = self.layers
        for layer in hidden:
            x = type(self).activation(layer(x))
        return type(self).output_activation(output(x))

    def initialize(self, seed: int) -> None:
        """Assign new initial weights, those of a network made with this seed."""
        self.seed = seed
        for number, layer in enumerate(self.layers):
            n_in, n_out = layer.kernel.shape
            kernel, bias = initial_weights(
                self.initializer, n_in, n_out, seed=(seed, number), dtype=self.dtype
            )
            layer.kernel.assign(kernel)
            if layer.bias is not None:
                layer.bias.assign(bias)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this network again (without its trained weights)."""
        return mlp_config(self)
