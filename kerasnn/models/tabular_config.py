"""The architecture of a `TabularNetwork`."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kerasnn.choices import Activation, NumericEmbedding, TabularTask
from kerasnn.errors import InputError, check_choice, check_whole_number
from kerasnn.trees import ForestShape

# Names in the files of older networks.
_OLD_NAMES = {"sharing": "weight_sharing", "curved": "parametric_activation"}
# Settings that older networks had, and their only value that is still understood.
_OLD_SETTINGS = {"weight_sharing": "separate"}


@dataclass(frozen=True)
class TabularConfig:
    """Inputs, outputs and layers of a `TabularNetwork`.

    Attributes:
        n_numeric: columns of x that are numbers, to be embedded.
        n_in: columns of x.
        n_out: classes, or values of a regression.
        task: "binary", "multiclass" or "regression".
        cardinalities: number of codes of each column of `codes`.
        members: number of networks.
        hidden_units: units of each hidden layer; () for none.
        activation: "relu", "selu", "mish", "silu" or "gelu".
        parametric_activation: whether each unit learns its share of the activation.
        embedding: "periodic", "piecewise-linear" or "none"; "none" without numbers.
        n_frequencies: frequencies of each number, for "periodic".
        embedding_units: units of the embedding of a number.
        bins: bins of each number, for "piecewise-linear".
        code_units: units of the embedding of a code.
        scaled: whether each input of the first layer has a learned scale.
        forest: sizes of the trees beside the networks; None without trees.

    Raises:
        InputError: a number is out of range, or a choice is unknown.
    """

    n_numeric: int
    n_in: int
    n_out: int
    task: TabularTask
    cardinalities: Sequence[int] = ()
    members: int = 1
    hidden_units: Sequence[int] = (256, 256, 256)
    activation: Activation = "selu"
    parametric_activation: bool = True
    embedding: NumericEmbedding = "periodic"
    n_frequencies: int = 16
    embedding_units: int = 3
    bins: int = 16
    code_units: int = 8
    scaled: bool = True
    forest: ForestShape | None = None

    def __post_init__(self) -> None:
        for name, minimum in (
            ("n_numeric", 0),
            ("n_in", self.n_numeric),
            ("n_out", 1),
            ("members", 1),
        ):
            self._set(name, check_whole_number(name, getattr(self, name), minimum=minimum))
        for name, choices in (
            ("task", TabularTask),
            ("activation", Activation),
            ("embedding", NumericEmbedding),
        ):
            check_choice(name, getattr(self, name), choices)
        for units in self.hidden_units:
            check_whole_number("hidden_units", units, minimum=1)
        self._set("hidden_units", tuple(map(int, self.hidden_units)))
        self._set("cardinalities", tuple(map(int, self.cardinalities)))
        if self.forest is not None:
            self._set("forest", ForestShape(*self.forest))
        if not self.n_numeric:
            self._set("embedding", "none")

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # before anyone can see another value

    @property
    def n_embedded(self) -> int:
        """Number of inputs of the first layer."""
        added = {
            "periodic": self.embedding_units,
            "piecewise-linear": self.bins,
            "none": 0,
        }[self.embedding]
        codes = len(self.cardinalities) * self.code_units
        return self.n_in + self.n_numeric * added + codes

    @property
    def n_logits(self) -> int:
        """Number of outputs of the head: one for two classes."""
        return 1 if self.task == "binary" else self.n_out

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Inputs of the first layer, and outputs of every layer."""
        return (self.n_embedded, *self.hidden_units, self.n_logits)

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TabularConfig":
        """Make a config from `to_dict`, also from that of an older version.

        Raises:
            InputError: it has a setting that is no longer understood.
        """
        named = {_OLD_NAMES.get(name, name): value for name, value in values.items()}
        for name, understood in _OLD_SETTINGS.items():
            if named.pop(name, understood) != understood:
                raise InputError(
                    f"{name} must be {understood!r}: networks with another value were made"
                    " by kerasnn 0.1.0; load them with that version"
                )
        return cls(**named)
