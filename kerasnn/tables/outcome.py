"""A network for a table after training, and after it was measured."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasnn.datasets import Schema
from kerasnn.estimators import NetworkClassifier, NetworkRegressor
from kerasnn.reports import Importance, Score
from kerasnn.tables.rows import Array, Rows


@dataclass(frozen=True)
class Fitted:
    """A trained network and its rows.

    Attributes:
        rows: those of training and test.
        estimator: fitted to the training rows.
        seconds: that it took, compilation included.
    """

    rows: Rows
    estimator: NetworkClassifier | NetworkRegressor
    seconds: float

    @property
    def schema(self) -> Schema:
        """Of the table, its target as the network knows it."""
        return self.estimator.schema_

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the weights, beside the rows."""
        return {
            **dataclasses.asdict(self.estimator.recipe_),
            "seed": self.rows.seed,
            "test_size": self.rows.test_size,
        }

    @property
    def left_out_metrics(self) -> dict[str, float]:
        """Each member's loss on the rows that it left out, the mean; empty without folds.

        They have chosen the epoch, so it is a little too good.
        """
        history = self.estimator.history_
        if "val_loss" not in history:
            return {}
        kept = history["epoch"].index(self.estimator.best_epoch_)
        loss = float(history["val_loss"][kept])
        if self.rows.target.task == "classification":
            return {"log_loss": loss}
        # Training is on standardised targets.
        deviation = self.rows.labels(tested=False).astype(np.float64).std()
        return {"rmse": math.sqrt(loss) * float(deviation)}


@dataclass(frozen=True)
class Outcome:
    """A trained network with what is worth telling of it.

    Attributes:
        fitted: the network and its rows.
        truth: [test rows] indices into the classes, or float64.
        predicted: [test rows, n_classes] probabilities, or [test rows].
        baselines: the same of simple models, by name.
        scores: of the network on the test rows, with intervals; empty without test rows.
        baseline_scores: those of the simple models.
        importance: of each column; empty without test rows.
    """

    fitted: Fitted
    truth: Array
    predicted: Array
    baselines: dict[str, Array]
    scores: dict[str, Score]
    baseline_scores: dict[str, dict[str, Score]]
    importance: list[Importance]

    @property
    def metrics(self) -> dict[str, float]:
        """On the test rows, or on the rows that the members left out; `measured_on`."""
        if self.scores:
            return {name: score.value for name, score in self.scores.items()}
        return self.fitted.left_out_metrics

    @property
    def measured_on(self) -> str:
        """Whose metrics these are."""
        if self.scores:
            return "test rows, never learned from"
        if self.fitted.left_out_metrics:
            return "the rows that each member left out"
        return "no rows"


@dataclass(frozen=True)
class Evaluation:
    """How good a saved network is on rows that it was given.

    Attributes:
        rows: how many.
        scores: with intervals.
        learned: whether it is the table that the network was trained on: most of these
            rows are not new to it.
    """

    rows: int
    scores: dict[str, Score]
    learned: bool
