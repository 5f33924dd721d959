"""What the rows say that a member did not learn from: which epoch, and how sure to be.

Where the rows were dealt into folds several times, each row has several members that did
not see it, and their mean is a small ensemble of the kind that will answer: it is that
mean that is judged.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, log_softmax, logsumexp

from kerasnn.choices import TabularTask
from kerasnn.ensembles.task import Job

SHARPNESS_BOUNDS = (float(np.log(0.1)), float(np.log(4.0)))
LIKELIHOOD_FLOOR = 1e-7  # a row that is wrong and sure costs no more than 16 nats


@dataclass(frozen=True, eq=False)
class HeldOutScore:
    """How good the members are on the rows that they left out.

    Attributes:
        losses: of each row, [rows]: cross-entropy once the sharpness is fitted, or the
            squared error of standardised targets, the mean over the outputs.
        weights: of the rows, mean one.
        sharpness: factor of the logits for the whole ensemble; 1 for a regression.
    """

    losses: NDArray[np.float64]
    weights: NDArray[np.float64]
    sharpness: float = 1.0

    @property
    def loss(self) -> float:
        """The weighted mean of the losses."""
        return float(np.average(self.losses, weights=self.weights))

    def is_as_good_as(self, best: "HeldOutScore", standard_errors: float) -> bool:
        """Whether it is worse by no more than chance: so many standard errors.

        The rows are the same, so it is their differences whose mean is looked at.

        Source: the one-standard-error rule of Breiman et al., Classification and
        Regression Trees (1984), on paired rows.
        """
        differences = self.weights * (self.losses - best.losses)
        standard_error = differences.std() / np.sqrt(len(differences))
        return bool(differences.mean() <= standard_errors * standard_error)


def held_out_outputs(job: Job, outputs: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    """The outputs of the members for the rows that they left out, row by row.

    Args:
        job: knows which rows these are.
        outputs: of each member, [its rows, n_logits].

    Returns:
        [repeats, rows, n_logits].
    """
    recipe = job.recipe
    stacked = np.empty((recipe.repeats, job.n_rows, outputs[0].shape[1]))
    for m, (rows, own) in enumerate(zip(job.held_out, outputs, strict=True)):
        stacked[m // recipe.folds, rows] = own
    return stacked


def held_out_score(job: Job, outputs: NDArray[np.float64]) -> HeldOutScore:
    """The score of one job's members, from `held_out_outputs`."""
    weights = job.weights.astype(np.float64)
    if job.task == "regression":
        squares = (outputs.mean(axis=0) - job.targets) ** 2
        return HeldOutScore(np.mean(squares, axis=1), weights)

    def losses(log_sharpness: float) -> NDArray[np.float64]:
        """Of the mean probability over the repeats, [rows]."""
        logs = log_likelihoods(job.task, job.targets, outputs * np.exp(log_sharpness))
        mean = logsumexp(logs, axis=0) - np.log(len(logs))
        return -np.maximum(mean, np.log(LIKELIHOOD_FLOOR))

    def losses_alone(log_sharpness: float) -> NDArray[np.float64]:
        """Of the probability that each repeat gives, the mean over them, [rows]."""
        logs = log_likelihoods(job.task, job.targets, outputs * np.exp(log_sharpness))
        return -logs.mean(axis=0)

    if not job.recipe.calibrated:
        return HeldOutScore(losses(0.0), weights)
    together = _least(losses, weights)
    sharpness = together
    if job.recipe.repeats > 1:
        # A mean over members is softer than each, so they may be sharper, the more the
        # more of them there are: one member's sharpness and that of the mean of a few
        # show how much, taken on to all, linearly in 1 / members.
        alone = _least(losses_alone, weights)
        few, many = 1 / job.recipe.repeats, 1 / job.recipe.members
        sharpness = together + (together - alone) * (few - many) / (1 - few)
    return HeldOutScore(losses(together), weights, float(np.exp(sharpness)))


def held_out_answers(
    job: Job, outputs: NDArray[np.float64], sharpness: float
) -> NDArray[np.float64]:
    """Probabilities [rows, n_out], or standardised values, of the members that left out."""
    if job.task == "regression":
        return outputs.mean(axis=0)
    logits = outputs * sharpness
    if job.task == "binary":
        second = expit(logits).mean(axis=0)
        return np.concatenate([1 - second, second], axis=1)
    return np.exp(log_softmax(logits, axis=-1)).mean(axis=0)


def log_likelihoods(
    task: TabularTask, labels: NDArray[np.int32], logits: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Of each row's label, in nats.

    Args:
        task: "binary" or "multiclass".
        labels: [rows].
        logits: [repeats, rows, n_logits].

    Returns:
        [repeats, rows].
    """
    if task == "binary":
        return log_expit(np.where(labels == 1, 1.0, -1.0) * logits[..., 0])
    logs = log_softmax(logits, axis=-1)
    return logs[:, np.arange(len(labels)), labels]


def _least(
    losses: Callable[[float], NDArray[np.float64]], weights: NDArray[np.float64]
) -> float:
    """The logarithm of the sharpness that makes the mean loss least."""
    found = minimize_scalar(
        lambda log_sharpness: np.average(losses(log_sharpness), weights=weights),
        bounds=SHARPNESS_BOUNDS,
        method="bounded",
        options={"xatol": 1e-2},
    )
    return float(found.x)
