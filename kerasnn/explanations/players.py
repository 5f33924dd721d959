"""Players: the columns whose contributions are measured one by one, or together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.models.tabular_config import TabularConfig

InputPositions = tuple[Sequence[int], Sequence[int]]  # in x and in codes


@dataclass(frozen=True, eq=False)
class Players:
    """Which inputs of the first layer, and which columns, belong to each player.

    Attributes:
        count: number of players.
        of_inputs: [n_embedded] the player of each input.
        of_columns: [columns] the player of each column; `count` for a column without
            inputs, which contributes nothing.
        together: numbers of the columns that share the last player; none if there are few.
    """

    count: int
    of_inputs: NDArray[np.intp]
    of_columns: NDArray[np.intp]
    together: NDArray[np.intp]

    def sums(self, of_columns: tf.Tensor) -> tf.Tensor:
        """Return the sums of values [columns, n] for each player, [players, n]."""
        places = np.where(self.of_columns < self.count, self.of_columns, -1)
        return tf.math.unsorted_segment_sum(of_columns, places, self.count)


def columns_of_inputs(
    config: TabularConfig, features: Mapping[str, InputPositions]
) -> NDArray[np.intp]:
    """Return the number of the column of each input of the first layer, [n_embedded].

    The inputs are x, the embedding of each number, and the embedding of each code.

    Args:
        config: of the network.
        features: of each column: positions in x and in codes.
    """
    in_x = np.zeros(config.n_in, np.intp)
    in_codes = np.zeros(len(config.cardinalities), np.intp)
    for column, (of_x, of_codes) in enumerate(features.values()):
        in_x[list(of_x)] = column
        in_codes[list(of_codes)] = column
    widths = {
        "periodic": config.embedding_units,
        "piecewise-linear": config.bins,
        "none": 0,
    }
    numbers = np.repeat(in_x[: config.n_numeric], widths[config.embedding])
    return np.concatenate([in_x, numbers, np.repeat(in_codes, config.code_units)])


def choose_players(
    of_inputs: NDArray[np.intp], sizes: NDArray[np.floating], maximum: int
) -> Players:
    """Return a player for each column; of too many, the smallest columns share the last.

    Args:
        of_inputs: [n_embedded] the column of each input.
        sizes: [columns] about how much each column moves the answers.
        maximum: number of players.
    """
    used = np.unique(of_inputs)
    alone, together = used, used[:0]
    if len(used) > maximum:
        largest = used[np.argsort(-sizes[used], kind="stable")]
        alone, together = np.sort(largest[: maximum - 1]), np.sort(largest[maximum - 1 :])
    count = len(alone) + (len(together) > 0)
    of_columns = np.full(len(sizes), count)
    of_columns[alone] = np.arange(len(alone))
    of_columns[together] = count - 1
    return Players(count, of_columns[of_inputs], of_columns, together)
