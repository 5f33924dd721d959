"""An ensemble to be trained: prepared rows, the folds of its members, and seeds."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn.choices import TabularTask
from kerasnn.ensembles.groups import GroupArrays, GroupSource, MemberGroups
from kerasnn.ensembles.plan import BatchShape, RowNumbers
from kerasnn.ensembles.recipe import Recipe
from kerasnn.models import TabularConfig, TabularNetwork
from kerasnn.splits import Folds, Split
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

    def config(self, recipe: Recipe, members: int) -> TabularConfig:
        """Return the architecture of networks of this shape."""
        return TabularConfig(
            **vars(self),
            members=members,
            hidden_units=recipe.hidden_units,
            activation=recipe.activation,
            parametric_activation=recipe.parametric_activation,
            embedding=recipe.embedding,
            scaled=recipe.scaled,
        )

    def network(self, recipe: Recipe) -> TabularNetwork:
        """Return a new network of this shape; its weights are zero."""
        return TabularNetwork(self.config(recipe, recipe.members))


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
        division: groups or times that the folds respect.
    """

    x: NDArray[np.float32]
    codes: NDArray[np.int32]
    targets: NDArray[Any]
    weights: NDArray[np.float32]
    shape: NetworkShape
    recipe: Recipe
    seed: int
    division: Folds = field(default_factory=Folds)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.x)

    @cached_property
    def splits(self) -> list[Split]:
        """The rows of each member that is validated; none without folds."""
        recipe = self.recipe
        if not recipe.folds:
            return []
        return self.division.splits(
            self.targets, recipe.folds, repeats=recipe.repeats, seed=self.seed
        )

    @property
    def validation_rows(self) -> list[RowNumbers]:
        """Numbers of the validation rows of each member, which it does not learn from."""
        return [split.left_out for split in self.splits]

    @cached_property
    def all_validation_rows(self) -> RowNumbers:
        """Ascending numbers of the validation rows of all members: usually all rows.

        With folds in time, the first rows validate no member; without folds, no row does.
        """
        if not self.splits:
            return np.empty(0, np.int32)
        return np.unique(np.concatenate(self.validation_rows))

    @property
    def refits(self) -> bool:
        """True if others than the validated networks predict: they learn from all rows."""
        return bool(self.recipe.folds) and self.division.are_in_time

    @property
    def n_networks(self) -> int:
        """Number of networks that are trained: the members, twice with `refits`."""
        return self.recipe.members * (2 if self.refits else 1)

    @cached_property
    def training_rows(self) -> list[RowNumbers]:
        """Numbers of the rows that each network learns from; validated networks first."""
        all_rows = np.arange(self.n_rows, dtype=np.int32)
        learned = [split.learned for split in self.splits]
        return learned + [all_rows] * (self.n_networks - len(learned))

    @cached_property
    def batch_shape(self) -> BatchShape:
        """Number and size of each network's batches."""
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
        return self.n_networks * weights * (1 + self.batch_shape.width / 8)

    @cached_property
    def member_seeds(self) -> list[int]:
        """A seed for each network."""
        sequence = np.random.SeedSequence((self.seed, self.recipe.members))
        return [int(seed) for seed in sequence.generate_state(self.n_networks)]

    @property
    def compile_key(self) -> tuple[Any, ...]:
        """Equal for tasks that one compiled loop can train side by side."""
        return self.recipe, self.batch_shape, self.shape, self.n_networks


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
