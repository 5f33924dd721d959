"""Fitted estimators: how they predict, check, explain, report and are exported."""

import dataclasses
from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from kerasnn.choices import TabularTask
from kerasnn.conformal import (
    DEFAULT_COVERAGE,
    ClassSets,
    Intervals,
    check_coverage,
    check_validation_rows,
    rows_needed,
)
from kerasnn.conformal.floor import ProbabilityFloor
from kerasnn.datasets import Notice, Schema, as_table, raw_columns
from kerasnn.datasets.schema.checking import warned_table
from kerasnn.ensembles.recipe import Recipe
from kerasnn.ensembles.result import EvaluationHistory
from kerasnn.ensembles.task import NetworkShape
from kerasnn.errors import InputError
from kerasnn.estimators.blending import Blend
from kerasnn.estimators.leaderboard import Standing
from kerasnn.estimators.reasons import CompiledSignature, explain_signature
from kerasnn.estimators.report import estimator_report
from kerasnn.explanations import Background, contribution_frame, error_frame
from kerasnn.manifest import EXPLAIN_SIGNATURE, INTERVAL_SIGNATURE
from kerasnn.models import TabularNetwork
from kerasnn.models.tabular import NETWORK_NAME
from kerasnn.novelty import REFERENCE_FILE, Novelty, check_function, findings_table
from kerasnn.preprocessing import Prepared, Preprocessor
from kerasnn.reports import Report
from kerasnn.saving import SignatureRows, TableSignature, export_table

MAX_PREDICTED_ROWS = 2048  # rows in one call of the network; more do not fit the caches
MIN_PREDICTED_ROWS = 64
MAX_CHECKED_ROWS = 8192  # rows in one call of `check`


