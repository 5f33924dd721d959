"""One step on several devices or machines: gradients of shares, summed, applied by all.

The step is the learner's own `train_step`: on every replica it runs forward and backward
over the rows that were dealt to it, with an optimizer that only notes the gradients. They
are joined into one flat tensor, summed over all replicas in one collective, and given to
the real optimizer, so that clipping and moments see the gradient of the whole batch. The
loop over the steps stands outside of the replicas: inside of one, TensorFlow refuses a
collective in a loop.
"""

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasnn.choices import Driver, FitDriver
from kerasnn.errors import InputError
from kerasnn.layers import raw_variables
from kerasnn.training import keras_names
from kerasnn.training.calls import Call
from kerasnn.training.dealing import Share, share_of
from kerasnn.training.epochs import GROWTH, SECONDS_PER_CALL, Logs, Runner
from kerasnn.training.feeds import ArrayFeed
from kerasnn.training.loop import Tensors
from kerasnn.training.programs import Batches, Programs
from kerasnn.training.team import Team, team_of

MEAN_OVER_ROWS = "sum_over_batch_size"  # as Keras calls it


class NotingOptimizer:
    """Stands in for an optimizer on the replicas: it notes the gradients, and no more.

    Args:
        optimizer: the real one, for whatever else the step asks of it.
        keras_scales: whether the loss has been divided by the replicas already.
    """

    def __init__(self, optimizer: Any, replicas: int, *, keras_scales: bool) -> None:
        self._optimizer = optimizer
        self._scale = replicas if keras_scales else 1
        self._noted = threading.local()  # each replica of a worker is traced in a thread

    def __getattr__(self, name: str) -> Any:
        return getattr(self._optimizer, name)

    def begin(self, share: tf.Tensor) -> None:
        """Before a step on a replica, which has this share of all rows."""
        self._noted.share = share
        self._noted.pairs = None

    @property
    def pairs(self) -> list[tuple[Any, Any]]:
        """The gradients and variables of the step.

        Raises:
            InputError: it has not changed the weights exactly once.
        """
        if self._noted.pairs is None:
            raise InputError("the train_step of the model does not apply any gradients")
        return self._noted.pairs

    def scale_loss(self, loss: tf.Tensor) -> tf.Tensor:
        """This replica's part of the mean over all rows."""
        share = tf.cast(self._noted.share * self._scale, loss.dtype)
        return self._optimizer.scale_loss(loss) * share

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]]) -> None:
        """Note them."""
        if self._noted.pairs is not None:
            raise InputError(
                "on several workers a train_step can change the weights once; that of the"
                " model does so again"
            )
        self._noted.pairs = list(grads_and_vars)

    def apply(self, gradients: Iterable[Any], variables: Iterable[Any]) -> None:
        """Note them."""
        self.apply_gradients(zip(gradients, variables, strict=True))


class Flat:
    """Gradients joined into one tensor of each type: one collective instead of many.

    Args:
        gradients: as symbols; None for a variable that the loss does not depend on.
    """

    def __init__(self, gradients: list[Any]) -> None:
        self._shapes = [tf.TensorShape(()) if g is None else g.shape for g in gradients]
        self._dtypes = [None if g is None else g.dtype for g in gradients]

    def join(self, gradients: list[Any]) -> list[tf.Tensor]:
        """One flat tensor of each type."""
        return [
            tf.concat(
                [
                    tf.reshape(tf.convert_to_tensor(g), [-1])  # sparse ones become dense
                    for g, own in zip(gradients, self._dtypes, strict=True)
                    if own == dtype
                ],
                axis=0,
            )
            for dtype in self._types
        ]

    def split(self, joined: list[tf.Tensor]) -> list[Any]:
        """The gradients."""
        parts = {}
        for dtype, flat in zip(self._types, joined, strict=True):
            shapes = [
                s for s, d in zip(self._shapes, self._dtypes, strict=True) if d == dtype
            ]
            sizes = [s.num_elements() for s in shapes]
            pieces = tf.split(flat, sizes)
            parts[dtype] = iter(
                [tf.reshape(p, s) for p, s in zip(pieces, shapes, strict=True)]
            )
        return [None if dtype is None else next(parts[dtype]) for dtype in self._dtypes]

    @property
    def _types(self) -> list[tf.DType]:
        return list(dict.fromkeys(d for d in self._dtypes if d is not None))


