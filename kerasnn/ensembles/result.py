"""A trained ensemble: the weights that were kept, their score, and the history."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn.conformal.floor import ProbabilityFloor, fitted_floor
from kerasnn.ensembles.task import EnsembleTask
from kerasnn.ensembles.validation import (
    ValidationScore,
    mean_predictions,
    of_all_rows,
    validation_inverse_temperature,
)

EvaluationHistory = dict[str, list[Any]]


@dataclass
class TrainedEnsemble:
    """An ensemble in training, and afterwards its result.

    Attributes:
        task: the task.
        weights: values of `TabularNetwork.learned`.
        score: validation score of these weights; None without folds.
        best: best score so far.
        validation_outputs: outputs with these weights for the task's validation rows, each
            by the members that did not learn from it, [repeats, validation rows, n_logits];
            None without folds.
        has_oof_rows: whether the task's rows are the training rows of other members.
        epoch: epoch after which the members had these weights, from 1.
        epochs: number of epochs that were run.
        shortened: whether a deadline made the training shorter.
        history: one entry for each evaluation: "epoch" (from 1), "loss", each member's
            "member_loss" and, with folds, "val_loss" and "inverse_temperature".
    """

    task: EnsembleTask
    weights: list[NDArray[np.float32]] = field(default_factory=list)
    score: ValidationScore | None = None
    best: ValidationScore | None = None
    validation_outputs: NDArray[np.float32] | None = None
    has_oof_rows: bool = True
    epoch: int = 0
    epochs: int = 0
    shortened: bool = False
    history: EvaluationHistory = field(default_factory=dict)

    @property
    def validation_predictions(self) -> NDArray[np.float64] | None:
        """For each of the task's rows, the mean prediction of the members that left it out.

        Probabilities [rows, n_out], with the floor, or standardised values; NaN for rows
        that validate no member. None without folds. The rows are the training rows in
        memory, or the held-out rows of a table on disk.
        """
        predictions, floor = self._mean_predictions, self.floor
        if predictions is None:
            return None
        if floor is not None:
            predictions = floor.mixed(predictions)
        return of_all_rows(self.task, predictions)

    @property
    def oof_predictions(self) -> NDArray[np.float64] | None:
        """The `validation_predictions`, if their rows are training rows; else None."""
        return self.validation_predictions if self.has_oof_rows else None

    @property
    def floor(self) -> ProbabilityFloor | None:
        """The floor of the probabilities; None where they are not calibrated."""
        predictions, task = self._mean_predictions, self.task
        if predictions is None or task.shape.task == "regression":
            return None
        if not task.recipe.calibrate:
            return None
        rows = task.all_validation_rows
        return fitted_floor(predictions, task.targets[rows], task.weights[rows])

    @property
    def _mean_predictions(self) -> NDArray[np.float64] | None:
        """The predictions for validation rows, at the best temperature, without a floor."""
        if self.validation_outputs is None:
            return None
        outputs, kind = self.validation_outputs.astype(np.float64), self.task.shape.task
        inverse = 1.0
        if kind != "regression":
            inverse = validation_inverse_temperature(self.task, outputs)
        return mean_predictions(kind, outputs, inverse)

    def accepts(self, score: ValidationScore | None, *, last: bool) -> bool:
        """Check whether to keep the current weights: the last of equally good ones.

        A score that is worse only by chance counts as equally good: the weights of a later
        epoch have smaller errors.
        """
        if score is None:
            return last
        if self.best is None or score.loss < self.best.loss:
            self.best = score
        return score.is_as_good_as(self.best, self.task.recipe.standard_errors)

    def record(
        self, epoch: int, losses: NDArray[np.float32], score: ValidationScore | None
    ) -> None:
        """Append an evaluation to the history."""
        entry: dict[str, Any] = {"epoch": epoch, "loss": float(losses.mean())}
        if score is not None:
            entry["val_loss"] = score.loss
            entry["inverse_temperature"] = score.inverse_temperature
        entry["member_loss"] = losses.tolist()
        for name, value in entry.items():
            self.history.setdefault(name, []).append(value)
        self.epochs = epoch
