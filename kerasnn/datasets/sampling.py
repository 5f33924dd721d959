"""Rows drawn at random from a table that is read once and never whole in memory.

Each row gets a random key as it passes, and the rows with the least keys are kept: a
uniform sample without replacement, in whatever blocks the rows come.

Source: bottom-k sampling; Cohen and Kaplan (2007), Summarizing data using bottom-k
sketches.
"""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SURPLUS = 1.25  # so many times the rows are kept before the surplus is dropped


class RowSample:
    """A uniform sample of the rows of a table.

    Args:
        size: rows that are kept, at most.
        seed: with the number of a row it decides its key.

    Attributes:
        rows: how many rows have passed.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.rows = 0
        self._random = np.random.default_rng(seed)
        self._bound = 1.0  # keys are below it
        self._keys: list[NDArray[np.float64]] = []
        self._blocks: list[pd.DataFrame] = []

    def add(self, block: pd.DataFrame) -> None:
        """Let the next rows pass."""
        keys = self._random.random(len(block))
        places = np.flatnonzero(keys < self._bound)
        self._blocks.append(block.iloc[places].set_axis(places + self.rows))
        self._keys.append(keys[places])
        self.rows += len(block)
        if sum(map(len, self._keys)) > SURPLUS * self.size:
            self._drop_surplus()

    def drawn(self) -> pd.DataFrame:
        """The sample in random order, its index the numbers of the rows."""
        keys, rows = np.concatenate(self._keys), self._joined()
        return rows.iloc[np.argsort(keys, kind="stable")[: self.size]]

    def _drop_surplus(self) -> None:
        keys, rows = np.concatenate(self._keys), self._joined()
        self._bound = float(np.partition(keys, self.size)[self.size])
        least = keys < self._bound
        self._keys, self._blocks = [keys[least]], [rows[least]]

    def _joined(self) -> pd.DataFrame:
        return self._blocks[0] if len(self._blocks) == 1 else pd.concat(self._blocks)


def rank_error(rows: int, *, doubt: float = 0.001) -> float:
    """By how much the rank of a quantile of a sample may be off.

    Args:
        rows: of the sample.
        doubt: probability that some quantile is farther off.

    Returns:
        The share of the table's rows.

    Source: the inequality of Dvoretzky, Kiefer and Wolfowitz; Massart (1990).
    """
    return math.sqrt(math.log(2 / doubt) / (2 * rows))
