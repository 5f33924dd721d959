"""Initial values of the members' Variables: random ones from a seed each, and bins."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from numpy.typing import NDArray

Draw = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]


def quantile_bins(
    numbers: NDArray[np.float32], bins: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute bins between the quantiles of each number, for `piecewise_linear_encoding`.

    Args:
        numbers: [members, rows, n_numeric].
        bins: maximum number of bins; fewer where quantiles are equal.

    Returns:
        starts and slopes, each [members, n_numeric, bins]; slope 0 for an unused bin.
    """
    edges = np.quantile(numbers, np.linspace(0, 1, bins + 1), axis=1)  # [bins + 1, ...]
    edges = np.moveaxis(edges, 0, -1).astype(np.float32)  # [members, n_numeric, bins + 1]
    widths = np.diff(edges, axis=-1)
    slopes = np.divide(1, widths, out=np.zeros_like(widths), where=widths > 1e-6)
    return edges[..., :-1], slopes


class MemberDraws:
    """Random initial values, each member's from its own seed."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self.generators = [np.random.default_rng(seed) for seed in seeds]

    def normal(self, variable: keras.Variable, deviation: float) -> None:
        """Draw from N(0, deviation^2)."""
        self._assign(variable, lambda rng, shape: deviation * rng.standard_normal(shape))

    def uniform(self, variable: keras.Variable, bound: float) -> None:
        """Draw uniformly within +-bound."""
        self._assign(variable, lambda rng, shape: rng.uniform(-bound, bound, shape))

    def places_among(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a random weighted mean of five rows' values, for each unit.

        Args:
            values: [members, rows, units].

        Returns:
            [members, units].
        """
        places = []
        for rng, rows in zip(self.generators, values, strict=True):
            n_rows, units = rows.shape
            shares = rng.exponential(size=(5, units))
            picked = rows[rng.integers(n_rows, size=(5, units)), np.arange(units)]
            places.append((shares / shares.sum(axis=0) * picked).sum(axis=0))
        return np.stack(places).astype(np.float32)

    def _assign(self, variable: keras.Variable, draw: Draw) -> None:
        _, *shape = variable.shape
        values = np.stack([draw(rng, tuple(shape)) for rng in self.generators])
        variable.assign(values.astype(np.float32))
