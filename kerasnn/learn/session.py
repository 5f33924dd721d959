"""One training, step by step, in the compiled loop of `kerasnn.Trainer`."""

import math
import threading
from typing import Any, ClassVar, Literal

import keras
import numpy as np
import tensorflow as tf

from kerasnn.layers import raw_variables
from kerasnn.learn.rows import LearnRows, lesson_rows
from kerasnn.learn.settings import LearnSettings
from kerasnn.models import REGRESSION, DigitsNetwork, MLPNetwork, SigmoidNetwork
from kerasnn.models.mlp_base import Defaults
from kerasnn.training import make_optimizer, make_plan
from kerasnn.training.compiled.programs import programs_of
from kerasnn.training.feeds.array_feed import ArrayFeed
from kerasnn.training.learner import learner_of
from kerasnn.training.runner import Runner

MAX_EPOCHS = 5000
DEAD_BIAS = -10.0  # of every hidden unit: no input of a row in [0, 1] outweighs it

TrainingState = Literal["ready", "diverged", "finished"]


class ValueNetwork(MLPNetwork):
    """ReLU units and a plain number as output, for a target of numbers."""

    activation = staticmethod(tf.nn.relu)
    output_activation = staticmethod(tf.identity)
    head = REGRESSION
    defaults: ClassVar[Defaults | None] = Defaults(
        1, (30,), 1, use_bias=True, initializer="glorot"
    )


class ForgetfulAdam(keras.optimizers.Adam):
    """A new Adam at each step: it forgets its means of gradients and counts one step."""

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Update the weights as an Adam does at its first step."""
        for variable in self.variables:
            if variable is not self.learning_rate:
                variable.assign(tf.zeros(variable.shape, variable.dtype))
        super().apply(grads, trainable_variables)


class LearnSession:
    """A network in training, with its rows.

    Args:
        settings: of the training.
        rows: None for those of the lesson.

    Attributes:
        epoch: number of complete epochs.
        done: steps of the current epoch that are complete.
        history: loss of each complete epoch, over its training rows, as `fit` returns it;
            for a classifier also its accuracy.
        state: "diverged" if a loss was not finite, "finished" after `MAX_EPOCHS`.
        lock: held by the thread that trains or reads the weights.
    """

    def __init__(self, settings: LearnSettings, rows: LearnRows | None = None) -> None:
        rows = rows or lesson_rows(settings)
        self.network = _network(settings, rows)
        forgets = settings.broken == "new-adam"
        self.optimizer = ForgetfulAdam() if forgets else make_optimizer(settings.optimizer)
        self.lock = threading.Lock()
        learner = learner_of(self.network, self.optimizer)
        self._variables = raw_variables(
            [*self.network.variables, *self.optimizer.variables]
        )
        self._untrained = [tf.identity(variable) for variable in self._variables]
        self._runner = Runner(
            programs_of(learner), "train_step", wanted="graph", driver="graph"
        )
        self.restart(settings, rows)
        self._runner.prepare(self._feed.batch_spec)

    def restart(self, settings: LearnSettings, rows: LearnRows | None = None) -> None:
        """Begin again, without a new trace of the step.

        Args:
            settings: with the same `machine` as before.
            rows: of the same shapes as before.
        """
        self.settings, self.rows = settings, rows or lesson_rows(settings)
        self.epoch = self.done = 0
        self.history: list[dict[str, float]] = []
        self.state: TrainingState = "ready"
        for variable, value in zip(self._variables, self._untrained, strict=True):
            variable.assign(value)
        self.network.initialize(settings.seed)
        self.optimizer.learning_rate.assign(settings.learning_rate)
        if settings.broken == "dead-relu":
            bias = self.network.layers[0].bias
            assert bias is not None  # use_bias=True
            bias.assign(np.full(settings.width, DEAD_BIAS, np.float32))
        n_rows = len(self.rows.x_train)
        plan = make_plan("shuffled", n_rows, settings.batch_size, seed=settings.seed)
        data = (tf.constant(self.rows.x_train), tf.constant(self.rows.y_train))
        self._feed = ArrayFeed(data, plan)

    @property
    def steps(self) -> int:
        """Number of steps of an epoch."""
        return self._feed.plan.steps

    @property
    def has_signed_labels(self) -> bool:
        """True if the labels are -1 and 1, not 0 and 1."""
        return self.settings.broken == "signed-labels"

    def step(self, count: int = 1) -> dict[str, float]:
        """Run some steps, at most to the end of the epoch.

        Returns:
            The metrics of the epoch so far, means over its rows.
        """
        if self.state != "ready":
            return {}
        chunks = self._feed.chunks(self.epoch, lambda: count, done=self.done)
        chunk = next(chunks)
        (logs,), _ = self._runner.run(chunk)
        self.done += chunk.stop - chunk.first
        if not all(map(math.isfinite, logs.values())):
            self.state = "diverged"
        elif self.done == self.steps:
            self.history.append(logs)
            self.epoch, self.done = self.epoch + 1, 0
            if self.epoch == MAX_EPOCHS:
                self.state = "finished"
        return logs

    def advance(self, count: int) -> None:
        """Run some steps, beyond the end of the epoch if there are more."""
        while count > 0 and self.state == "ready":
            n = min(count, self.steps - self.done)
            self.step(n)
            count -= n


def _network(settings: LearnSettings, rows: LearnRows) -> MLPNetwork:
    """Return the untrained network: 2-width-1 sigmoid units, or ReLU units."""
    sizes: tuple[Any, ...] = (rows.n_in, (settings.width,), rows.n_out)
    kind = DigitsNetwork if rows.task == "classification" else ValueNetwork
    if settings.data == "iris":
        kind = SigmoidNetwork
    return kind(*sizes, use_bias=True, initializer="glorot", seed=settings.seed)
