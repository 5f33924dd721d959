"""The part of the trees in the outputs of mixed rows.

Each member is answered by a part of the trees, those of one fold: the mean over members is
that of all trees, and takes a fraction of the time.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.explanations.background import Background
from kerasnn.explanations.coalitions import Coalitions
from kerasnn.explanations.players import InputPositions
from kerasnn.models import TabularNetwork


class TreeMixtures:
    """The mixtures of a row with background rows, as the trees read them.

    Args:
        network: with trees.
        background: rows that a row is mixed with.
        features: of each column: positions in x and in codes.
        players: [columns] the player of each column.
        drawn: the mixtures.

    Attributes:
        empty: [members, groups, n_logits] of the background rows themselves.
    """

    def __init__(
        self,
        network: TabularNetwork,
        background: Background,
        features: Sequence[InputPositions],
        players: NDArray[np.intp],
        drawn: Coalitions,
    ) -> None:
        self._network, shape = network, network.config.forest
        assert shape is not None
        members, groups, coalitions, n_players = drawn.masks.shape
        self._shape = (members, groups * coalitions + 1, network.config.n_logits)
        rows = np.repeat(drawn.background, coalitions, axis=1)
        # The last state of each member is the row itself: all of its inputs are taken.
        rows = np.pad(rows, [(0, 0), (0, 1)])
        taken = drawn.masks.reshape(members, groups * coalitions, n_players) == 1
        taken = np.pad(taken, [(0, 0), (0, 1), (0, 1)], constant_values=True)
        masks = taken.reshape(rows.size, n_players + 1)
        self._taken = [
            masks[:, _players_of(features, players, place, given.shape[1])]
            for place, given in enumerate((background.x, background.codes))
        ]
        self._background = background.x, background.codes
        self._rows = rows.ravel().astype(np.int32)
        parts = np.asarray(network.forest.roots).reshape(shape.parts, -1)
        self._roots = parts[np.arange(members) % len(parts)]
        own = drawn.background.ravel()
        empty = network.tree_outputs(
            tf.constant(background.x[own]),
            tf.constant(background.codes[own]),
            tf.constant(np.repeat(self._roots, groups, axis=0)),
        )
        self.empty = tf.reshape(empty, [members, groups, -1]).numpy()

    def mixed(self, x: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
        """Return the trees' outputs for mixtures and row, [members, states, n_logits].

        Args:
            x: [n_in] of the row.
            codes: [n_codes] of the row.
        """
        rows = [
            tf.where(taken, own, tf.gather(other, self._rows))
            for taken, own, other in zip(
                self._taken, (x, codes), self._background, strict=True
            )
        ]
        roots = tf.repeat(tf.constant(self._roots), self._shape[1], axis=0)
        found = self._network.tree_outputs(rows[0], rows[1], roots)
        return tf.reshape(found, self._shape)


def _players_of(
    features: Sequence[InputPositions], players: NDArray[np.intp], place: int, width: int
) -> NDArray[np.intp]:
    """Return the player of each input of x (place 0) or codes (place 1)."""
    found = np.zeros(width, np.intp)
    for positions, player in zip(features, players, strict=True):
        found[list(positions[place])] = player
    return found
