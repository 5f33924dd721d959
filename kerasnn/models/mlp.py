"""Dense layers in a row, as a `tf.Module` with explicit Variables."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import tensorflow as tf

from kerasnn.choices import Initializer
from kerasnn.errors import InputError, check_whole_number
from kerasnn.layers import Dense, initial_weights
from kerasnn.models.heads import Head

if TYPE_CHECKING:
    from kerasnn.models.mlp_model import MLPModel

Activation = Callable[[tf.Tensor], tf.Tensor]


def checked_sizes(n_in: int, hidden_units: Sequence[int], n_out: int) -> list[int]:
    """Inputs, hidden units and outputs as plain numbers, each at least 1.

    Raises:
        InputError: one is not, or hidden_units is no sequence.
    """
    if not isinstance(hidden_units, Sequence) or isinstance(hidden_units, str):
        raise InputError(
            f"hidden_units must be a sequence such as (30,); got {hidden_units!r}"
        )
    named = [
        ("n_in", n_in),
        *((f"hidden_units[{i}]", units) for i, units in enumerate(hidden_units)),
        ("n_out", n_out),
    ]
    return [check_whole_number(name, value, least=1) for name, value in named]


def checked_seed(seed: int) -> int:
    """The seed as a plain number of at least 0.

    Raises:
        InputError: it is not.
    """
    return check_whole_number("seed", seed, least=0)


def mlp_initial_weights(
    mlp: "MLPNetwork | MLPModel",
) -> list[tuple[tf.Tensor, tf.Tensor]]:
    """Kernel and bias of each layer, from the network's initializer and seed."""
    return [
        initial_weights(mlp.initializer, *sizes, seed=(mlp.seed, number), dtype=mlp.dtype)
        for number, sizes in enumerate(pairwise((mlp.n_in, *mlp.hidden_units, mlp.n_out)))
    ]


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
        self.n_in, *units, self.n_out = checked_sizes(n_in, hidden_units, n_out)
        self.hidden_units = tuple(units)
        self.use_bias = use_bias
        self.initializer: Initializer = initializer
        self.seed = checked_seed(seed)
        self.dtype = tf.as_dtype(dtype).name
        self.layers = [
            Dense(
                *sizes,
                use_bias=use_bias,
                initializer=initializer,
                seed=(self.seed, number),
                dtype=self.dtype,
            )
            for number, sizes in enumerate(pairwise((self.n_in, *units, self.n_out)))
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
        self.seed = checked_seed(seed)
        for layer, (kernel, bias) in zip(
            self.layers, mlp_initial_weights(self), strict=True
        ):
            layer.kernel.assign(kernel)
            if layer.bias is not None:
                layer.bias.assign(bias)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this network again (without its trained weights)."""
        return mlp_config(self)
