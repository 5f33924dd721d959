"""Scaling of numbers, fitted on training rows in float64.

`graph` repeats the formulas in TensorFlow with the same bits. So they only use operations
that IEEE 754 rounds in one way (+, -, *, /, sqrt), multiply where TensorFlow's optimizer
would replace a division by a constant, and avoid denormal numbers, which TensorFlow
flushes to zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn.choices import NumericScaling
from kerasnn.errors import InputError

Numbers = NDArray[np.float64]

MAX_INPUT = 1e290  # larger sizes count as this: no difference of two overflows
MIN_INPUT = 1e-290  # smaller sizes count as zero
CLIP = 3.0  # limit of smooth clipping
MAX_SCALED = 1e6  # of a scaled value, before smooth clipping
MIN_SCALED = 1e-30  # smaller scaled values are zero: float32 ends at 1e-38

_MIN_SPREAD = 1e-250  # values with a smaller spread count as constant


def clip_inputs(values: Numbers) -> Numbers:
    """Limit huge values and zero tiny ones, so that no later step over- or underflows."""
    return np.where(np.abs(values) < MIN_INPUT, 0.0, np.clip(values, -MAX_INPUT, MAX_INPUT))


def smooth_clip(scaled: Numbers) -> Numbers:
    """Clip smoothly to -3 and 3, nearly unchanged around 0: v / sqrt(1 + (v / 3)^2).

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
        clipped: whether smooth clipping follows.
    """

    centers: Numbers
    factors: Numbers
    clipped: bool

    def apply(self, values: Numbers) -> NDArray[np.float32]:
        """Return [rows, n_features] scaled; NaN gives 0."""
        with np.errstate(over="ignore"):  # clipped in the next line
            scaled = (clip_inputs(values) - self.centers) * self.factors
        scaled = np.clip(scaled, -MAX_SCALED, MAX_SCALED)
        if self.clipped:
            scaled = smooth_clip(scaled)
        return np.where(np.abs(scaled) >= MIN_SCALED, scaled, 0.0).astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "centers": self.centers.tolist(),
            "factors": self.factors.tolist(),
            "clipped": self.clipped,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "LinearScaling":
        """Return the scaling that `to_dict` wrote."""
        centers, factors = (
            np.array(content[name], np.float64) for name in ("centers", "factors")
        )
        return cls(centers, factors, content["clipped"])


def fit_scaling(values: Numbers, scaling: NumericScaling) -> LinearScaling:
    """Fit a scaling to training rows [rows, n_features], NaN where missing.

    Raises:
        InputError: `scaling` is not a choice.
    """
    if scaling not in ("robust", "standard"):
        raise InputError(f"scaling must be 'robust' or 'standard'; got {scaling!r}")
    columns = [_present(column) for column in values.T]
    fitted = [_robust(c) if scaling == "robust" else _standard(c) for c in columns]
    centers, factors = np.array(fitted, np.float64).reshape(-1, 2).T
    return LinearScaling(clip_inputs(centers), factors, clipped=scaling == "robust")


def _present(column: Numbers) -> Numbers:
    """Return the values without NaN; a single 0 if there are none."""
    present = clip_inputs(column[~np.isnan(column)])
    return present if present.size else np.zeros(1)


def _robust(values: Numbers) -> tuple[float, float]:
    """Return the median, and 1 / interquartile range, or 2 / range if that is zero."""
    low, quarter, median, three_quarters, high = np.quantile(
        values, (0.0, 0.25, 0.5, 0.75, 1.0)
    )
    factor = _one_over(three_quarters - quarter) or 2.0 * _one_over(high - low)
    return float(median), factor


def _standard(values: Numbers) -> tuple[float, float]:
    """Return the mean, and 1 / standard deviation."""
    unit = max(float(np.abs(values).max()), 1.0)  # a square of 1e290 would overflow
    mean = float((values / unit).mean()) * unit
    return mean, _one_over(float((values / unit).std()) * unit)


def _one_over(spread: float) -> float:
    return 1.0 / spread if spread > _MIN_SPREAD else 0.0
