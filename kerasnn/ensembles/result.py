"""A trained ensemble: the weights that were kept, their score, and the history."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn.ensembles.task import EnsembleTask
from kerasnn.ensembles.validation import ValidationScore

EvaluationHistory = dict[str, list[Any]]


@dataclass
class TrainedEnsemble:
    """An ensemble in training, and afterwards its result.

    Attributes:
        task: the task.
        weights: values of `TabularNetwork.learned`.
        score: validation score of these weights; None without folds.
        best: best score so far.
        oof_predictions: for each training row, the mean prediction of the members that did
            not learn from it: probabilities [rows, n_out], or standardised values; NaN for
            rows that judged none; None without folds.
        epoch: epoch after which the members had these weights, from 1.
        epochs: number of epochs that were run.
        shortened: whether a deadline ended the training early.
        history: one entry for each evaluation: "epoch" (from 1), "loss", each member's
            "member_loss" and, with folds, "val_loss" and "inverse_temperature".
    """

    task: EnsembleTask
    weights: list[NDArray[np.float32]] = field(default_factory=list)
    score: ValidationScore | None = None
    best: ValidationScore | None = None
    oof_predictions: NDArray[np.float64] | None = None
    epoch: int = 0
    epochs: int = 0
    shortened: bool = False
    history: EvaluationHistory = field(default_factory=dict)

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
