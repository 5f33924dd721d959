"""Boosted trees on folds: each model leaves one fold out, which validates it."""

import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from kerasnn.choices import TabularTask
from kerasnn.trees.bins import Bins
from kerasnn.trees.forest import Forest
from kerasnn.trees.sklearn_trees import Boosting, all_outputs, forest_of

LEARNING_RATE = 0.1
MULTICLASS_LEARNING_RATE = 0.2  # of three or more: each round has a tree for each of them
COLUMN_SHARE = 0.5  # of the columns, drawn for each split
ROUNDS_PER_CHUNK = 25
MAX_ROUNDS = 500
MAX_TREES = 2000  # of all models: a served row passes them all


class Growth(NamedTuple):
    """How far a tree grows, from a number of rows on; scikit-learn's names.

    Attributes:
        from_rows: smallest number of rows of the table.
        max_leaf_nodes: largest number of leaves.
        max_depth: comparisons that a served row makes at most.
        min_samples_leaf: smallest number of rows in a leaf.
        l2_regularization: penalty of the values of leaves.
    """

    from_rows: int
    max_leaf_nodes: int
    max_depth: int
    min_samples_leaf: int = 20
    l2_regularization: float = 0.0


# In a small table a leaf may hold a single row; the penalty keeps its value small.
GROWTHS = (
    Growth(10_000, max_leaf_nodes=31, max_depth=8),
    Growth(1_400, max_leaf_nodes=15, max_depth=6),
    Growth(0, 15, max_depth=4, min_samples_leaf=1, l2_regularization=3.0),
)

Fold = tuple[NDArray[Any], NDArray[Any]]  # rows to learn from, and validation rows


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows as the networks have them.

    Attributes:
        x: [rows, n_in] float32.
        codes: [rows, n_codes] int32.
        targets: [rows] labels, or [rows] standardised values.
        weights: [rows].
    """

    x: NDArray[np.float32]
    codes: NDArray[np.int32]
    targets: NDArray[Any]
    weights: NDArray[np.float32]


class BoostedFolds:
    """A boosting model for each fold, all grown by the same number of rounds at a time.

    Args:
        rows: of all folds.
        folds: row numbers.
        task: "binary", "multiclass" or "regression".
        cardinalities: number of codes of each column of codes.
        seed: of the models.

    Attributes:
        rounds: number of rounds so far.
        max_rounds: largest number of rounds.
    """

    def __init__(
        self,
        rows: Rows,
        folds: Sequence[Fold],
        task: TabularTask,
        cardinalities: tuple[int, ...],
        seed: int,
    ) -> None:
        self._rows, self._folds = rows, folds
        self._bins = Bins.fit(rows.x, cardinalities)
        self._columns = self._bins.columns(rows.x, rows.codes)
        self._weighted = bool((rows.weights != rows.weights[0]).any())
        self.n_out = int(rows.targets.max()) + 1 if task == "multiclass" else 1
        self.rounds = 0
        of_fold = self.n_out * len(folds)
        most = min(MAX_TREES // of_fold, MAX_ROUNDS)
        self.max_rounds = max(most, ROUNDS_PER_CHUNK)
        growth = next(each for each in GROWTHS if len(rows.x) >= each.from_rows)
        coded = np.arange(self._columns.shape[1]) < rows.codes.shape[1]
        rate = LEARNING_RATE if self.n_out == 1 else MULTICLASS_LEARNING_RATE
        make = HistGradientBoostingRegressor
        if task != "regression":
            make = HistGradientBoostingClassifier
        self._models = [
            make(
                learning_rate=rate,
                max_leaf_nodes=growth.max_leaf_nodes,
                max_depth=growth.max_depth,
                min_samples_leaf=growth.min_samples_leaf,
                l2_regularization=growth.l2_regularization,
                max_features=COLUMN_SHARE,
                early_stopping=False,
                warm_start=True,
                categorical_features=coded if coded.any() else None,
                random_state=seed % 2**32,
            )
            for _ in folds
        ]

    def grow(self) -> NDArray[np.float64]:
        """Add rounds to all models; return their outputs for the rows that they leave out.

        Returns:
            [rows, n_out] logits or values; NaN in rows that no fold leaves out.
        """
        self.rounds = min(self.rounds + ROUNDS_PER_CHUNK, self.max_rounds)
        outputs = np.full((len(self._columns), self.n_out), np.nan)
        threads = ThreadPoolExecutor(min(len(self._folds), os.cpu_count() or 1))
        with _own_warning_filters(), threads:
            grown = threads.map(self._grow, self._models, self._folds)
            for (_, left_out), own in zip(self._folds, grown, strict=True):
                outputs[left_out] = own
        return outputs

    def _grow(self, model: Boosting, fold: Fold) -> NDArray[np.float64]:
        learned, left_out = fold
        # Several threads would add in any order, and two fits would differ in some bits.
        with threadpool_limits(1, user_api="openmp"):
            self._fit(model.set_params(max_iter=self.rounds), learned)
            outputs = getattr(model, "decision_function", model.predict)
            own = outputs(self._columns[left_out]).reshape(len(left_out), -1)
            return all_outputs(model, own, self.n_out)

    def _fit(self, model: Boosting, learned: NDArray[Any]) -> None:
        rows = self._rows
        weights = rows.weights[learned] if self._weighted else None
        model.fit(self._columns[learned], rows.targets[learned], weights)

    def forest(self, rounds: int) -> Forest:
        """Return the mean of the models after a number of rounds."""
        of_folds = [self._forest(one, rounds) for one in self._models]
        return Forest.mean(of_folds)

    def refitted(self, rounds: int) -> Forest:
        """Return a model of this many rounds that learned from all rows, as a forest."""
        model = clone(self._models[0]).set_params(max_iter=rounds)
        every = np.arange(len(self._columns))
        with threadpool_limits(1, user_api="openmp"):
            self._fit(model, every)
        return self._forest(model, rounds)

    def _forest(self, model: Boosting, rounds: int) -> Forest:
        return forest_of(model, rounds, self._bins, self.n_out)


@contextmanager
def _own_warning_filters() -> Iterator[None]:
    """Keep the process's warning filters from threads that use scikit-learn.

    scikit-learn changes them for a moment and then restores what it found: in threads,
    maybe what another one has set. It also warns if it finds none; that is dropped here.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for one in caught:
        if not str(one.message).startswith("`sklearn.utils.parallel.delayed`"):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
