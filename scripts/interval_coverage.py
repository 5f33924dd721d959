"""Coverage and width of 90 % intervals and sets on tables with fixed splits.

    python scripts/interval_coverage.py FOLDER [FOLDER ...] --splits 2 --peer

A folder holds for each table NAME.csv.gz, NAME.json (numeric, categorical, classes, and
`group` or `time` where a column names one) and NAME.splits.npz (rows of test_0, test_1,
...). Groups and times decide the folds, and are left out of the columns, as
`kerasnn train --group` and `--time` do. With `--peer`, two quantiles of CatBoost that MAPIE
makes valid are trained on the same rows; both packages must be installed.
"""

import argparse
import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin

from kerasnn import NetworkClassifier, NetworkRegressor

COVERAGE = 0.9
TAILS = ((1 - COVERAGE) / 2, (1 + COVERAGE) / 2, 0.5)  # in MAPIE's order
LARGE = 500  # test rows from which a coverage says something alone


class Table(NamedTuple):
    """A table with its splits.

    Attributes:
        name: of the table.
        rows: [rows, columns].
        targets: [rows] numbers or class indices.
        meta: its JSON.
        splits: row numbers of test rows.
    """

    name: str
    rows: pd.DataFrame
    targets: np.ndarray
    meta: dict[str, Any]
    splits: list[np.ndarray]


class Fitted(RegressorMixin, BaseEstimator):
    """A model of CatBoost with categories, which MAPIE would try on a row of zeros.

    Args:
        model: fitted.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.fitted_ = True

    def fit(self, rows: Any, targets: Any) -> "Fitted":
        """Return itself; it is fitted."""
        return self

    def predict(self, rows: Any) -> Any:
        """Return the model's predictions."""
        return self.model.predict(rows)


class Result(NamedTuple):
    """The outcome of a split.

    Attributes:
        coverage: share of the test rows that are covered.
        size: mean width in standard deviations of the training targets, or mean number of
            classes.
        seconds: of the training.
    """

    coverage: float
    size: float
    seconds: float


def main() -> None:
    """Print a line for each split, and the means."""
    arguments = _arguments()
    warnings.simplefilter("ignore")
    ours: list[tuple[Table, int, Result]] = []
    ratios = []
    for table in _tables(arguments.folders, arguments.only):
        for number, test in list(enumerate(table.splits))[: arguments.splits]:
            train = np.setdiff1d(np.arange(len(table.rows)), test)
            result = _network(table, train, test, arguments.time_limit)
            ours.append((table, len(test), result))
            line = _line(result)
            if arguments.peer and not table.meta["classes"]:
                peer = _peer(table, train, test)
                ratios.append(result.size / peer.size)
                line += f" | peer {_line(peer)} | width ratio {ratios[-1]:.3f}"
            print(f"{table.name:16} {number} {len(test):6,} test rows  {line}", flush=True)
    _print_means(ours, ratios)


def _arguments() -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--only", nargs="*", help="names of tables; all by default")
    parser.add_argument("--splits", type=int, default=1, help="splits of each table")
    parser.add_argument("--time-limit", type=float, help="seconds of a training")
    parser.add_argument("--peer", action="store_true")
    return parser.parse_args()


def _tables(folders: list[Path], only: list[str] | None) -> Iterator[Table]:
    paths = [path for folder in folders for path in sorted(folder.glob("*.json"))]
    for path in paths:
        if only is None or path.stem in only:
            yield _read(path)


def _read(path: Path) -> Table:
    meta = json.loads(path.read_text())
    numeric, categorical = meta["numeric"], meta["categorical"]
    texts = [*categorical, *(["target"] if meta["classes"] else [])]
    rows = pd.read_csv(
        path.with_suffix(".csv.gz"),
        dtype=dict.fromkeys(texts, object),
        keep_default_na=False,
        na_values={column: [""] for column in [*numeric, *categorical]},
    )
    targets = rows.pop("target")
    if meta["classes"]:
        targets = targets.map({text: i for i, text in enumerate(meta["classes"])})
    with np.load(path.with_suffix(".splits.npz")) as splits:
        tests = [splits[f"test_{i}"] for i in range(len(splits.files))]
    rows = rows.astype(dict.fromkeys(categorical, "category"))
    return Table(path.stem, rows, targets.to_numpy(), meta, tests)


