"""Scores of predictions on test rows, each with a 95 % bootstrap interval.

A score is a function of the count of each row: 1 for the value, and the number of times it
was drawn for a resample. So one formula gives both.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from kerasnn.choices import Task
from kerasnn.errors import InputError

# From counts [rows, resamples] to each score [resamples]; NaN if it is undefined.
_Measure = Callable[[np.ndarray], dict[str, np.ndarray]]

_LEVEL = 0.95
MAX_COUNTS = 2_000_000  # in memory at once, 16 MB
MIN_RESAMPLES, MAX_RESAMPLES = 200, 1000
RESAMPLED_ROWS = 4_000_000  # of all resamples together, approximately
HIGHER_IS_BETTER = frozenset({"accuracy", "balanced_accuracy", "auc", "r2"})


class Score(NamedTuple):
    """A score with its interval."""

    value: float
    low: float
    high: float


def score_predictions(
    task: Task,
    truth: np.ndarray,
    predicted: np.ndarray,
    *,
    resamples: int | None = None,
    seed: int = 0,
) -> dict[str, Score]:
    """Return the scores of a task, with percentile intervals over resampled rows.

    classification: accuracy, error, log_loss (nats), auc (of the second of two classes; of
    more classes the mean of each against the rest), balanced_accuracy, brier (of the second
    of two classes; of more classes their sum). regression: rmse, mae, r2. A score that is
    undefined on these rows, such as auc with one class, is absent.

    Args:
        task: "classification" or "regression".
        truth: [rows] integers in 0..n_classes-1, or [rows] float.
        predicted: [rows, n_classes] probabilities, or [rows] float.
        resamples: number of them; None for `default_resamples`.
        seed: of the resamples.

    Raises:
        InputError: shapes or values are impossible.
    """
    measure = _measure(task, truth, predicted)
    values, drawn = _drawn(measure, len(truth), resamples, seed)
    scores = {name: _score(values[name], drawn[name]) for name in values}
    if task == "classification" and values["accuracy"] in (0.0, 1.0):
        scores |= _all_or_none(int(values["accuracy"]), len(truth))
    return scores


def compare_predictions(
    task: Task,
    truth: np.ndarray,
    predicted: np.ndarray,
    other: np.ndarray,
    *,
    resamples: int | None = None,
    seed: int = 0,
) -> dict[str, Score]:
    """Return the difference of each score, `predicted` minus `other`.

    Both have the same resamples, so rows that are hard for both cancel: an interval without
    0 says more than two intervals that overlap.

    Args:
        task: "classification" or "regression".
        truth: [rows] integers in 0..n_classes-1, or [rows] float.
        predicted: [rows, n_classes] probabilities, or [rows] float.
        other: like `predicted`.
        resamples: number of them; None for `default_resamples`.
        seed: of the resamples.

    Raises:
        InputError: shapes or values are impossible.
    """
    ours, theirs = _measure(task, truth, predicted), _measure(task, truth, other)

    def difference(counts: np.ndarray) -> dict[str, np.ndarray]:
        their = theirs(counts)
        return {name: our - their[name] for name, our in ours(counts).items()}

    values, drawn = _drawn(difference, len(truth), resamples, seed)
    return {name: _score(values[name], drawn[name]) for name in values}


def losses(task: Task, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the loss of each row: log loss in nats, or squared error.

    Args:
        task: "classification" or "regression".
        truth: [rows] integers in 0..n_classes-1, or [rows] float.
        predicted: [rows, n_classes] probabilities, or [rows] float.

    Returns:
        [rows] float64.
    """
    if task == "regression":
        return np.square(np.asarray(predicted, np.float64) - truth)
    given = np.asarray(predicted, np.float64)
    given = given / given.sum(axis=1, keepdims=True)  # float32 sums to 1 - 1e-7
    # As scikit-learn: a probability of 0 counts as 2e-16.
    right = given[np.arange(len(truth)), truth].clip(np.finfo(np.float64).eps)
    return -np.log(right)


