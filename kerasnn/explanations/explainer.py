"""The contributions of the columns to an answer: Shapley values by TensorFlow operations.

A column is all its inputs together: number, embedding, missing indicator, codes. The first
layer is a sum over the columns, so a row of which some columns are replaced costs no
embedding: the columns' sums are computed once for each row.
"""

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
from kerasnn.explanations.scale import explained_scale
from kerasnn.explanations.tree_mixtures import TreeMixtures
from kerasnn.models import TabularNetwork

MAX_PLAYERS = 64  # of more columns, those that move the answers least are one player

AnswerFunction = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class Explainer:
    """Explains the answers of a network; everything but the row is fixed.

    Args:
        network: trained.
        features: of each column, by its name: positions in x and in codes.
        background: rows that each row is compared with.
        answers: from x and codes to the answers that are explained, which may use the
            network: probabilities [rows, classes], or values [rows, values].
        max_players: columns whose contributions are measured one by one.
    """

    def __init__(
        self,
        network: TabularNetwork,
        features: Mapping[str, InputPositions],
        background: Background,
        answers: AnswerFunction,
        *,
        max_players: int = MAX_PLAYERS,
    ) -> None:
        self._network = network
        self._answers = answers
        self._base = background.base.astype(np.float32)
        linear = linear_approximation(network, background)
        of_inputs = columns_of_inputs(network.config, features)
        sizes = linear.sizes(of_inputs, len(features))
        players = choose_players(of_inputs, sizes, max_players)
        members, n_rows, _ = linear.inputs.shape
        drawn = draw_coalitions(players.count, members, n_rows)
        trees = None
        if network.config.forest is not None:
            of_columns = tuple(features.values()), players.of_columns
            trees = TreeMixtures(network, background, *of_columns, drawn)
        self._game = _Game(network, linear, players, drawn, trees)
        self._split = _Split(linear, players, of_inputs)
        # Sums over neighbours are several times faster than over inputs in any order.
        self._order = np.argsort(players.of_inputs, kind="stable")

    def __call__(self, x: tf.Tensor, codes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return contributions, their standard errors and the mean answer, for rows.

        Args:
            x: [rows, n_in] float32 of the preprocessor.
            codes: [rows, n_codes] int32 of the preprocessor.

        Returns:
            `contributions` and `standard_error`, each [rows, columns], and `base` [rows]:
            a row's contributions and its base add up to its answer on the scale of
            `explained_scale`. For several classes or values these are [rows, columns,
            values] and [rows, values].
        """
        network = self._network
        explained = explained_scale(network.config.task, self._answers(x, codes))
        rows = (network.for_each_member(part) for part in (x, codes))
        inputs = tf.transpose(network.embedded(*rows), [1, 2, 0])
        weights, bias = network.first_layer()
        weights = tf.transpose(weights, [1, 0, 2])
        slopes = self._split.slopes(weights)
        sorted_weights = tf.gather(weights, self._order)

        def explain(row: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, tf.Tensor]:
            of_row, answer, *prepared = row
            added = tf.gather(of_row, self._order)[..., tf.newaxis] * sorted_weights
            means, errors = self._game.play(added, bias, *prepared)
            contributions = self._split.contributions(means, of_row, slopes)
            left = answer - self._base - tf.reduce_sum(contributions, axis=0)
            return with_residual(contributions, left), self._split.errors(errors)

        contributions, errors = tf.map_fn(
            explain,
            (inputs, explained, x, codes),
            fn_output_signature=(tf.float32, tf.float32),
            parallel_iterations=1,
        )
        return self._named(contributions, errors, tf.zeros_like(explained) + self._base)

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

    Args:
        network: trained.
        linear: its approximation.
        players: that are mixed.
        drawn: the mixtures.
        trees: what trees add to the members' outputs; None without trees.
    """

    def __init__(
        self,
        network: TabularNetwork,
        linear: Linear,
        players: Players,
        drawn: Coalitions,
        trees: TreeMixtures | None,
    ) -> None:
        self._network, self._players, self._weights = network, players, drawn.weights
        self._trees = trees
        sums = linear.sums(players.of_inputs, players.count)
        rows = sums[np.arange(len(sums))[:, np.newaxis], drawn.background]
        replaced = np.einsum("mgcp,mgpu->mgcu", 1 - drawn.masks, rows, optimize=True)
        self._masks = _joined(drawn.masks)
        # Half precision: its error is far below the standard error.
        self._replaced = _joined(replaced + linear.bias[:, np.newaxis]).astype(np.float16)
        empty = tf.constant(rows.sum(axis=2) + linear.bias)
        of_trees = 0.0 if trees is None else trees.empty
        self._empty = self._values(empty, of_trees).numpy()[:, :, np.newaxis]
        # A group's background row differs from the mean one: corrected to first order.
        offset = rows - sums.mean(axis=1, keepdims=True)
        self._control = np.einsum("mgpu,muv->mgpv", offset, linear.gradient, optimize=True)

    def play(
        self, added: tf.Tensor, bias: tf.Tensor, x: tf.Tensor, codes: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the contribution of each player, [players, values], and its error.

        Args:
            added: [n_embedded, members, units] what the row's inputs add to the sums of the
                first layer; the inputs of a player follow each other.
            bias: [members, 1, units] of the first layer.
            x: [n_in] of the row.
            codes: [n_codes] of the row.
        """
        players = self._players
        sums = tf.math.segment_sum(added, np.sort(players.of_inputs))
        sums = tf.transpose(sums, [1, 0, 2])
        mixed = tf.matmul(self._masks, sums) + tf.cast(self._replaced, tf.float32)
        full = tf.reduce_sum(sums, axis=1, keepdims=True) + bias
        of_trees = 0.0 if self._trees is None else self._trees.mixed(x, codes)
        values = self._values(tf.concat([mixed, full], axis=1), of_trees)
        found = tf.matmul(self._weights, self._states(values)) + self._control
        found = tf.reshape(found, [-1, players.count, values.shape[-1]])
        mean, variance = tf.nn.moments(found, axes=[0])
        return mean, tf.sqrt(variance / max(found.shape[0] - 1, 1))

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
        linear: approximation of the network, by which they share.
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
        self._mean = linear.inputs.mean(axis=1)[:, self._inputs].T.astype(np.float16)

    def slopes(self, weights: tf.Tensor) -> tf.Tensor | None:
        """Return [inputs, members, values] of the shared player; None without one.

        Args:
            weights: [n_embedded, members, units] of the first layer.
        """
        if not len(self._inputs):
            return None
        return tf.einsum("imu,muv->imv", tf.gather(weights, self._inputs), self._gradient)

    def contributions(
        self, means: tf.Tensor, inputs: tf.Tensor, slopes: tf.Tensor | None
    ) -> tf.Tensor:
        """Return the contributions of the columns, [columns, values].

        Args:
            means: [players, values] their contributions.
            inputs: [n_embedded, members] of the row.
            slopes: from `slopes`.
        """
        found = tf.gather(_with_none(means), self._players.of_columns)
        if slopes is None:
            return found
        offset = tf.gather(inputs, self._inputs) - tf.cast(self._mean, tf.float32)
        effects = tf.reduce_mean(offset[..., tf.newaxis] * slopes, axis=1)
        count = len(self._players.together)
        first_order = tf.math.unsorted_segment_sum(effects, self._places, count)
        left = means[-1] - tf.reduce_sum(first_order, axis=0)
        shares = with_residual(first_order, left)
        return tf.tensor_scatter_nd_update(
            found, self._players.together[:, np.newaxis], shares
        )

    def errors(self, errors: tf.Tensor) -> tf.Tensor:
        """Return [columns, values]: each column has the error of its player."""
        return tf.gather(_with_none(errors), self._players.of_columns)


def _with_none(of_players: tf.Tensor) -> tf.Tensor:
    """Append zeros, for columns without a player."""
    return tf.pad(of_players, [[0, 1], [0, 0]])


def _joined(of_groups: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return [members, groups, coalitions, n] as [members, groups * coalitions, n]."""
    members, _, _, n = of_groups.shape
    return of_groups.reshape(members, -1, n)