class TeamProgram:
    """A training or test step over the steps of a call, on all replicas.

    Args:
        team: the workers.
        learner: what is trained; all its Variables have been made.
        name: "train_step" or "test_step".
        batches: what its rows look like.
    """

    def __init__(self, team: Team, learner: Any, name: str, batches: Batches) -> None:
        self._team = team
        self._learner = learner
        self._step = getattr(learner, name)
        self._layout = batches.layout
        self._trains = name == "train_step"
        self._optimizer = NotingOptimizer(
            learner.optimizer, team.replicas, keras_scales=isinstance(learner, keras.Model)
        )
        self._flat: Flat | None = None
        self._variables: list[Any] = []
        numbers = tf.TensorSpec([None], tf.int32)
        self._signature = [batches.row_specs(), numbers, numbers, numbers]
        self._graphs: dict[bool, Any] = {}

    def __call__(self, share: Share) -> Logs:
        """Run the steps of a share; the running metrics."""
        graph = self._graph(share.some_empty)
        numbers = (share.numbers, share.bounds, share.totals)
        with self._team.together():
            logs = graph(share.rows, *map(tf.constant, numbers))
            values = {name: log.numpy() for name, log in logs.items()}
        return {name: float(v) if v.ndim == 0 else v for name, v in values.items()}

    def _graph(self, some_empty: bool) -> Any:
        """The loop, for steps in which every replica has rows, or not."""
        if some_empty not in self._graphs:
            one_step = self._train if self._trains else self._on_replicas

            def run(
                rows: Tensors, numbers: tf.Tensor, bounds: tf.Tensor, totals: tf.Tensor
            ) -> Logs:
                def body(i: tf.Tensor) -> tf.Tensor:
                    mine = numbers[bounds[i] : bounds[i + 1]]
                    one_step(rows, mine, totals[i], some_empty)
                    return i + 1

                steps = tf.size(totals)
                tf.while_loop(lambda i: i < steps, body, [tf.constant(0)])
                return self._metrics()

            # Without autograph, which would wrap what a step raises.
            loop = tf.function(run, input_signature=self._signature, autograph=False)
            # Keras applies gradients outside of the scope only; a new thread is outside.
            with ThreadPoolExecutor(1, "kerasnn-trace") as thread:
                traced = thread.submit(loop.get_concrete_function)
                self._graphs[some_empty] = traced.result()
        return self._graphs[some_empty]

    def _metrics(self) -> Logs:
        """The running metrics over all replicas, in the order in which Keras lists them."""
        result = self._learner.get_metrics_result()
        return {name: tf.convert_to_tensor(value) for name, value in result.items()}

    def _train(
        self, rows: Tensors, numbers: tf.Tensor, total: tf.Tensor, some_empty: bool
    ) -> None:
        """One step: gradients on the replicas, their sum, the update."""
        parts = self._on_replicas(rows, numbers, total, some_empty)
        sums = [self._team.sum(part) for part in parts]
        assert self._flat is not None
        self._learner.optimizer.apply(self._flat.split(sums), self._variables)

    def _on_replicas(
        self, rows: Tensors, numbers: tf.Tensor, total: tf.Tensor, some_empty: bool
    ) -> Any:
        """The step on each replica; the joined gradients of a training step."""

        def on_replica() -> list[tf.Tensor]:
            replica, n_rows = self._team.replica_here, tf.size(numbers)
            begin = n_rows * replica // self._team.here
            end = n_rows * (replica + 1) // self._team.here
            empty = tf.cast(begin == end, tf.int32)
            # No step can do without rows: a replica without any takes row 0 and forgets.
            mine = (
                tf.pad(numbers[begin:end], [[0, empty]])
                if some_empty
                else numbers[begin:end]
            )
            self._optimizer.begin((end - begin) / total)
            batch = self._layout.pack([tf.gather(tensor, mine) for tensor in rows])
            kept = local_variables(self._learner) if some_empty else []
            before = [tf.identity(variable) for variable in kept]
            logs = self._step(batch)
            for variable, value in zip(kept, before, strict=True):
                variable.assign(tf.where(empty > 0, value, variable))
            self._check_logs(logs)
            return self._joined() if self._trains else []

        with _optimizer_of(self._learner, self._optimizer):
            return self._team.strategy.run(on_replica)

    def _joined(self) -> list[tf.Tensor]:
        gradients, variables = zip(*self._optimizer.pairs, strict=True)
        self._variables = list(variables)
        self._flat = Flat(list(gradients))
        return self._flat.join(list(gradients))

    def _check_logs(self, logs: Any) -> None:
        """What a step of the user's own returns would be that of one replica only."""
        others = set(logs) - set(self._learner.get_metrics_result())
        if others:
            raise InputError(
                f"on several workers a step can tell metrics only; {sorted(others)} of"
                f" {type(self._learner).__name__} must be a keras.metrics.Mean or the like"
            )


