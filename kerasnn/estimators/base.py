"""What the two estimators have in common: tables in, an ensemble trained, answers out."""

import dataclasses
from abc import ABCMeta, abstractmethod
from collections.abc import Iterable, Mapping
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

from kerasnn.choices import Activation, FitDriver, NumericEmbedding, Sharing, TabularTask
from kerasnn.datasets import Schema, Target, as_table, checked_table, infer_schema
from kerasnn.errors import InputError
from kerasnn.estimators.disk_job import Learned, PreparedTable, TableOnDisk
from kerasnn.estimators.job import Job
from kerasnn.estimators.recipe import disk_recipe, recipe_for
from kerasnn.estimators.row_weights import row_weights
from kerasnn.estimators.settings import checked_driver, checked_wishes
from kerasnn.estimators.train_jobs import Progress, Trained, train_jobs
from kerasnn.estimators.train_on_disk import train_on_disk
from kerasnn.models import TabularNetwork
from kerasnn.preprocessing import Preprocessor
from kerasnn.saving import export_table
from kerasnn.training.checkpoints.run_checkpoints import SECONDS_BETWEEN, RunCheckpoints
from kerasnn.training.distribution.checkpoints import make_checkpoints
from kerasnn.training.distribution.runner import check_distributed_driver
from kerasnn.training.distribution.workers import WorkerGroup
from kerasnn.training.member_dealing import ensemble_workers

ROWS_AT_ONCE = 4096  # of a prediction


