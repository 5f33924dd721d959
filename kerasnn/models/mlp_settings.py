"""The settings that a `tf.Module` MLP and its Keras twin have in common."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import tensorflow as tf

from kerasnn.choices import Initializer
from kerasnn.errors import InputError, check_whole_number
from kerasnn.layers import initial_weights
from kerasnn.models.heads import Head

ActivationFunction = Callable[[tf.Tensor], tf.Tensor]


class Defaults(NamedTuple):
    """The values of a network's arguments that are not given."""

    n_in: int
    hidden_units: tuple[int, ...]
    n_out: int
    use_bias: bool
    initializer: Initializer


class MLPSettings:
    """Base of the twins: which layers, which activations, which head.

    Attributes:
        activation: of the hidden layers.
        output_activation: of the last layer.
        head: loss, metrics and answers.
        defaults: of the arguments, if a subclass has any.
        n_in: features of a row.
        hidden_units: units of each hidden layer.
        n_out: outputs; classes for a classifier.
        use_bias: whether the layers have biases.
        initializer: of the kernels; see `layers.initial_weights`.
        seed: of the initial weights.
        dtype: "float32" or "float64".
    """

    activation: ClassVar[ActivationFunction]
    output_activation: ClassVar[ActivationFunction]
    head: ClassVar[Head]
    defaults: ClassVar[Defaults | None] = None
    dtype: str

    def _configure(self, seed: int, **given: Any) -> None:
        """Set the attributes from arguments, of which None means the default.

        Raises:
            InputError: a number is out of range, or hidden_units is no sequence.
        """
        missing = {name for name, value in given.items() if value is None}
        if missing and self.defaults is None:
            raise InputError(f"{type(self).__name__} needs {', '.join(sorted(missing))}")
        default = self.defaults._asdict() if self.defaults else {}
        given |= {name: default[name] for name in missing}
        sizes = checked_sizes(given["n_in"], given["hidden_units"], given["n_out"])
        self.n_in, *units, self.n_out = sizes
        self.hidden_units = tuple(units)
        self.use_bias: bool = given["use_bias"]
        self.initializer: Initializer = given["initializer"]
        self.seed = check_whole_number("seed", seed, minimum=0)

    def _layer_sizes(self) -> list[tuple[int, int]]:
        """Return the inputs and outputs of each layer."""
        return list(pairwise((self.n_in, *self.hidden_units, self.n_out)))

    def _initial_weights(self) -> list[tuple[tf.Tensor, tf.Tensor]]:
        """Return kernel and bias of each layer, from initializer and seed."""
        return [
            initial_weights(
                self.initializer, *sizes, seed=(self.seed, number), dtype=self.dtype
            )
            for number, sizes in enumerate(self._layer_sizes())
        ]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this network again, without its weights."""
        names = ("n_in", "n_out", "use_bias", "initializer", "seed", "dtype")
        config = {name: getattr(self, name) for name in names}
        return config | {"hidden_units": list(self.hidden_units)}


def checked_sizes(n_in: int, hidden_units: Sequence[int], n_out: int) -> list[int]:
    """Return inputs, hidden units and outputs as plain numbers.

    Raises:
        InputError: one is not a whole number of at least 1, or hidden_units is no
            sequence.
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
    return [check_whole_number(name, value, minimum=1) for name, value in named]
