"""Cross-validation that trains its folds side by side, in one compiled loop."""

import numbers
from collections.abc import Callable, Iterable, Mapping
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import (
    BaseCrossValidator,
    GroupKFold,
    StratifiedGroupKFold,
    check_cv,
)

from kerasnn.choices import Verbose
from kerasnn.datasets import as_table
from kerasnn.ensembles.train import RunOptions, train_ensembles
from kerasnn.errors import InputError, check_whole_number
from kerasnn.estimators.base import NetworkEstimator
from kerasnn.estimators.progress import shown_progress
from kerasnn.splits import Folds
from kerasnn.splits.folds import folds_for

_Splits = list[tuple[NDArray[Any], NDArray[Any]]]


def cross_validate(
    estimator: NetworkEstimator,
    X: Any,  # noqa: N803
    y: ArrayLike,
    *,
    cv: int | BaseCrossValidator | Iterable[Any] | None = None,
    groups: ArrayLike | None = None,
    time: ArrayLike | None = None,
    gap: int = 0,
    scoring: str | Callable[..., float] | Iterable[str] | Mapping[str, Any] | None = None,
    sample_weight: ArrayLike | None = None,
    return_train_score: bool = False,
    return_estimator: bool = False,
    return_indices: bool = False,
    verbose: Verbose = "auto",
) -> dict[str, Any]:
    """Train and score an estimator on each of several splits of the rows.

    The results are those of `sklearn.model_selection.cross_validate` on the same splits, up
    to rounding errors, which may grow in a long float32 training of large ensembles. The
    networks of all splits are trained together, which takes a fraction of the time. The
    preprocessing of each split is fitted on its training rows.

    Args:
        estimator: a `NetworkClassifier` or `NetworkRegressor`; it is not changed. Without a
            random_state, every call draws new random numbers for every split.
        X: [rows, columns], as for `fit`.
        y: [rows].
        cv: number of folds (stratified for a classifier; of whole groups with `groups`;
            forward-chained with `time`), a splitter, or pairs of row numbers; None means 5.
        groups: [rows], for the splitter, and for the folds within each training; see `fit`.
        time: [rows], not with `groups`; see `fit`. Each split tests rows that are later
            than all of its training rows.
        gap: rows that are left out before the later ones; see `fit`.
        scoring: as in scikit-learn; None means the estimator's `score`.
        sample_weight: [rows], for the training; scores do not use it.
        return_train_score: whether to score the training rows as well.
        return_estimator: whether to return the trained estimators.
        return_indices: whether to return the row numbers of the splits.
        verbose: whether to show the progress of the training, as in `NetworkClassifier`.

    Returns:
        "fit_time" (seconds, an equal share of the total), "score_time", "test_score" (or
        "test_<name>" with several scorers), each [splits], and the other results that the
        arguments ask for.

    Raises:
        InputError: the estimator is of another package, or rows, groups or times cannot be
            used.
    """
    if not isinstance(estimator, NetworkEstimator):
        raise InputError(
            "cross_validate takes a NetworkClassifier or NetworkRegressor; got"
            f" {type(estimator).__name__}: scikit-learn's cross_validate takes any"
        )
    rows = X if isinstance(X, np.ndarray) else as_table(X)
    targets = np.asarray(y)
    division = folds_for(groups, time, gap)
    division.check_length(len(targets))
    splits = _splits(cv, rows, targets, groups, division, is_classifier(estimator))
    scorer = check_scoring(estimator, scoring)
    started = perf_counter()
    options = estimator._local_options()
    with shown_progress(options, verbose, f"Training {len(splits)} splits") as options:
        estimators = _trained(
            *(estimator, (rows, targets), splits, sample_weight, division, options),
            describes=return_estimator or _asks_freely(scoring),
        )
    seconds = (perf_counter() - started) / len(splits)
    results: dict[str, list[Any]] = {"fit_time": [seconds] * len(splits), "score_time": []}
    for trained, (train, test) in zip(estimators, splits, strict=True):
        started = perf_counter()
        _append(results, "test", scorer(trained, _taken(rows, test), targets[test]))
        results["score_time"].append(perf_counter() - started)
        if return_train_score:
            _append(results, "train", scorer(trained, _taken(rows, train), targets[train]))
    answer: dict[str, Any] = {name: np.array(values) for name, values in results.items()}
    if return_estimator:
        answer["estimator"] = estimators
    if return_indices:
        sides = zip(*splits, strict=True)
        answer["indices"] = dict(zip(("train", "test"), sides, strict=True))
    return answer


def _splits(
    cv: int | BaseCrossValidator | Iterable[Any] | None,
    rows: Any,
    targets: NDArray[Any],
    groups: ArrayLike | None,
    division: Folds,
    classifies: bool,
) -> _Splits:
    """Return each split's rows; if `cv` is a number, folds respect groups and times."""
    if cv is None or isinstance(cv, numbers.Integral):
        n_folds = check_whole_number("cv", 5 if cv is None else cv, minimum=2)
        if division.are_in_time:
            return _chained(division, n_folds)
        if division.groups is not None:
            splitter = StratifiedGroupKFold if classifies else GroupKFold
            cv = splitter(n_folds)
    splitter = check_cv(cv, targets, classifier=classifies)
    return list(splitter.split(rows, targets, groups))


def _chained(division: Folds, n_folds: int) -> _Splits:
    """Return the forward-chained splits of all rows."""
    assert division.times is not None
    maximum = division.maximum(len(division.times))
    if n_folds > maximum:
        raise InputError(
            f"cv must be at most the number of {division.unit}, {maximum}; got cv={n_folds}"
        )
    return [(split.learned, split.left_out) for split in division.chained(n_folds)]


def _trained(
    estimator: NetworkEstimator,
    table: tuple[Any, NDArray[Any]],
    splits: _Splits,
    sample_weight: ArrayLike | None,
    division: Folds,
    options: RunOptions,
    *,
    describes: bool,
) -> list[NetworkEstimator]:
    """Return an estimator for each split of (X, y), all of them trained together.

    With describes=False they can only predict.
    """
    rows, targets = table
    weights = None if sample_weight is None else np.asarray(sample_weight)
    estimators = [clone(estimator) for _ in splits]
    tasks = [
        one._task_for(
            _taken(rows, train),
            targets[train],
            None if weights is None else weights[train],
            division.of_rows(train),
            describes=describes,
        )
        for one, (train, _) in zip(estimators, splits, strict=True)
    ]
    trained = train_ensembles(tasks, options)
    return [
        one._adopt(result, describes=describes)
        for one, result in zip(estimators, trained, strict=True)
    ]


def _asks_freely(scoring: Any) -> bool:
    """Return whether a scorer is a function, which may need more than predictions."""
    named = scoring.values() if isinstance(scoring, Mapping) else [scoring]
    return any(map(callable, named))


def _taken(rows: Any, numbers: NDArray[Any]) -> Any:
    return rows.iloc[numbers] if isinstance(rows, pd.DataFrame) else rows[numbers]


def _append(results: dict[str, list[Any]], which: str, scores: Any) -> None:
    """Append scores, one or several by name."""
    named = scores if isinstance(scores, dict) else {"score": scores}
    for name, score in named.items():
        results.setdefault(f"{which}_{name}", []).append(score)
