"""`fit`, `evaluate` and `predict` around the loop: checks, plans, calls, history."""

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from kerasnn.choices import Batching, Driver, OptimizerName
from kerasnn.errors import InputError, NonFiniteLossError, check_whole_number
from kerasnn.layers import raw_variables
from kerasnn.models import check_network
from kerasnn.training.checks import (
    check_variables,
    checked_rows,
    checked_targets,
)
from kerasnn.training.history import History
from kerasnn.training.learner import Learner, Learns
from kerasnn.training.loop import make_run, run_steps
from kerasnn.training.optimizers import make_optimizer
from kerasnn.training.plan import EpochPlan, make_plan, sequential_plan
from kerasnn.training.progress import EpochCallback, EpochLines, ProgressBar
from kerasnn.training.steps import Optimizer, predict_step

# A call of the compiled loop runs as many epochs as fit in these: long enough that what
# happens between calls (1 to 2 ms) is not felt, short enough for Ctrl-C and the bar.
SECONDS_PER_CALL = 0.25
STEPS_PER_CALL = 4096
ROW_NUMBERS_PER_CALL = 2**20  # 4 MB
EVALUATION_BATCH_SIZE = 1024

Pair = tuple[ArrayLike, ArrayLike]  # x, y


class Trainer:
    """Keeps the compiled loop of one network, so that a second `fit` compiles nothing.

    Args:
        model: a `tf.Module` network (`SigmoidNetwork`, `DigitsNetwork`), or its Keras
            twin, compiled.
        optimizer: for a `tf.Module`: a name (with Keras's default learning rate; see
            `training.OPTIMIZERS`), a `keras.optimizers.Optimizer`, or `GradientDescent`.
            A Keras model brings the one it was compiled with.
        driver: "xla", compiled; "graph", starts at once and runs 3 to 5 times slower;
            "eager", for a debugger.

    Raises:
        InputError: not such a network, or a Keras model that is not compiled or that is
            given an optimizer.
        ValueError: the driver or the name of the optimizer is not one of the choices.
    """

    def __init__(
        self,
        model: tf.Module | keras.Model,
        *,
        optimizer: OptimizerName | Optimizer | None = None,
        driver: Driver = "xla",
    ) -> None:
        check_network(model)
        self.model = model
        if driver not in get_args(Driver):
            raise ValueError(f"driver must be one of {get_args(Driver)}; got {driver!r}")
        self.driver: Driver = driver
        self.learner: Learns
        if isinstance(model, keras.Model):
            if optimizer is not None:
                raise InputError(
                    "a Keras model is trained with the optimizer it was compiled with;"
                    f" got {optimizer=}: give it to model.compile instead"
                )
            if not model.compiled:
                raise InputError(
                    f"{type(model).__name__} is not compiled: call"
                    " model.compile(optimizer=..., loss=...) first"
                )
            self.learner = model
        else:
            if optimizer is None or isinstance(optimizer, str):
                optimizer = make_optimizer(optimizer or "adam")
            self.learner = Learner(model, optimizer)
        self._made_for: tuple[object, ...] = ()
        self._run: Callable[..., tf.Tensor] | None = None
        self._names: tuple[str, ...] = ()
        self._follow_model()

    @property
    def optimizer(self) -> Any:
        """What changes the weights; a Keras model may be compiled with another."""
        return self.learner.optimizer

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        epochs: int = 1,
        batch_size: int = 32,
        batching: Batching = "shuffled",
        seed: int = 0,
        initial_epoch: int = 0,
        validation_data: Pair | None = None,
        on_epoch: Sequence[EpochCallback] = (),
    ) -> History:
        """Train.

        Args:
            x: [rows, n_in].
            y: [rows] labels, or [rows, n_out] one-hot rows or values.
            epochs: number of the last epoch.
            batch_size: rows of a batch; not used by batching="full".
            batching: "shuffled", "kfold", "tf-data" or "full"; see `make_plan`.
            seed: of the row order. The same seed gives the same weights, bit for bit.
            initial_epoch: epochs that were run before, whose row orders are passed over.
            validation_data: (x, y) to test on after each epoch.
            on_epoch: called with (epoch from 0, metrics) for each epoch, a few epochs
                late where several run in one compiled call.

        Returns:
            The metrics of each epoch.

        Raises:
            InputError: rows, labels or numbers that cannot be used; nothing is changed.
            NonFiniteLossError: a loss, or a weight after the last step, became NaN or
                infinite; weights and optimizer are put back to the start of the compiled
                call, which the error names.
        """
        check_whole_number("epochs", epochs, least=1)
        check_whole_number("batch_size", batch_size, least=1)
        check_whole_number("seed", seed, least=0)
        check_whole_number("initial_epoch", initial_epoch, least=0)
        data = self._tensors(x, y)
        plan = make_plan(batching, len(data[0]), batch_size, seed=seed)
        test_data, test_blocks = None, []
        if validation_data is not None:
            if len(validation_data) != 2:
                raise InputError(
                    f"validation_data must be (x, y); got {len(validation_data)} things"
                )
            test_data = self._tensors(*validation_data)
            test_blocks = _evaluation_blocks(len(test_data[0]))
        self._prepare(data)
        history = History(params={"epochs": epochs, "steps": plan.steps})
        planned = _epochs_planned(plan)
        first, count = initial_epoch, 1
        while first < epochs:
            now = range(first, min(first + count, epochs))
            started = time.perf_counter()
            blocks = [tf.constant(block) for block in plan.blocks(now, planned)]
            before = self._state()
            logs = self._call(len(now), data, blocks, test_data, test_blocks)
            history.took(len(now), time.perf_counter() - started)
            for epoch, epoch_logs in zip(now, logs, strict=True):
                self._check_finite(epoch, epoch_logs, history, first, before)
                history.append(epoch, epoch_logs)
                for tell in on_epoch:
                    tell(epoch, epoch_logs)
            if now.stop == epochs:  # the last update has had no loss to show it
                self._check_weights(now.stop, history, first, before)
            first, count = now.stop, _next_count(history, planned)
        self.optimizer.finalize_variable_values(list(self.model.trainable_variables))
        return history

    def evaluate(self, x: ArrayLike, y: ArrayLike) -> dict[str, float]:
        """Loss and metrics, means over the rows.

        Raises:
            InputError: rows or labels that cannot be used.
        """
        data = self._tensors(x, y)
        self._prepare(data)
        blocks = _evaluation_blocks(len(data[0]))
        self.learner.reset_metrics()
        run_steps(self.learner.test_step, data, blocks, tf.constant(0))
        result = self.learner.get_metrics_result()
        return {name: float(value) for name, value in result.items()}

    def predict(self, x: ArrayLike) -> dict[str, NDArray[Any]]:
        """The named answers: `class` [rows] and `probabilities`, or `value` [rows, n_out].

        Raises:
            InputError: rows that cannot be used.
        """
        rows = tf.constant(checked_rows(x, self.model.n_in, self.model.dtype))
        return {k: v.numpy() for k, v in predict_step(self.model, rows).items()}

    def reset(self, seed: int) -> None:
        """Back to an untrained network: new weights from the seed, optimizer as it was.

        The learning rate is the optimizer's own and goes back as well.
        """
        check_whole_number("seed", seed, least=0)
        self._follow_model()
        self._restore(self._untrained)
        self.model.initialize(seed)

    def _tensors(self, x: ArrayLike, y: ArrayLike) -> tuple[tf.Tensor, tf.Tensor]:
        model = self.model
        rows = checked_rows(x, model.n_in, model.dtype)
        targets = checked_targets(y, len(rows), model.head, model.n_out, model.dtype)
        return tf.constant(rows), tf.constant(targets)

    def _prepare(self, data: tuple[tf.Tensor, tf.Tensor]) -> None:
        """Check the variables and make the loop, once, or again after `model.compile`."""
        self._follow_model()
        if self._run is not None:
            return
        x, y = (tensor[:1] for tensor in data)
        check_variables(self.model, x)
        if isinstance(self.model, keras.Model):
            # Keras makes its metrics when they are first used, which must not be inside
            # the loop: it could not reset them before they are there.
            outputs = self.model(x)
            self.model.compute_loss(x, y, outputs)
            self.model.compute_metrics(x, y, outputs)
            self.model.reset_metrics()
        self._names = tuple(self.learner.get_metrics_result())
        self._run = make_run(self.learner, self.driver, self._names)

    def _follow_model(self) -> None:
        """Begin anew if a Keras model was compiled with another optimizer, or frozen."""
        trained = self.model.trainable_variables
        made_for = (self.optimizer, *map(id, trained))
        if self._made_for == made_for:
            return
        self._made_for = made_for
        self.optimizer.build(list(trained))
        # Kept, because a tf.Module searches itself for its Variables at each question.
        self._trained = raw_variables(trained)
        self._variables = raw_variables([*self.model.variables, *self.optimizer.variables])
        self._untrained = self._state()
        self._run = None

    def _call(
        self,
        n_epochs: int,
        data: tuple[tf.Tensor, tf.Tensor],
        blocks: list[tf.Tensor],
        test_data: tuple[tf.Tensor, tf.Tensor] | None,
        test_blocks: list[tf.Tensor],
    ) -> list[dict[str, float]]:
        """One call of the loop; the metrics of its epochs."""
        assert self._run is not None
        names = [*self._names, *(f"val_{name}" for name in self._names)]
        values = self._run(
            tf.constant(n_epochs), data, blocks, test_data, test_blocks
        ).numpy()
        # Without validation rows the names are longer than a row of values.
        return [
            dict(zip(names, map(float, row), strict=False)) for row in values[:n_epochs]
        ]

    def _check_finite(
        self,
        epoch: int,
        logs: dict[str, float],
        history: History,
        kept_epoch: int,
        before: list[tf.Tensor],
    ) -> None:
        """Put back the state `before` this call, and raise, if a loss is not finite."""
        for name in ("loss", "val_loss"):
            if not math.isfinite(logs.get(name, 0.0)):
                self._restore(before)
                earlier = history.history.get(name)
                raise NonFiniteLossError(
                    name,
                    logs[name],
                    epoch=epoch + 1,
                    last_finite=earlier[-1] if earlier else None,
                    last_epoch=epoch,
                    kept_epoch=kept_epoch,
                )

    def _check_weights(
        self, epoch: int, history: History, kept_epoch: int, before: list[tf.Tensor]
    ) -> None:
        """Put back the state `before` this call, and raise, if a weight is not finite."""
        for variable in self._trained:
            if not np.isfinite(variable.numpy()).all():
                self._restore(before)
                raise NonFiniteLossError(
                    f"weight {variable.name.split(':')[0]}",
                    "not finite",
                    epoch=epoch,
                    last_finite=history.history["loss"][-1],
                    last_epoch=epoch,
                    kept_epoch=kept_epoch,
                )

    def _state(self) -> list[tf.Tensor]:
        """A copy of weights, optimizer slots and learning rate, on the device."""
        return [tf.identity(variable) for variable in self._variables]

    def _restore(self, state: list[tf.Tensor]) -> None:
        for variable, value in zip(self._variables, state, strict=True):
            variable.assign(value)


