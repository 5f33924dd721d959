"""The contributions of the columns to the trees' outputs: exact Shapley values.

A leaf compares some columns. A mixture of the row and a background row reaches the leaf if
each of these columns is taken from a row that meets the leaf's conditions on it. So only
two sets count: the columns whose conditions the row breaks, and those whose conditions the
background row breaks. Background rows with the same set at a leaf are computed once.

Source: the sums of Lundberg et al., From local explanations to global understanding with
explainable AI for trees (2020), "interventional" TreeSHAP, leaf by leaf.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.explanations.background import Background
from kerasnn.explanations.players import InputPositions
from kerasnn.explanations.scale import linear_scale
from kerasnn.models import TabularNetwork


class TreeValues:
    """The Shapley values of the trees of a network, for single rows.

    Args:
        network: with trees.
        background: rows that a row is compared with.
        features: of each column: positions in x and in codes.

    Attributes:
        base: [n_logits] the mean of the trees' outputs for the background rows.
    """

    def __init__(
        self,
        network: TabularNetwork,
        background: Background,
        features: Sequence[InputPositions],
    ) -> None:
        self._network = network
        self._shape = len(features), network.config.n_logits
        rows = tf.constant(background.x), tf.constant(background.codes)
        self.base = network.tree_outputs(*rows).numpy().mean(axis=0)
        columns = _columns(features, network)
        paths = _paths(network, columns)
        turns = network.tree_turns(*rows).numpy()
        self._n_steps = len(paths.nodes)
        self._broken_at = _small(paths.nodes + paths.right * turns.shape[1])
        self._bits = _small(paths.bits)
        leaves, broken, counts = _patterns(paths, turns)
        self._starts = _small(np.diff(leaves, prepend=-1))
        self._broken, self._counts = _small(broken), _small(counts)
        self._values = network.forest.values.numpy()[paths.leaves] / len(background.x)
        compared = columns[network.forest.columns.numpy()[paths.nodes]]
        self._sums = _small(compared * self._shape[1] + paths.outputs).T
        self._weights = _shapley_weights(self._n_steps)

    def evaluator(self) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
        """Return `_of_row` with the arrays that are the same for every row."""
        arrays = _Arrays(
            broken_at=tf.cast(self._broken_at, tf.int32),
            bits=tf.cast(self._bits, tf.int32),
            broken=tf.cast(self._broken, tf.int32),
            sums=tf.cast(self._sums, tf.int32),
            leaves=tf.cumsum(tf.cast(self._starts, tf.int32)) - 1,
            counts=tf.cast(self._counts, tf.float32),
        )
        return functools.partial(self._of_row, arrays)

    def _of_row(self, arrays: "_Arrays", x: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
        """Return what each column adds to the outputs, [columns, values].

        Args:
            arrays: of the background.
            x: [n_in] of the row.
            codes: [n_codes] of the row.
        """
        turns = self._network.tree_turns(x[tf.newaxis], codes[tf.newaxis])[0]
        broken_at = tf.gather(tf.concat([turns, 1 - turns], axis=0), arrays.broken_at)
        broken = _union(broken_at * arrays.bits)  # [leaves]
        at_patterns = tf.gather(broken, arrays.leaves)
        possible = tf.bitwise.bitwise_and(at_patterns, arrays.broken) == 0
        met = tf.squeeze(tf.where(possible), axis=1)
        own, other = tf.gather(at_patterns, met), tf.gather(arrays.broken, met)
        kinds = _count_bits(other) * (self._n_steps + 1) + _count_bits(own)
        weights = tf.gather(self._weights, kinds)
        weights *= tf.gather(arrays.counts, met)[:, tf.newaxis]
        of_leaves = tf.math.unsorted_segment_sum(
            tf.concat([self._spread(other) * weights[:, :1], weights[:, 1:]], axis=1),
            tf.gather(arrays.leaves, met),
            len(self._values),
        )
        changes = of_leaves[:, :-1] - self._spread(broken) * of_leaves[:, -1:]
        found = tf.math.unsorted_segment_sum(
            changes * self._values[:, np.newaxis], arrays.sums, math.prod(self._shape)
        )
        return tf.reshape(found, self._shape)

    def sizes(self, background: Background) -> NDArray[np.float64]:
        """Return how far each column moves the explained answers, [columns], roughly."""
        of_row = self.evaluator()
        rows = zip(background.x, background.codes, strict=True)
        found = [
            linear_scale(self._network, of_row(*map(tf.constant, row))) for row in rows
        ]
        return np.abs(found).mean(axis=(0, 2)).astype(np.float64)

    def _spread(self, sets: tf.Tensor) -> tf.Tensor:
        """Return sets [n] of bits as [n, steps] float32 of 0 and 1."""
        bits = (1 << np.arange(self._n_steps)).astype(np.int32)
        return tf.cast(tf.bitwise.bitwise_and(sets[:, tf.newaxis], bits) > 0, tf.float32)


class _Arrays(NamedTuple):
    """The background rows at the leaves; the same for all rows.

    Attributes:
        broken_at: [steps, leaves] place in the turns of all nodes, or in their complements,
            where 1 breaks a condition of the leaf.
        bits: [steps, leaves] of the compared columns.
        broken: [patterns] sets of columns that background rows break.
        sums: [leaves, steps] place among the results.
        leaves: [patterns] their leaves, ascending.
        counts: [patterns] background rows.
    """

    broken_at: tf.Tensor
    bits: tf.Tensor
    broken: tf.Tensor
    sums: tf.Tensor
    leaves: tf.Tensor
    counts: tf.Tensor


@dataclass(frozen=True, eq=False)
class _Paths:
    """The comparisons between the leaves and their roots, from the leaf upwards.

    Attributes:
        leaves: [leaves] their nodes.
        outputs: [leaves] the output that each adds to.
        nodes: [steps, leaves] compared nodes; 0 beyond the root.
        right: [steps, leaves] 1 where the path goes to the right child.
        bits: [steps, leaves] a bit for each compared column, that of its first step; 0
            beyond the root.
    """

    leaves: NDArray[np.intp]
    outputs: NDArray[np.intp]
    nodes: NDArray[np.intp]
    right: NDArray[np.intp]
    bits: NDArray[np.intp]


def _paths(network: TabularNetwork, columns: NDArray[np.intp]) -> _Paths:
    """Return the paths of all leaves.

    Args:
        network: with trees.
        columns: of the table, for each column that trees compare.
    """
    forest, shape = network.forest, network.config.forest
    assert shape is not None
    children = forest.children.numpy().astype(np.intp)
    number = np.arange(len(children))
    inner = number[children != number]
    parents, sides = np.full(len(children), -1), np.zeros(len(children), np.intp)
    for side in (0, 1):
        parents[children[inner] + side] = inner
        sides[children[inner] + side] = side
    leaves = number[children == number]
    trees = np.searchsorted(forest.roots.numpy(), leaves, side="right") - 1
    of_nodes = columns[forest.columns.numpy()]
    nodes, right, bits = (
        np.zeros((max(shape.depth, 1), len(leaves)), np.intp) for _ in range(3)
    )
    here, compared = leaves, np.full(nodes.shape, -1)
    for step in range(shape.depth):
        above = np.where(here >= 0, parents[here], -1)
        on = above >= 0
        nodes[step, on], right[step, on] = above[on], sides[here[on]]
        compared[step, on] = of_nodes[above[on]]
        first = (compared[: step + 1] == compared[step]).argmax(axis=0)
        bits[step] = np.where(on, 1 << first, 0)
        here = above
    return _Paths(leaves, trees % network.config.n_logits, nodes, right, bits)


def _patterns(
    paths: _Paths, turns: NDArray[np.int32]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the sets of columns that background rows break at the leaves.

    Args:
        paths: of the leaves.
        turns: [rows, nodes] 1 where a background row goes right.

    Returns:
        Leaves (ascending), sets as bits, and the number of rows with this set there.
    """
    broken = np.zeros((len(turns), len(paths.leaves)), np.int64)
    for nodes, right, bits in zip(paths.nodes, paths.right, paths.bits, strict=True):
        broken |= np.where(turns[:, nodes] != right, bits, 0)
    n_sets = 2 ** len(paths.nodes)
    both, counts = np.unique(
        np.arange(len(paths.leaves)) * n_sets + broken, return_counts=True
    )
    return both // n_sets, both % n_sets, counts


