"""The base of the two estimators: reads tables, trains an ensemble, predicts."""

import dataclasses
import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from kerasnn.choices import (
    Activation,
    FitDriver,
    NumericEmbedding,
    Quality,
    TabularTask,
    Verbose,
)
from kerasnn.conformal import (
    DEFAULT_COVERAGE,
    ClassSets,
    Intervals,
    check_coverage,
    check_judged,
    rows_needed,
)
from kerasnn.conformal.floor import ProbabilityFloor
from kerasnn.datasets import (
    Notice,
    Schema,
    ShuffledShards,
    Target,
    as_table,
    checked_table,
    infer_schema,
    raw_columns,
)
from kerasnn.datasets.profiling.leaks import leak_notices
from kerasnn.datasets.profiling.odd_values import odd_value_notices
from kerasnn.datasets.schema.free_text import without_idle_texts
from kerasnn.deadline import Deadline
from kerasnn.ensembles.members.sharding import row_sharding
from kerasnn.ensembles.parts import Progress
from kerasnn.ensembles.recipe import Recipe, disk_recipe, memory_recipe
from kerasnn.ensembles.result import EvaluationHistory, TrainedEnsemble
from kerasnn.ensembles.task import DiskTask, EnsembleTask, NetworkShape, TargetTransform
from kerasnn.ensembles.time_limit import fitting_task
from kerasnn.ensembles.train import RunOptions, train_ensembles, train_on_disk
from kerasnn.errors import DataWarning, InputError
from kerasnn.estimators.blending import Blend, Blended, blend_with_trees
from kerasnn.estimators.leaderboard import Standing, leaderboard
from kerasnn.estimators.overrides import (
    checked_driver,
    checked_overrides,
    checked_quality,
    checked_trees,
)
from kerasnn.estimators.progress import shown_progress
from kerasnn.estimators.reasons import (
    CompiledSignature,
    explain_signature,
    fit_background,
)
from kerasnn.estimators.report import estimator_report
from kerasnn.estimators.sample_weights import row_weights
from kerasnn.estimators.table_on_disk import TableOnDisk, with_ranges
from kerasnn.explanations import Background, contribution_frame, error_frame
from kerasnn.manifest import EXPLAIN_SIGNATURE, INTERVAL_SIGNATURE
from kerasnn.models import TabularNetwork
from kerasnn.models.tabular import NETWORK_NAME
from kerasnn.novelty import (
    REFERENCE_FILE,
    Novelty,
    check_function,
    findings_table,
    fit_novelty,
)
from kerasnn.preprocessing import Prepared, Preprocessor
from kerasnn.reports import Report
from kerasnn.saving import SignatureRows, TableSignature, export_table
from kerasnn.splits import Folds, folds_for
from kerasnn.training.checkpoints.run_checkpoints import SECONDS_BETWEEN
from kerasnn.training.distribution.checkpoints import make_checkpoints
from kerasnn.training.distribution.workers import one_device_workers

MAX_PREDICTED_ROWS = 2048  # rows in one call of the network; more leave the caches
MIN_PREDICTED_ROWS = 64
MAX_CHECKED_ROWS = 8192  # rows in one call of `check`
MAX_REFERENCE_ROWS = 4_000  # whose predictions new ones are compared with
TREES_SHARE = 0.15  # of a time limit