class NetworkEstimator(BaseEstimator, metaclass=ABCMeta):
    """The base of `NetworkClassifier` and `NetworkRegressor`, where it is described."""

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
        sharing: Sharing | str = "auto",
        schema: Schema | None = None,
        time_limit: float | None = None,
        driver: FitDriver = "auto",
        progress: Progress | None = None,
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
        self.sharing = sharing
        self.schema = schema
        self.time_limit = time_limit
        self.driver = driver
        self.progress = progress
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
        strategy: tf.distribute.Strategy | None = None,
    ) -> Self:
        """Train an ensemble.

        Args:
            X: [rows, columns]: a DataFrame (pandas, polars, Arrow), a dict of columns, or
                an array; numbers, categories, dates, missing values.
            y: [rows].
            sample_weight: [rows], not negative; how much each row counts.
            strategy: a `tf.distribute.MultiWorkerMirroredStrategy`, made before anything
                else of TensorFlow, whose workers train the ensemble together: each calls
                this, with the same rows and parameters, outside of its scope.

        Raises:
            InputError: rows, targets or weights that cannot be used.
            NonFiniteLossError: the loss became NaN or infinite.
            WorkerLostError: another worker has gone.
        """
        workers = ensemble_workers(strategy)
        checkpoints, driver = self._checkpoints(workers)
        job = self._job(X, y, sample_weight)
        (trained,) = train_jobs(
            [job],
            driver=driver,
            checkpoints=checkpoints,
            time_limit=self._checked_time_limit(),
            progress=self.progress,
            workers=workers,
        )
        return self._adopt(trained)

    def fit_on_disk(
        self, table: TableOnDisk, *, strategy: tf.distribute.Strategy | None = None
    ) -> Self:
        """Train an ensemble on a table that is larger than memory.

        `kerasnn train` makes such a table of files. Every member learns from all rows but
        the held-out ones, which choose the epoch and calibrate the probabilities.

        Args:
            table: the table.
            strategy: as for `fit`; each worker reads its own shards.

        Raises:
            InputError: rows or settings that cannot be used.
            NonFiniteLossError: the loss became NaN or infinite.
            WorkerLostError: another worker has gone.
        """
        workers = ensemble_workers(strategy)
        checkpoints, driver = self._checkpoints(workers)
        wishes = checked_wishes(self.get_params(deep=False))
        self.recipe_ = disk_recipe(self._disk_task(table.target), table.n_rows, wishes)
        prepared = PreparedTable.of(table, self.recipe_)
        validate_data(self, table.sample[list(table.schema.names)], skip_check_array=True)
        self.schema_, self.preprocessor_ = prepared.schema, prepared.preprocessor
        learned = self._take_target(prepared)
        trained = train_on_disk(
            prepared.job(
                learned,
                n_out=self._n_out,
                task=self._task,
                recipe=self.recipe_,
                seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
            ),
            driver=driver,
            checkpoints=checkpoints,
            time_limit=self._checked_time_limit(),
            progress=self.progress,
            workers=workers,
        )
        return self._adopt(trained)

    def _checkpoints(
        self, workers: WorkerGroup | None
    ) -> tuple[RunCheckpoints | None, FitDriver]:
        """Where the training is saved, and the driver, which a resumed one has already."""
        driver = checked_driver(self.driver)
        if workers is not None:
            check_distributed_driver(driver)
            workers.assert_same_on_all(
                checkpoint=self.checkpoint is not None, resume=self.resume
            )
        if self.checkpoint is None:
            return None, driver
        checkpoints = make_checkpoints(
            workers,
            self.checkpoint,
            every_seconds=self.checkpoint_every,
            resume=self.resume,
        )
        return checkpoints, checkpoints.driver(driver)

    def _job(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None) -> Job:  # noqa: N803
        """Look at the rows, fit the preprocessing: what there is to train."""
        wishes = checked_wishes(self.get_params(deep=False))
        table = self._table(X, reset=True)
        targets = self._fit_targets(y, len(table))
        self.schema_ = self._described(self._fitted_schema(table), y)
        checked = checked_table(table, self.schema_)
        self.recipe_ = recipe_for(self._task, len(table), wishes)
        self.preprocessor_ = Preprocessor.fit(
            checked, self.schema_, frequent_value_codes=self.recipe_.frequent_value_codes
        )
        prepared = self.preprocessor_.prepare(checked)
        return Job(
            x=prepared.x,
            codes=prepared.codes,
            targets=targets,
            weights=row_weights(sample_weight, self._class_weights(targets), len(table)),
            n_numeric=self.preprocessor_.n_numeric,
            cardinalities=self.preprocessor_.cardinalities,
            n_out=self._n_out,
            task=self._task,
            recipe=self.recipe_,
            seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
        )

    def _adopt(self, trained: Trained) -> Self:
        """Take over what was trained."""
        self._kept_weights = trained.weights
        self._score = trained.score
        self.held_out_ = self._held_out(trained.held_out)
        self.history_ = trained.history
        self.best_epoch_ = trained.epoch
        self.n_epochs_ = trained.epochs
        self._network = self._made_network()
        return self

    def _held_out(self, answers: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        """The members' answers for the rows that they left out, as `predict` gives them."""
        return answers

    def _fitted_schema(self, table: pd.DataFrame) -> Schema:
        if self.schema is None:
            try:
                return infer_schema(table)
            except InputError as error:
                raise InputError(
                    f"{error}. What a column is can be told by"
                    " schema=kerasnn.datasets.infer_schema(X, ...)"
                ) from None
        if not isinstance(self.schema, Schema):
            raise InputError(
                "schema must be a kerasnn.datasets.Schema, for instance from infer_schema;"
                f" got {self.schema!r}"
            )
        return self.schema

    def _checked_time_limit(self) -> float | None:
        limit = self.time_limit
        if limit is None:
            return None
        if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not limit > 0:
            raise InputError(f"time_limit must be None or seconds above 0; got {limit!r}")
        return float(limit)

    # ------------------------------------------------------------------ rows

    def _table(self, X: Any, *, reset: bool) -> pd.DataFrame:  # noqa: N803
        """Rows of any kind as a DataFrame; scikit-learn's checks for plain arrays."""
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

    def _class_weights(self, targets: NDArray[Any]) -> NDArray[np.float64] | float:
        return 1.0

    # ------------------------------------------------------------------ answers

    @property
    def network_(self) -> TabularNetwork:
        """The trained network, whose members answer together."""
        check_is_fitted(self, "history_")
        if "_network" not in self.__dict__:  # it was pickled
            self._network = self._made_network()
        return self._network

    def _made_network(self) -> TabularNetwork:
        recipe, preprocessor = self.recipe_, self.preprocessor_
        network = TabularNetwork(
            n_numeric=preprocessor.n_numeric,
            n_in=preprocessor.n_in,
            n_out=self._n_out,
            task=self._task,
            cardinalities=preprocessor.cardinalities,
            members=recipe.members,
            sharing=recipe.sharing,
            hidden_units=recipe.hidden_units,
            activation=recipe.activation,
            curved=recipe.curved,
            embedding=recipe.embedding,
            scaled=recipe.scaled,
        )
        for variable, value in zip(network.learned, self._kept_weights, strict=True):
            variable.assign(value)
        self._set_answers(network)
        return network

    def _answers(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """What the network says of each row: [rows, n_out]."""
        check_is_fitted(self, "history_")
        table = checked_table(self._table(X, reset=False), self.schema_)
        x, codes = self.preprocessor_.prepare(table)
        parts = [
            self.network_.call(
                (
                    tf.constant(x[start : start + ROWS_AT_ONCE]),
                    tf.constant(codes[start : start + ROWS_AT_ONCE]),
                )
            )
            for start in range(0, max(len(x), 1), ROWS_AT_ONCE)
        ]
        return np.concatenate(parts).astype(np.float64)

    def export(
        self,
        folder: str | Path,
        *,
        metadata: Mapping[str, Any] | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> Path:
        """Write the network as the next version under a folder: a SavedModel.

        It takes the raw columns by their names, and answers without kerasnn.

        Args:
            folder: for instance "saved_models/adult"; the version is counted up.
            metadata: what else to keep in the manifest, as JSON.
            files: what else to keep in `assets.extra`, by name, for instance a report.

        Returns:
            The version folder.

        Raises:
            InputError: the folder cannot be written.
            ExportError: what was written does not answer as the network does.
        """
        check_is_fitted(self, "history_")
        return export_table(
            self.network_,
            self.preprocessor_,
            self.schema_,
            folder,
            answers=self._named_answers,
            metadata={"settings": dataclasses.asdict(self.recipe_), **(metadata or {})},
            files=files,
        )

    def __getstate__(self) -> dict[str, Any]:
        """Weights as arrays, not the network made of them."""
        state = dict(super().__getstate__())
        state.pop("_network", None)
        return state

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "history_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    # ------------------------------------------------------------------ of each task

    @property
    @abstractmethod
    def _task(self) -> TabularTask:
        """Of the network."""

    @property
    @abstractmethod
    def _n_out(self) -> int:
        """Classes or values."""

    @abstractmethod
    def _disk_task(self, target: Target) -> TabularTask:
        """Of the network, before it is fitted."""

    @abstractmethod
    def _take_target(self, prepared: PreparedTable) -> Learned:
        """Take over what is to be predicted; how the step takes the targets."""
