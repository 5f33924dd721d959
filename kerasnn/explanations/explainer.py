"""The contributions of the columns to an answer: Shapley values by TensorFlow operations.

A column is all its inputs together: number, embedding, missing indicator, codes. The first
layer is a sum over the columns, and the columns' sums are computed once for each row. So
replacing some columns of a row costs no new embedding.
"""

import functools
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.explanations.background import Background
from kerasnn.explanations.coalitions import Coalitions, draw_coalitions
from kerasnn.explanations.linear import Linear, linear_approximation
from kerasnn.explanations.players import (
    InputPositions,
    Players,
    choose_players,
    columns_of_inputs,
)
from kerasnn.explanations.scale import explained_scale, linear_scale
from kerasnn.explanations.tree_values import TreeValues
from kerasnn.models import TabularNetwork

MAX_PLAYERS = 64  # of more columns, those that move the answers least are one player


class Explainer:
    """Explains the answers of a network; everything but the row is fixed.

    Args:
        network: trained.
        features: of each column, by its name: positions in x and in codes.
        background: rows that each row is compared with.
        max_players: columns whose contributions are measured one by one.
    """

    def __init__(
        self,
        network: TabularNetwork,
        features: Mapping[str, InputPositions],
        background: Background,
        *,
        max_players: int = MAX_PLAYERS,
    ) -> None:
        self._network = network
        self._base = background.base.astype(np.float32)
        self._trees = None
        if network.config.forest is not None:
            self._trees = TreeValues(network, background, tuple(features.values()))
        linear = linear_approximation(network, background)
        of_inputs = columns_of_inputs(network.config, features)
        sizes = linear.sizes(of_inputs, len(features))
        if self._trees is not None and len(features) > max_players:
            sizes = sizes + self._trees.sizes(background)
        players = choose_players(of_inputs, sizes, max_players)
        members, n_rows, _ = linear.inputs.shape
        drawn = draw_coalitions(players.count, members, n_rows)
        base = 0.0 if self._trees is None else self._trees.base
        self._game = _Game(network, linear, players, drawn, base)
        self._split = _Split(linear, players, of_inputs)

    def __call__(
        self, x: tf.Tensor, codes: tf.Tensor, answers: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Return contributions, their standard errors and the mean answer, for rows.

        Args:
            x: [rows, n_in] float32 of the preprocessor.
            codes: [rows, n_codes] int32 of the preprocessor.
            answers: those to explain: probabilities [rows, classes], or values [rows,
                values].

        Returns:
            `contributions` and `standard_error`, each [rows, columns], and `base` [rows]:
            a row's contributions and its base add up to its answer on the scale of
            `explained_scale`. For several classes or values these are [rows, columns,
            values] and [rows, values].
        """
        network = self._network
        explained = explained_scale(network.config.task, answers)
        rows = (network.for_each_member(part) for part in (x, codes))
        inputs = tf.transpose(network.embedded(*rows), [1, 0, 2])
        explain = self._row_explainer()
        contributions, errors = tf.map_fn(
            explain,
            (inputs, explained, x, codes),
            fn_output_signature=(tf.float32, tf.float32),
            parallel_iterations=1,
        )
        return self._named(contributions, errors, tf.zeros_like(explained) + self._base)

    def _row_explainer(self) -> Callable[[tuple[tf.Tensor, ...]], tuple[tf.Tensor, ...]]:
        """Return a function of a row; what does not depend on the row is computed here."""
        play = self._game.player()
        values = None if self._trees is None else self._trees.evaluator()
        slopes = self._split.slopes(self._network)

        def explain(row: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, tf.Tensor]:
            inputs, answer, *raw = row
            of_trees = None if values is None else values(*raw)
            means, errors = play(inputs, of_trees)
            if of_trees is not None:
                of_trees = linear_scale(self._network, of_trees)
            contributions = self._split.contributions(means, inputs, slopes, of_trees)
            left = answer - self._base - tf.reduce_sum(contributions, axis=0)
            return with_residual(contributions, left), self._split.errors(errors)

        return explain

    def _named(
        self, contributions: tf.Tensor, errors: tf.Tensor, base: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        shape = [-1, self._split.n_columns, len(self._base)]
        named = {
            "contributions": tf.reshape(contributions, shape),
            "standard_error": tf.reshape(errors, shape),
            "base": tf.reshape(base, [-1, len(self._base)]),
        }
        if len(self._base) > 1:
            return named
        return {name: tf.squeeze(value, axis=-1) for name, value in named.items()}


def with_residual(contributions: tf.Tensor, left: tf.Tensor) -> tf.Tensor:
    """Return contributions with a residual added, in proportion to their sizes.

    Args:
        contributions: [columns, values]; what is 0 stays 0, unless all are.
        left: [values].
    """
    sizes = tf.abs(contributions)
    total = tf.reduce_sum(sizes, axis=0)
    even = tf.ones_like(sizes) / contributions.shape[0]
    share = tf.where(total > 0, tf.math.divide_no_nan(sizes, total), even)
    return contributions + share * left


class _Game:
    """The answers of members to mixtures of a row and background rows.

    The trees enter as a sum over the columns. That is exact if answers are linear in the
    outputs; a floor or the clipping of values applies to the sum.

    Args:
        network: trained.
        linear: its approximation.
        players: the columns, or groups of them, that are mixed.
        drawn: the mixtures.
        tree_base: [n_logits] the mean output of the trees for background rows, or 0.
    """

    def __init__(
        self,
        network: TabularNetwork,
        linear: Linear,
        players: Players,
        drawn: Coalitions,
        tree_base: NDArray[np.float32] | float,
    ) -> None:
        self._network, self._players = network, players
        self._masks, self._weights = drawn.masks, drawn.weights
        _, groups, coalitions, _ = self._masks.shape
        self._n_mixed = 2 * groups * coalitions
        self._tree_base = tree_base
        sums = linear.sums(players.of_inputs, players.count)
        # Half precision: its error is far below the standard error.
        members = np.arange(len(sums))[:, np.newaxis]
        self._rows = sums[members, drawn.background].astype(np.float16)
        own = np.arange(players.count)[:, np.newaxis] == players.of_inputs
        self._own = own.astype(np.float32)  # [players, n_embedded]
        rows = self._rows.astype(np.float32)
        self._empty_sums = rows.sum(axis=2, keepdims=True) + linear.bias[:, np.newaxis]
        empty = self._values(tf.constant(self._empty_sums[:, :, 0]), tree_base)
        self._empty = empty.numpy()[:, :, np.newaxis]
        # A group's background row differs from the mean one: corrected to first order.
        offset = rows - sums.mean(axis=1)[:, np.newaxis]
        self._control = np.einsum("mgpu,muv->mgpv", offset, linear.gradient, optimize=True)

    def player(self) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
        """Return `_play` for any row."""
        kept = (self._masks, self._weights, self._rows)
        masks, weights, rows = (tf.cast(part, tf.float32) for part in kept)
        return functools.partial(
            self._play, masks, weights, rows, self._network.first_bias()
        )

    def _play(
        self,
        masks: tf.Tensor,
        weights: tf.Tensor,
        rows: tf.Tensor,
        bias: tf.Tensor,
        inputs: tf.Tensor,
        of_trees: tf.Tensor | None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the contribution of each player, [players, values], and its error.

        Args:
            masks: [members, groups, coalitions / 2, players] of the mixtures.
            weights: [members, groups, players, coalitions + 2] of their answers.
            rows: [members, groups, players, units] sums of the first layer.
            bias: [members, 1, units] of the first layer.
            inputs: [members, n_embedded] of the row.
            of_trees: [columns, n_logits] what the columns add to the trees' outputs.
        """
        members, _, _, n_players = masks.shape
        sums = self._network.first_sums(inputs[:, tf.newaxis] * self._own)
        mixed = mixtures(masks, sums[:, tf.newaxis] - rows) + self._empty_sums
        mixed = tf.reshape(mixed, [members, self._n_mixed, mixed.shape[-1]])
        full = tf.reduce_sum(sums, axis=1, keepdims=True) + bias
        values = self._values(
            tf.concat([mixed, full], axis=1), self._tree_outputs(masks, of_trees)
        )
        found = tf.matmul(weights, self._states(values)) + self._control
        found = tf.reshape(found, [-1, n_players, values.shape[-1]])
        mean, variance = tf.nn.moments(found, axes=[0])
        return mean, tf.sqrt(variance / max(found.shape[0] - 1, 1))

    def _tree_outputs(
        self, masks: tf.Tensor, of_trees: tf.Tensor | None
    ) -> tf.Tensor | float:
        """Return the trees' outputs for mixtures and row, [members, states, n_logits]."""
        if of_trees is None:
            return 0.0
        members = masks.shape[0]
        of_players = self._players.sums(of_trees)
        mixed = tf.reshape(
            mixtures(masks, of_players), [members, self._n_mixed, of_players.shape[-1]]
        )
        # A single player has no mixtures: their shape cannot give that of the row.
        full = tf.zeros([members, 1, 1]) + tf.reduce_sum(of_players, axis=0)
        return tf.concat([mixed, full], axis=1) + self._tree_base

    def _states(self, values: tf.Tensor) -> tf.Tensor:
        """Return [members, groups, states, values] from the values of the mixtures."""
        members, groups, _, n_states = self._weights.shape
        inner = tf.reshape(
            values[:, :-1], [members, groups, n_states - 2, values.shape[-1]]
        )
        full = tf.broadcast_to(values[:, tf.newaxis, -1:], self._empty.shape)
        return tf.concat([self._empty, inner, full], axis=2)

    def _values(self, sums: tf.Tensor, of_trees: tf.Tensor | float) -> tf.Tensor:
        """Return [members, states, values] for sums of the first layer, and trees."""
        network = self._network
        answers = network.member_answers(network.outputs_of_sums(sums) + of_trees)
        return explained_scale(network.config.task, answers)


class _Split:
    """From players to columns: columns that share a player share its contribution.

    Args:
        linear: approximation of the network, by which columns share.
        players: of the columns.
        of_inputs: [n_embedded] the column of each input.
    """

    def __init__(
        self, linear: Linear, players: Players, of_inputs: NDArray[np.intp]
    ) -> None:
        self.n_columns = len(players.of_columns)
        self._players = players
        self._gradient = linear.gradient
        self._inputs = np.flatnonzero(np.isin(of_inputs, players.together))
        self._places = np.searchsorted(players.together, of_inputs[self._inputs])
        self._mean = linear.inputs.mean(axis=1)[:, self._inputs].astype(np.float16)

    def slopes(self, network: TabularNetwork) -> tf.Tensor | None:
        """Return [members, inputs, values] of the shared player; None without one."""
        if not len(self._inputs):
            return None
        weights = network.first_kernel()
        return tf.matmul(tf.gather(weights, self._inputs, axis=1), self._gradient)

    def contributions(
        self,
        means: tf.Tensor,
        inputs: tf.Tensor,
        slopes: tf.Tensor | None,
        of_trees: tf.Tensor | None,
    ) -> tf.Tensor:
        """Return the contributions of the columns, [columns, values].

        Args:
            means: [players, values] their contributions.
            inputs: [members, n_embedded] of the row.
            slopes: from `slopes`.
            of_trees: [columns, values] of the trees.
        """
        found = tf.gather(_with_none(means), self._players.of_columns)
        if slopes is None:
            return found
        offset = tf.gather(inputs, self._inputs, axis=1) - tf.cast(self._mean, tf.float32)
        effects = tf.reduce_mean(offset[..., tf.newaxis] * slopes, axis=0)
        together = self._players.together
        first_order = tf.math.unsorted_segment_sum(effects, self._places, len(together))
        if of_trees is not None:
            first_order += tf.gather(of_trees, together)
        left = means[-1] - tf.reduce_sum(first_order, axis=0)
        shares = with_residual(first_order, left)
        return tf.tensor_scatter_nd_update(found, together[:, np.newaxis], shares)

    def errors(self, errors: tf.Tensor) -> tf.Tensor:
        """Return [columns, values]: each column has the error of its player."""
        return tf.gather(_with_none(errors), self._players.of_columns)


def mixtures(masks: tf.Tensor, parts: tf.Tensor) -> tf.Tensor:
    """Return the sums of the parts of each coalition, and those of its complement.

    Args:
        masks: [members, groups, coalitions / 2, players].
        parts: [..., players, values].

    Returns:
        [members, groups, coalitions, values].
    """
    # No `tf.matmul` of a shared matrix: for [m, 1, ...] masks TensorFlow 2.21 writes beyond
    # the product (tensorflow#117700, oneDNN).
    shared = parts.shape.rank == 2
    inside = tf.tensordot(masks, parts, 1) if shared else tf.matmul(masks, parts)
    total = tf.reduce_sum(parts, axis=-2, keepdims=True)
    return tf.concat([inside, total - inside], axis=2)


def _with_none(of_players: tf.Tensor) -> tf.Tensor:
    """Append zeros, for columns without a player."""
    return tf.pad(of_players, [[0, 1], [0, 0]])
