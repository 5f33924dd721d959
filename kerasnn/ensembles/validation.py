"""Scores on out-of-fold rows: they select the epoch and calibrate the probabilities.

If the rows were divided into folds several times, each row has several members that did not
learn from it. The mean of these is scored: a small ensemble, like the one that predicts.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, log_softmax, logsumexp

from kerasnn.choices import TabularTask
from kerasnn.ensembles.task import EnsembleTask

LOG_BOUNDS = (float(np.log(0.1)), float(np.log(4.0)))  # of the inverse temperature
MIN_LIKELIHOOD = 1e-7  # limits the loss of a confident, wrong row to 16 nats


@dataclass(frozen=True, eq=False)
class ValidationScore:
    """Losses of members on the rows that they did not learn from.

    Attributes:
        losses: [validation rows] cross-entropy at the fitted temperature, or squared error
            of standardised targets, its mean over the outputs.
        weights: [validation rows], not negative.
        inverse_temperature: factor of the logits for the whole ensemble; 1 for a
            regression.
    """

    losses: NDArray[np.float64]
    weights: NDArray[np.float64]
    inverse_temperature: float = 1.0

    @property
    def loss(self) -> float:
        """The weighted mean of the losses."""
        return float(np.average(self.losses, weights=self.weights))

    def is_as_good_as(self, best: "ValidationScore", standard_errors: float) -> bool:
        """Check whether this score is worse by at most a number of standard errors.

        Both are on the same rows, so the test is on the mean of paired differences.

        Source: the one-standard-error rule of Breiman et al., Classification and
        Regression Trees (1984), on paired rows.
        """
        differences = self.weights * (self.losses - best.losses)
        standard_error = differences.std() / np.sqrt(len(differences))
        return bool(differences.mean() <= standard_errors * standard_error)


def stacked_outputs(
    task: EnsembleTask, outputs: list[NDArray[np.float32]]
) -> NDArray[np.float64]:
    """Return the members' outputs for their validation rows, ordered by row.

    Args:
        task: decides the validation rows of each member.
        outputs: of each member, [its rows, n_logits].

    Returns:
        [repeats, validation rows, n_logits], in the order of
        `EnsembleTask.all_validation_rows`.
    """
    recipe, every = task.recipe, task.all_validation_rows
    stacked = np.empty((recipe.repeats, len(every), outputs[0].shape[1]))
    for m, (rows, own) in enumerate(zip(task.validation_rows, outputs, strict=True)):
        stacked[m // recipe.folds, np.searchsorted(every, rows)] = own
    return stacked


def of_all_rows(
    task: EnsembleTask, predictions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return predictions for validation rows in the order of all rows, NaN for the others.

    Args:
        task: decides the validation rows.
        predictions: [validation rows, n_out].
    """
    found = np.full((task.n_rows, *predictions.shape[1:]), np.nan)
    found[task.all_validation_rows] = predictions
    return found


def validation_score(task: EnsembleTask, outputs: NDArray[np.float64]) -> ValidationScore:
    """Return the score of a task's members, from their `stacked_outputs`."""
    kind, recipe = task.shape.task, task.recipe
    targets = task.targets[task.all_validation_rows]
    weights = _weights(task)
    if kind == "regression":
        squares = (outputs.mean(axis=0) - targets) ** 2
        return ValidationScore(np.mean(squares, axis=1), weights)

    if not recipe.calibrate:
        return ValidationScore(_mean_losses(kind, targets, outputs), weights)
    inverse = validation_inverse_temperature(task, outputs)
    extrapolated = np.log(inverse)
    if recipe.repeats > 1:
        # The mean of members is less confident than each of them, so a larger ensemble
        # needs a larger factor. The factors of one member and of the mean of a few are
        # extrapolated to all members, linearly in 1 / members.
        of_one = _best_log_inverse(
            lambda value: -log_likelihoods(kind, targets, outputs * value).mean(axis=0),
            weights,
        )
        few, many = 1 / recipe.repeats, 1 / recipe.members
        extrapolated += (np.log(inverse) - of_one) * (few - many) / (1 - few)
    losses = _mean_losses(kind, targets, outputs * inverse)
    return ValidationScore(losses, weights, float(np.exp(extrapolated)))


def validation_inverse_temperature(
    task: EnsembleTask, outputs: NDArray[np.float64]
) -> float:
    """Return the factor of the logits that is best for the members that left a row out.

    They are fewer than all members, for which a larger factor is best.

    Args:
        task: a classification.
        outputs: of its members, from `stacked_outputs`.
    """
    if not task.recipe.calibrate:
        return 1.0
    kind, labels = task.shape.task, task.targets[task.all_validation_rows]
    best = _best_log_inverse(
        lambda inverse: _mean_losses(kind, labels, outputs * inverse), _weights(task)
    )
    return float(np.exp(best))


def _weights(task: EnsembleTask) -> NDArray[np.float64]:
    """Return the weights of the validation rows."""
    weights = task.weights[task.all_validation_rows].astype(np.float64)
    # In time these are the later rows, and all of them may have no weight.
    return weights if weights.any() else np.ones_like(weights)


def _mean_losses(
    kind: TabularTask, labels: NDArray[np.int32], logits: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the cross-entropy of the members' mean probability, [rows]."""
    logs = log_likelihoods(kind, labels, logits)
    mean = logsumexp(logs, axis=0) - np.log(len(logits))
    return -np.maximum(mean, np.log(MIN_LIKELIHOOD))


def mean_predictions(
    kind: TabularTask, outputs: NDArray[np.float64], inverse_temperature: float
) -> NDArray[np.float64]:
    """Return the mean probabilities, or values, of `stacked_outputs`, [rows, n_out]."""
    if kind == "regression":
        return outputs.mean(axis=0)
    logits = outputs * inverse_temperature
    if kind == "binary":
        second = expit(logits).mean(axis=0)
        return np.concatenate([1 - second, second], axis=1)
    return np.exp(log_softmax(logits, axis=-1)).mean(axis=0)


def log_likelihoods(
    kind: TabularTask, labels: NDArray[np.int32], logits: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the log-likelihood of each row's label, in nats.

    Args:
        kind: "binary" or "multiclass".
        labels: [rows].
        logits: [repeats, rows, n_logits].

    Returns:
        [repeats, rows].
    """
    if kind == "binary":
        return log_expit(np.where(labels == 1, 1.0, -1.0) * logits[..., 0])
    logs = log_softmax(logits, axis=-1)
    return logs[:, np.arange(len(labels)), labels]


def _best_log_inverse(
    losses: Callable[[float], NDArray[np.float64]], weights: NDArray[np.float64]
) -> float:
    """Return the logarithm of the inverse temperature with the smallest mean loss."""
    found = minimize_scalar(
        lambda log_inverse: np.average(losses(np.exp(log_inverse)), weights=weights),
        bounds=LOG_BOUNDS,
        method="bounded",
        options={"xatol": 1e-2},
    )
    return float(found.x)
