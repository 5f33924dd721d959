"""The workers of a `tf.distribute` strategy, and the collectives between them.

Workers are processes with one replica or more; the first one is the chief. They must take
the same steps in the same order, or they wait for each other forever. Whatever depends on
time, signals, files or chance is therefore agreed on here.
"""

import contextlib
import functools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from kerasnn.choices import Verbose
from kerasnn.errors import InputError, WorkerLostError
from kerasnn.layers import raw_variables

STRATEGIES = (
    tf.distribute.MirroredStrategy,  # one machine; the next one is for several
    tf.distribute.MultiWorkerMirroredStrategy,
)
# Errors of the remaining workers when one has gone.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)
# Texts in internal, unknown and failed-precondition errors that mean the same. An
# incarnation is a worker that was restarted alone.
_SIGNS_OF_LOSS = (
    *("Collective ops is aborted by", "is down", "incarnation", "heartbeat"),
    *("reset by peer", "Socket closed", "Broken pipe", "onnection refused"),
    *("ailed to connect", "onnection closed"),
)


def strategy_of(model: Any) -> tf.distribute.Strategy | None:
    """The strategy in whose scope a model was made, if training supports it."""
    if isinstance(model, keras.Model):
        strategy = model.distribute_strategy
    else:
        variables = raw_variables(getattr(model, "variables", ()))
        strategy = getattr(variables[0], "distribute_strategy", None) if variables else None
    return strategy if isinstance(strategy, STRATEGIES) else None


def workers_of(model: Any) -> "SingleProcess":
    """The workers that train a model: a group, or this process alone."""
    strategy = strategy_of(model)
    return ALONE if strategy is None else WorkerGroup.of(strategy)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Return whether this process writes checkpoints, models and messages."""
    return WorkerGroup.of(strategy).is_chief


def is_worker_loss(error: tf.errors.OpError) -> bool:
    """Return whether an error of TensorFlow means that another worker has gone."""
    return isinstance(error, _LOST) or any(sign in str(error) for sign in _SIGNS_OF_LOSS)


class SingleProcess:
    """One process without a strategy: a group of one, whose agreements need no one else.

    `WorkerGroup` overrides what a strategy changes. Callers never ask which one they have.

    Attributes:
        n_workers: number of processes.
        worker: number of this one, from 0; the chief is 0.
        replicas: replicas of all workers.
        local_replicas: replicas of this worker; every worker has as many.
        strategy: of the workers; None for a single process.
    """

    n_workers = 1
    worker = 0
    replicas = 1
    local_replicas = 1
    strategy: tf.distribute.Strategy | None = None

    @property
    def is_chief(self) -> bool:
        """True for the first worker."""
        return self.worker == 0

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """The scope in which a model's variables must be created."""
        return contextlib.nullcontext()

    def reports_lost_workers(self) -> contextlib.AbstractContextManager[Any]:
        """Context manager that reports the loss of another worker as WorkerLostError."""
        return contextlib.nullcontext()

    def all_reduce_max(self, values: Sequence[float]) -> list[float]:
        """The maximum of each value over the workers."""
        return list(map(float, values))

    def chief_values(self, values: Sequence[float]) -> list[float]:
        """The values of the chief."""
        return list(map(float, values))

    def run_on_chief(self, work: Callable[[], str]) -> str:
        """Run a function on the chief; return its result on every worker.

        Raises:
            InputError: the function raised it; every worker raises it.
        """
        return work()

    def agreed_seed(self, given: int | None) -> int | None:
        """The same seed on every worker: the given one, or one that the chief draws."""
        return given

    def verbose(self, given: Verbose) -> Verbose:
        """Return `given` on the chief, and 0 on the others."""
        return given if self.is_chief else 0

    def refuse_several(self, message: str) -> None:
        """Raise an error if there are several workers.

        Raises:
            InputError: there are.
        """
        if self.n_workers > 1:
            raise InputError(message)

    def assert_same_on_all(self, **settings: object) -> None:
        """Check that all workers were given the same settings.

        Raises:
            InputError: one has another value; every worker raises it.
        """


ALONE = SingleProcess()


