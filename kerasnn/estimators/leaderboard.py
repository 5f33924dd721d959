"""How networks, trees and a linear model did on the rows that they had left out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from kerasnn.ensembles.result import TrainedEnsemble
from kerasnn.ensembles.task import EnsembleTask
from kerasnn.ensembles.validation import (
    MIN_LIKELIHOOD,
    mean_predictions,
    validation_inverse_temperature,
)
from kerasnn.estimators.baselines import BaselineInputs, baseline_predictions

MAX_LINEAR_ROWS = 5_000  # rows that a linear model learns from in each fold
Predictions = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Standing:
    """A model's scores on the left-out rows.

    Attributes:
        model: "networks and trees", "networks", "trees", "linear" or "constant".
        log_loss: nats; None for a regression.
        accuracy: share of the rows; None for a regression.
        rmse: in units of the target; None for classes.
    """

    model: str
    log_loss: float | None = None
    accuracy: float | None = None
    rmse: float | None = None

    @property
    def loss(self) -> float:
        """The score that ranks the models: `log_loss` or `rmse`."""
        loss = self.rmse if self.log_loss is None else self.log_loss
        assert loss is not None
        return loss

    @property
    def scores(self) -> dict[str, float]:
        """Its scores by name."""
        known = asdict(self)
        del known["model"]
        return {name: value for name, value in known.items() if value is not None}


def leaderboard(
    trained: TrainedEnsemble, blended: Predictions, scale: NDArray[np.float64] | float = 1.0
) -> list[Standing]:
    """Return the standings of the models of a fit, and of simple ones, the best first.

    All of them are scored on the same rows, by models that had left these rows out.

    Args:
        trained: networks, before trees were added.
        blended: predictions of trees and of both, by name; empty without trees.
        scale: standard deviation of the targets, by which they were divided.
    """
    outputs, task = trained.validation_outputs, trained.task
    if outputs is None or not trained.has_oof_rows:
        return []
    found = {
        "networks": calibrated_predictions(task, outputs.astype(np.float64)),
        **blended,
        **_simple_predictions(task),
    }
    standings = [_standing(name, values, task, scale) for name, values in found.items()]
    return sorted(standings, key=lambda standing: standing.loss)


def calibrated_predictions(
    task: EnsembleTask, outputs: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return mean probabilities, or values, [validation rows, n_out].

    Args:
        task: the task.
        outputs: [repeats, validation rows, n_logits].
    """
    inverse = 1.0
    if task.shape.task != "regression":
        inverse = validation_inverse_temperature(task, outputs)
    return mean_predictions(task.shape.task, outputs, inverse)


def _simple_predictions(task: EnsembleTask) -> dict[str, NDArray[np.float64]]:
    """Return the predictions for validation rows by models that are fitted to each fold."""
    regression = task.shape.task == "regression"
    if regression and task.targets.shape[1] > 1:
        return {}
    n_out = 1 if regression else task.shape.n_out
    targets = task.targets[:, 0] if regression else task.targets
    every = task.all_validation_rows
    found: dict[str, NDArray[np.float64]] = {}
    for split in task.splits[: task.recipe.folds]:
        learned, left_out = split
        predictions = baseline_predictions(
            "regression" if regression else "classification",
            BaselineInputs(task.x[learned], task.codes[learned]),
            targets[learned],
            BaselineInputs(task.x[left_out], task.codes[left_out]),
            n_classes=task.shape.n_out,
            seed=task.seed,
            max_rows=MAX_LINEAR_ROWS,
        )
        places = np.searchsorted(every, left_out)
        for name, values in predictions.items():
            rows = found.setdefault(name, np.empty((len(every), n_out)))
            rows[places] = values.reshape(len(left_out), n_out)
    return found


def _standing(
    model: str,
    predictions: NDArray[np.float64],
    task: EnsembleTask,
    scale: NDArray[np.float64] | float,
) -> Standing:
    """Return the scores of predictions [validation rows, n_out], weighted as these are."""
    rows = task.all_validation_rows
    targets, weights = task.targets[rows], task.weights[rows].astype(np.float64)
    weights = weights if weights.any() else np.ones_like(weights)
    if task.shape.task == "regression":
        errors = ((predictions - targets) * scale) ** 2
        mean = np.average(errors.mean(axis=1), weights=weights)
        return Standing(model, rmse=float(np.sqrt(mean)))
    likelihoods = predictions[np.arange(len(targets)), targets]
    losses = -np.log(np.maximum(likelihoods, MIN_LIKELIHOOD))
    correct = predictions.argmax(axis=1) == targets
    return Standing(
        model,
        log_loss=float(np.average(losses, weights=weights)),
        accuracy=float(np.average(correct, weights=weights)),
    )
