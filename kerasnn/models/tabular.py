"""`TabularNetwork`: numbers and codes in, an ensemble of networks side by side.

    x, codes -> numeric embedding, code embeddings -> scale -> hidden blocks -> head

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

from kerasnn.choices import Activation, NumericEmbedding, TabularTask, WeightSharing
from kerasnn.errors import InputError, check_choice, check_whole_number
from kerasnn.layers import (
    dropout_keys,
    member_dense,
    member_dropout,
    member_lookup,
    periodic_embedding,
    piecewise_linear_encoding,
)
from kerasnn.models.member_draws import MemberDraws, quantile_bins
from kerasnn.models.tabular_heads import member_losses, probabilities

INITIAL_ROWS = 512  # rows to which the initial weights are fitted
FREQUENCY_SPREAD = 0.1
SLOW, FAST = 0.1, 6.0  # factors of the learning rate: embeddings and biases, scale


class Trained(NamedTuple):
    """A trained Variable, and how it is trained.

    Attributes:
        variable: [members, ...], or shared by all.
        rate: factor of the learning rate.
        decays: whether weight decay applies.
    """

    variable: keras.Variable
    rate: float
    decays: bool


class Block(NamedTuple):
    """The Variables of one layer.

    Attributes:
        kernel: [members, n_in, n_out], or [n_in, n_out] if it is shared.
        bias: [members, 1, n_out].
        activation_weight: [members, 1, n_out], share of the activation in each unit; 0
            is linear. None at the head.
        scale_in, scale_out: [members, 1, n_in] and [members, 1, n_out], a member's
            scales of a shared kernel (BatchEnsemble), else None.
    """

    kernel: keras.Variable
    bias: keras.Variable
    activation_weight: keras.Variable | None
    scale_in: keras.Variable | None
    scale_out: keras.Variable | None


@keras.saving.register_keras_serializable(package="kerasnn")
class TabularNetwork(keras.Model):
    """An ensemble of networks for tables, side by side, with explicit Variables.

    It takes `x` [batch, n_in] float32, the first `n_numeric` columns of which are scaled
    numbers and the others indicators, and `codes` [batch, len(cardinalities)] int32, as
    `preprocessing.Preprocessor` makes them. Every member sees the same rows when it is
    called, and rows of its own in `member_outputs`.

    Args:
        n_numeric: columns of x that are numbers, to be embedded.
        n_in: columns of x.
        n_out: classes, or values of a regression.
        task: "binary", "multiclass" or "regression".
        cardinalities: number of codes of each column of `codes`.
        members: number of networks.
        weight_sharing: "separate" weights for each member, or "batch-ensemble": shared
            kernels of the hidden layers, scaled by each member.
        hidden_units: units of each hidden layer; () for none.
        activation: "relu", "selu", "mish", "silu" or "gelu".
        parametric_activation: whether each unit learns its share of the activation.
        embedding: "periodic", "piecewise-linear" or "none".
        n_frequencies: frequencies of each number, for "periodic".
        embedding_units: units of the embedding of a number.
        bins: bins of each number, for "piecewise-linear".
        code_units: units of the embedding of a code.
        scaled: whether each input of the first layer has a learned scale.

    Raises:
        InputError: a number is out of range, or a choice is unknown.
    """

    def __init__(
        self,
        n_numeric: int,
        n_in: int,
        n_out: int,
        *,
        task: TabularTask,
        cardinalities: Sequence[int] = (),
        members: int = 1,
        weight_sharing: WeightSharing = "separate",
        hidden_units: Sequence[int] = (256, 256, 256),
        activation: Activation = "selu",
        parametric_activation: bool = True,
        embedding: NumericEmbedding = "periodic",
        n_frequencies: int = 16,
        embedding_units: int = 3,
        bins: int = 16,
        code_units: int = 8,
        scaled: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.n_numeric = check_whole_number("n_numeric", n_numeric, minimum=0)
        self.n_in = check_whole_number("n_in", n_in, minimum=self.n_numeric)
        self.n_out = check_whole_number("n_out", n_out, minimum=1)
        self.members = check_whole_number("members", members, minimum=1)
        self.cardinalities = tuple(cardinalities)
        self.hidden_units = tuple(
            check_whole_number("hidden_units", units, minimum=1) for units in hidden_units
        )
        self.task: TabularTask = check_choice("task", task, TabularTask)
        self.weight_sharing: WeightSharing = check_choice(
            "weight_sharing", weight_sharing, WeightSharing
        )
        self.activation: Activation = check_choice("activation", activation, Activation)
        self.parametric_activation = parametric_activation
        check_choice("embedding", embedding, NumericEmbedding)
        self.embedding: NumericEmbedding = embedding if n_numeric else "none"
        self.n_frequencies = n_frequencies
        self.embedding_units = embedding_units
        self.bins = bins
        self.code_units = code_units
        self.scaled = scaled
        self.trained: list[Trained] = []
        self._make_variables()
        self.built = True  # all Variables exist; no input is needed to create them

    # ------------------------------------------------------------------ Variables

    def _make_variables(self) -> None:
        members, n = self.members, self.n_numeric
        if self.embedding == "periodic":
            waves = (members, n, self.n_frequencies)
            self.frequencies = self._trained("frequencies", waves, SLOW)
            self.phases = self._trained("phases", waves, SLOW, decays=False)
            units = self.embedding_units
            self.wave_kernel = self._trained("wave_kernel", (*waves, units), SLOW)
            self.wave_bias = self._trained(
                "wave_bias", (members, n, units), SLOW, decays=False
            )
        if self.embedding == "piecewise-linear":
            self.bin_starts = self._kept("bin_starts", (members, n, self.bins))
            self.bin_slopes = self._kept("bin_slopes", (members, n, self.bins))
        self.code_tables = [
            self._trained(f"code_table_{i}", (members, cardinality, self.code_units), SLOW)
            for i, cardinality in enumerate(self.cardinalities)
        ]
        if self.scaled:
            self.scale = self._trained("scale", (members, 1, self.n_embedded), FAST)
        widths = (self.n_embedded, *self.hidden_units, self.n_logits)
        self.blocks = [
            self._block(i, n_in, n_out, hidden=i < len(self.hidden_units))
            for i, (n_in, n_out) in enumerate(itertools.pairwise(widths))
        ]
        # Fitted after training, for the answers.
        if self.task == "regression":
            for name in ("target_mean", "target_scale", "target_low", "target_high"):
                setattr(self, name, self._kept(name, (self.n_out,)))
        else:
            self.inverse_temperature = self._kept("sharpness", ())
            self.inverse_temperature.assign(1.0)

    def _block(self, i: int, n_in: int, n_out: int, *, hidden: bool) -> Block:
        members = self.members
        shared = hidden and self.weight_sharing == "batch-ensemble"
        kernel = (n_in, n_out) if shared else (members, n_in, n_out)

        def scales(name: str, units: int) -> keras.Variable | None:
            return (
                self._trained(f"{name}_{i}", (members, 1, units), 1.0) if shared else None
            )

        return Block(
            kernel=self._trained(f"kernel_{i}", kernel, 1.0),
            bias=self._trained(f"bias_{i}", (members, 1, n_out), SLOW, decays=False),
            activation_weight=self._trained(
                f"curvature_{i}", (members, 1, n_out), SLOW, decays=False
            )
            if hidden and self.parametric_activation
            else None,
            scale_in=scales("scale_in", n_in),
            scale_out=scales("scale_out", n_out),
        )

    def _trained(
        self, name: str, shape: tuple[int, ...], rate: float, *, decays: bool = True
    ) -> keras.Variable:
        variable = self.add_weight(name=name, shape=shape, initializer="zeros")
        self.trained.append(Trained(variable, rate, decays))
        return variable

    def _kept(self, name: str, shape: tuple[int, ...]) -> keras.Variable:
        return self.add_weight(name=name, shape=shape, initializer="zeros", trainable=False)

    @property
    def learned(self) -> list[keras.Variable]:
        """The Variables that training sets: trained ones, and bins fitted to the rows."""
        bins = (
            [self.bin_starts, self.bin_slopes]
            if self.embedding == "piecewise-linear"
            else []
        )
        return [*(trained.variable for trained in self.trained), *bins]

    @property
    def n_embedded(self) -> int:
        """Number of inputs of the first layer."""
        per_number = {
            "periodic": 1 + self.embedding_units,
            "piecewise-linear": 1 + self.bins,
            "none": 1,
        }[self.embedding]
        codes = len(self.cardinalities) * self.code_units
        return self.n_numeric * (per_number - 1) + self.n_in + codes

    @property
    def n_logits(self) -> int:
        """Number of outputs of the head: one for two classes."""
        return 1 if self.task == "binary" else self.n_out

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
        z = self._embedded(x, codes)
        *hidden, head = self.blocks
        for i, block in enumerate(hidden):
            z = self._hidden(block, z)
            if dropout is not None:
                z = member_dropout(z, dropout, dropout_keys(seeds, step, i), first_row)
        return member_dense(z, self._kernel(head), head.bias)

    def _embedded(self, x: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
        """Return the inputs of the first layer, [members, batch, n_embedded]."""
        numbers = x[..., : self.n_numeric]
        parts = [x]
        if self.embedding == "periodic":
            parts.append(
                periodic_embedding(
                    numbers,
                    self.frequencies,
                    self.phases,
                    self.wave_kernel,
                    self.wave_bias,
                )
            )
        elif self.embedding == "piecewise-linear":
            parts.append(
                piecewise_linear_encoding(numbers, self.bin_starts, self.bin_slopes)
            )
        parts += [
            member_lookup(codes[..., i], table) for i, table in enumerate(self.code_tables)
        ]
        z = tf.concat(parts, axis=-1) if len(parts) > 1 else x
        return z * self.scale if self.scaled and self.weight_sharing != "separate" else z

    def _kernel(self, block: Block) -> tf.Tensor:
        """Return the kernel of a layer; the first layer's includes the scale of its inputs.

        (z * scale) @ kernel = z @ (scale * kernel), which multiplies weights instead
        of rows: a step of a small network takes a fifth less. With a shared kernel the
        inputs are scaled instead.
        """
        if self.scaled and self.weight_sharing == "separate" and block is self.blocks[0]:
            return tf.transpose(self.scale, [0, 2, 1]) * block.kernel
        return block.kernel

    def _hidden(self, block: Block, z: tf.Tensor) -> tf.Tensor:
        if block.scale_in is not None:
            z = z * block.scale_in
        z = member_dense(z, self._kernel(block), block.bias)
        if block.scale_out is not None:
            z = z * block.scale_out
        activated = ACTIVATIONS[self.activation](z)
        return (
            activated
            if block.activation_weight is None
            else z + block.activation_weight * (activated - z)
        )

    def member_answers(self, outputs: tf.Tensor) -> tf.Tensor:
        """Return probabilities [members, batch, n_out], or values in the target's units."""
        if self.task != "regression":
            return probabilities(self.task, outputs * self.inverse_temperature)
        values = outputs * self.target_scale + self.target_mean
        return tf.clip_by_value(values, self.target_low, self.target_high)

    def call(self, inputs: Any) -> tf.Tensor:
        """Return probabilities or values [batch, n_out], the mean over the members.

        Args:
            inputs: (x, codes), or x if there are no codes.
        """
        x, codes = inputs if isinstance(inputs, (list, tuple)) else (inputs, None)
        x = self._for_each_member(tf.cast(x, tf.float32))
        codes = self._for_each_member(
            tf.zeros([tf.shape(x)[1], 0], tf.int32) if codes is None else codes
        )
        return tf.reduce_mean(self.member_answers(self.member_outputs(x, codes)), axis=0)

    def _for_each_member(self, rows: tf.Tensor) -> tf.Tensor:
        shape = [self.members, tf.shape(rows)[0], rows.shape[1]]
        return tf.broadcast_to(rows[tf.newaxis], shape)

    def losses_of_rows(
        self, targets: tf.Tensor, outputs: tf.Tensor, label_smoothing: float = 0.0
    ) -> tf.Tensor:
        """Return the loss of each row of each member, [members, batch].

        Args:
            targets: [members, batch] int32, or [members, batch, n_out] standardised.
            outputs: [members, batch, n_logits].
            label_smoothing: share of a label that is spread over the classes.
        """
        return member_losses(self.task, targets, outputs, label_smoothing)

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
            seeds: one for each member, on which alone its weights depend.

        Source: Holzmueller et al., Better by Default (2024), appendix A.
        """
        if len(seeds) != self.members or len(x) != self.members:
            raise InputError(
                f"initialize takes a seed and rows for each of {self.members} members;"
                f" got {len(seeds)} seeds and rows for {len(x)}"
            )
        draw = MemberDraws(seeds)
        self._initialize_embeddings(draw, x)
        z = self._embedded(tf.constant(x), tf.constant(codes))
        for block in self.blocks:
            self._initialize_block(block, draw, z)
            if block is not self.blocks[-1]:
                z = self._hidden(block, z)

    def _initialize_embeddings(self, draw: MemberDraws, x: NDArray[np.float32]) -> None:
        if self.embedding == "periodic":
            spread = 1 / math.sqrt(self.n_frequencies)
            draw.normal(self.frequencies, FREQUENCY_SPREAD)
            draw.uniform(self.phases, math.pi)
            draw.uniform(self.wave_kernel, spread)
            draw.uniform(self.wave_bias, spread)
        elif self.embedding == "piecewise-linear":
            starts, slopes = quantile_bins(x[..., : self.n_numeric], self.bins)
            self.bin_starts.assign(starts)
            self.bin_slopes.assign(slopes)
        for table in self.code_tables:
            draw.normal(table, 1.0)
            # Code 0 means unknown and is never trained.
            table.assign(tf.concat([tf.zeros_like(table[:, :1]), table[:, 1:]], axis=1))
        if self.scaled:
            self.scale.assign(tf.ones_like(self.scale))

    def _initialize_block(self, block: Block, draw: MemberDraws, z: tf.Tensor) -> None:
        if block.scale_in is not None and block.scale_out is not None:
            draw.signs(block.scale_in)
            block.scale_out.assign(tf.ones_like(block.scale_out))
            z = z * block.scale_in
        draw.normal(block.kernel, 1.0)
        block.bias.assign(tf.zeros_like(block.bias))
        if block.activation_weight is not None:
            block.activation_weight.assign(tf.ones_like(block.activation_weight))
        before = member_dense(z, block.kernel, block.bias).numpy()
        # In NumPy: TensorFlow's sum over rows rounds by the place of a member in memory.
        axes = 1 if len(block.kernel.shape) == 3 else (0, 1)
        deviation = before.std(axis=axes, keepdims=True)
        # A unit that is constant over the rows keeps its scale.
        factor = np.where(deviation > 1e-3, 1 / np.maximum(deviation, 1e-3), 1.0)
        factor = factor.astype(np.float32)
        if len(block.kernel.shape) == 2:
            factor = factor[0]
        block.kernel.assign(block.kernel * factor)
        places = draw.places_among(before * factor)
        block.bias.assign(-places[:, np.newaxis])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this network again, without its weights."""
        names = (
            *(
                "n_numeric",
                "n_in",
                "n_out",
                "task",
                "cardinalities",
                "members",
                "weight_sharing",
            ),
            *(
                "hidden_units",
                "activation",
                "parametric_activation",
                "embedding",
                "n_frequencies",
            ),
            *("embedding_units", "bins", "code_units", "scaled", "name"),
        )
        return {name: getattr(self, name) for name in names}


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
