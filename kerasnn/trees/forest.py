"""A forest: the sum of many decision trees, evaluated by gathers and comparisons.

All trees of all rows go down one level at a time: three gathers give a node's column,
threshold and children, one comparison the child. A tree that has arrived at a leaf stays
there. A C++ server has all of these operations.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

MAX_CODE = 254  # codes above count as unknown, 0: scikit-learn has 255 categories at most
CELLS_PER_BLOCK = 65_536  # rows times trees, whose nodes stay in the processor's cache


class ForestShape(NamedTuple):
    """The sizes of a forest.

    Attributes:
        trees: number of trees, a multiple of the outputs.
        nodes: of all trees.
        turns: entries of all tables of categories.
        depth: comparisons between a root and the deepest leaf.
    """

    trees: int
    nodes: int
    turns: int
    depth: int


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees as arrays; a node is a number. Columns are those of codes, then those of x.

    Attributes:
        roots: [trees] int32; the trees of one round follow each other, one for each output.
        columns: [nodes] int32 compared column; 0 at a leaf.
        thresholds: [nodes] float32; a larger value goes to the right child. Infinite at a
            leaf and where a table decides.
        children: [nodes] int32 left child, which the right one follows; a leaf is its own.
        tables: [nodes] int32 where the turns of the column's codes begin; 0 without.
        turns: [turns] uint8, for each code of a table 1 to go right; the first is 0.
        values: [nodes] float32 of leaves; 0 at others.
        baseline: [outputs] float32, added to the sums.
        depth: comparisons between a root and the deepest leaf.
    """

    roots: NDArray[np.int32]
    columns: NDArray[np.int32]
    thresholds: NDArray[np.float32]
    children: NDArray[np.int32]
    tables: NDArray[np.int32]
    turns: NDArray[np.uint8]
    values: NDArray[np.float32]
    baseline: NDArray[np.float32]
    depth: int

    @property
    def shape(self) -> ForestShape:
        """Its sizes."""
        sizes = len(self.roots), len(self.columns), len(self.turns)
        return ForestShape(*sizes, depth=self.depth)

    @property
    def arrays(self) -> list[NDArray[Any]]:
        """The arrays, in the order of `ForestArrays`."""
        return [getattr(self, name) for name in ForestArrays._fields]

    @classmethod
    def mean(cls, forests: Sequence[Self]) -> "Forest":
        """Return the forest whose outputs are the mean of others' outputs."""
        nodes = np.cumsum([0, *(len(f.columns) for f in forests)], dtype=np.int32)
        turns = np.cumsum([0, *(len(f.turns) - 1 for f in forests)], dtype=np.int32)
        joined = {
            name: np.concatenate([getattr(f, name) for f in forests])
            for name in ("columns", "thresholds", "values")
        }
        for name in ("roots", "children"):
            parts = [getattr(f, name) + n for f, n in zip(forests, nodes, strict=False)]
            joined[name] = np.concatenate(parts)
        tables = [
            np.where(f.tables > 0, f.tables + n, 0)
            for f, n in zip(forests, turns, strict=False)
        ]
        return Forest(
            **joined,
            tables=np.concatenate(tables).astype(np.int32),
            turns=np.concatenate([np.zeros(1, np.uint8), *(f.turns[1:] for f in forests)]),
            baseline=np.sum([f.baseline for f in forests], axis=0),
            depth=max(f.depth for f in forests),
        ).scaled(1 / len(forests))

    def scaled(self, factor: float) -> "Forest":
        """Return the forest with its outputs multiplied by a factor."""
        arrays = {**vars(self)}
        for name in ("values", "baseline"):
            arrays[name] = (arrays[name].astype(np.float64) * factor).astype(np.float32)
        return Forest(**arrays)

    def outputs(self, x: NDArray[np.float32], codes: NDArray[np.int32]) -> tf.Tensor:
        """Return `forest_outputs` of these arrays."""
        arrays = ForestArrays(*map(tf.constant, self.arrays))
        return forest_outputs(arrays, self.depth, tf.constant(x), tf.constant(codes))