def _columns(table: Table) -> pd.DataFrame:
    divided_by = [table.meta.get(kind) for kind in ("group", "time")]
    return table.rows.drop(columns=[column for column in divided_by if column])


def _network(
    table: Table, train: np.ndarray, test: np.ndarray, time_limit: float | None
) -> Result:
    rows, targets = _columns(table), table.targets
    divided = {
        argument: table.rows[table.meta[kind]].iloc[train].to_numpy()
        for kind, argument in (("group", "groups"), ("time", "time"))
        if table.meta.get(kind)
    }
    kind = NetworkClassifier if table.meta["classes"] else NetworkRegressor
    estimator = kind(time_limit=time_limit, random_state=0)
    started = time.perf_counter()
    estimator.fit(rows.iloc[train], targets[train], **divided)
    seconds = time.perf_counter() - started
    if isinstance(estimator, NetworkRegressor):
        ends = estimator.predict_interval(rows.iloc[test], COVERAGE)
        return _of_intervals(ends, targets, train, test, seconds)
    sets = estimator.predict_set(rows.iloc[test], COVERAGE)
    places = np.searchsorted(estimator.classes_, targets[test])
    places = np.minimum(places, len(estimator.classes_) - 1)
    known = estimator.classes_[places] == targets[test]  # in the training rows
    inside = sets[np.arange(len(test)), places] & known
    return Result(float(inside.mean()), float(sets.sum(axis=1).mean()), seconds)


def _peer(table: Table, train: np.ndarray, test: np.ndarray) -> Result:
    """Train quantiles of CatBoost on four fifths; MAPIE widens them on the rest."""
    from catboost import CatBoostRegressor
    from mapie.regression import ConformalizedQuantileRegressor
    from sklearn.model_selection import train_test_split

    rows, targets = _columns(table), table.targets
    texts = [column for column in table.meta["categorical"] if column in rows]
    rows = rows.assign(**{c: rows[c].astype(object).fillna("").astype(str) for c in texts})
    fitted, rest = train_test_split(train, test_size=0.2, random_state=0)
    started = time.perf_counter()
    models = [
        Fitted(
            CatBoostRegressor(
                allow_writing_files=False,
                loss_function=f"Quantile:alpha={tail:.2f}",
                cat_features=texts,
                random_seed=0,
                thread_count=1,
                verbose=0,
            ).fit(rows.iloc[fitted], targets[fitted])
        )
        for tail in TAILS
    ]
    valid = ConformalizedQuantileRegressor(models, confidence_level=COVERAGE, prefit=True)
    valid.conformalize(rows.iloc[rest], targets[rest])
    _, ends = valid.predict_interval(rows.iloc[test])
    seconds = time.perf_counter() - started
    return _of_intervals(ends[:, :, 0], targets, train, test, seconds)


def _of_intervals(
    ends: np.ndarray, targets: np.ndarray, train: np.ndarray, test: np.ndarray, s: float
) -> Result:
    lower, upper = ends.T
    inside = (lower <= targets[test]) & (targets[test] <= upper)
    width = (upper - lower).mean() / targets[train].std()
    return Result(float(inside.mean()), float(width), s)


def _line(result: Result) -> str:
    return f"covered {result.coverage:.3f}  size {result.size:.3f}  {result.seconds:.0f} s"


def _print_means(ours: list[tuple[Table, int, Result]], ratios: list[float]) -> None:
    for kind, name in ((False, "intervals"), (True, "sets")):
        found = [r.coverage for t, _, r in ours if bool(t.meta["classes"]) is kind]
        if found:
            print(f"{name}: {np.mean(found):.3f} covered, mean of {len(found)} splits")
    large = [(r.coverage, t.name) for t, n, r in ours if n >= LARGE]
    if ours:
        print(f"all: {np.mean([r.coverage for _, _, r in ours]):.3f} of {len(ours)} splits")
    if large:
        coverage, name = min(large)
        print(f"lowest with {LARGE} test rows or more: {coverage:.3f} ({name})")
    if ratios:
        mean = np.exp(np.mean(np.log(ratios)))
        print(f"width over the peer's: {mean:.3f}, geometric mean of {len(ratios)} splits")


if __name__ == "__main__":
    main()
