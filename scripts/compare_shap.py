"""Compare `explain` with shap's KernelExplainer: the same game, the same background rows.

    pip install "kerasnn[bench]"
    python scripts/compare_shap.py heart.csv german.csv --target class

For each table it trains a network with the default settings and prints, for some test rows:
the rank correlation of the contributions of a row's columns (mean and smallest), their
difference beside their size, the largest error of the sum, and the times of a row.
"""

import argparse
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import shap
import tensorflow as tf
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.model_selection import train_test_split

from kerasnn import NetworkClassifier, NetworkRegressor
from kerasnn.estimators.base import NetworkEstimator
from kerasnn.explanations import explained_scale
from kerasnn.preprocessing import Prepared

MAX_CLASSES = 20  # a target of fewer different values is one of classes


class Comparison(NamedTuple):
    """The agreement of one table's contributions.

    Attributes:
        columns: number of columns.
        members: of the ensemble.
        correlations: [rows] Spearman's, over the columns of a row.
        difference: root mean square of the differences.
        size: root mean square of shap's contributions.
        error: mean standard error that `explain` states, root mean square.
        residual: largest deviation of a sum from its answer.
        milliseconds: of a row by `explain`, alone in a call.
        shap_milliseconds: of a row by shap.
    """

    columns: int
    members: int
    correlations: NDArray[np.float64]
    difference: float
    size: float
    error: float
    residual: float
    milliseconds: float
    shap_milliseconds: float


def compare(estimator: NetworkEstimator, rows: pd.DataFrame) -> Comparison:
    """Explain rows in both ways."""
    explained = _explained_rows(estimator, rows)
    started = time.perf_counter()
    expected = np.stack(
        [
            _kernel_shap(estimator, estimator.prepare(rows[i : i + 1]), place)
            for i, place in enumerate(explained)
        ]
    )
    shap_ms = (time.perf_counter() - started) / len(rows) * 1e3
    frame = estimator.explain(rows)
    found = frame.to_numpy()[:, :-1]
    errors = estimator.explain(rows, standard_errors=True).to_numpy()
    totals = frame.to_numpy().sum(axis=1)
    answers = _values(estimator, *estimator.prepare(rows))
    answers = answers[np.arange(len(rows)), explained]
    times = []
    for i in range(len(rows)):
        started = time.perf_counter()
        estimator.explain(rows[i : i + 1])
        times.append(time.perf_counter() - started)
    return Comparison(
        columns=found.shape[1],
        members=estimator.recipe_.members,
        correlations=np.array(
            [spearmanr(*pair).statistic for pair in zip(found, expected, strict=True)]
        ),
        difference=_root_mean_square(found - expected),
        size=_root_mean_square(expected),
        error=_root_mean_square(errors),
        residual=float(np.abs(totals - answers).max() / max(1.0, np.abs(answers).max())),
        milliseconds=float(np.median(times)) * 1e3,
        shap_milliseconds=shap_ms,
    )


def _values(
    estimator: NetworkEstimator, x: NDArray[np.float32], codes: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Return [rows, values] on the scale that is explained."""
    answers = estimator.predict_prepared(x, codes).reshape(len(x), -1)
    task = estimator.network_.config.task
    return explained_scale(task, tf.constant(answers)).numpy()


def _explained_rows(estimator: NetworkEstimator, rows: pd.DataFrame) -> NDArray[np.intp]:
    """Return the place of the value that `explain` explains in each row, [rows]."""
    values = _values(estimator, *estimator.prepare(rows))
    return values.argmax(axis=1)


def _kernel_shap(
    estimator: NetworkEstimator, row: Prepared, place: int
) -> NDArray[np.float64]:
    """Return shap's contributions [columns] for one row.

    Args:
        estimator: fitted.
        row: prepared, one row.
        place: of the explained value.
    """
    background, features = estimator.background_, estimator.preprocessor_.of_columns
    pools = [
        np.concatenate(pair)
        for pair in zip((background.x, background.codes), row, strict=True)
    ]
    n_rows = len(background.x)

    def answer(numbers: NDArray[Any]) -> NDArray[np.float64]:
        """Return answers for rows given as the number of the row of each column's value."""
        numbers = numbers.astype(int)
        mixed = [np.zeros((len(numbers), pool.shape[1]), pool.dtype) for pool in pools]
        for column, positions in enumerate(features.values()):
            for part, pool, own in zip(mixed, pools, positions, strict=True):
                part[:, own] = pool[numbers[:, column]][:, own]
        return _values(estimator, *mixed)[:, place]

    all_rows = np.tile(np.arange(n_rows + 1.0)[:, np.newaxis], (1, len(features)))
    explainer = shap.KernelExplainer(answer, all_rows[:-1])
    return np.asarray(explainer.shap_values(all_rows[-1], silent=True, l1_reg=0))


def _root_mean_square(values: NDArray[np.float64]) -> float:
    return float(np.sqrt((values**2).mean()))


def train(file: Path, target: str) -> tuple[NetworkEstimator, pd.DataFrame]:
    """Return a network trained with the default settings, and the test rows."""
    table = pd.read_csv(file)
    y = table.pop(target)
    classes = y.dtype.kind not in "iuf" or y.nunique() < MAX_CLASSES
    X, test, y, _ = train_test_split(  # noqa: N806
        table, y, test_size=0.2, random_state=0, stratify=y if classes else None
    )
    kind = NetworkClassifier if classes else NetworkRegressor
    return kind(random_state=0).fit(X, y), test


def describe(name: str, found: Comparison) -> str:
    """Return a line about one table."""
    return (
        f"{name:16} {found.columns:4} {found.members:4}"
        f" {found.correlations.mean():8.4f} {found.correlations.min():8.4f}"
        f" {found.difference:10.4g} {found.error:10.4g} {found.size:10.4g}"
        f" {found.residual:9.1e} {found.milliseconds:8.1f} {found.shap_milliseconds:9.0f}"
    )


HEAD = (
    f"{'table':16} {'cols':>4} {'nets':>4} {'rank r':>8} {'least':>8} {'difference':>10}"
    f" {'std error':>10} {'size':>10} {'sum off':>9} {'ms':>8} {'ms shap':>9}"
)


def main() -> None:
    """Print a line for each table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--target", default="target")
    parser.add_argument("--rows", type=int, default=10, help="test rows of each table")
    arguments = parser.parse_args()
    print(HEAD)
    for file in arguments.files:
        estimator, test = train(file, arguments.target)
        print(describe(file.name.split(".")[0], compare(estimator, test[: arguments.rows])))


if __name__ == "__main__":
    main()
