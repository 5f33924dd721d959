"""Where the steps of a model run: in this process, or on the workers of a strategy.

The choice is made once, from the model, by `execution_of`. An `Execution` owns everything
that depends on it: seed, feed, runner and checkpoints. No other module asks.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kerasnn.choices import FitDriver
from kerasnn.errors import InputError
from kerasnn.training.checkpoints.run_checkpoints import SECONDS_BETWEEN, RunCheckpoints
from kerasnn.training.checkpoints.saver import Saver
from kerasnn.training.checks import check_variables
from kerasnn.training.compiled.chunks import Feed
from kerasnn.training.distribution.checkpoints import DistributedSaver, make_checkpoints
from kerasnn.training.distribution.runner import DistributedRunner
from kerasnn.training.distribution.sharding import sharded_feed
from kerasnn.training.distribution.workers import (
    ALONE,
    SingleProcess,
    WorkerGroup,
    workers_of,
)
from kerasnn.training.feeds.array_feed import ArrayFeed
from kerasnn.training.runner import Runner


@dataclass(frozen=True)
class CheckpointOptions:
    """The checkpoint arguments of `fit`.

    Attributes:
        folder: where checkpoints are written; None for none.
        every_seconds: time between two checkpoints.
        resume: whether to resume from the newest one, if there is one.
    """

    folder: str | Path | None = None
    every_seconds: float = SECONDS_BETWEEN
    resume: bool = False


@dataclass(frozen=True)
class RunStart:
    """The settings of a run as it begins, or as its checkpoint has them.

    Attributes:
        seed: of the row orders; None draws one from NumPy's global generator.
        driver: the driver that was asked for.
        checkpoints: None if the run is not saved.
    """

    seed: int | None
    driver: FitDriver
    checkpoints: RunCheckpoints | None


def unsharded_feed(feed: Feed, **settings: object) -> Feed:
    """Return the feed itself."""
    return feed


@dataclass(frozen=True)
class Execution:
    """Where the steps of a model run, and what depends on it.

    Attributes:
        workers: this process alone, or the workers of the strategy.
        strategy: the one in whose scope the model was made; None for this process alone.
        runner: makes what runs the steps; arguments as of `Runner`.
        saver: makes the hook that saves a fit; arguments as of `Saver`.
        feed: makes the feed of the rows that this process trains on, from the feed of all
            rows and settings that must be equal on every worker.
    """

    workers: SingleProcess = ALONE
    strategy: tf.distribute.Strategy | None = None
    runner: Callable[..., Runner] = Runner
    saver: Callable[..., Saver] = Saver
    feed: Callable[..., Any] = unsharded_feed

    def check_variables(self, model: Any, feed: ArrayFeed) -> None:
        """Check that a network trains all Variables that it uses; not on a strategy.

        Raises:
            InputError: it does not.
        """
        if self.strategy is None:
            check_variables(model, feed.rows[0][:1])

    def check_may_fall_back(self, reason: str) -> None:
        """Check that Keras's own loop may train in place of the compiled one.

        Raises:
            InputError: it fails on the workers of a strategy.
        """
        if self.strategy is not None:
            raise InputError(f"several workers cannot train this: {reason}")

    def fresh_seed(self) -> int | None:
        """Return a random seed; None on a strategy, whose workers agree on one later."""
        return secrets.randbits(31) if self.strategy is None else None

    def start(
        self, seed: int | None, driver: FitDriver, options: CheckpointOptions
    ) -> RunStart:
        """Begin a run, or resume the one whose checkpoints are in the folder.

        Raises:
            InputError: the folder cannot be used, or its run had other settings.
        """
        seed = self.workers.agreed_seed(seed)
        if options.folder is None:
            return RunStart(seed, driver, None)
        checkpoints = make_checkpoints(
            self.workers,
            options.folder,
            every_seconds=options.every_seconds,
            resume=options.resume,
        )
        seed = checkpoints.setting("seed", seed)
        if seed is None:
            seed = draw_seed()
        return RunStart(seed, checkpoints.driver(driver), checkpoints)


def execution_of(model: Any) -> Execution:
    """Return where the steps of a model run, by the scope in which it was made."""
    workers = workers_of(model)
    if not isinstance(workers, WorkerGroup):
        return Execution()
    return Execution(
        workers,
        workers.strategy,
        runner=partial(DistributedRunner, workers),
        saver=partial(DistributedSaver, workers),
        feed=partial(sharded_feed, workers),
    )


def draw_seed() -> int:
    """Return a seed from NumPy's global generator, as Keras draws it."""
    return int(np.random.randint(2**31))  # noqa: NPY002
