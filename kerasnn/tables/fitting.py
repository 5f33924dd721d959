"""Training of a network on the rows of a table."""

import dataclasses
import time
from dataclasses import dataclass
from typing import Any, TypeVar

import tensorflow as tf

from kerasnn.datasets import Schema, Target
from kerasnn.errors import InputError
from kerasnn.estimators import NetworkClassifier, NetworkRegressor
from kerasnn.tables.rows import RowsInMemory
from kerasnn.tables.streamed import StreamedRows, rows_folder
from kerasnn.training.distribution.workers import one_device_workers

_Estimator = TypeVar("_Estimator", NetworkClassifier, NetworkRegressor)


@dataclass(frozen=True)
class FittedTable:
    """A trained network and its rows.

    Attributes:
        rows: of training and test.
        estimator: fitted to the training rows.
        seconds: of the training, with compilation.
    """

    rows: RowsInMemory | StreamedRows
    estimator: NetworkClassifier | NetworkRegressor
    seconds: float

    @property
    def schema(self) -> Schema:
        """The schema of the table, with the target of the network."""
        return self.estimator.schema_

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that decide the weights, beside the rows."""
        return {
            **dataclasses.asdict(self.estimator.recipe_),
            "seed": self.rows.seed,
            "test_size": self.rows.test_size,
        }

    @property
    def trees(self) -> dict[str, Any] | None:
        """The numbers of the trees beside the networks, as JSON; None without trees."""
        trees = self.estimator.trees_
        return None if trees is None else trees.description

    @property
    def leaderboard(self) -> list[dict[str, Any]]:
        """Scores of the models on left-out rows, as JSON."""
        standings = self.estimator.leaderboard_
        return [{"model": one.model, **one.scores} for one in standings]


def estimator_for(target: Target) -> type[NetworkClassifier] | type[NetworkRegressor]:
    """Return the class of estimators for a target."""
    return NetworkClassifier if target.task == "classification" else NetworkRegressor


def fit(
    rows: RowsInMemory | StreamedRows,
    estimator: _Estimator,
    *,
    strategy: tf.distribute.Strategy | None = None,
) -> FittedTable:
    """Train a network on the training rows.

    Streamed rows are prepared and stored on disk during the training: in the folder of the
    checkpoints, or in a temporary folder (environment variable TMPDIR).

    Args:
        rows: from `read_rows` or `stream_rows`.
        estimator: template with the settings, which is not changed; see `estimator_for`.
            The rows decide `schema` and `random_state`.
        strategy: as for `NetworkClassifier.fit`.

    Raises:
        InputError: rows or settings that cannot be used.
        WorkerLostError: another worker of the strategy does not answer.
        NonFiniteLossError: the loss became NaN or infinite.
    """
    folds = estimator.folds
    if isinstance(folds, int) and folds > rows.n_trained:
        raise InputError(
            f"folds must be at most the number of rows to learn from, {rows.n_trained} of"
            f" {rows.n_rows}; got {folds=}"
        )
    settings = estimator.get_params(deep=False)
    settings |= {"schema": rows.schema, "random_state": rows.seed}
    # Not sklearn's `clone`, which would copy `progress`.
    estimator = type(estimator)(**settings)
    started = time.perf_counter()
    if isinstance(rows, StreamedRows):
        workers, checkpoint = one_device_workers(strategy), estimator.checkpoint
        with rows_folder(checkpoint, workers) as folder:
            # Workers have the folder of the checkpoints in common, but no temporary one.
            on_disk = rows.on_disk(folder, workers, shared=checkpoint is not None)
            estimator.fit_on_disk(on_disk, strategy=strategy)
    else:
        x, y = rows.inputs(tested=False), rows.labels(tested=False)
        estimator.fit(x, y, **rows.fit_arguments, strategy=strategy)
    return FittedTable(rows, estimator, time.perf_counter() - started)