class NetworkEstimator(BaseEstimator, metaclass=ABCMeta):
    """The base of `NetworkClassifier`, which documents it, and `NetworkRegressor`."""

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
    # Estimators of older pickles have none.
    _floor: ProbabilityFloor | None = None
    _conformal: Intervals | ClassSets | None = None
    trees_: Blend | None = None
    _learned_targets: NDArray[Any] | None = None  # None of rows on disk
    leaderboard_: list[Standing] = []

    def __init__(
        self,
        *,
        hidden_units: Iterable[int] | str = "auto",
        members: int | str = "auto",
        folds: int | str = "auto",
        epochs: int | str = "auto",
        batch_size: int | str = "auto",
        learning_rate: float | str = "auto",
        weight_decay: float | str = "auto",
        dropout: float | str = "auto",
        activation: Activation | str = "auto",
        embedding: NumericEmbedding | str = "auto",
        trees: bool | str = "auto",
        quality: Quality = "default",
        schema: Schema | None = None,
        time_limit: float | None = None,
        driver: FitDriver = "auto",
        progress: Progress | None = None,
        verbose: Verbose = "auto",
        checkpoint: str | Path | None = None,
        checkpoint_every: float = SECONDS_BETWEEN,
        resume: bool = False,
        random_state: Any = None,
    ) -> None:
        self.hidden_units = hidden_units
        self.members = members
        self.folds = folds
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.activation = activation
        self.embedding = embedding
        self.trees = trees
        self.quality = quality
        self.schema = schema
        self.time_limit = time_limit
        self.driver = driver
        self.progress = progress
        self.verbose = verbose
        self.checkpoint = checkpoint
        self.checkpoint_every = checkpoint_every
        self.resume = resume
        self.random_state = random_state

    # ------------------------------------------------------------------ fit

    def fit(
        self,
        X: Any,  # noqa: N803
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        time: ArrayLike | None = None,
        gap: int = 0,
        strategy: tf.distribute.Strategy | None = None,
    ) -> Self:
        """Train an ensemble.

        With `groups` each fold is of whole groups. With `time` the folds are
        forward-chained: each member is judged by rows that are later than all of its own,
        among the last half of the rows. They select the epoch and calibrate the
        probabilities of as many networks beside them that learn from all rows, and predict.

        Args:
            X: [rows, columns]: a DataFrame (pandas, polars, Arrow), a dict of columns, or
                an array; numbers, categories, dates, missing values.
            y: [rows].
            sample_weight: [rows], not negative.
            groups: [rows], such as the patient of each row: equal for rows of which a fold
                has all or none.
            time: [rows] numbers or dates, or text of them; not with `groups`.
            gap: rows that are left out between those of a member and those that judge it
                (as in `sklearn.model_selection.TimeSeriesSplit`); with `time`.
            strategy: a `tf.distribute.MultiWorkerMirroredStrategy`, created before any
                other use of TensorFlow, whose workers train the ensemble together. Each
                calls this method with the same rows and parameters, outside of its scope.

        Raises:
            InputError: rows, targets, weights, groups, times or parameters cannot be used.
            NonFiniteLossError: the loss became NaN or infinite.
            WorkerLostError: another worker has gone.
        """
        options = self._run_options(strategy)
        division = folds_for(groups, time, gap)
        task = self._task_for(X, y, sample_weight, division)
        task = self._within_limit(task, options)
        networks = self._without_trees_time(options)
        with shown_progress(networks, self.verbose) as networks:
            (trained,) = train_ensembles([task], networks)
        return self._adopt(trained, options.deadline)

    def _within_limit(self, task: EnsembleTask, options: RunOptions) -> EnsembleTask:
        """Return a smaller task before a short deadline, if the user left its size open."""
        overrides = checked_overrides(self.get_params(deep=False))
        fixed = {"members", "folds"} & overrides.keys() or options.checkpoints
        if options.deadline is None or fixed or options.workers.n_workers > 1:
            return task
        task = fitting_task(task, options.deadline.left())
        self.recipe_ = task.recipe
        return task

    def _without_trees_time(self, options: RunOptions) -> RunOptions:
        """Return the options of the networks, which leave some time for the trees."""
        deadline = options.deadline
        if deadline is None or not checked_trees(self.trees):
            return options
        seconds = deadline.seconds - TREES_SHARE * deadline.left()
        return dataclasses.replace(options, deadline=Deadline(deadline.started, seconds))

    def fit_on_disk(
        self, table: TableOnDisk, *, strategy: tf.distribute.Strategy | None = None
    ) -> Self:
        """Train an ensemble on a table that is larger than memory.

        `kerasnn train` makes such a table from files. Every member learns from all training
        rows; the held-out rows select the epoch and calibrate the probabilities.

        Args:
            table: the table.
            strategy: as for `fit`; each worker reads its own shards.

        Raises:
            InputError: rows or parameters cannot be used.
            NonFiniteLossError: the loss became NaN or infinite.
            WorkerLostError: another worker has gone.
        """
        options = self._run_options(strategy)
        self._accept_target(table.target)
        overrides = checked_overrides(self.get_params(deep=False))
        self.recipe_ = disk_recipe(
            self._kind, table.n_rows, overrides, checked_quality(self.quality)
        )
        task = self._disk_task_for(table)
        with shown_progress(options, self.verbose) as options:
            trained = train_on_disk(task, options)
        return self._adopt(trained)

    def _disk_task_for(self, table: TableOnDisk) -> DiskTask:
        """Fit the preprocessing and write the shards; return what to train."""
        sample = checked_table(table.sample, table.schema)
        self.preprocessor_ = Preprocessor.fit(
            sample,
            table.schema,
            frequent_value_codes=self.recipe_.frequent_value_codes,
            counts=table.counts,
        )
        held_out = checked_table(table.held_out, table.schema)
        x, codes = self.preprocessor_.prepare(held_out)
        shards = table.write(self.preprocessor_)
        validate_data(self, table.sample[list(table.schema.names)], skip_check_array=True)
        transform = self._fit_disk_targets(shards.notes.get("moments", {}))
        schema = with_ranges(table.schema, shards.notes["ranges"])
        targets = transform(table.held_out_targets)
        target = self._described_target(table.target, targets, table.target.name)
        self.schema_ = dataclasses.replace(schema, target=target)
        self.novelty_ = fit_novelty(sample, self.schema_)
        seed = self._drawn_seed()
        validation = EnsembleTask(
            x=x,
            codes=codes,
            targets=targets,
            weights=np.ones(len(x), np.float32),
            shape=self._shape,
            recipe=self.recipe_,
            seed=seed,
        )
        return DiskTask(
            validation,
            ShuffledShards(shards, seed=seed),
            *self.preprocessor_.prepare(sample),
            transform,
            table.fingerprint,
        )

    def _run_options(self, strategy: tf.distribute.Strategy | None) -> RunOptions:
        """Return the options of a run; a resumed one keeps its driver."""
        workers = one_device_workers(strategy)
        options = dataclasses.replace(self._local_options(), workers=workers)
        row_sharding(workers).check_driver(options.driver)
        workers.assert_same_on_all(
            checkpoint=self.checkpoint is not None, resume=self.resume
        )
        if self.checkpoint is None:
            return options
        checkpoints = make_checkpoints(
            workers,
            self.checkpoint,
            every_seconds=self.checkpoint_every,
            resume=self.resume,
        )
        driver = checkpoints.driver(options.driver)
        return dataclasses.replace(options, driver=driver, checkpoints=checkpoints)

    def _local_options(self) -> RunOptions:
        """Return the options of a run of this process, without checkpoints.

        Raises:
            InputError: driver or time_limit cannot be used.
        """
        limit = self.time_limit
        number = isinstance(limit, (int, float)) and not isinstance(limit, bool)
        if limit is not None and not (number and limit > 0):
            raise InputError(f"time_limit must be None or seconds above 0; got {limit!r}")
        return RunOptions(
            driver=checked_driver(self.driver),
            deadline=None if limit is None else Deadline.after(limit),
            progress=self.progress,
        )

    def _task_for(
        self,
        X: Any,  # noqa: N803
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        division: Folds,
        *,
        describes: bool = True,
    ) -> EnsembleTask:
        """Check the rows and fit the preprocessing; return what to train.

        Args:
            X: as for `fit`, like `y` and `sample_weight`.
            y: see X.
            sample_weight: see X.
            division: what the folds respect.
            describes: whether to fit what ordinary rows are like; see `_adopt`.
        """
        overrides = checked_overrides(self.get_params(deep=False))
        table = self._table(X, reset=True)
        targets = self._fit_targets(y, len(table))
        division.check_length(len(table))
        schema = self._fitted_schema(table)
        target = self._described_target(schema.target, targets, getattr(y, "name", None))
        self.schema_ = dataclasses.replace(schema, target=target)
        checked = checked_table(table, self.schema_)
        self.warnings_ = list(self.schema_.notices)
        if self.schema is None and self.schema_.has_text:
            self.schema_ = without_idle_texts(self.schema_, checked, targets, target.task)
        if self.schema is None and hasattr(X, "columns"):
            self._warn(table, checked, targets, target)
        self.recipe_ = memory_recipe(
            self._kind, len(table), overrides, division, checked_quality(self.quality)
        )
        self.preprocessor_ = Preprocessor.fit(
            checked, self.schema_, frequent_value_codes=self.recipe_.frequent_value_codes
        )
        x, codes = self.preprocessor_.prepare(checked)
        if describes:
            self.novelty_ = fit_novelty(checked, self.schema_)
        return EnsembleTask(
            x=x,
            codes=codes,
            targets=targets,
            weights=row_weights(sample_weight, self._class_weights(targets), len(table)),
            shape=self._shape,
            recipe=self.recipe_,
            seed=self._drawn_seed(),
            division=division,
        )

    def _warn(
        self,
        table: pd.DataFrame,
        checked: pd.DataFrame,
        targets: NDArray[Any],
        target: Target,
    ) -> None:
        """Add to `warnings_` what may make scores untrue, and give one Python warning."""
        values = targets.reshape(len(table), -1)
        if values.shape[1] == 1:
            self.warnings_ += leak_notices(checked, values[:, 0], target)
        self.warnings_ += odd_value_notices(table, checked)
        found = [notice.message for notice in self.warnings_ if notice.is_warning]
        if found:
            more = f"; {len(found) - 1} more in warnings_" if len(found) > 1 else ""
            warnings.warn(f"{found[0]}{more}", DataWarning, stacklevel=4)

    def _drawn_seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _adopt(
        self,
        trained: TrainedEnsemble,
        deadline: Deadline | None = None,
        *,
        describes: bool = True,
    ) -> Self:
        """Grow trees beside the networks, until a deadline; set the fitted attributes.

        Args:
            trained: the networks.
            deadline: of the trees.
            describes: whether to set what `check`, `explain`, `report` and `export` need
                beyond the predictions: `novelty_`, `background_`, `leaderboard_`.
        """
        blended = Blended(trained)
        if checked_trees(self.trees):
            blended = blend_with_trees(trained, deadline)
        judged = trained
        trained, self.trees_, predictions = blended
        self._kept_weights = trained.weights
        self._validation_score = trained.score
        self._floor = trained.floor
        self._learned_targets = trained.task.targets if trained.has_oof_rows else None
        self._conformal = self._fit_conformal(trained)
        oof = trained.oof_predictions
        self.oof_predictions_ = None if oof is None else self._in_units_of_target(oof)
        self.history_ = trained.history
        self.best_epoch_ = trained.epoch
        self.n_epochs_ = trained.epochs
        self.shortened_ = trained.shortened
        self._network = self._made_network()
        self.__dict__.pop("_explain", None)  # of an earlier fit
        if describes:
            scale = self._target_scale if self._kind == "regression" else 1.0
            self.leaderboard_ = leaderboard(judged, predictions, scale)
            self.novelty_ = self._with_predictions(trained)
            rows = trained.task.x, trained.task.codes
            self.background_ = fit_background(self._network, self._named_outputs, *rows)
        return self

    def _with_predictions(self, trained: TrainedEnsemble) -> Novelty:
        """Add predictions and targets to what ordinary rows are like."""
        assert self.schema_.target is not None
        task = trained.task
        some = slice(None, None, -(-len(task.x) // MAX_REFERENCE_ROWS))
        learned = self.predict_prepared(task.x[some], task.codes[some])
        left_out = self.oof_predictions_
        targets = task.targets
        if self._kind == "regression":
            targets = self._in_units_of_target(targets.astype(np.float64))
        return self.novelty_.with_predictions(
            self.schema_.target, learned if left_out is None else left_out, targets, learned
        )

    def _fitted_schema(self, table: pd.DataFrame) -> Schema:
        if self.schema is None:
            try:
                return infer_schema(table)
            except InputError as error:
                raise InputError(
                    f"{error}. The kinds of columns can be set:"
                    " schema=kerasnn.datasets.infer_schema(X, ...)"
                ) from None
        if not isinstance(self.schema, Schema):
            raise InputError(
                "schema must be a kerasnn.datasets.Schema, for instance from infer_schema;"
                f" got {self.schema!r}"
            )
        return self.schema

    # ------------------------------------------------------------------ rows

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
            ensure_all_finite=False,  # checked_table names column and row
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

    def _check_given(self, y: ArrayLike | None) -> None:
        if y is None:
            raise InputError(
                f"{type(self).__name__} requires y to be passed, but the target y is None"
            )

    # ------------------------------------------------------------------ predictions

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
        return self.preprocessor_.prepare(checked_table(table, self.schema_))

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
        """Check whether enough rows were judged for intervals or sets of a coverage."""
        fitted = self._conformal
        return fitted is not None and fitted.n_judged >= rows_needed(coverage)

    def interval_outputs(
        self, coverage: float, rows: Prepared, *names: str
    ) -> list[NDArray[Any]]:
        """Return outputs of the signature `interval`, by the same operations.

        Args:
            coverage: between 0 and 1.
            rows: from `prepare`.
            names: of the outputs: `value`, `lower`, `upper`; or `probabilities`, `in_set`.

        Raises:
            InputError: coverage is no number between 0 and 1, or too few rows were judged.
        """
        check_is_fitted(self, "history_")
        coverage = check_coverage(coverage)
        if self._conformal is None:
            without = "folds=0 leaves none" if not self.recipe_.folds else "none was kept"
            raise InputError(
                "intervals and sets need rows that members judged without having learned"
                f" from them; {without}. Fit again, with folds='auto'"
            )
        check_judged(coverage, self._conformal.n_judged)

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
            A row each: `unusual` (bool), `columns` (names, comma-separated) and `reason`: a
            number outside the range of the training, a level that it did not have, a
            missing cell where none was, or an unlikely combination.

        Raises:
            InputError: a column is missing, or a cell cannot be used.
        """
        self._check_complete()
        rows = checked_table(self._table(X, reset=False), self.schema_)
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

        Contributions are Shapley values: the change of the answer when the column is
        changed from a training row's value to this row's, in the mean over the orders in
        which columns are changed and over training rows (`background_`). Those of a row
        and the mean answer, in the last column "(mean)", add up to the row's answer: for
        two classes the logit of the second, for more classes the logarithm of the
        probability minus the mean of these logarithms, for a regression the value.

        Args:
            X: the columns of `fit`, as for `predict`.
            of: the class, or the number of one of several values, that is explained. None
                explains the value, the second of two classes, and of more classes the
                predicted one of each row.
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
            y: what is true of them.
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

        It is the mean size of the gradient, times the feature's standard deviation: for a
        classifier of the logarithm of the largest probability.

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
                **({"judged_rows": self._conformal.n_judged} if self._conformal else {}),
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
            InputError: it was the fit of an older version, that was pickled.
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
        """Return `interval`, if enough rows were judged for its default coverage."""
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

    # ------------------------------------------------------------------ targets

    @property
    @abstractmethod
    def _kind(self) -> TabularTask:
        """The network's task; needs the target to be fitted."""

    @property
    @abstractmethod
    def _n_out(self) -> int:
        """Number of classes or values."""

    @abstractmethod
    def _fit_targets(self, y: ArrayLike, n_rows: int) -> NDArray[Any]:
        """Fit classes or scale; return [rows] class indices, or [rows, n_out] numbers.

        Raises:
            InputError: the targets cannot be used.
        """

    @abstractmethod
    def _true_values(self, y: ArrayLike, n_rows: int) -> NDArray[Any]:
        """Return the class indices, or the values, of test rows, [rows].

        Raises:
            InputError: they cannot be used.
        """

    @abstractmethod
    def _described_target(
        self, given: Target | None, targets: NDArray[Any], name: Any
    ) -> Target:
        """Return the schema's target; `given` is the one that the user's schema has."""

    def _class_weights(self, targets: NDArray[Any]) -> NDArray[np.float64] | float:
        return 1.0

    @abstractmethod
    def _accept_target(self, target: Target) -> None:
        """Take over the target of a table on disk."""

    @abstractmethod
    def _fit_disk_targets(self, moments: Mapping[str, float]) -> TargetTransform:
        """Fit the scale of the shards' targets; return the function that applies it."""

    @abstractmethod
    def _answers(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the predictions for the network's outputs, [rows, n_out]."""

    def _in_units_of_target(self, predictions: NDArray[np.float64]) -> NDArray[np.float64]:
        return predictions

    @abstractmethod
    def _fit_conformal(self, trained: TrainedEnsemble) -> Intervals | ClassSets | None:
        """Fit intervals or sets to the judged rows; None without them."""

    @abstractmethod
    def _interval_answer(self, rows: SignatureRows) -> dict[str, tf.Tensor]:
        """Return the outputs of the signature `interval`, by TensorFlow operations."""

    @abstractmethod
    def _set_output_scale(self, network: TabularNetwork) -> None:
        """Assign temperature or scale to the network's outputs."""

    @abstractmethod
    def _named_outputs(self, x: tf.Tensor, codes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the outputs of the SavedModel."""