class TeamRunner(Runner):
    """Runs calls on all workers.

    Args:
        team: the workers.
        programs: of the learner.
        step: "train_step" or "test_step".
        wanted: the driver that was asked for.
        inside: rows for a test after each epoch, inside the call.

    Raises:
        InputError: the driver or the model is not one for several workers.
    """

    def __init__(
        self,
        team: Team,
        programs: Programs,
        step: str,
        *,
        wanted: FitDriver,
        inside: ArrayFeed | None = None,
    ) -> None:
        if wanted not in ("auto", "graph"):
            raise InputError(f"several workers train with driver='graph'; got {wanted!r}")
        super().__init__(programs, step, wanted=wanted, driver="graph", inside=inside)
        self.team = team
        self._seconds_per_step: float | None = None
        self._largest = 0

    @property
    def resets_inside(self) -> bool:
        """The host resets the metrics."""
        return False

    def budget(self) -> int:
        """Steps for the next call; the same in every worker."""
        if self._seconds_per_step is None:
            return 1
        in_time = int(SECONDS_PER_CALL / self._seconds_per_step)
        return max(1, min(in_time, GROWTH * self._largest))

    def prepare(self, batches: Batches) -> Any:
        """Make the Variables, and the program."""
        self.programs.follow()
        with self.team.strategy.scope():
            _build(self.learner, batches)
        check_made_in_scope(self.learner, self.team.strategy)
        check_losses(self.learner)
        network = getattr(self.learner, "network", self.learner)
        self.team.check_same(weights=[tuple(v.shape) for v in network.variables])
        return self._program_of(self.step, batches)

    def run(
        self, call: Call, *, epochs: int = 1, test: bool = False
    ) -> tuple[list[Logs], list[Logs]]:
        """Run a call; its logs, and those of the test after it."""
        assert epochs == 1
        started = time.perf_counter()
        program = self._program_of(self.step, call.batches)
        logs = program(share_of(call, self.team))
        steps = call.stop - call.first
        took = (time.perf_counter() - started) / max(1, steps)
        self._seconds_per_step = self.team.most([took])[0]
        self._largest = max(self._largest, steps)
        if not test:
            return [logs], []
        if self.step == "train_step":
            self._average()
        if self.inside is None:
            return [logs], []
        self.learner.reset_metrics()
        tested = self._program_of("test_step", self.inside.batches)
        return [logs], [tested(share_of(self.inside.whole(range(1)), self.team))]

    def _program_of(self, step: str, batches: Batches) -> TeamProgram:
        return self.programs.kept(
            ("team", step, batches.key),
            lambda: TeamProgram(self.team, self.learner, step, batches),
        )

    def _average(self) -> None:
        """What each replica has seen by itself (moving averages) becomes the mean."""
        averaged = [
            variable
            for variable in untrained_variables(self.learner)
            if variable.dtype.is_floating
        ]
        if not averaged:
            return
        gathered = self.programs.kept(
            ("team", "local", len(averaged)), lambda: LocalValues(self.team, averaged)
        )
        values = gathered.values()
        gathered.assign(
            [np.repeat(v.mean(axis=0, keepdims=True), len(v), 0) for v in values]
        )


