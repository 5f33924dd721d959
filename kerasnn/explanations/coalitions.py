"""Coalitions: which columns of a row are combined with which rows of the background.

They are drawn once, when an `Explainer` is made: no explanation is random.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_EVALUATIONS = 1024  # of single members, for each explained row: about this many
MAX_EXACT = 4  # players; with more, only some coalitions are evaluated


@dataclass(frozen=True, eq=False)
class Coalitions:
    """Groups of coalitions: in each, one member compares the row with one background row.

    A player is a column, or several that are taken together. The first state of a group has
    no player and is the background row, the last has all and is the explained row.

    Attributes:
        background: [members, groups] row of the background.
        masks: [members, groups, coalitions / 2, players] 1 where a player is taken from the
            explained row, without first and last state. The other half of the coalitions
            are the complements of these.
        weights: [members, groups, players, coalitions + 2] of the answers in each state:
            first, masks, their complements, last. The sums are the players' contributions.
    """

    background: NDArray[np.intp]
    masks: NDArray[np.uint8]
    weights: NDArray[np.floating]


def draw_coalitions(
    n_players: int, members: int, n_background: int, *, seed: int = 0
) -> Coalitions:
    """Return coalitions whose weighted answers are Shapley values, averaged over groups.

    With few players, all coalitions are evaluated. With more, a group is a random order and
    its reverse: in both, each player in turn is changed from the background row to the
    explained row, and contributes the change of the answer. Nothing is drawn twice: 16
    members give each column 32 or more different changes.

    Args:
        n_players: at least 1.
        members: of the ensemble.
        n_background: rows of the background, ordered by their answers.
        seed: of orders and background rows.

    Source: Castro et al., Polynomial calculation of the Shapley value based on sampling
    (2009); with reversed orders, Mitchell et al., Sampling permutations for Shapley value
    estimation (2022).
    """
    rng = np.random.default_rng(seed)
    exact = n_players <= MAX_EXACT
    coalitions = 2**n_players - 2 if exact else 2 * (n_players - 1)
    groups = max(1, round(N_EVALUATIONS / (max(coalitions, 1) * members)))
    n = members * min(groups, n_background)
    used = min(n, n_background)  # spread evenly, and each about equally often
    rows = ((np.arange(used) + 0.5) / used * n_background).astype(int)
    rows = np.resize(rng.permutation(rows), n)
    make = _all_coalitions if exact else _order_and_reverse
    drawn = [make(n_players, rng) for _ in range(n)]
    shape = (members, n // members)
    masks, weights = map(np.stack, zip(*drawn, strict=True))
    kind = np.float32 if exact else np.float16  # halves of orders are exact
    return Coalitions(
        rows.reshape(shape),
        masks.reshape(*shape, *masks.shape[1:]).astype(np.uint8),
        weights.reshape(*shape, *weights.shape[1:]).astype(kind),
    )


def _order_and_reverse(
    n_players: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return masks and weights of a random order of the players and its reverse."""
    order = rng.permutation(n_players)
    place = np.argsort(order)
    forwards = (place < np.arange(1, n_players)[:, np.newaxis]).astype(float)
    n = n_players - 1
    last = 2 * n + 1
    weights = np.zeros((n_players, last + 1))
    # With first k players: state k. Without them: state n + k.
    start = [0, *range(1, n + 1), last]
    end = [last, *range(n + 1, 2 * n + 1), 0]
    for k, player in enumerate(order):
        for before, after in ((start[k], start[k + 1]), (end[k + 1], end[k])):
            weights[player, after] += 0.5
            weights[player, before] -= 0.5
    return forwards, weights


def _all_coalitions(
    n_players: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return masks of all coalitions, and the weights of Shapley's formula."""
    states = np.array(list(itertools.product((0, 1), repeat=n_players)), float)
    masks = states[1 : len(states) // 2]
    states = np.concatenate([states[:1], masks, 1 - masks, states[-1:]])
    size = states.sum(axis=1)
    weights = np.empty((n_players, len(states)))
    for player in range(n_players):
        has = states[:, player] == 1
        others = (size - has).astype(int)
        share = [1 / (n_players * math.comb(n_players - 1, k)) for k in others]
        weights[player] = np.where(has, share, np.negative(share))
    return masks, weights
