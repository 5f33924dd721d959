"""A floor of the probabilities: no answer is surer than the validation rows allow.

With a temperature alone, the answer for a row far from all others may be sure to ten
digits. After n validation rows, a probability above (n + 1) / (n + 2) is more than anybody
can know (Laplace's rule of succession). So the mean of the members is mixed with fixed
rates: with equal rates for all classes, as much as that rule asks, and with the classes'
base rates, as much as gives the validation rows the smallest log loss.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

MAX_BASE_SHARE = 0.5
STANDARD_ERRORS = 1.0
_TINY = 1e-300  # the logarithm of a probability of 0 is finite


@dataclass(frozen=True, eq=False)
class ProbabilityFloor:
    """Rates that are mixed into the probabilities.

    Attributes:
        share: weight of the rates in the answer; 0 for none.
        rates: [n_out], their sum is 1.
    """

    share: float
    rates: NDArray[np.float64]

    def mixed(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return probabilities [rows, n_out] that are mixed with the rates."""
        return (1 - self.share) * probabilities + self.share * self.rates


def fitted_floor(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int32],
    weights: NDArray[np.float32],
) -> ProbabilityFloor:
    """Return the floor for probabilities of rows that the members did not learn from.

    The share of the base rates is 0 if mixing with them would make more mistakes: they can
    turn a row that is nearly undecided.

    Args:
        probabilities: [rows, n_out]; NaN in rows that no member left out.
        labels: [rows].
        weights: [rows], not negative.
    """
    n_out = probabilities.shape[1]
    counted = np.isfinite(probabilities).all(axis=1) & (weights > 0)
    given, labels = probabilities[counted], labels[counted]
    weight = weights[counted].astype(np.float64)
    uniform = np.full(n_out, 1 / n_out)
    floor = ProbabilityFloor(_least_share(weight, n_out), uniform)
    if not len(labels):
        return floor
    base = np.bincount(labels, weight, n_out) / weight.sum()
    base_share = _best_share(floor.mixed(given), base, labels, weight)
    share = floor.share + (1 - floor.share) * base_share
    both = (1 - base_share) * floor.share * uniform + base_share * base
    mixed = ProbabilityFloor(share, both / share)
    right = [(p.argmax(axis=1) == labels) @ weight for p in (given, mixed.mixed(given))]
    return floor if right[1] < right[0] else mixed


def _least_share(weights: NDArray[np.float64], n_out: int) -> float:
    """Return the share of uniform rates with which no probability is above its limit.

    Rows with unequal weights count as the rows of equal weight that would tell as much.

    Source: Kish, Survey Sampling (1965), effective sample size.
    """
    size = weights.sum() ** 2 / np.square(weights).sum() if len(weights) else 0.0
    return float(n_out / (n_out - 1) / (size + 2))


def _best_share(
    probabilities: NDArray[np.float64],
    rates: NDArray[np.float64],
    labels: NDArray[np.int32],
    weights: NDArray[np.float64],
) -> float:
    """Return the share of rates with the smallest log loss, if it is smaller beyond chance.

    The paired differences of the rows' losses decide: their mean must be more
    than `STANDARD_ERRORS` standard errors above 0, otherwise the share is 0.
    """
    given = probabilities[np.arange(len(labels)), labels]
    other = rates[labels]

    def losses(share: float) -> NDArray[np.float64]:
        mixed = (1 - share) * given + share * other
        return -np.log(np.maximum(mixed, _TINY))

    found = minimize_scalar(
        lambda share: np.average(losses(share), weights=weights),
        bounds=(0.0, MAX_BASE_SHARE),
        method="bounded",
        options={"xatol": 1e-4},
    )
    gains = (losses(0.0) - losses(found.x)) * weights / weights.mean()
    standard_error = gains.std() / np.sqrt(len(gains))
    return float(found.x) if gains.mean() > STANDARD_ERRORS * standard_error else 0.0
