"""Who trains together under `tf.distribute`, and what they agree on.

Workers are processes, each with one replica or more; the first of them is the chief. They
must take the same steps in the same order, or they wait for each other for ever: whatever
depends on time, signals, files or chance is agreed on here. How a step is dealt out is
`distributed`'s.
"""

import contextlib
import functools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from kerasnn.errors import InputError, WorkerLostError
from kerasnn.layers import raw_variables

STRATEGIES = (
    tf.distribute.MirroredStrategy,  # that of several machines is another class
    tf.distribute.MultiWorkerMirroredStrategy,
)
# What the others are told when a worker has gone.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)
# What its other errors say of it: internal, unknown, failed preconditions. An incarnation
# is a worker that was started again, alone.
_SIGNS_OF_LOSS = (
    *("Collective ops is aborted by", "is down", "incarnation", "heartbeat"),
    *("reset by peer", "Socket closed", "Broken pipe", "onnection refused"),
    *("ailed to connect", "onnection closed"),
)


def strategy_of(model: Any) -> tf.distribute.Strategy | None:
    """The strategy in whose scope a model was made, if it is one that we train under."""
    if isinstance(model, keras.Model):
        strategy = model.distribute_strategy
    else:
        variables = raw_variables(getattr(model, "variables", ()))
        strategy = getattr(variables[0], "distribute_strategy", None) if variables else None
    return strategy if isinstance(strategy, STRATEGIES) else None


def scope_of(model: Any) -> contextlib.AbstractContextManager[Any]:
    """The scope in which what belongs to a model must be made; of nothing for most."""
    strategy = strategy_of(model)
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def team_of(model: Any) -> "Team | None":
    """The workers that train a model; None if nothing distributes it."""
    strategy = strategy_of(model)
    return None if strategy is None else Team.of(strategy)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one that writes: checkpoints, models, what is printed."""
    return Team.of(strategy).is_chief


def tells_of_loss(error: tf.errors.OpError) -> bool:
    """Whether TensorFlow says by an error that another worker has gone."""
    return isinstance(error, _LOST) or any(sign in str(error) for sign in _SIGNS_OF_LOSS)


class Team:
    """The workers of a strategy, as seen from one of them.

    Attributes:
        strategy: theirs.
        workers: how many.
        worker: the number of this one, from 0.
        replicas: of all workers.
        here: replicas of this worker; every worker has so many.
    """

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self.strategy = strategy
        resolver = strategy.cluster_resolver
        cluster = resolver.cluster_spec().as_dict() if resolver is not None else {}
        chiefs = len(cluster.get("chief", ()))
        self.workers = max(1, chiefs + len(cluster.get("worker", ())))
        self.worker = 0
        if self.workers > 1 and resolver.task_type == "worker":
            self.worker = chiefs + resolver.task_id
        self.replicas = strategy.num_replicas_in_sync
        self.here = self.replicas // self.workers

    @classmethod
    @functools.cache  # one for each strategy: its graphs are traced once
    def of(cls, strategy: tf.distribute.Strategy) -> Self:
        """The team of a strategy."""
        return cls(strategy)

    @property
    def is_chief(self) -> bool:
        """Whether this is the first worker."""
        return self.worker == 0

    @property
    def replica_here(self) -> tf.Tensor:
        """Within `strategy.run`: the number of the replica among those of its worker."""
        context = tf.distribute.get_replica_context()
        return context.replica_id_in_sync_group - self.worker * self.here

    def most(self, values: Sequence[float]) -> list[float]:
        """Of each value the largest that a worker has."""
        if self.workers == 1:
            return list(map(float, values))
        table = np.zeros((self.workers, len(values)))
        table[self.worker] = values
        return self.total(table).max(axis=0).tolist()

    def chiefs(self, values: Sequence[float]) -> list[float]:
        """The values that the chief has."""
        own = np.array(values, np.float64)
        return self.total(own if self.is_chief else np.zeros_like(own)).tolist()

    def from_chief(self, content: bytes) -> bytes:
        """What the chief has; what the others give is not looked at."""
        if self.workers == 1:
            return content
        size = int(self.most([len(content) if self.is_chief else 0])[0])
        words = np.zeros(-(-size // 4), np.int32)
        if self.is_chief:
            padded = content + bytes(-len(content) % 4)
            words[:] = np.frombuffer(padded, np.int32)
        return self.total(words).tobytes()[:size]

    def by_chief(self, work: Callable[[], str]) -> str:
        """Have the chief do something; what it returns is known to all.

        Raises:
            InputError: the chief's work did, and it is raised in every worker.
        """
        done = {}
        if self.is_chief:
            try:
                done = {"returned": work()}
            except InputError as error:
                done = {"failed": str(error)}
        done = json.loads(self.from_chief(json.dumps(done).encode()))
        if "failed" in done:
            raise InputError(done["failed"])
        return done["returned"]

    def seed(self, given: int | None) -> int | None:
        """A seed for all: that which was given to each, or one that the chief draws."""
        if given is not None or self.workers == 1:
            return given
        drawn = int(np.random.randint(2**31))  # noqa: NPY002 - as Keras seeds it
        return int(self.from_chief(str(drawn).encode()))

    def check_same(self, **settings: object) -> None:
        """All workers must have been given the same.

        Raises:
            InputError: one has another value; raised in every worker.
        """
        told = repr(settings)
        chiefs = self.from_chief(told.encode()).decode()
        if self.most([told != chiefs])[0]:
            raise InputError(
                "every worker must be given the same model, rows and arguments; worker"
                f" {self.worker} has {told}, the chief {chiefs}"
            )

    def sum(self, parts: Any) -> tf.Tensor:
        """Within a graph, outside of `strategy.run`: the sum of what replicas returned."""
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, parts, axis=None)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Around what all workers do.

        Raises:
            WorkerLostError: one of them has gone.
        """
        try:
            yield
        except tf.errors.OpError as error:
            if tells_of_loss(error):
                raise WorkerLostError(self.worker, self.workers) from error
            raise

    def total(self, array: np.ndarray) -> np.ndarray:
        """Outside of graphs: the sum of the arrays that the workers have."""
        if not array.size:
            return array  # a collective over nothing ends the process
        with self.together():
            flat = self._summed(array.dtype.name)(tf.constant(array.reshape(-1))).numpy()
        return flat.reshape(array.shape)

    @functools.cache  # noqa: B019 - a team is kept for ever
    def _summed(self, dtype: str) -> Any:
        """Sums a flat tensor over the workers."""

        @tf.function(input_signature=[tf.TensorSpec([None], dtype)], autograph=False)
        def summed(tensor: tf.Tensor) -> tf.Tensor:
            def of_replica() -> tf.Tensor:
                return tf.where(self.replica_here == 0, tensor, tf.zeros_like(tensor))

            return self.sum(self.strategy.run(of_replica))

        return summed
