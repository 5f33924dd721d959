"""Comparison of two histograms: how far apart they are, and whether it may be chance."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

_MIN_EXPECTED = 5.0  # rows in a bin of either histogram; bins with fewer are put together
_SMALL = 0.5  # rows that an empty bin counts as


def population_stability_index(before: NDArray[np.int64], now: NDArray[np.int64]) -> float:
    """Return the population stability index (PSI) of two histograms of the same bins.

    It is the sum of (q - p) log(q / p) over the bins' shares p and q. Below 0.1 they are
    commonly called alike, above 0.25 different.
    """
    shares = []
    for counts in (before, now):
        filled = np.where(counts == 0, _SMALL, counts)[(before > 0) | (now > 0)]
        shares.append(filled / max(filled.sum(), 1))
    p, q = shares
    return float(((q - p) * np.log(q / p)).sum())


def same_distribution_p_value(before: NDArray[np.int64], now: NDArray[np.int64]) -> float:
    """Return the p-value of the G test that both histograms have one distribution.

    The likelihood ratio keeps its distribution far into the tail, where many columns are
    tested at once, better than Pearson's chi-square does.

    Source: Wilks, The Large-Sample Distribution of the Likelihood Ratio (1938).
    """
    table = _with_enough_rows(np.stack([before, now]).astype(np.float64))
    if table.shape[1] < 2:
        return 1.0
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    ratios = np.where(table > 0, table / expected, 1.0)
    g = 2 * float((table * np.log(ratios)).sum())
    return float(stats.chi2.sf(g, table.shape[1] - 1))


def _with_enough_rows(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return [2, bins] with small bins put together, so that each has enough rows."""
    n_before, n_now = table.sum(axis=1)
    if not n_before or not n_now:
        return table[:, :0]
    totals = table.sum(axis=0)
    enough = totals * min(n_before, n_now) / (n_before + n_now) >= _MIN_EXPECTED
    rest = table[:, ~enough].sum(axis=1, keepdims=True)
    table, totals = table[:, enough], totals[enough]
    share = rest.sum() * min(n_before, n_now) / (n_before + n_now)
    if share >= _MIN_EXPECTED:
        return np.concatenate([table, rest], axis=1)
    if table.shape[1]:
        table[:, [np.argmin(totals)]] += rest
    return table


def out_of_range_p_value(n_outside: int, n_before: int, n_now: int) -> float:
    """Return the probability that chance puts so many new values outside the old range.

    Each end is passed by k of the new values with a probability of at most
    (n_now / (n_before + n_now)) ** k: these k are then the k most extreme of all.
    """
    if not n_outside or not n_before:
        return 1.0
    share = n_now / (n_before + n_now)
    return float(min(1.0, (n_outside + 1) * share**n_outside))


def still_rejected(p_values: NDArray[np.float64], level: float) -> NDArray[np.bool_]:
    """Return which hypotheses Holm's method rejects at this family-wise error rate.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure (1979).
    """
    order = np.argsort(p_values, kind="stable")
    limits = level / np.arange(len(p_values), 0, -1)
    rejected = np.zeros(len(p_values), np.bool_)
    passed = np.logical_and.accumulate(p_values[order] <= limits)
    rejected[order[passed]] = True
    return rejected
