"""One ensemble to be trained: prepared rows, who learns from which of them, and seeds."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn.choices import TabularTask
from kerasnn.ensembles.plan import BatchShape
from kerasnn.ensembles.recipe import Recipe
from kerasnn.models import TabularNetwork

RowNumbers = NDArray[np.int32]


@dataclass(frozen=True)
class Job:
    """What `train_jobs` trains.

    Attributes:
        x: [rows, n_in] float32.
        codes: [rows, len(cardinalities)] int32.
        targets: [rows] int32 labels, or [rows, n_out] float32 standardised values.
        weights: [rows] float32, mean one.
        n_numeric: columns of x that are numbers.
        cardinalities: codes of each column of `codes`.
        n_out: classes or values.
        task: of the network.
        recipe: how it is trained.
        seed: of everything drawn at random.
    """

    x: NDArray[np.float32]
    codes: NDArray[np.int32]
    targets: NDArray[Any]
    weights: NDArray[np.float32]
    n_numeric: int
    cardinalities: tuple[int, ...]
    n_out: int
    task: TabularTask
    recipe: Recipe
    seed: int

    @property
    def n_rows(self) -> int:
        """Training rows."""
        return len(self.x)

    @cached_property
    def held_out(self) -> list[RowNumbers]:
        """The rows that each member does not learn from."""
        return [
            np.flatnonzero(fold_of == fold).astype(np.int32)
            for fold_of in self.fold_of_rows
            for fold in range(self.recipe.folds)
        ]

    @cached_property
    def fold_of_rows(self) -> list[NDArray[np.int64]]:
        """The fold of each row, for each time that they are dealt."""
        return [
            deal(self.targets, self.recipe.folds, seed=(self.seed, repeat))
            for repeat in range(self.recipe.repeats)
        ]

    @cached_property
    def rows(self) -> list[RowNumbers]:
        """The rows that each member learns from."""
        everything = np.arange(self.n_rows, dtype=np.int32)
        if not self.recipe.folds:
            return [everything] * self.recipe.members
        return [np.setdiff1d(everything, held_out) for held_out in self.held_out]

    @cached_property
    def batch_shape(self) -> BatchShape:
        """Of each member's batches."""
        most = max(len(rows) for rows in self.rows)
        return BatchShape.of(most, self.recipe.batch_size)

    @property
    def updates_per_step(self) -> float:
        """About how many weights are met in a step: by each row, and to be changed."""
        recipe = self.recipe
        embedded = self.n_numeric * 3 if recipe.embedding != "none" else 0
        n_in = self.x.shape[1] + embedded + 8 * self.codes.shape[1]
        widths = (n_in, *recipe.hidden_units, self.n_out)
        weights = sum(a * b for a, b in itertools.pairwise(widths))
        return recipe.members * weights * (1 + self.batch_shape.width / 8)

    @cached_property
    def member_seeds(self) -> list[int]:
        """A seed for each member."""
        sequence = np.random.SeedSequence((self.seed, self.recipe.members))
        return [int(seed) for seed in sequence.generate_state(self.recipe.members)]

    @property
    def together(self) -> tuple[Any, ...]:
        """Equal for jobs that one compiled loop can train side by side."""
        own = id(self) if self.recipe.sharing == "batch-ensemble" else None
        return self.recipe, self.batch_shape, repr(self.network_arguments(1)), own

    def network_arguments(self, members: int) -> dict[str, Any]:
        """The arguments of the `TabularNetwork`, for so many members."""
        recipe = self.recipe
        return {
            "n_numeric": self.n_numeric,
            "n_in": self.x.shape[1],
            "n_out": self.n_out,
            "task": self.task,
            "cardinalities": self.cardinalities,
            "members": members,
            "sharing": recipe.sharing,
            "hidden_units": recipe.hidden_units,
            "activation": recipe.activation,
            "curved": recipe.curved,
            "embedding": recipe.embedding,
            "scaled": recipe.scaled,
        }

    def network(self) -> TabularNetwork:
        """A new network for this job, its weights all zero."""
        return TabularNetwork(**self.network_arguments(self.recipe.members))


def deal(
    targets: NDArray[Any], n_folds: int, *, seed: Sequence[int] | int
) -> NDArray[np.int64]:
    """The fold of each row: folds of equal size, with like targets in each.

    Rows are laid in the order of their targets, and each run of `n_folds` neighbours goes
    to folds of their own: a rare class is in as many folds as it can be, and numbers are
    spread as evenly.

    Args:
        targets: [rows], or [rows, n_out], whose first column counts.
        n_folds: at least 2.
        seed: decides among equal targets, and who goes where.
    """
    rng = np.random.default_rng(seed)
    first = targets if targets.ndim == 1 else targets[:, 0]
    n_rows = len(first)
    order = np.lexsort((rng.random(n_rows), first))
    n_runs = -(-n_rows // n_folds)
    folds = rng.permuted(np.tile(np.arange(n_folds), (n_runs, 1)), axis=1).reshape(-1)
    fold_of = np.empty(n_rows, np.int64)
    fold_of[order] = folds[:n_rows]
    return fold_of