class ForestArrays(NamedTuple):
    """The arrays of a `Forest` as tensors or Variables."""

    roots: Any
    columns: Any
    thresholds: Any
    children: Any
    tables: Any
    turns: Any
    values: Any
    baseline: Any

    @staticmethod
    def specs(shape: ForestShape, outputs: int) -> dict[str, tuple[int, str]]:
        """Return length and dtype of each array, by name."""
        nodes = ("columns", "children", "tables")
        return {
            "roots": (shape.trees, "int32"),
            **dict.fromkeys(nodes, (shape.nodes, "int32")),
            **dict.fromkeys(("thresholds", "values"), (shape.nodes, "float32")),
            "turns": (shape.turns, "uint8"),
            "baseline": (outputs, "float32"),
        }


def forest_outputs(
    forest: ForestArrays, depth: int, x: tf.Tensor, codes: tf.Tensor
) -> tf.Tensor:
    """Return the sum of the trees for each row, [rows, outputs] float32.

    Args:
        forest: the trees; no gradient passes through them.
        depth: of the forest.
        x: [rows, n_in] float32.
        codes: [rows, n_codes] int32.
    """
    columns = _compared(x, codes)
    n_rows = tf.maximum(tf.shape(columns)[0], 1)  # without rows, one empty block
    n_out = forest.baseline.shape[0]
    found = tf.TensorArray(
        tf.float32,
        size=0,
        dynamic_size=True,
        infer_shape=False,
        element_shape=[None, n_out],
    )
    per_block = max(1, CELLS_PER_BLOCK // forest.roots.shape[0])

    def block(start: tf.Tensor, found: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
        sums = _block_outputs(forest, depth, columns[start : start + per_block])
        return start + per_block, found.write(start // per_block, sums)

    _, found = tf.while_loop(
        lambda start, _: start < n_rows,
        block,
        (tf.constant(0), found),
        parallel_iterations=1,
    )
    return tf.reshape(found.concat(), [-1, n_out])


def node_turns(forest: ForestArrays, x: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
    """Return 1 for each row and node where the row would go right, else 0, int32.

    Args:
        forest: the trees.
        x: [rows, n_in] float32.
        codes: [rows, n_codes] int32.

    Returns:
        [rows, nodes]; 0 at leaves.
    """
    values = tf.gather(_compared(x, codes), forest.columns, axis=1)
    right = tf.cast(values > forest.thresholds, tf.int32)
    if forest.turns.shape[0] > 1:
        right += _turns(forest, forest.tables, values)
    return right


def _compared(x: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
    """Return the columns that trees compare, [rows, columns] float32."""
    known = tf.where(codes > MAX_CODE, tf.zeros_like(codes), codes)
    return tf.stop_gradient(tf.concat([tf.cast(known, tf.float32), x], axis=1))


def _block_outputs(forest: ForestArrays, depth: int, columns: tf.Tensor) -> tf.Tensor:
    """Return the sums [rows, outputs] for [rows, columns]."""
    shape = tf.shape(columns)
    cells = tf.reshape(columns, [-1])
    first = (tf.range(shape[0]) * shape[1])[:, tf.newaxis]
    nodes = tf.zeros([shape[0], 1], tf.int32) + forest.roots
    for _ in range(depth):
        values = tf.gather(cells, first + tf.gather(forest.columns, nodes))
        right = tf.cast(values > tf.gather(forest.thresholds, nodes), tf.int32)
        if forest.turns.shape[0] > 1:
            right += _turns(forest, tf.gather(forest.tables, nodes), values)
        nodes = tf.gather(forest.children, nodes) + right
    leaves = tf.gather(forest.values, nodes)
    n_out = forest.baseline.shape[0]
    by_round = tf.reshape(leaves, [-1, forest.roots.shape[0] // n_out, n_out])
    return tf.reduce_sum(by_round, axis=1) + forest.baseline


def _turns(forest: ForestArrays, tables: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Return 1 where a table sends a code to the right, else 0."""
    places = tf.where(tables > 0, tables + tf.cast(values, tf.int32), 0)
    return tf.cast(tf.gather(forest.turns, places), tf.int32)
