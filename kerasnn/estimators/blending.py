"""Trees beside the networks of an ensemble, if they lower the loss on left-out rows."""

import dataclasses
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kerasnn.deadline import Deadline
from kerasnn.ensembles.result import TrainedEnsemble
from kerasnn.ensembles.task import EnsembleTask
from kerasnn.ensembles.validation import (
    ValidationScore,
    validation_inverse_temperature,
    validation_score,
)
from kerasnn.estimators.leaderboard import Predictions, calibrated_predictions
from kerasnn.trees import Forest
from kerasnn.trees.boosting import BoostedFolds, Rows

SHARES = np.arange(11) / 10  # of the trees
EVEN, SMALLER = 0.5, 0.3  # preferred shares; the smaller one below `FEW_ROWS`
FEW_ROWS = 250  # from fewer rows, trees learn less than networks
STANDARD_ERRORS = 2.0  # within which a share counts as good as the best
PATIENCE = 50  # rounds without a smaller loss


@dataclass(frozen=True, eq=False)
class Blend:
    """Trees whose outputs are added to those of each member of an ensemble.

    Attributes:
        forest: the trees; their values include the factor `share`.
        network_factor: factor of the members' outputs.
        share: weight of the trees, 0 to 1.
        rounds: number of boosting rounds.
        losses: of "networks", "trees" and "both", on the left-out rows.
    """

    forest: Forest
    network_factor: float
    share: float
    rounds: int
    losses: dict[str, float]

    @property
    def description(self) -> dict[str, Any]:
        """Share, rounds, sizes and losses, as JSON values."""
        shape = self.forest.shape
        return {
            "share": self.share,
            "rounds": self.rounds,
            "trees": shape.trees,
            "nodes": shape.nodes,
            "losses": self.losses,
        }

    def __str__(self) -> str:
        return f"{len(self.forest.roots):,} trees, {self.share:.0%} of the answer"


class Blended(NamedTuple):
    """An ensemble with trees.

    Attributes:
        trained: the ensemble, with the validation outputs and score of both together.
        blend: the trees; None where they do not help.
        predictions: for the left-out rows, of "trees" and of "networks and trees"; empty
            where no trees were grown.
    """

    trained: TrainedEnsemble
    blend: Blend | None = None
    predictions: Predictions = {}


def blend_with_trees(trained: TrainedEnsemble, deadline: Deadline | None = None) -> Blended:
    """Grow trees, and add them to the networks if that lowers the loss on left-out rows.

    Args:
        trained: networks.
        deadline: no trees are grown after it.
    """
    outputs, task = trained.validation_outputs, trained.task
    if outputs is None or not _can_have_trees(trained):
        return Blended(trained)
    networks, factor = outputs.astype(np.float64), 1.0
    if task.shape.task != "regression":
        factor = validation_inverse_temperature(task, networks)
    folds = _folds(task)
    rounds, of_trees = _grow(folds, task, deadline)
    mixed = {s: (1 - s) * factor * networks + s * of_trees for s in SHARES.tolist()}
    scores = {share: validation_score(task, both) for share, both in mixed.items()}
    share = _chosen(scores, EVEN if len(task.x) >= FEW_ROWS else SMALLER)
    predictions = {"trees": calibrated_predictions(task, mixed[1.0])}
    if share == 0:
        return Blended(trained, None, predictions)
    forest = folds.refitted(rounds) if task.refits else folds.forest(rounds)
    named = {"networks": 0.0, "trees": 1.0, "both": share}
    blend = Blend(
        forest=forest.scaled(share),
        network_factor=factor * (1 - share),
        share=share,
        rounds=rounds,
        losses={name: scores[part].loss for name, part in named.items()},
    )
    if share < 1:
        predictions["networks and trees"] = calibrated_predictions(task, mixed[share])
    blended = mixed[share].astype(np.float32)
    changed = {"validation_outputs": blended, "score": scores[share]}
    return Blended(dataclasses.replace(trained, **changed), blend, predictions)


def _chosen(scores: dict[float, ValidationScore], preferred: float) -> float:
    """Return the share that is nearest to a preferred one among those as good as the best.

    The share with the smallest loss is partly chance; the preferred one errs less often.
    """
    best = min(scores.values(), key=lambda score: score.loss)
    good = [s for s, score in scores.items() if score.is_as_good_as(best, STANDARD_ERRORS)]
    return min(good, key=lambda share: abs(share - preferred))


def _grow(
    folds: BoostedFolds, task: EnsembleTask, deadline: Deadline | None
) -> tuple[int, NDArray[np.float64]]:
    """Grow trees until they no longer improve.

    Returns:
        The best number of rounds, and the outputs then, [1, validation rows, n_logits].
    """
    best, rounds, kept = np.inf, 0, np.empty(0)
    while folds.rounds < min(rounds + PATIENCE, folds.max_rounds) or not rounds:
        outputs = folds.grow()[task.all_validation_rows][np.newaxis]
        # The score expects the networks' number of repeats; those of trees are all equal.
        loss = validation_score(task, np.repeat(outputs, task.recipe.repeats, axis=0)).loss
        if loss < best:
            best, rounds, kept = loss, folds.rounds, outputs
        if deadline is not None and deadline.left() <= 0:
            break
    return rounds, kept


def _can_have_trees(trained: TrainedEnsemble) -> bool:
    """Check whether trees can learn the task: one value, or two classes in each fold.

    Rows without a weight teach nothing.
    """
    task = trained.task
    if not trained.has_oof_rows:
        return False
    learned = [split.learned for split in task.splits]
    weighted = [rows[task.weights[rows] > 0] for rows in learned]
    if task.shape.task == "regression":
        return task.shape.n_out == 1 and all(len(rows) for rows in weighted)
    given, taught = (
        [len(np.unique(task.targets[rows])) for rows in folds]
        for folds in (learned, weighted)
    )
    return given == taught and min(taught) > 1


def _folds(task: EnsembleTask) -> BoostedFolds:
    """Return boosted trees for the first division of the rows into folds."""
    targets = task.targets
    if task.shape.task == "regression":
        targets = targets[:, 0]
    return BoostedFolds(
        Rows(task.x, task.codes, targets, task.weights),
        task.splits[: task.recipe.folds],
        task.shape.task,
        task.shape.cardinalities,
        task.seed,
    )
