"""The constructor and the settings of a `tf.Module` MLP and of its Keras twin."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import tensorflow as tf

from kerasnn.choices import Initializer
from kerasnn.errors import InputError, check_whole_number
from kerasnn.layers import initial_weights
from kerasnn.models.heads import Head
from kerasnn.models.variable_table import VariableTable

ActivationFunction = Callable[[tf.Tensor], tf.Tensor]


class Defaults(NamedTuple):
    """The values of a network's arguments that are not given."""

    n_in: int
    hidden_units: Sequence[int]
    n_out: int
    use_bias: bool
    initializer: Initializer


class MLPBase(VariableTable, ABC):
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

    Attributes:
        activation: of the hidden layers.
        output_activation: of the last layer.
        head: loss, metrics and answers.
        defaults: values of the first five arguments where None is given.

    Raises:
        InputError: a number is out of range, an argument without a default is missing, or
            hidden_units is no sequence.
    """

    activation: ClassVar[ActivationFunction]
    output_activation: ClassVar[ActivationFunction]
    head: ClassVar[Head]
    defaults: ClassVar[Defaults | None] = None
    dtype: str

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
        self._init_module(name, dtype)
        values = self._with_defaults(n_in, hidden_units, n_out, use_bias, initializer)
        sizes = _checked_sizes(values.n_in, values.hidden_units, values.n_out)
        self.n_in, *units, self.n_out = sizes
        self.hidden_units = tuple(units)
        self.use_bias = values.use_bias
        self.initializer: Initializer = values.initializer
        self.seed = check_whole_number("seed", seed, minimum=0)
        self._make_variables()

    def _with_defaults(self, *given: Any) -> Defaults:
        defaults: Sequence[Any] = self.defaults or [None] * len(given)
        pairs = zip(given, defaults, strict=True)
        values = Defaults(*(d if value is None else value for value, d in pairs))
        missing = [name for name, value in values._asdict().items() if value is None]
        if missing:
            raise InputError(f"{type(self).__name__} needs {', '.join(missing)}")
        return values

    @abstractmethod
    def _init_module(self, name: str | None, dtype: str) -> None:
        """Call the constructor of `tf.Module` or `keras.Model`."""

    @abstractmethod
    def _make_variables(self) -> None: ...

    def initialize(self, seed: int) -> None:
        """Assign new initial weights, those of a network made with this seed."""
        self.seed = check_whole_number("seed", seed, minimum=0)
        self._assign(self._initial_weights())

    @abstractmethod
    def _assign(self, weights: list[tuple[tf.Tensor, tf.Tensor]]) -> None:
        """Assign kernel and bias of each layer."""

    def _architecture(self) -> str:
        return "-".join(map(str, (self.n_in, *self.hidden_units, self.n_out)))

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


def _checked_sizes(n_in: int, hidden_units: Sequence[int], n_out: int) -> list[int]:
    """Return inputs, hidden units and outputs as plain numbers of at least 1."""
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