class WorkerGroup(SingleProcess):
    """The workers of a strategy, as seen from one of them."""

    strategy: tf.distribute.Strategy

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self.strategy = strategy
        resolver = strategy.cluster_resolver
        cluster = resolver.cluster_spec().as_dict() if resolver is not None else {}
        chiefs = len(cluster.get("chief", ()))
        self.n_workers = max(1, chiefs + len(cluster.get("worker", ())))
        if self.n_workers > 1 and resolver.task_type == "worker":
            self.worker = chiefs + resolver.task_id
        self.replicas = strategy.num_replicas_in_sync
        self.local_replicas = self.replicas // self.n_workers

    @classmethod
    @functools.cache  # one for each strategy: its graphs are traced once
    def of(cls, strategy: tf.distribute.Strategy) -> Self:
        """The group of a strategy."""
        return cls(strategy)

    @property
    def local_replica_id(self) -> tf.Tensor:
        """Number of the replica among those of its worker, within `strategy.run`."""
        context = tf.distribute.get_replica_context()
        return context.replica_id_in_sync_group - self.worker * self.local_replicas

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """The scope of the strategy."""
        return self.strategy.scope()

    @contextlib.contextmanager
    def reports_lost_workers(self) -> Iterator[None]:
        """Report the loss of another worker.

        Raises:
            WorkerLostError: a worker has gone.
        """
        try:
            yield
        except tf.errors.OpError as error:
            if is_worker_loss(error):
                raise WorkerLostError(self.worker, self.n_workers) from error
            raise

    def all_reduce_max(self, values: Sequence[float]) -> list[float]:
        """See `SingleProcess`."""
        if self.n_workers == 1:
            return list(map(float, values))
        table = np.zeros((self.n_workers, len(values)))
        table[self.worker] = values
        return self.all_reduce_sum(table).max(axis=0).tolist()

    def chief_values(self, values: Sequence[float]) -> list[float]:
        """See `SingleProcess`."""
        own = np.array(values, np.float64)
        return self.all_reduce_sum(own if self.is_chief else np.zeros_like(own)).tolist()

    def broadcast_from_chief(self, content: bytes) -> bytes:
        """The bytes of the chief; those of other workers are ignored."""
        if self.n_workers == 1:
            return content
        size = int(self.all_reduce_max([len(content) if self.is_chief else 0])[0])
        words = np.zeros(-(-size // 4), np.int32)
        if self.is_chief:
            padded = content + bytes(-len(content) % 4)
            words[:] = np.frombuffer(padded, np.int32)
        return self.all_reduce_sum(words).tobytes()[:size]

    def run_on_chief(self, work: Callable[[], str]) -> str:
        """See `SingleProcess`."""
        outcome = {}
        if self.is_chief:
            try:
                outcome = {"returned": work()}
            except InputError as error:
                outcome = {"failed": str(error)}
        outcome = json.loads(self.broadcast_from_chief(json.dumps(outcome).encode()))
        if "failed" in outcome:
            raise InputError(outcome["failed"])
        return outcome["returned"]

    def agreed_seed(self, given: int | None) -> int | None:
        """See `SingleProcess`."""
        if given is not None or self.n_workers == 1:
            return given
        seed = int(np.random.randint(2**31))  # noqa: NPY002 - as Keras seeds it
        return int(self.broadcast_from_chief(str(seed).encode()))

    def assert_same_on_all(self, **settings: object) -> None:
        """See `SingleProcess`."""
        own = repr(settings)
        chief = self.broadcast_from_chief(own.encode()).decode()
        if self.all_reduce_max([own != chief])[0]:
            raise InputError(
                "every worker must be given the same model, rows and arguments; worker"
                f" {self.worker} has {own}, the chief {chief}"
            )

    def reduce_sum(self, parts: Any) -> tf.Tensor:
        """The sum of what the replicas returned; in a graph, outside of `strategy.run`."""
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, parts, axis=None)

    def all_reduce_sum(self, array: np.ndarray) -> np.ndarray:
        """The sum of the arrays of all workers; outside of graphs."""
        if not array.size:
            return array  # a collective over an empty array kills the process
        with self.reports_lost_workers():
            flat = self._sum_graph(array.dtype.name)(tf.constant(array.reshape(-1))).numpy()
        return flat.reshape(array.shape)

    @functools.cache  # noqa: B019 - groups live as long as the process
    def _sum_graph(self, dtype: str) -> Any:
        """A function that sums a flat tensor over the workers."""

        @tf.function(input_signature=[tf.TensorSpec([None], dtype)], autograph=False)
        def summed(tensor: tf.Tensor) -> tf.Tensor:
            def on_replica() -> tf.Tensor:
                is_first = self.local_replica_id == 0
                return tf.where(is_first, tensor, tf.zeros_like(tensor))

            return self.reduce_sum(self.strategy.run(on_replica))

        return summed


def one_device_workers(strategy: tf.distribute.Strategy | None) -> SingleProcess:
    """The workers of a strategy with one device each; `ALONE` for one process.

    Raises:
        InputError: the strategy is of another kind, or a worker has several devices.
    """
    if strategy is None:
        return ALONE
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        raise InputError(
            "strategy must be a tf.distribute.MultiWorkerMirroredStrategy; got"
            f" {type(strategy).__name__}"
        )
    group = WorkerGroup.of(strategy)
    if group.local_replicas != 1:
        raise InputError(
            "the networks for a table are trained on one device of each worker; the"
            f" strategy has {group.replicas} devices for {group.n_workers} workers"
        )
    return group if group.n_workers > 1 else ALONE
