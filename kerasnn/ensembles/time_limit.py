"""Trainings near a time limit: their speed, and smaller ensembles for very short ones."""

import dataclasses
import statistics

from kerasnn.ensembles.recipe import Recipe
from kerasnn.ensembles.task import EnsembleTask

# Measured on two slow cores, under driver "graph".
TRACE_SECONDS = 3.0
SECONDS_PER_STEP = 5e-3
SECONDS_PER_COST = 3.5e-9
SECONDS_PER_WEIGHT = 2e-8  # of the optimizer
USEFUL_STEPS = 200  # a network with fewer steps has hardly learned
USEFUL_EPOCHS = 2
MIN_MEMBERS = 2
PACES_KEPT = 9
MIN_SECONDS = 1e-6  # of a chunk, because clocks are coarse
SHARE_OF_CHUNK = 0.2  # of the time that is left
GROWTH = 8  # a chunk is at most this many times the largest before it


def seconds_per_step(task: EnsembleTask) -> float:
    """Estimate the seconds of a step under driver "graph"."""
    cost, width = task.cost_per_step, task.batch_shape.width
    weights = cost / (1 + width / 8)
    return SECONDS_PER_STEP + cost * SECONDS_PER_COST + weights * SECONDS_PER_WEIGHT


def fitting_task(task: EnsembleTask, seconds: float) -> EnsembleTask:
    """Return a task with fewer members, if all of them could hardly learn anything.

    If not even an epoch fits, the members learn from all rows and are not evaluated: the
    end of so short a training is its best epoch.

    Args:
        task: the ensemble, with as many members as the recipe gives it.
        seconds: of the training.
    """
    while not _fits(task, seconds) and task.recipe.members > MIN_MEMBERS:
        task = dataclasses.replace(task, recipe=_halved(task.recipe))
    epoch = task.batch_shape.steps * seconds_per_step(task)
    if seconds < TRACE_SECONDS + USEFUL_EPOCHS * epoch:
        recipe = dataclasses.replace(task.recipe, folds=0)
        task = dataclasses.replace(task, recipe=recipe)
    return task


def _fits(task: EnsembleTask, seconds: float) -> bool:
    steps = task.batch_shape.steps
    wanted = min(task.recipe.epochs * steps, max(USEFUL_EPOCHS * steps, USEFUL_STEPS))
    return TRACE_SECONDS + wanted * seconds_per_step(task) <= seconds


def _halved(recipe: Recipe) -> Recipe:
    """Return a recipe with half of the members, a multiple of its folds."""
    members = max(recipe.members // 2, MIN_MEMBERS)
    folds = min(recipe.folds, members)
    return dataclasses.replace(recipe, members=members - members % folds, folds=folds)


class Pace:
    """The speed of a training, measured between its chunks.

    The first chunk may include a compilation and does not count.

    Args:
        evaluation_steps: estimate of the steps that take as long as an evaluation.
    """

    def __init__(self, evaluation_steps: float) -> None:
        self._evaluation_steps = evaluation_steps
        self._evaluation: float | None = None
        self._paces: list[float] = []
        self._largest = 1

    def observe(self, steps: int, seconds: float, evaluation: float | None) -> None:
        """Add a chunk.

        Args:
            steps: of the chunk.
            seconds: that the steps took.
            evaluation: seconds of the evaluation after it; None without one.
        """
        self._paces.append(max(seconds, MIN_SECONDS) / steps)
        self._largest = max(self._largest, steps)
        if evaluation is not None:
            self._evaluation = evaluation

    @property
    def is_known(self) -> bool:
        """True after the second chunk."""
        return len(self._paces) > 1

    @property
    def seconds_per_step(self) -> float:
        """Median of the last chunks."""
        return statistics.median(self._paces[1:][-PACES_KEPT:] or self._paces)

    def steps_in(self, seconds: float, *, between_evaluations: int) -> int:
        """Return how many steps, with their evaluations, fit into some seconds.

        Args:
            seconds: to the end of the training, with the last evaluation.
            between_evaluations: usual number of steps between two evaluations.
        """
        per_step, evaluation = self.seconds_per_step, self._evaluation
        if evaluation is None:
            evaluation = self._evaluation_steps * per_step
        per_step += evaluation / between_evaluations
        return max(0, int((seconds - evaluation) / per_step))

    def chunk_in(self, seconds: float) -> int:
        """Return the number of steps of a chunk that ends well within some seconds."""
        fitting = int(seconds * SHARE_OF_CHUNK / self.seconds_per_step)
        return max(1, min(fitting, GROWTH * self._largest))
