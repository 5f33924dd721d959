"""An ensemble to be trained: prepared rows, the folds of its members, and seeds."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn.choices import TabularTask
from kerasnn.ensembles.groups import GroupArrays, GroupSource, MemberGroups
from kerasnn.ensembles.plan import BatchShape, RowNumbers
from kerasnn.ensembles.recipe import Recipe
from kerasnn.models import TabularNetwork
from kerasnn.training.distribution.workers import ALONE, SingleProcess

# From "y" of the shards to targets of a step: [rows] labels, or [rows, 1] standardised.
TargetTransform = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True)
class NetworkShape:
    """Inputs and outputs of the networks.

    Attributes:
        n_numeric: columns of x that are numbers.
        n_in: columns of x.
        n_out: classes or values.
        task: "binary", "multiclass" or "regression".
        cardinalities: number of codes of each column of `codes`.
    """

    n_numeric: int
    n_in: int
    n_out: int
    task: TabularTask
    cardinalities: tuple[int, ...]

    def arguments(self, recipe: Recipe, members: int) -> dict[str, Any]:
        """Return the arguments of a `TabularNetwork` of this shape."""
        return {
            "n_numeric": self.n_numeric,
            "n_in": self.n_in,
            "n_out": self.n_out,
            "task": self.task,
            "cardinalities": self.cardinalities,
            "members": members,
            "weight_sharing": recipe.weight_sharing,
            "hidden_units": recipe.hidden_units,
            "activation": recipe.activation,
            "parametric_activation": recipe.parametric_activation,
            "embedding": recipe.embedding,
            "scaled": recipe.scaled,
        }

    def network(self, recipe: Recipe) -> TabularNetwork:
        """Return a new network of this shape; its weights are zero."""
        return TabularNetwork(**self.arguments(recipe, recipe.members))


@dataclass(frozen=True)
class EnsembleTask:
    """Rows in memory, and the ensemble that learns from them.

    Attributes:
        x: [rows, n_in] float32.
        codes: [rows, len(cardinalities)] int32.
        targets: [rows] int32 labels, or [rows, n_out] float32 standardised values.
        weights: [rows] float32, mean one.
        shape: inputs and outputs of the networks.
        recipe: how they are trained.
        seed: decides everything that is random.
    """

    x: NDArray[np.float32]
    codes: NDArray[np.int32]
    targets: NDArray[Any]
    weights: NDArray[np.float32]
    shape: NetworkShape
    recipe: Recipe
    seed: int

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.x)

    @cached_property
    def validation_rows(self) -> list[RowNumbers]:
        """Numbers of the rows that each member does not learn from."""
        folds = [
            stratified_folds(self.targets, self.recipe.folds, seed=(self.seed, repeat))
            for repeat in range(self.recipe.repeats)
        ]
        return [
            np.flatnonzero(fold_of_row == fold).astype(np.int32)
            for fold_of_row in folds
            for fold in range(self.recipe.folds)
        ]

    @cached_property
    def training_rows(self) -> list[RowNumbers]:
        """Numbers of the rows that each member learns from."""
        all_rows = np.arange(self.n_rows, dtype=np.int32)
        if not self.recipe.folds:
            return [all_rows] * self.recipe.members
        return [np.setdiff1d(all_rows, left_out) for left_out in self.validation_rows]

    @cached_property
    def batch_shape(self) -> BatchShape:
        """Number and size of each member's batches."""
        largest = max(len(rows) for rows in self.training_rows)
        return BatchShape.of(largest, self.recipe.batch_size)

    @property
    def cost_per_step(self) -> float:
        """Approximate cost of one step, in weight reads and updates."""
        recipe = self.recipe
        embedded = self.shape.n_numeric * 3 if recipe.embedding != "none" else 0
        n_in = self.x.shape[1] + embedded + 8 * self.codes.shape[1]
        widths = (n_in, *recipe.hidden_units, self.shape.n_out)
        weights = sum(a * b for a, b in itertools.pairwise(widths))
        return recipe.members * weights * (1 + self.batch_shape.width / 8)

    @cached_property
    def member_seeds(self) -> list[int]:
        """A seed for each member."""
        sequence = np.random.SeedSequence((self.seed, self.recipe.members))
        return [int(seed) for seed in sequence.generate_state(self.recipe.members)]

    @property
    def compile_key(self) -> tuple[Any, ...]:
        """Equal for tasks that one compiled loop can train side by side."""
        own = id(self) if self.recipe.weight_sharing == "batch-ensemble" else None
        return self.recipe, self.batch_shape, self.shape, own


@dataclass(frozen=True)
class DiskTask:
    """Rows on disk, and the ensemble that learns from them.

    Attributes:
        validation: the ensemble, with the validation rows, which no member learns from.
        rows: training rows, on disk.
        sample_x, sample_codes: some training rows, for the initial weights.
        transform: from targets on disk to those of a step.
        fingerprint: identifies the table.
    """

    validation: EnsembleTask
    rows: GroupSource
    sample_x: NDArray[np.float32]
    sample_codes: NDArray[np.int32]
    transform: TargetTransform
    fingerprint: str

    def feed(self, workers: SingleProcess = ALONE) -> MemberGroups:
        """Return the training rows for the loop; each worker gets its own part."""
        return MemberGroups(
            self.rows,
            self.validation.member_seeds,
            self.validation.recipe.batch_size,
            self._arrays,
            place=(workers.worker, workers.n_workers),
        )

    def _arrays(self, data: tuple[Mapping[str, Any], NDArray[Any]]) -> GroupArrays:
        inputs, targets = data
        return inputs["x"], inputs["codes"], self.transform(targets)


def stratified_folds(
    targets: NDArray[Any], n_folds: int, *, seed: Sequence[int] | int
) -> NDArray[np.int64]:
    """Assign rows to folds of equal size, with similar targets in each.

    The rows are sorted by target, and every `n_folds` neighbours go to different folds: a
    rare class is in as many folds as possible, and numbers are spread as evenly.

    Args:
        targets: [rows], or [rows, n_out], whose first column counts.
        n_folds: at least 2, or 1 for a single fold of all rows.
        seed: decides the order of equal targets, and the folds of neighbours.

    Returns:
        [rows] the fold of each row.
    """
    rng = np.random.default_rng(seed)
    first = targets if targets.ndim == 1 else targets[:, 0]
    n_rows = len(first)
    order = np.lexsort((rng.random(n_rows), first))
    n_runs = -(-n_rows // n_folds)
    folds = rng.permuted(np.tile(np.arange(n_folds), (n_runs, 1)), axis=1).reshape(-1)
    fold_of_row = np.empty(n_rows, np.int64)
    fold_of_row[order] = folds[:n_rows]
    return fold_of_row
