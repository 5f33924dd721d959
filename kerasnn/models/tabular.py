"""`TabularNetwork`: numbers and codes in, an ensemble of networks side by side.

    x, codes -> numeric embedding, code embeddings -> scale -> hidden blocks -> head

Trees may stand beside the networks; their outputs are added to those of each member.

The building blocks are RealMLP's (Holzmueller et al., Better by Default, 2024), chosen
there on other tables.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.errors import InputError
from kerasnn.layers import (
    dropout_keys,
    member_dense,
    member_dropout,
    member_lookup,
    periodic_embedding,
    piecewise_linear_encoding,
    raw_variables,
)
from kerasnn.models.member_draws import MemberDraws, quantile_bins
from kerasnn.models.tabular_config import TabularConfig
from kerasnn.models.tabular_heads import probabilities
from kerasnn.models.variable_table import VariableTable
from kerasnn.trees import Forest, ForestArrays, forest_outputs, node_turns

INITIAL_ROWS = 512  # rows to which the initial weights are fitted
# TensorFlow makes an operation for each new name of a Variable. With one name for all of
# them, dozens of networks are made in a fifth of the time.
NETWORK_NAME = "tabular_network"
FREQUENCY_SPREAD = 0.1
SLOW, FAST = 0.1, 6.0  # factors of the learning rate: embeddings and biases, scale


class Trained(NamedTuple):
    """A trained Variable, and how it is trained.

    Attributes:
        variable: [members, ...].
        rate: factor of the learning rate.
        decays: whether weight decay applies.
    """

    variable: keras.Variable
    rate: float
    decays: bool


class Block(NamedTuple):
    """The Variables of one layer.

    Attributes:
        kernel: [members, n_in, n_out].
        bias: [members, 1, n_out].
        activation_weight: [members, 1, n_out], share of the activation in each unit; 0
            is linear. None at the head.
    """

    kernel: keras.Variable
    bias: keras.Variable
    activation_weight: keras.Variable | None


@keras.saving.register_keras_serializable(package="kerasnn")
class TabularNetwork(VariableTable, keras.Model):
    """An ensemble of networks for tables, side by side, with explicit Variables.

    It takes `x` [batch, n_in] float32, the first `n_numeric` columns of which are scaled
    numbers and the others indicators, and `codes` [batch, len(cardinalities)] int32, as
    `preprocessing.Preprocessor` makes them. Every member sees the same rows when it is
    called, and rows of its own in `member_outputs`.

    Args:
        config: the architecture.
        name: of the Keras model.
    """

    def __init__(self, config: TabularConfig, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.config = config
        self.trained: list[Trained] = []
        self._make_variables()
        self.built = True  # all Variables exist; no input is needed to create them

    # ------------------------------------------------------------------ Variables

    def named_variables(self) -> dict[str, keras.Variable]:
        """Return all Variables by name, those that are trained and the others."""
        return {variable.name: variable for variable in self.weights}

    def _architecture(self) -> str:
        sizes = "-".join(map(str, self.config.layer_sizes))
        return f"{self.config.members} networks {sizes}"

    def _make_variables(self) -> None:
        config = self.config
        members, n = config.members, config.n_numeric
        if config.embedding == "periodic":
            waves = (members, n, config.n_frequencies)
            self.frequencies = self._trained("frequencies", waves, SLOW)
            self.phases = self._trained("phases", waves, SLOW, decays=False)
            units = config.embedding_units
            self.wave_kernel = self._trained("wave_kernel", (*waves, units), SLOW)
            self.wave_bias = self._trained(
                "wave_bias", (members, n, units), SLOW, decays=False
            )
        if config.embedding == "piecewise-linear":
            self.bin_starts = self._kept("bin_starts", (members, n, config.bins))
            self.bin_slopes = self._kept("bin_slopes", (members, n, config.bins))
        self.code_tables = [
            self._trained(
                f"code_table_{i}", (members, cardinality, config.code_units), SLOW
            )
            for i, cardinality in enumerate(config.cardinalities)
        ]
        if config.scaled:
            self.scale = self._trained("scale", (members, 1, config.n_embedded), FAST)
        self.blocks = [
            self._block(i, n_in, n_out, hidden=i < len(config.hidden_units))
            for i, (n_in, n_out) in enumerate(itertools.pairwise(config.layer_sizes))
        ]
        # Fitted after training, for the answers.
        if config.task == "regression":
            for name in ("target_mean", "target_scale", "target_low", "target_high"):
                setattr(self, name, self._kept(name, (config.n_out,)))
        else:
            self.inverse_temperature = self._kept("sharpness", ())
            self.inverse_temperature.assign(1.0)
            self.floor_share = self._kept("floor_share", ())
            self.floor_rates = self._kept("floor_rates", (config.n_out,))
        if config.forest is not None:
            specs = ForestArrays.specs(config.forest, config.n_logits)
            self.forest = ForestArrays(
                **{
                    name: self._kept(f"forest_{name}", (length,), dtype)
                    for name, (length, dtype) in specs.items()
                }
            )

    def _block(self, i: int, n_in: int, n_out: int, *, hidden: bool) -> Block:
        config = self.config
        members = config.members
        of_unit = (members, 1, n_out)
        kernel = self._trained(f"kernel_{i}", (members, n_in, n_out))
        bias = self._trained(f"bias_{i}", of_unit, SLOW, decays=False)
        if not (hidden and config.parametric_activation):
            return Block(kernel, bias, None)
        weight = self._trained(f"curvature_{i}", of_unit, SLOW, decays=False)
        return Block(kernel, bias, weight)

    def _trained(
        self, name: str, shape: tuple[int, ...], rate: float = 1.0, *, decays: bool = True
    ) -> keras.Variable:
        variable = self.add_weight(name=name, shape=shape, initializer="zeros")
        self.trained.append(Trained(variable, rate, decays))
        return variable

    def _kept(
        self, name: str, shape: tuple[int, ...], dtype: str = "float32"
    ) -> keras.Variable:
        return self.add_weight(
            name=name, shape=shape, dtype=dtype, initializer="zeros", trainable=False
        )

    @property
    def learned(self) -> list[keras.Variable]:
        """The Variables that training sets: trained ones, and bins fitted to the rows."""
        variables = [trained.variable for trained in self.trained]
        if self.config.embedding == "piecewise-linear":
            variables += [self.bin_starts, self.bin_slopes]
        return variables

    @property
    def in_training(self) -> list[keras.Variable]:
        """All Variables but those of the floor, which checkpoints of version 0.1 lack."""
        return [v for v in self.variables if not v.name.startswith("floor_")]

    # ------------------------------------------------------------------ forward

    def member_outputs(
        self,
        x: tf.Tensor,
        codes: tf.Tensor,
        *,
        dropout: tf.Tensor | None = None,
        seeds: tf.Tensor | None = None,
        step: tf.Tensor | None = None,
        first_row: int | tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Compute each member's outputs for its own rows.

        Args:
            x: [members, batch, n_in] float32.
            codes: [members, batch, len(cardinalities)] int32.
            dropout: rate, a scalar; None outside of training.
            seeds: [members] uint32, for the dropout.
            step: number of the step, an integer, for the dropout.
            first_row: first row of a part of the batch; see `member_dropout`.

        Returns:
            [members, batch, n_logits]: logits, or standardised values.
        """
        z = self.embedded(x, codes)
        *hidden, head = self.blocks
        for i, block in enumerate(hidden):
            z = self._hidden(block, z)
            if dropout is not None:
                z = member_dropout(z, dropout, dropout_keys(seeds, step, i), first_row)
        return member_dense(z, self._kernel(head), head.bias)

    def embedded(self, x: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
        """Return the inputs of the first layer, [members, batch, n_embedded]."""
        numbers = x[..., : self.config.n_numeric]
        parts = [x]
        if self.config.embedding == "periodic":
            waves = self.frequencies, self.phases, self.wave_kernel, self.wave_bias
            parts.append(periodic_embedding(numbers, *waves))
        elif self.config.embedding == "piecewise-linear":
            parts.append(
                piecewise_linear_encoding(numbers, self.bin_starts, self.bin_slopes)
            )
        parts += [
            member_lookup(codes[..., i], table) for i, table in enumerate(self.code_tables)
        ]
        return tf.concat(parts, axis=-1) if len(parts) > 1 else x

    def _kernel(self, block: Block) -> tf.Tensor:
        """Return the kernel of a layer; the first layer's includes the scale of its inputs.

        (z * scale) @ kernel = z @ (scale * kernel), which multiplies weights instead
        of rows: a step of a small network takes a fifth less.
        """
        if self.config.scaled and block is self.blocks[0]:
            return tf.transpose(self.scale, [0, 2, 1]) * block.kernel
        return block.kernel

    def _hidden(self, block: Block, z: tf.Tensor) -> tf.Tensor:
        return self._activated(block, member_dense(z, self._kernel(block), block.bias))

    def _activated(self, block: Block, z: tf.Tensor) -> tf.Tensor:
        activated = ACTIVATIONS[self.config.activation](z)
        if block.activation_weight is None:
            return activated
        return z + block.activation_weight * (activated - z)

    def first_sums(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the sums of the first layer without its bias, [members, batch, units].

        They are sums over the inputs, so the share of each column can be replaced. With
        `first_bias` added, `outputs_of_sums` takes them. The scales multiply the inputs,
        not the kernel: that is faster for a few rows.

        Args:
            inputs: [members, batch, n_embedded] of `embedded`, or parts of them.
        """
        block = self.blocks[0]
        factor = 1 / math.sqrt(max(self.config.n_embedded, 1))
        if self.config.scaled:
            factor *= self.scale
        return tf.matmul(inputs * factor, block.kernel)

    def first_bias(self) -> tf.Tensor:
        """Return what is added to `first_sums`, [members, 1, units]."""
        return tf.convert_to_tensor(self.blocks[0].bias)

    def first_kernel(self) -> tf.Tensor:
        """Return the weights [members, n_embedded, units] of `first_sums`."""
        return self._kernel(self.blocks[0]) / math.sqrt(max(self.config.n_embedded, 1))

    def outputs_of_sums(self, sums: tf.Tensor) -> tf.Tensor:
        """Return each member's outputs for sums of its first layer.

        Args:
            sums: [members, batch, units], `first_sums` and `first_bias`.

        Returns:
            [members, batch, n_logits], as `member_outputs`.
        """
        first, *others = self.blocks
        if not others:
            return sums
        *hidden, head = others
        z = self._activated(first, sums)
        for block in hidden:
            z = self._hidden(block, z)
        return member_dense(z, self._kernel(head), head.bias)

    def for_each_member(self, rows: tf.Tensor) -> tf.Tensor:
        """Return the same rows for each member, [members, rows, columns]."""
        shape = [self.config.members, tf.shape(rows)[0], rows.shape[1]]
        return tf.broadcast_to(rows[tf.newaxis], shape)

    def member_answers(self, outputs: tf.Tensor) -> tf.Tensor:
        """Return probabilities [members, batch, n_out], or values in the target's units.

        The probabilities are mixed with rates below which they cannot fall; the mean over
        the members is then mixed alike.
        """
        if self.config.task != "regression":
            given = probabilities(self.config.task, outputs * self.inverse_temperature)
            return given * (1 - self.floor_share) + self.floor_rates * self.floor_share
        values = outputs * self.target_scale + self.target_mean
        return tf.clip_by_value(values, self.target_low, self.target_high)

    def call(self, inputs: Any) -> tf.Tensor:
        """Return probabilities or values [batch, n_out], the mean over the members.

        Args:
            inputs: (x, codes), or x if there are no codes.
        """
        x, codes = inputs if isinstance(inputs, (list, tuple)) else (inputs, None)
        return self.mean_answers(self.common_outputs(x, codes))

    def common_outputs(self, x: tf.Tensor, codes: tf.Tensor | None) -> tf.Tensor:
        """Compute each member's outputs for the same rows, [members, batch, n_logits]."""
        x = tf.cast(x, tf.float32)
        if codes is None:
            codes = tf.zeros([tf.shape(x)[0], 0], tf.int32)
        inputs = self.embedded(*map(self.for_each_member, (x, codes)))
        outputs = self.outputs_of_sums(self.first_sums(inputs) + self.first_bias())
        if self.config.forest is None:
            return outputs
        return outputs + self.tree_outputs(x, codes)

    def tree_outputs(self, x: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
        """Return what the trees add to the outputs of each member, [batch, n_logits].

        Args:
            x: [batch, n_in] float32.
            codes: [batch, len(cardinalities)] int32.
        """
        shape = self.config.forest
        assert shape is not None
        arrays = ForestArrays(*raw_variables(self.forest))
        return forest_outputs(arrays, shape.depth, x, codes)

    def tree_turns(self, x: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
        """Return which nodes of the trees send a row to the right, [batch, nodes] int32."""
        return node_turns(ForestArrays(*raw_variables(self.forest)), x, codes)

    def add_trees(self, forest: Forest, factor: float) -> None:
        """Assign the trees, and multiply the members' own outputs by a factor."""
        for variable, values in zip(self.forest, forest.arrays, strict=True):
            variable.assign(values)
        for variable in (self.blocks[-1].kernel, self.blocks[-1].bias):
            variable.assign(variable * factor)

    def mean_answers(self, outputs: tf.Tensor) -> tf.Tensor:
        """Return the mean of `member_answers`, [batch, n_out]."""
        return tf.reduce_mean(self.member_answers(outputs), axis=0)

    # ------------------------------------------------------------------ initial weights

    def initialize(
        self, x: NDArray[np.float32], codes: NDArray[np.int32], seeds: Sequence[int]
    ) -> None:
        """Assign initial weights fitted to the training rows of each member.

        Kernels are normal, scaled so that each unit has variance one on these rows; a bias
        puts the kink of its unit at a random place among them.

        Args:
            x: [members, rows, n_in], some rows of each member.
            codes: [members, rows, len(cardinalities)].
            seeds: one for each member, whose weights depend on no other seed.

        Source: Holzmueller et al., Better by Default (2024), appendix A.
        """
        members = self.config.members
        if len(seeds) != members or len(x) != members:
            raise InputError(
                f"initialize takes a seed and rows for each of {members} members;"
                f" got {len(seeds)} seeds and rows for {len(x)}"
            )
        draw = MemberDraws(seeds)
        self._initialize_embeddings(draw, x)
        z = self.embedded(tf.constant(x), tf.constant(codes))
        for block in self.blocks:
            self._initialize_block(block, draw, z)
            if block is not self.blocks[-1]:
                z = self._hidden(block, z)

    def _initialize_embeddings(self, draw: MemberDraws, x: NDArray[np.float32]) -> None:
        config = self.config
        if config.embedding == "periodic":
            spread = 1 / math.sqrt(config.n_frequencies)
            draw.normal(self.frequencies, FREQUENCY_SPREAD)
            draw.uniform(self.phases, math.pi)
            draw.uniform(self.wave_kernel, spread)
            draw.uniform(self.wave_bias, spread)
        elif config.embedding == "piecewise-linear":
            starts, slopes = quantile_bins(x[..., : config.n_numeric], config.bins)
            self.bin_starts.assign(starts)
            self.bin_slopes.assign(slopes)
        for table in self.code_tables:
            draw.normal(table, 1.0)
            # Code 0 means unknown and is never trained.
            table.assign(tf.concat([tf.zeros_like(table[:, :1]), table[:, 1:]], axis=1))
        if config.scaled:
            self.scale.assign(tf.ones_like(self.scale))

    def _initialize_block(self, block: Block, draw: MemberDraws, z: tf.Tensor) -> None:
        draw.normal(block.kernel, 1.0)
        block.bias.assign(tf.zeros_like(block.bias))
        if block.activation_weight is not None:
            block.activation_weight.assign(tf.ones_like(block.activation_weight))
        before = member_dense(z, block.kernel, block.bias).numpy()
        # In NumPy: TensorFlow's sum over rows rounds by the place of a member in memory.
        deviation = before.std(axis=1, keepdims=True)
        # A unit that is constant over the rows keeps its scale.
        factor = np.where(deviation > 1e-3, 1 / np.maximum(deviation, 1e-3), 1.0)
        factor = factor.astype(np.float32)
        block.kernel.assign(block.kernel * factor)
        places = draw.places_among(before * factor)
        block.bias.assign(-places[:, np.newaxis])

    def get_config(self) -> dict[str, Any]:
        """Return the config and the name, without the weights."""
        return {**self.config.to_dict(), "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TabularNetwork":
        """Make a network from the result of `get_config`; its weights are zero."""
        values = dict(config)
        name = values.pop("name", None)
        return cls(TabularConfig.from_dict(values), name=name)


def _mish(z: tf.Tensor) -> tf.Tensor:
    """Compute mish, z * tanh(softplus(z)), with one exponential: a third of the time."""
    grown = tf.exp(tf.minimum(z, 20.0))  # above 20 the quotient is one
    numerator = grown * (grown + 2)
    return z * (numerator / (numerator + 2))


ACTIVATIONS = {
    "relu": tf.nn.relu,
    "selu": tf.nn.selu,
    "mish": _mish,
    "silu": tf.nn.silu,
    "gelu": tf.nn.gelu,
}