class FittedEnsemble(BaseEstimator, metaclass=ABCMeta):
    """A trained ensemble with the preprocessing of its table; `fit` sets the attributes."""

    schema_: Schema
    warnings_: list[Notice]
    preprocessor_: Preprocessor
    recipe_: Recipe
    novelty_: Novelty
    history_: EvaluationHistory
    oof_predictions_: NDArray[np.float64] | None
    best_epoch_: int
    n_epochs_: int
    shortened_: bool
    background_: Background
    # Estimators that older versions pickled lack these.
    _floor: ProbabilityFloor | None = None
    _conformal: Intervals | ClassSets | None = None
    trees_: Blend | None = None
    _learned_targets: NDArray[Any] | None = None  # None for rows on disk
    leaderboard_: list[Standing] = []
    _kept_weights: list[NDArray[np.float32]]

    def _table(self, X: Any, *, reset: bool) -> pd.DataFrame:  # noqa: N803
        """Return rows of any kind as a DataFrame; arrays pass scikit-learn's checks."""
        if isinstance(X, Mapping) and not issparse(X):
            X = as_table(X)  # noqa: N806
        if hasattr(X, "columns") or hasattr(X, "column_names"):
            table = as_table(X)
            if reset:
                validate_data(self, table, skip_check_array=True)
                self._check_enough(len(table))
            return table
        array = validate_data(
            self,
            X,
            reset=reset,
            dtype=None,
            ensure_all_finite=False,  # warned_table names column and row
            ensure_min_samples=1,
        )
        if reset:
            self._check_enough(len(array))
        if array.dtype.kind == "c":
            raise InputError(f"Complex data not supported\n{array}\n")
        if array.dtype.kind in "fiu":
            array = array.astype(np.float64)
        table = as_table(array)
        if hasattr(self, "feature_names_in_"):
            table.columns = list(self.feature_names_in_)
        return table

    def _check_enough(self, n_rows: int) -> None:
        if n_rows < 2:
            raise InputError(
                f"{type(self).__name__} needs at least 2 rows to learn from;"
                f" got n_samples = {n_rows}"
            )

    @property
    def network_(self) -> TabularNetwork:
        """The trained network; it predicts the mean of its members."""
        check_is_fitted(self, "history_")
        if "_network" not in self.__dict__:  # it was pickled
            self._network = self._made_network()
        return self._network

    @property
    def _shape(self) -> NetworkShape:
        preprocessor = self.preprocessor_
        return NetworkShape(
            n_numeric=preprocessor.n_numeric,
            n_in=preprocessor.n_in,
            n_out=self._n_out,
            task=self._kind,
            cardinalities=preprocessor.cardinalities,
        )

    def _made_network(self) -> TabularNetwork:
        config = self._shape.config(self.recipe_, self.recipe_.members)
        trees = self.trees_
        if trees is not None:
            config = dataclasses.replace(config, forest=trees.forest.shape)
        network = TabularNetwork(config, name=NETWORK_NAME)
        for variable, value in zip(network.learned, self._kept_weights, strict=True):
            variable.assign(value)
        if trees is not None:
            network.add_trees(trees.forest, trees.network_factor)
        self._set_output_scale(network)
        return network

    def prepare(self, X: Any) -> Prepared:  # noqa: N803
        """Check rows, and return x and codes as the network takes them.

        Raises:
            InputError: a column is missing, or a cell cannot be used.
        """
        check_is_fitted(self, "history_")
        table = self._table(X, reset=False)
        return self.preprocessor_.prepare(warned_table(table, self.schema_))

    def predict_prepared(
        self, x: NDArray[np.float32], codes: NDArray[np.int32]
    ) -> NDArray[np.float64]:
        """Return `predict_proba` of a classifier, or `predict` of a regressor.

        Args:
            x: [rows, n_in] from `prepare`.
            codes: [rows, n_codes] from `prepare`.
        """
        check_is_fitted(self, "history_")
        (outputs,) = self._in_parts(
            lambda *rows: (self.network_.call(rows),), Prepared(x, codes)
        )
        return self._answers(outputs.astype(np.float64))

    def _in_parts(
        self, outputs: Callable[..., Sequence[tf.Tensor]], rows: Prepared
    ) -> list[NDArray[Any]]:
        """Return outputs for x and codes, each [rows, ...], computed a part at a time."""
        n_rows = len(rows.x)
        # On some processors the sums of a product depend on its number of rows.
        padding = [(0, max(0, MIN_PREDICTED_ROWS - n_rows)), (0, 0)]
        padded = [np.pad(array, padding) for array in rows]
        parts = [
            outputs(*(tf.constant(a[i : i + MAX_PREDICTED_ROWS]) for a in padded))
            for i in range(0, len(padded[0]), MAX_PREDICTED_ROWS)
        ]
        return [np.concatenate(part)[:n_rows] for part in zip(*parts, strict=True)]

    def has_intervals(self, coverage: float) -> bool:
        """Check whether the validation rows suffice for a coverage of intervals or sets."""
        fitted = self._conformal
        return fitted is not None and fitted.n_validation_rows >= rows_needed(coverage)

    def interval_outputs(
        self, coverage: float, rows: Prepared, *names: str
    ) -> list[NDArray[Any]]:
        """Return outputs of the signature `interval`, computed by the same operations.

        Args:
            coverage: between 0 and 1.
            rows: from `prepare`.
            names: of the outputs: `value`, `lower`, `upper`; or `probabilities`, `in_set`.

        Raises:
            InputError: coverage is no number between 0 and 1, or there are too few
                validation rows.
        """
        check_is_fitted(self, "history_")
        coverage = check_coverage(coverage)
        if self._conformal is None:
            without = "folds=0 leaves none" if not self.recipe_.folds else "none was kept"
            raise InputError(
                "intervals and sets need validation rows, which members predicted without"
                f" having learned from them; {without}. Fit again, with folds='auto'"
            )
        check_validation_rows(coverage, self._conformal.n_validation_rows)

        def outputs(x: tf.Tensor, codes: tf.Tensor) -> list[tf.Tensor]:
            wanted = tf.fill(tf.shape(x)[:1], tf.constant(coverage, tf.float64))
            given = SignatureRows({}, x, codes, {"coverage": wanted})
            found = self._interval_answer(given)
            return [found[name] for name in names]

        return self._in_parts(outputs, rows)

    def check(self, X: Any) -> pd.DataFrame:  # noqa: N803
        """Return which rows are unlike those of the training, and why.

        Args:
            X: as for `predict`.

        Returns:
            For each row `unusual` (bool), `columns` (names, comma-separated) and `reason`:
            a number outside the range of the training rows, a level that they lack, a cell
            missing in a column where none was, or an unlikely combination.

        Raises:
            InputError: a column is missing, or a cell cannot be used.
        """
        self._check_complete()
        rows = warned_table(self._table(X, reset=False), self.schema_)
        check = check_function(self.novelty_, self.preprocessor_.graph)
        columns = raw_columns(rows)
        parts = [
            check({n: tf.constant(v[i : i + MAX_CHECKED_ROWS]) for n, v in columns.items()})
            for i in range(0, max(len(rows), 1), MAX_CHECKED_ROWS)
        ]
        outputs = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
        return findings_table(outputs, rows, self.schema_)

    def explain(
        self,
        X: Any,  # noqa: N803
        *,
        of: Any = None,
        standard_errors: bool = False,
    ) -> pd.DataFrame:
        """Return how much each column moves the answer of each row away from the mean.

        A contribution is a Shapley value: how much the answer changes when the column is
        changed from a training row's value to this row's, averaged over training rows
        (`background_`) and over the orders in which the columns are changed. A row's
        contributions and the mean answer (the last column, "(mean)") add up to its answer:
        for two classes the logit of the second, for more classes the logarithm of the
        probability minus the mean of these logarithms, for a regression the value.

        Args:
            X: the columns of `fit`, as for `predict`.
            of: the class to explain, or the number of one of several values. None explains
                the value, the second of two classes, or with more classes the one that is
                predicted for each row.
            standard_errors: return the standard errors of the contributions instead.

        Raises:
            InputError: a column is missing, a cell cannot be used, or there is no such
                class or value.
        """
        self._check_complete()
        prepared = self.prepare(X)
        if "_explain" not in self.__dict__:
            self._explain = CompiledSignature(self._explain_signature())
        frame = error_frame if standard_errors else contribution_frame
        labels = list(getattr(self, "classes_", ()))
        outputs = self._explain(*prepared)
        return frame(outputs, self.preprocessor_.names, labels, of=of)

    def report(
        self,
        file: str | Path | None = None,
        X: Any = None,  # noqa: N803
        y: ArrayLike | None = None,
        *,
        title: str = "",
    ) -> Report:
        """Return a page with scores, figures, settings and columns; a notebook shows it.

        Args:
            file: to write the page to; None for no file.
            X: test rows, as for `predict`. Without them the training rows are scored, each
                by the members that did not learn from it.
            y: the true class or value of each of these rows.
            title: heading of the page.

        Raises:
            InputError: rows or labels cannot be used, no row was left out, the target has
                several columns, or the file cannot be written.
        """
        self._check_complete()
        page = estimator_report(self, X, y, title)
        if file is not None:
            page.save(file)
        return page

    def learned_targets(self) -> NDArray[Any] | None:
        """Return the targets of the training rows in their units; None from disk."""
        learned = self._learned_targets
        return None if learned is None else self._in_units_of_target(learned)

    def sensitivities(
        self, x: NDArray[np.float32], codes: NDArray[np.int32]
    ) -> NDArray[np.float64]:
        """Return how much each feature of x moves the answers, [n_in].

        That is the mean absolute gradient, times the feature's standard deviation. For a
        classifier it is the gradient of the logarithm of the largest probability.

        Args:
            x: [rows, n_in] from `prepare`.
            codes: [rows, n_codes] from `prepare`.
        """
        rows = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(rows)
            answers = self.network_.call((rows, tf.constant(codes)))
            if self._kind != "regression":
                answers = tf.math.log(tf.reduce_max(answers, axis=1))
        gradient = tape.gradient(answers, rows).numpy()
        return np.abs(gradient).mean(axis=0) * x.std(axis=0)

    def export(
        self,
        folder: str | Path,
        *,
        metadata: Mapping[str, Any] | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> Path:
        """Write the network as the next version under a folder: a SavedModel.

        The SavedModel takes the raw columns by name, and does not need kerasnn.

        Args:
            folder: of the model, for instance "saved_models/adult".
            metadata: further content of the manifest, as JSON.
            files: further files in `assets.extra` by name, for instance a report.

        Returns:
            The version folder.

        Raises:
            InputError: the folder cannot be written.
            ExportError: the SavedModel does not predict what the network predicts.
        """
        self._check_complete()
        return export_table(
            self.network_,
            self.preprocessor_,
            self.schema_,
            folder,
            answers=self._named_outputs,
            metadata={
                "settings": dataclasses.asdict(self.recipe_),
                **(
                    {"validation_rows": self._conformal.n_validation_rows}
                    if self._conformal
                    else {}
                ),
                **({"trees": self.trees_.description} if self.trees_ else {}),
                **(metadata or {}),
            },
            files={
                **(files or {}),
                REFERENCE_FILE.name: self.novelty_.reference.to_json().encode(),
            },
            signatures=self._signatures(),
        )

    def _check_complete(self) -> None:
        """Check that the fit kept what `check`, `explain` and `export` need.

        Raises:
            InputError: the estimator was fitted and pickled by an older version.
        """
        check_is_fitted(self, "history_")
        missing = [n for n in ("background_", "novelty_") if not hasattr(self, n)]
        if missing:
            raise InputError(
                f"this {type(self).__name__} was fitted by an older version of kerasnn: it"
                f" has no {' and no '.join(missing)}; fit it again"
            )

    def _signatures(self) -> dict[str, TableSignature]:
        """Return the SavedModel's signatures beside `serving_default`, by key."""
        check = check_function(self.novelty_, self.preprocessor_.graph)
        return {
            "check": TableSignature(lambda rows: check(rows.columns)),
            EXPLAIN_SIGNATURE: self._explain_signature(),
            **self._interval_signature(),
        }

    def _explain_signature(self) -> TableSignature:
        target = self.schema_.target
        return explain_signature(
            self.network_,
            self._named_outputs,
            self.preprocessor_,
            self.background_,
            target.classes if target is not None else (),
        )

    def _interval_signature(self) -> dict[str, TableSignature]:
        """Return `interval`, if the validation rows suffice for its default coverage."""
        if not self.has_intervals(DEFAULT_COVERAGE):
            return {}
        options = {"coverage": DEFAULT_COVERAGE}
        return {INTERVAL_SIGNATURE: TableSignature(self._interval_answer, options)}

    def __getstate__(self) -> dict[str, Any]:
        """The state with weights as arrays, without the network."""
        state = dict(super().__getstate__())
        for made in ("_network", "_explain"):
            state.pop(made, None)
        return state

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "history_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    # ------------------------------------------------------------------ by task

    @property
    @abstractmethod
    def _kind(self) -> TabularTask:
        """The network's task; needs the target to be fitted."""

    @property
    @abstractmethod
    def _n_out(self) -> int:
        """Number of classes or values."""

    @abstractmethod
    def _true_values(self, y: ArrayLike, n_rows: int) -> NDArray[Any]:
        """Return the class indices, or the values, of test rows, [rows].

        Raises:
            InputError: they cannot be used.
        """

    @abstractmethod
    def _answers(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the predictions for the network's outputs, [rows, n_out]."""

    def _in_units_of_target(self, predictions: NDArray[np.float64]) -> NDArray[np.float64]:
        return predictions

    @abstractmethod
    def _interval_answer(self, rows: SignatureRows) -> dict[str, tf.Tensor]:
        """Return the outputs of the signature `interval`, by TensorFlow operations."""

    @abstractmethod
    def _set_output_scale(self, network: TabularNetwork) -> None:
        """Assign temperature and floor, or the scale of the target, to the network."""

    @abstractmethod
    def _named_outputs(self, x: tf.Tensor, codes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the outputs of the SavedModel."""
