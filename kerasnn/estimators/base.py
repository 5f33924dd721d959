"""The base of the two estimators: from a table to a trained ensemble."""

import dataclasses
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from kerasnn.choices import Activation, FitDriver, NumericEmbedding, Quality, Verbose
from kerasnn.conformal import ClassSets, Intervals
from kerasnn.datasets import Schema, ShuffledShards, Target, checked_table, infer_schema
from kerasnn.datasets.profiling.leaks import leak_notices
from kerasnn.datasets.profiling.odd_values import odd_value_notices
from kerasnn.datasets.schema.free_text import without_idle_texts
from kerasnn.deadline import Deadline
from kerasnn.ensembles.members.sharding import row_sharding
from kerasnn.ensembles.parts import Progress
from kerasnn.ensembles.recipe import disk_recipe, memory_recipe
from kerasnn.ensembles.result import TrainedEnsemble
from kerasnn.ensembles.task import DiskTask, EnsembleTask, TargetTransform
from kerasnn.ensembles.time_limit import fitting_task
from kerasnn.ensembles.train import RunOptions, train_ensembles, train_on_disk
from kerasnn.errors import DataWarning, InputError, warn_user
from kerasnn.estimators.blending import Blended, blend_with_trees
from kerasnn.estimators.fitted import FittedEnsemble
from kerasnn.estimators.leaderboard import leaderboard
from kerasnn.estimators.overrides import (
    checked_driver,
    checked_overrides,
    checked_quality,
    checked_trees,
)
from kerasnn.estimators.progress import shown_progress
from kerasnn.estimators.reasons import fit_background
from kerasnn.estimators.sample_weights import row_weights
from kerasnn.estimators.table_on_disk import TableOnDisk, with_ranges
from kerasnn.novelty import Novelty, fit_novelty
from kerasnn.preprocessing import Preprocessor
from kerasnn.splits import Folds, folds_for
from kerasnn.training.checkpoints.run_checkpoints import SECONDS_BETWEEN
from kerasnn.training.distribution.checkpoints import make_checkpoints
from kerasnn.training.distribution.workers import one_device_workers

MAX_REFERENCE_ROWS = 4_000  # rows whose predictions `kerasnn check` compares new ones with
TREES_SHARE = 0.15  # of a time limit, kept for the trees


class NetworkEstimator(FittedEnsemble):
    """Base of `NetworkClassifier` (see its parameters) and of `NetworkRegressor`."""

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

        With `groups`, each fold consists of whole groups. With `time`, the folds are
        forward-chained: the validation rows of a member are later than all that it learns
        from, and belong to the last half of the rows. These members only select the epoch
        and calibrate: as many other networks, which learn from all rows, predict.

        Args:
            X: [rows, columns]: a DataFrame (pandas, polars, Arrow), a dict of columns, or
                an array; numbers, categories, dates, missing values.
            y: [rows].
            sample_weight: [rows], not negative.
            groups: [rows] the group of each row, such as its patient; a fold has all rows
                of a group or none.
            time: [rows] numbers or dates, also as text; not with `groups`.
            gap: with `time`, how many rows to leave out between those that a member learns
                from and its validation rows, as in scikit-learn's `TimeSeriesSplit`.
            strategy: a `tf.distribute.MultiWorkerMirroredStrategy`, created before any
                other use of TensorFlow, whose workers train the ensemble together. Every
                worker calls `fit` with the same rows and parameters, outside of its scope.

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
        """Return options with an earlier deadline, which leaves time for the trees."""
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
        """Return the options of a run; a resumed run keeps its driver."""
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
            X: as for `fit`.
            y: as for `fit`.
            sample_weight: as for `fit`.
            division: groups or times that the folds respect.
            describes: whether to fit `novelty_`; see `_adopt`.
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
        """Add what may make the scores wrong to `warnings_`; issue one Python warning."""
        values = targets.reshape(len(table), -1)
        if values.shape[1] == 1:
            self.warnings_ += leak_notices(checked, values[:, 0], target)
        self.warnings_ += odd_value_notices(table, checked)
        found = [notice.message for notice in self.warnings_ if notice.is_warning]
        if found:
            more = f"; {len(found) - 1} more in warnings_" if len(found) > 1 else ""
            warn_user(f"{found[0]}{more}", DataWarning)

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
            deadline: no trees are grown after it.
            describes: whether to set what `check`, `explain`, `report` and `export` need
                beyond the predictions: `novelty_`, `background_`, `leaderboard_`.
        """
        blended = Blended(trained)
        if checked_trees(self.trees):
            blended = blend_with_trees(trained, deadline)
        networks = trained
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
            self.leaderboard_ = leaderboard(networks, predictions, scale)
            self.novelty_ = self._with_predictions(trained)
            rows = trained.task.x, trained.task.codes
            self.background_ = fit_background(self._network, self._named_outputs, *rows)
        return self

    def _with_predictions(self, trained: TrainedEnsemble) -> Novelty:
        """Return `novelty_` with the predictions and the targets of the training rows."""
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

    def _check_given(self, y: ArrayLike | None) -> None:
        if y is None:
            raise InputError(
                f"{type(self).__name__} requires y to be passed, but the target y is None"
            )

    # ------------------------------------------------------------------ by task

    @abstractmethod
    def _fit_targets(self, y: ArrayLike, n_rows: int) -> NDArray[Any]:
        """Fit classes or scale; return [rows] class indices, or [rows, n_out] numbers.

        Raises:
            InputError: the targets cannot be used.
        """

    @abstractmethod
    def _described_target(
        self, given: Target | None, targets: NDArray[Any], name: Any
    ) -> Target:
        """Return the target for the schema; `given` is that of the user's schema."""

    def _class_weights(self, targets: NDArray[Any]) -> NDArray[np.float64] | float:
        return 1.0

    @abstractmethod
    def _accept_target(self, target: Target) -> None:
        """Take over the target of a table on disk."""

    @abstractmethod
    def _fit_disk_targets(self, moments: Mapping[str, float]) -> TargetTransform:
        """Fit the scale of the shards' targets; return the function that applies it."""

    @abstractmethod
    def _fit_conformal(self, trained: TrainedEnsemble) -> Intervals | ClassSets | None:
        """Fit intervals or sets to the validation rows; None without them."""
