"""A network for a table after training, and after it was measured."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from kerasnn.datasets import Schema
from kerasnn.estimators import NetworkClassifier, NetworkRegressor
from kerasnn.reports import Importance, Score
from kerasnn.tables.rows import Array, Rows
from kerasnn.tables.streamed import StreamedRows


@dataclass(frozen=True)
class Fitted:
    """A trained network and its rows.

    Attributes:
        rows: those of training and test.
        estimator: fitted to the training rows.
        seconds: that it took, compilation included.
    """

    rows: Rows | StreamedRows
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


@dataclass(frozen=True)
class Outcome:
    """A trained network with what is worth telling of it.

    Attributes:
        fitted: the network and its rows.
        truth: [test rows] indices into the classes, or float64.
        predicted: [test rows, n_classes] probabilities, or [test rows].
        baselines: the same of simple models, by name; empty without test rows.
        scores: of the network, with intervals, on the rows that `measured_on` tells.
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
        """The scores without their intervals."""
        return {name: score.value for name, score in self.scores.items()}

    @property
    def tested(self) -> bool:
        """Whether there are test rows."""
        return len(self.truth) > 0

    @property
    def measured_on(self) -> str:
        """Which rows the scores are of."""
        if self.tested:
            return "test rows, never learned from"
        # It has chosen the epoch, so it is a little too good.
        return "training rows, each by the members that left it out" if self.scores else ""


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
