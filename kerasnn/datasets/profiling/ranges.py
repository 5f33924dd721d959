"""Ranges of columns and moments of targets, over rows that come in blocks."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets.schema.schema import Schema


class Ranges:
    """Minimum and maximum of each column of numbers or dates.

    Args:
        schema: of the rows.
    """

    def __init__(self, schema: Schema) -> None:
        kinds = ("numeric", "datetime")
        self._names = [c.name for c in schema.columns if c.kind in kinds]
        self._found: dict[str, tuple[Any, Any]] = {}

    def add(self, table: pd.DataFrame) -> None:
        """Process the next rows, from `checked_table`."""
        for name in self._names:
            known = table[name].dropna()
            if known.empty:
                continue
            low, high = known.min(), known.max()
            if name in self._found:
                low = min(low, self._found[name][0])
                high = max(high, self._found[name][1])
            self._found[name] = low, high

    def found(self) -> dict[str, list[Any]]:
        """Return [minimum, maximum] of each column: numbers, or dates as ISO 8601."""
        return {name: [_plain(end) for end in ends] for name, ends in self._found.items()}


class Moments:
    """Mean, standard deviation and range of numbers that come in blocks.

    Source: Chan, Golub and LeVeque (1979), Updating formulae and a pairwise algorithm.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._mean = self._squares = 0.0
        self._low, self._high = np.inf, -np.inf

    def add(self, values: NDArray[Any]) -> None:
        """Process the next numbers, [rows] with at least one row."""
        values = values.astype(np.float64)
        mean, rows = float(values.mean()), self._rows + len(values)
        difference = mean - self._mean
        self._squares += float(((values - mean) ** 2).sum())
        self._squares += difference * difference * self._rows * len(values) / rows
        self._mean += difference * len(values) / rows
        self._rows = rows
        self._low = min(self._low, float(values.min()))
        self._high = max(self._high, float(values.max()))

    def found(self) -> dict[str, float]:
        """Return mean, deviation, low and high."""
        return {
            "mean": self._mean,
            "deviation": float(np.sqrt(self._squares / self._rows)),
            "low": self._low,
            "high": self._high,
        }


def _plain(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return str(value.to_datetime64().astype("datetime64[s]"))
    return float(value)