def _columns(
    features: Sequence[InputPositions], network: TabularNetwork
) -> NDArray[np.intp]:
    """Return the column of the table of each column that trees compare: codes, then x."""
    n_codes = len(network.config.cardinalities)
    found = np.zeros(n_codes + network.config.n_in, np.intp)
    for column, (in_x, in_codes) in enumerate(features):
        found[list(in_codes)] = column
        found[n_codes + np.asarray(in_x, np.intp)] = column
    return found


def _shapley_weights(most: int) -> NDArray[np.float32]:
    """Return Shapley's weights by the sizes of two sets of columns, [(most + 1)^2, 2].

    A leaf needs a columns of the explained row, and z of the background row. At place
    a * (most + 1) + z are the weights of each of the a columns, and of each of the z.
    """
    weights = np.zeros((most + 1, most + 1, 2))
    for a in range(most + 1):
        for z in range(most + 1 - a):
            ways = math.comb(a + z, a)
            weights[a, z] = 1 / (a * ways) if a else 0, 1 / (z * ways) if z else 0
    return weights.reshape(-1, 2).astype(np.float32)


def _union(sets: tf.Tensor) -> tf.Tensor:
    """Return the union of sets of bits over the first axis."""
    first, *others = tf.unstack(sets)
    for other in others:
        first = tf.bitwise.bitwise_or(first, other)
    return first


def _count_bits(sets: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.raw_ops.PopulationCount(x=sets), tf.int32)


def _small(numbers: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return numbers, which are not negative, in the smallest type that holds them."""
    largest = int(numbers.max(initial=0))
    return numbers.astype(np.min_scalar_type(largest) if largest < 2**16 else np.int32)
