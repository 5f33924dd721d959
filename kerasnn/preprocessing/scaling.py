"""Numbers brought to one scale: fitted on training rows, in float64.

`graph` repeats the formulas in TensorFlow and gives the same bits. So they keep to what
IEEE 754 rounds in one way only (+, -, *, /, sqrt), multiply where TensorFlow's optimizer
would turn a division by a constant into a product, and stay clear of numbers so small
that TensorFlow takes them for zero (denormal ones).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn.choices import NumericScaling
from kerasnn.errors import InputError

Numbers = NDArray[np.float64]

LARGEST = 1e290  # farther from zero counts as this: no difference of two overflows
SMALLEST = 1e-290  # nearer to zero counts as zero
SMALLEST_SPREAD = 1e-250  # values that lie closer together are the same
CLIP = 3.0  # smooth clipping ends here
FARTHEST = 1e6  # a scaled value, before smooth clipping
NEAREST = 1e-30  # a scaled value nearer to zero is zero: float32 ends at 1e-38
MOST_KNOTS = 1000
ROWS_A_KNOT = 5


def tamed(values: Numbers) -> Numbers:
    """Neither huge nor tiny, so that no later step overflows or becomes denormal."""
    return np.where(np.abs(values) < SMALLEST, 0.0, np.clip(values, -LARGEST, LARGEST))


def finished(scaled: Numbers) -> NDArray[np.float32]:
    """As float32; NaN, which is a missing value, as 0."""
    return np.where(np.abs(scaled) >= NEAREST, scaled, 0.0).astype(np.float32)


def smooth_clip(scaled: Numbers) -> Numbers:
    """Within -3 and 3, and near 0 as it was: v / sqrt(1 + (v / 3)^2).

    Written with one root over the quotient of squares: TensorFlow would turn the root in
    the denominator into an approximate `rsqrt`.

    Source: Holzmüller, Grinsztajn, Steinwart (2024), RealMLP.
    """
    square = scaled * scaled
    return np.sign(scaled) * np.sqrt(square / (1.0 + square * (1.0 / CLIP**2)))


@dataclass(frozen=True, eq=False)
class LinearScaling:
    """(value - center) * factor of each feature.

    Attributes:
        centers, factors: [n_features]; the factor of a constant feature is 0.
        clipped: smooth clipping follows.
    """

    centers: Numbers
    factors: Numbers
    clipped: bool

    def apply(self, values: Numbers) -> NDArray[np.float32]:
        """[rows, n_features] scaled; NaN gives 0."""
        with np.errstate(over="ignore"):  # clipped in the next line
            scaled = (tamed(values) - self.centers) * self.factors
        scaled = np.clip(scaled, -FARTHEST, FARTHEST)
        return finished(smooth_clip(scaled) if self.clipped else scaled)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "centers": self.centers.tolist(),
            "factors": self.factors.tolist(),
            "clipped": self.clipped,
        }


@dataclass(frozen=True, eq=False)
class QuantileScaling:
    """Each feature along a line from knot to knot, to normal scores.

    Attributes:
        knots: for each feature, values that rise; beyond the ends the end counts.
        scores: for each feature, what each knot becomes.
    """

    knots: tuple[Numbers, ...]
    scores: tuple[Numbers, ...]

    def apply(self, values: Numbers) -> NDArray[np.float32]:
        """[rows, n_features] scaled; NaN gives 0."""
        scaled = np.empty_like(values)
        for i, (knots, scores) in enumerate(zip(self.knots, self.scores, strict=True)):
            x = np.clip(tamed(values[:, i]), knots[0], knots[-1])
            below = np.searchsorted(knots, x, side="right") - 1
            rise = (x - knots[below]) * slopes(knots, scores)[below]
            scaled[:, i] = scores[below] + rise
        return finished(scaled)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "knots": [knots.tolist() for knots in self.knots],
            "scores": [scores.tolist() for scores in self.scores],
        }


Scaling = LinearScaling | QuantileScaling


def slopes(knots: Numbers, scores: Numbers) -> Numbers:
    """From each knot to the next; 0 after the last."""
    return np.append(np.diff(scores) / np.diff(knots), 0.0)


def fit_scaling(values: Numbers, scaling: NumericScaling) -> Scaling:
    """Fit to training rows [rows, n_features], NaN where missing.

    Raises:
        InputError: `scaling` is none of the choices.
    """
    columns = [_known(column) for column in values.T]
    if scaling == "quantile":
        pairs = [_quantiles(known) for known in columns]
        return QuantileScaling(tuple(k for k, _ in pairs), tuple(s for _, s in pairs))
    if scaling not in ("robust", "standard"):
        raise InputError(
            f"scaling must be 'robust', 'quantile' or 'standard'; got {scaling!r}"
        )
    fitted = [_robust(k) if scaling == "robust" else _standard(k) for k in columns]
    centers, factors = np.array(fitted, np.float64).reshape(-1, 2).T
    return LinearScaling(tamed(centers), factors, clipped=scaling == "robust")


def scaling_from_dict(content: Mapping[str, Any]) -> Scaling:
    """From what `to_dict` gave."""
    arrays = {
        name: np.array(content[name], np.float64)
        for name in ("centers", "factors")
        if name in content
    }
    if arrays:
        return LinearScaling(**arrays, clipped=content["clipped"])
    return QuantileScaling(
        knots=tuple(np.array(k, np.float64) for k in content["knots"]),
        scores=tuple(np.array(s, np.float64) for s in content["scores"]),
    )


def _known(column: Numbers) -> Numbers:
    """The values that are there; a single 0 where none is."""
    known = tamed(column[~np.isnan(column)])
    return known if known.size else np.zeros(1)


def _robust(known: Numbers) -> tuple[float, float]:
    """Median, and 1 over the distance of the quartiles, or 2 over that of the ends."""
    low, quarter, median, three_quarters, high = np.quantile(
        known, (0.0, 0.25, 0.5, 0.75, 1.0)
    )
    factor = _one_over(three_quarters - quarter) or 2.0 * _one_over(high - low)
    return float(median), factor


def _standard(known: Numbers) -> tuple[float, float]:
    """Mean, and 1 over the standard deviation."""
    unit = max(float(np.abs(known).max()), 1.0)  # a square of 1e290 would overflow
    mean = float((known / unit).mean()) * unit
    return mean, _one_over(float((known / unit).std()) * unit)


def _one_over(spread: float) -> float:
    return 1.0 / spread if spread > SMALLEST_SPREAD else 0.0


def _quantiles(known: Numbers) -> tuple[Numbers, Numbers]:
    """Knots and normal scores; a value that fills several quantiles gets their middle."""
    n = min(MOST_KNOTS, max(10, known.size // ROWS_A_KNOT))
    values = tamed(np.quantile(known, np.linspace(0.0, 1.0, n)))
    knots, first, counts = np.unique(values, return_index=True, return_counts=True)
    levels = (first + (counts - 1) / 2) / (n - 1)
    shares = np.clip(levels, 0.5 / n, 1.0 - 0.5 / n)
    scores = np.array([NormalDist().inv_cdf(share) for share in shares])
    apart = np.diff(knots, prepend=-2 * LARGEST) > SMALLEST_SPREAD
    return knots[apart], scores[apart]