def fit(
    model: tf.Module | keras.Model,
    x: ArrayLike,
    y: ArrayLike,
    *,
    optimizer: OptimizerName | Optimizer | None = None,
    epochs: int = 1,
    batch_size: int = 32,
    batching: Batching = "shuffled",
    driver: Driver = "xla",
    seed: int = 0,
    validation_data: Pair | None = None,
    verbose: Literal[0, 1, 2] = 1,
) -> History:
    """Train a network; the compiled loop lives as long as this call.

    The arguments are those of `Trainer` and `Trainer.fit`, whose errors it raises.
    `verbose` is Keras's: 0 silent, 1 a progress bar (on a terminal), 2 a line an epoch.
    """
    check_whole_number("epochs", epochs, least=1)
    trainer = Trainer(model, optimizer=optimizer, driver=driver)
    with contextlib.ExitStack() as stack:
        on_epoch: list[EpochCallback] = []
        if verbose == 1:
            on_epoch.append(stack.enter_context(ProgressBar(epochs, disable=None)))
        if verbose == 2:
            on_epoch.append(EpochLines(epochs, every=1))
        return trainer.fit(
            x,
            y,
            epochs=epochs,
            batch_size=batch_size,
            batching=batching,
            seed=seed,
            validation_data=validation_data,
            on_epoch=on_epoch,
        )


def _evaluation_blocks(n_rows: int) -> list[tf.Tensor]:
    plan = sequential_plan(n_rows, EVALUATION_BATCH_SIZE)
    return [tf.constant(block) for block in plan.blocks([0], padded_to=1)]


def _epochs_planned(plan: EpochPlan) -> int:
    """Epochs that one call has room for: a static shape, the same for any `epochs`."""
    return max(1, min(STEPS_PER_CALL // plan.steps, ROW_NUMBERS_PER_CALL // plan.n_rows))


def _next_count(history: History, planned: int) -> int:
    """Epochs for the next call, so that it takes about `SECONDS_PER_CALL`.

    It decides when a person hears of the epochs, not what they compute.
    """
    epochs, seconds = history.epochs_per_call[-1], history.seconds[-1]
    return max(1, min(planned, int(epochs * SECONDS_PER_CALL / seconds)))
