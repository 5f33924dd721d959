"""Uniform samples of the rows of a table that is read once.

Each row gets a random key, and the rows with the smallest keys are kept: a uniform sample
without replacement, for blocks of any size.

Source: bottom-k sampling; Cohen and Kaplan (2007), Summarizing data using bottom-k
sketches.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

SURPLUS = 1.25  # rows in memory, relative to the sample, before the surplus is dropped


class RowSample:
    """A uniform sample of the rows of a table.

    Args:
        size: maximum number of rows that are kept.
        seed: decides, with the number of a row, the row's key.

    Attributes:
        rows: number of rows so far.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.rows = 0
        self._random = np.random.default_rng(seed)
        self._bound = 1.0  # keys are below it
        self._keys: list[NDArray[np.float64]] = []
        self._blocks: list[pd.DataFrame] = []

    def add(self, block: pd.DataFrame) -> None:
        """Process the next rows."""
        keys = self._random.random(len(block))
        places = np.flatnonzero(keys < self._bound)
        self._blocks.append(block.iloc[places].set_axis(places + self.rows))
        self._keys.append(keys[places])
        self.rows += len(block)
        if sum(map(len, self._keys)) > SURPLUS * self.size:
            self._drop_surplus()

    def drawn(self) -> pd.DataFrame:
        """Return the sample in random order, with row numbers as index."""
        keys, rows = np.concatenate(self._keys), self._joined()
        return rows.iloc[np.argsort(keys, kind="stable")[: self.size]]

    def _drop_surplus(self) -> None:
        keys, rows = np.concatenate(self._keys), self._joined()
        self._bound = float(np.partition(keys, self.size)[self.size])
        smallest = keys < self._bound
        self._keys, self._blocks = [keys[smallest]], [rows[smallest]]

    def _joined(self) -> pd.DataFrame:
        return self._blocks[0] if len(self._blocks) == 1 else pd.concat(self._blocks)
