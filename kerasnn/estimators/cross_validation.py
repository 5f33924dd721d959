"""Cross-validation that trains its folds side by side, in one compiled loop."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import BaseCrossValidator, check_cv

from kerasnn.datasets import as_table
from kerasnn.ensembles.train import train_ensembles
from kerasnn.errors import InputError
from kerasnn.estimators.base import NetworkEstimator


def cross_validate(
    estimator: NetworkEstimator,
    X: Any,  # noqa: N803
    y: ArrayLike,
    *,
    cv: int | BaseCrossValidator | Iterable[Any] | None = None,
    groups: ArrayLike | None = None,
    scoring: str | Callable[..., float] | Iterable[str] | Mapping[str, Any] | None = None,
    sample_weight: ArrayLike | None = None,
    return_train_score: bool = False,
    return_estimator: bool = False,
    return_indices: bool = False,
) -> dict[str, Any]:
    """Train and score an estimator on each of several splits of the rows.

    The results are those of `sklearn.model_selection.cross_validate` on the same splits, to
    rounding, which a long float32 training of large ensembles can amplify. The networks of
    all splits are trained together, which takes a fraction of the time. The preprocessing
    of each split is fitted on its training rows.

    Args:
        estimator: a `NetworkClassifier` or `NetworkRegressor`; it is not changed. Without a
            random_state each split has other random numbers at each call.
        X: [rows, columns], as for `fit`.
        y: [rows].
        cv: number of folds (stratified for a classifier), a splitter, or pairs of row
            numbers; None means 5.
        groups: [rows], for splitters that need them.
        scoring: as in scikit-learn; None means the estimator's `score`.
        sample_weight: [rows], for the training; scores do not use it.
        return_train_score: whether to score the training rows as well.
        return_estimator: whether to return the trained estimators.
        return_indices: whether to return the row numbers of the splits.

    Returns:
        "fit_time" (seconds, an equal share of the total), "score_time", "test_score" (or
        "test_<name>" with several scorers), each [splits], and the other results that the
        arguments ask for.

    Raises:
        InputError: the estimator is of another package, or rows cannot be used.
    """
    if not isinstance(estimator, NetworkEstimator):
        raise InputError(
            "cross_validate trains NetworkClassifier and NetworkRegressor; got"
            f" {type(estimator).__name__}: scikit-learn's cross_validate takes any"
        )
    rows = X if isinstance(X, np.ndarray) else as_table(X)
    targets = np.asarray(y)
    splits = list(
        check_cv(cv, targets, classifier=is_classifier(estimator)).split(
            rows, targets, groups
        )
    )
    scorer = check_scoring(estimator, scoring)
    started = time.perf_counter()
    estimators = _trained(estimator, rows, targets, splits, sample_weight)
    seconds = (time.perf_counter() - started) / len(splits)
    results: dict[str, list[Any]] = {"fit_time": [seconds] * len(splits), "score_time": []}
    for trained, (train, test) in zip(estimators, splits, strict=True):
        started = time.perf_counter()
        _append(results, "test", scorer(trained, _taken(rows, test), targets[test]))
        results["score_time"].append(time.perf_counter() - started)
        if return_train_score:
            _append(results, "train", scorer(trained, _taken(rows, train), targets[train]))
    answer: dict[str, Any] = {name: np.array(values) for name, values in results.items()}
    if return_estimator:
        answer["estimator"] = estimators
    if return_indices:
        train, test = zip(*splits, strict=True)
        answer["indices"] = {"train": train, "test": test}
    return answer


def _trained(
    estimator: NetworkEstimator,
    rows: Any,
    targets: NDArray[Any],
    splits: list[tuple[NDArray[Any], NDArray[Any]]],
    sample_weight: ArrayLike | None,
) -> list[NetworkEstimator]:
    """Return an estimator for each split, all of them trained together."""
    weights = None if sample_weight is None else np.asarray(sample_weight)
    estimators = [clone(estimator) for _ in splits]
    tasks = [
        one._task_for(
            _taken(rows, train),
            targets[train],
            None if weights is None else weights[train],
        )
        for one, (train, _) in zip(estimators, splits, strict=True)
    ]
    trained = train_ensembles(tasks, estimator._local_options())
    return [one._adopt(result) for one, result in zip(estimators, trained, strict=True)]


def _taken(rows: Any, numbers: NDArray[Any]) -> Any:
    return rows.iloc[numbers] if isinstance(rows, pd.DataFrame) else rows[numbers]


def _append(results: dict[str, list[Any]], which: str, scores: Any) -> None:
    """Append scores, one or several by name."""
    named = scores if isinstance(scores, dict) else {"score": scores}
    for name, score in named.items():
        results.setdefault(f"{which}_{name}", []).append(score)