def wilson_interval(shares: ArrayLike, counts: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return lower and upper bounds of 95 % intervals of shares of `counts` rows.

    Source: Wilson, Probable inference (1927).
    """
    shares, counts = np.asarray(shares), np.asarray(counts)
    z = 1.959964
    middle = (shares + z**2 / (2 * counts)) / (1 + z**2 / counts)
    spread = np.sqrt(shares * (1 - shares) / counts + z**2 / (4 * counts**2))
    reach = z * spread / (1 + z**2 / counts)
    return (middle - reach).clip(0, 1), (middle + reach).clip(0, 1)


def _measure(task: Task, truth: np.ndarray, predicted: np.ndarray) -> _Measure:
    if task == "classification":
        _check_probabilities(truth, predicted)
        return _classification_measure(truth, np.asarray(predicted, np.float64))
    _check_values(truth, predicted)
    return _regression_measure(truth.astype(np.float64), predicted.astype(np.float64))


def _classification_measure(labels: np.ndarray, probabilities: np.ndarray) -> _Measure:
    n_classes = probabilities.shape[1]
    of_class = np.eye(n_classes)[labels]  # [rows, n_classes]
    right = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    squares = np.square(probabilities - of_class)
    brier = squares[:, 1] if n_classes == 2 else squares.sum(axis=1)
    log_loss = losses("classification", labels, probabilities)
    of_rows = np.stack([right, log_loss, brier])  # [3, rows]
    ranked = range(1, 2) if n_classes == 2 else range(n_classes)
    areas = [_area_measure(labels == k, probabilities[:, k]) for k in ranked]

    def measure(counts: np.ndarray) -> dict[str, np.ndarray]:
        accuracy, loss, square = of_rows @ counts / counts.sum(axis=0)
        recalls = _ratio((of_class.T * right) @ counts, of_class.T @ counts)
        return {
            "accuracy": accuracy,
            "error": 1 - accuracy,
            "log_loss": loss,
            "auc": _mean_of_defined(np.stack([area(counts) for area in areas])),
            "balanced_accuracy": _mean_of_defined(recalls),
            "brier": square,
        }

    return measure


def _area_measure(
    positive: np.ndarray, values: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the area under the ROC curve: share of pairs in the right order, ties half.

    It follows from the ranks of the positive rows (Mann and Whitney): of the rows up to
    each of them, the positive ones sum to half the square of their number.
    """
    order = np.argsort(values, kind="stable")
    in_order, chosen = values[order], np.flatnonzero(positive)
    first = np.searchsorted(in_order, values[chosen], "left")  # of equal values
    after = np.searchsorted(in_order, values[chosen], "right")

    def area(counts: np.ndarray) -> np.ndarray:
        up_to = np.zeros((len(counts) + 1, counts.shape[1]))
        np.cumsum(counts[order], axis=0, out=up_to[1:])
        ours = counts[chosen]
        ranks = np.einsum("ij,ij->j", ours, up_to[first] + up_to[after]) / 2
        n_ours = ours.sum(axis=0)
        return _ratio(ranks - n_ours**2 / 2, n_ours * (up_to[-1] - n_ours))

    return area


def _regression_measure(targets: np.ndarray, predicted: np.ndarray) -> _Measure:
    centred = targets - targets.mean()  # for the precision of the variance below
    gaps = targets - predicted
    of_rows = np.stack([gaps**2, abs(gaps), centred, centred**2])

    def measure(counts: np.ndarray) -> dict[str, np.ndarray]:
        square, absolute, mean, mean_square = of_rows @ counts / counts.sum(axis=0)
        variance = mean_square - mean**2
        tiny = 1e-12 * np.square(targets).max(initial=0.0)
        variance[variance <= tiny] = 0.0  # all rows alike
        return {
            "rmse": np.sqrt(square),
            "mae": absolute,
            "r2": 1 - _ratio(square, variance),
        }

    return measure


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return a ratio; NaN if the divisor is 0."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def _mean_of_defined(values: np.ndarray) -> np.ndarray:
    """Return the mean of each column over values that are not NaN; NaN without any."""
    defined = np.isfinite(values)
    total = np.where(defined, values, 0.0).sum(axis=0)
    return _ratio(total, defined.sum(axis=0).astype(np.float64))


def default_resamples(rows: int) -> int:
    """Return a number of resamples; the narrow intervals of many rows need fewer."""
    return max(MIN_RESAMPLES, min(MAX_RESAMPLES, RESAMPLED_ROWS // max(rows, 1)))


def _drawn(
    measure: _Measure, rows: int, resamples: int | None, seed: int
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Return the scores of all rows, and of each resample."""
    resamples = default_resamples(rows) if resamples is None else resamples
    values = {k: v.item() for k, v in measure(np.ones((rows, 1))).items()}
    values = {k: v for k, v in values.items() if np.isfinite(v)}
    parts = [measure(counts) for counts in _resampled(rows, resamples, seed)]
    return values, {k: np.concatenate([part[k] for part in parts]) for k in values}


def _resampled(rows: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield counts of drawn rows, [rows, a part of the resamples] float64."""
    rng = np.random.default_rng(seed)
    at_once = max(1, MAX_COUNTS // rows)
    for start in range(0, resamples, at_once):
        drawn = [
            np.bincount(rng.integers(rows, size=rows), minlength=rows)
            for _ in range(min(at_once, resamples - start))
        ]
        yield np.stack(drawn, axis=1).astype(np.float64)


def _score(value: float, drawn: np.ndarray) -> Score:
    drawn = drawn[np.isfinite(drawn)]
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail]) if drawn.size else (value, value)
    return Score(value, float(low), float(high))


def _all_or_none(accuracy: int, rows: int) -> dict[str, Score]:
    """Return Wilson's intervals: if all rows agree, resamples have no spread."""
    reach = float(wilson_interval(0, rows)[1])
    low, high = (1 - reach, 1.0) if accuracy else (0.0, reach)
    return {
        "accuracy": Score(float(accuracy), low, high),
        "error": Score(1.0 - accuracy, 1 - high, 1 - low),
    }


def _check_probabilities(labels: np.ndarray, probabilities: np.ndarray) -> None:
    if labels.ndim != 1 or probabilities.ndim != 2 or len(labels) != len(probabilities):
        raise InputError(
            "classification needs truth [rows] and predicted [rows, n_classes];"
            f" got {labels.shape} and {probabilities.shape}"
        )
    _check_some_rows(labels)
    n_classes = probabilities.shape[1]
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= n_classes:
        raise InputError(
            f"truth must be whole numbers in 0..{n_classes - 1}, indices of the classes;"
            f" got {labels.dtype} in {labels.min()}..{labels.max()}"
        )
    bad = ~np.isclose(probabilities.sum(axis=1), 1, atol=1e-3)
    bad |= ~((probabilities >= 0) & np.isfinite(probabilities)).all(axis=1)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            "predicted must be probabilities, each row summing to 1;"
            f" row {row} is {probabilities[row].tolist()}"
        )


def _check_values(targets: np.ndarray, predicted: np.ndarray) -> None:
    if targets.ndim != 1 or targets.shape != predicted.shape:
        raise InputError(
            "regression needs truth and predicted to be [rows];"
            f" got {targets.shape} and {predicted.shape}"
        )
    _check_some_rows(targets)
    for name, values in (("truth", targets), ("predicted", predicted)):
        bad = ~np.isfinite(values.astype(np.float64))
        if bad.any():
            row = int(bad.argmax())
            raise InputError(f"{name} must be finite; row {row} is {values[row]}")


def _check_some_rows(truth: np.ndarray) -> None:
    if not len(truth):
        raise InputError("scores need at least one row; got none")
