"""What the rows say that a member did not learn from: which epoch, and how sure to be."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_expit, log_softmax

from kerasnn.choices import TabularTask
from kerasnn.estimators.job import Job

SHARPNESS_BOUNDS = (np.log(0.1), np.log(4.0))


class HeldOutScore(NamedTuple):
    """How good the members are on the rows that they left out.

    Attributes:
        loss: cross-entropy after the sharpness is fitted, or the mean squared error of
            standardised targets.
        sharpness: factor of the logits that makes the loss least; 1 for a regression.
    """

    loss: float
    sharpness: float


def held_out_score(
    job: Job, outputs: list[NDArray[np.float32]], *, calibrated: bool
) -> HeldOutScore:
    """The score of one job's members.

    Args:
        job: knows the rows that each member left out.
        outputs: of each member for these rows, [rows, n_logits].
        calibrated: whether to fit the sharpness.
    """
    rows = np.concatenate(job.held_out)
    stacked = np.concatenate(outputs).astype(np.float64)
    targets, weights = job.targets[rows], job.weights[rows].astype(np.float64)
    if job.task == "regression":
        squares = np.mean((stacked - targets) ** 2, axis=1)
        return HeldOutScore(float(np.average(squares, weights=weights)), 1.0)

    def loss(log_sharpness: float) -> float:
        return float(
            np.average(
                -log_likelihoods(job.task, targets, stacked * np.exp(log_sharpness)),
                weights=weights,
            )
        )

    if not calibrated:
        return HeldOutScore(loss(0.0), 1.0)
    best = minimize_scalar(
        loss, bounds=SHARPNESS_BOUNDS, method="bounded", options={"xatol": 1e-3}
    )
    return HeldOutScore(float(best.fun), float(np.exp(best.x)))


def log_likelihoods(
    task: TabularTask, labels: NDArray[np.int32], logits: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Of each row's label, [rows], in nats."""
    if task == "binary":
        signs = np.where(labels == 1, 1.0, -1.0)
        return log_expit(signs * logits[:, 0])
    logs = log_softmax(logits, axis=1)
    return logs[np.arange(len(labels)), labels]