class LocalValues:
    """Variables of which each replica has its own value.

    Args:
        team: the workers.
        variables: each made in the scope of their strategy.
    """

    def __init__(self, team: Team, variables: list[tf.Variable]) -> None:
        self._team = team
        self._variables = variables

        def gather() -> list[tf.Tensor]:
            def of_replica() -> list[tf.Tensor]:
                context = tf.distribute.get_replica_context()
                return [_at(v, context, team.replicas) for v in variables]

            return [team.sum(part) for part in team.strategy.run(of_replica)]

        def deal(values: list[tf.Tensor]) -> None:
            def of_replica() -> None:
                number = tf.distribute.get_replica_context().replica_id_in_sync_group
                for variable, value in zip(variables, values, strict=True):
                    variable.assign(value[number])

            team.strategy.run(of_replica)

        self._gather = tf.function(gather, autograph=False)
        self._deal = tf.function(deal, autograph=False)

    def values(self) -> list[np.ndarray]:
        """Of each variable, [replicas, ...]."""
        with self._team.together():
            return [value.numpy() for value in self._gather()]

    def assign(self, values: list[np.ndarray]) -> None:
        """Give each replica its own again."""
        self._deal([tf.constant(value) for value in values])


def make_runner(
    programs: Programs,
    step: str,
    *,
    wanted: FitDriver,
    driver: Driver,
    inside: ArrayFeed | None = None,
) -> Runner:
    """What runs the steps of a learner, here or on all workers; see `Runner`."""
    team = team_of(getattr(programs.learner, "network", programs.learner))
    if team is None:
        return Runner(programs, step, wanted=wanted, driver=driver, inside=inside)
    return TeamRunner(team, programs, step, wanted=wanted, inside=inside)


def local_variables(learner: Any) -> list[tf.Variable]:
    """Those of which each replica has its own value: metrics, and what is not trained."""
    if isinstance(learner, keras.Model):
        metrics = raw_variables(learner.metrics_variables)
    else:
        means = learner.means.values()
        metrics = raw_variables([v for mean in means for v in mean.variables])
    return [*untrained_variables(learner), *metrics]


def untrained_variables(learner: Any) -> list[tf.Variable]:
    """Those of the network that no gradient changes."""
    network = getattr(learner, "network", learner)
    trained = {id(v) for v in raw_variables(network.trainable_variables)}
    return [v for v in raw_variables(network.variables) if id(v) not in trained]


def check_made_in_scope(learner: Any, strategy: tf.distribute.Strategy) -> None:
    """Every Variable was made in the scope of the strategy.

    Raises:
        InputError: one was not: it would be another in every replica.
    """
    network = getattr(learner, "network", learner)
    variables = [*network.variables, *learner.optimizer.variables]
    for variable, raw in zip(variables, raw_variables(variables), strict=True):
        if not strategy.extended.variable_created_in_scope(raw):
            raise InputError(
                f"{getattr(variable, 'path', variable.name)} was made outside of the scope"
                f" of {type(strategy).__name__}: make and compile the model, and the"
                " optimizer, within `with strategy.scope():`"
            )


def check_losses(learner: Any) -> None:
    """Every loss is a mean over rows.

    Raises:
        InputError: one is not: the gradients would not be those of the joined batch.
    """
    if not isinstance(learner, keras.Model):
        return
    for loss in keras.tree.flatten(learner.loss):
        reduction = getattr(loss, "reduction", MEAN_OVER_ROWS)
        if reduction not in (MEAN_OVER_ROWS, "mean"):
            raise InputError(
                f"on several workers a loss must be a mean over rows, with"
                f" reduction={MEAN_OVER_ROWS!r}; that of {loss.name} is {reduction!r}"
            )


def _build(learner: Any, batches: Batches) -> None:
    """Make all Variables: within the graph they would be those of one replica."""
    if isinstance(learner, keras.Model):
        keras_names.symbolic_build(learner, batches.layout.pack(batches.batch_specs()))
        # Keras made the metrics' Variables within the scope that is open here.
    learner.optimizer.build(list(learner.trainable_variables))


def _at(variable: tf.Variable, context: Any, replicas: int) -> tf.Tensor:
    """Zeros [replicas, ...], with the replica's value in its place."""
    value = tf.convert_to_tensor(variable)
    here = tf.one_hot(context.replica_id_in_sync_group, replicas, dtype=value.dtype)
    here = tf.reshape(here, [replicas] + [1] * value.shape.rank)
    # Not a product: 0 times infinity would be NaN.
    return tf.where(here > 0, value[None], tf.zeros_like(value)[None])


@contextlib.contextmanager
def _optimizer_of(learner: Any, optimizer: Any) -> Iterator[None]:
    """While a step is traced it finds this optimizer; past Keras's attribute tracking."""
    attributes = learner.__dict__
    real = attributes["optimizer"]
    attributes["optimizer"] = optimizer
    try:
        yield
    finally:
        attributes["optimizer"] = real
