"""`Trainer`: the compiled loop around the networks of the lessons, and their rows."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from keras import callbacks as keras_callbacks
from numpy.typing import ArrayLike, NDArray

from kerasnn.choices import Batching, FitDriver, OptimizerName
from kerasnn.errors import InputError, NonFiniteLossError, check_whole_number
from kerasnn.layers import raw_variables
from kerasnn.manifest import data_fingerprint
from kerasnn.models import check_network
from kerasnn.training.callbacks import hooks
from kerasnn.training.callbacks.history import History
from kerasnn.training.callbacks.progress import EpochCallback, OnEpochEnd
from kerasnn.training.checkpoints.saver import Saver
from kerasnn.training.checks import check_variables, checked_rows, checked_targets
from kerasnn.training.compiled.programs import programs_of
from kerasnn.training.compiled.runner import Runner
from kerasnn.training.distribution.runner import make_runner
from kerasnn.training.distribution.sharding import sharded_feed
from kerasnn.training.distribution.workers import strategy_of, workers_of
from kerasnn.training.epochs import Fit, Logs, run_fit, run_test
from kerasnn.training.fallback import check_driver
from kerasnn.training.feeds.array_feed import ArrayFeed
from kerasnn.training.learner import learner_of
from kerasnn.training.plan import epochs_planned, make_plan, sequential_plan
from kerasnn.training.steps import Optimizer, predict_step

EVALUATION_BATCH_SIZE = 1024

Pair = tuple[ArrayLike, ArrayLike]  # x, y


class Trainer:
    """Trains one network; its rows are checked strictly, its losses must be finite.

    The compiled loop is kept, so that a second `fit` compiles nothing.

    Args:
        model: a `tf.Module` network (`SigmoidNetwork`, `DigitsNetwork`), or its Keras
            twin, compiled.
        optimizer: for a `tf.Module`: a name (with Keras's default learning rate; see
            `training.OPTIMIZERS`), a `keras.optimizers.Optimizer`, or `GradientDescent`.
            A Keras model brings the one it was compiled with.
        driver: "xla", compiled; "graph", starts at once and runs 3 to 5 times slower;
            "eager", for a debugger; "auto", XLA where the run is long enough.

    Raises:
        InputError: not such a network, or a Keras model that is not compiled or that is
            given an optimizer; a driver that does not exist.
        ValueError: the name of the optimizer is not one of the choices.
    """

    def __init__(
        self,
        model: tf.Module | keras.Model,
        *,
        optimizer: OptimizerName | Optimizer | None = None,
        driver: FitDriver = "xla",
    ) -> None:
        check_network(model)
        self.model = model
        check_driver(driver)
        if driver == "keras" and not isinstance(model, keras.Model):
            raise InputError("driver='keras' is for Keras models; got a tf.Module")
        self.driver = driver
        with workers_of(model).scope():
            self.learner = learner_of(model, optimizer)
        if isinstance(model, keras.Model) and not model.compiled:
            raise InputError(
                f"{type(model).__name__} is not compiled: call"
                " model.compile(optimizer=..., loss=...) first"
            )
        self._made_for: tuple[object, ...] = ()
        self._checked = False
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
        callbacks: Sequence[keras_callbacks.Callback] = (),
        on_epoch: Sequence[EpochCallback] = (),
        verbose: Literal["auto", 0, 1, 2] = 0,
        saver: Saver | None = None,
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
            callbacks: Keras's; for a `tf.Module` those that need no more of a model than
                its weights, optimizer and `stop_training`.
            on_epoch: called with (epoch from 0, metrics) for each epoch, a few epochs
                late where several run in one compiled call.
            verbose: Keras's: 1 its progress bar, 2 a line an epoch.
            saver: saves the fit from time to time, or goes on from what was saved.

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
        planned = epochs_planned(plan) if hooks.accept_delayed_epochs(callbacks) else 1
        feed = ArrayFeed(data, plan, planned=planned)
        sharded_feed(
            workers_of(self.model), feed, epochs=epochs, initial_epoch=initial_epoch
        )
        test_feed = None
        if validation_data is not None:
            if len(validation_data) != 2:
                raise InputError(
                    f"validation_data must be (x, y); got {len(validation_data)} things"
                )
            test_feed = _test_feed(self._tensors(*validation_data))
        runner = self._runner("train_step", feed, test_feed, steps=plan.steps * epochs)
        history = History()
        told = [OnEpochEnd(function) for function in on_epoch]
        all_callbacks = keras_callbacks.CallbackList(
            [*callbacks, history, *told],
            add_progbar=verbose != 0,
            verbose=verbose,
            epochs=epochs,
            steps=plan.steps,
            model=self.learner,
        )
        guard = Rollback(self, epochs, history)
        fit = Fit(runner, feed, all_callbacks, history, epochs, guard)
        if saver is not None:
            fit.saver = saver
            fit.settings = {
                "seed": seed,
                "batching": batching,
                "batch_size": plan.sizes[0],
                "data": data_fingerprint(*(tensor.numpy() for tensor in data)),
            }
        run_fit(fit, initial_epoch)
        return history

    def evaluate(self, x: ArrayLike, y: ArrayLike) -> dict[str, float]:
        """Loss and metrics, means over the rows.

        Raises:
            InputError: rows or labels that cannot be used.
        """
        feed = _test_feed(self._tensors(x, y))
        runner = self._runner("test_step", feed)
        return run_test(runner, feed, keras_callbacks.CallbackList(model=self.learner))

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
        self.restore(self._untrained)
        self.model.initialize(seed)

    def state(self) -> list[tf.Tensor]:
        """A copy of weights, optimizer slots and learning rate, on the device."""
        return [tf.identity(variable) for variable in self._variables]

    def restore(self, state: list[tf.Tensor]) -> None:
        """Put back what `state` gave."""
        for variable, value in zip(self._variables, state, strict=True):
            variable.assign(value)

    def weight_not_finite(self) -> str | None:
        """The name of a trained Variable that holds NaN or an infinity."""
        for variable in self._trained:
            if not np.isfinite(variable.numpy()).all():
                return variable.name.split(":")[0]
        return None

    def _tensors(self, x: ArrayLike, y: ArrayLike) -> tuple[tf.Tensor, tf.Tensor]:
        model = self.model
        rows = checked_rows(x, model.n_in, model.dtype)
        targets = checked_targets(y, len(rows), model.head, model.n_out, model.dtype)
        return tf.constant(rows), tf.constant(targets)

    def _runner(
        self,
        step: str,
        feed: ArrayFeed,
        test: ArrayFeed | None = None,
        *,
        steps: int | None = None,
    ) -> Runner:
        """The compiled loop, after a check of the variables when it is made."""
        self._follow_model()
        if not self._checked and strategy_of(self.model) is None:
            check_variables(self.model, feed.rows[0][:1])
            self._checked = True
        programs = programs_of(self.learner)
        driver = programs.choose(self.driver, steps)
        runner = make_runner(programs, step, wanted=self.driver, driver=driver, inside=test)
        runner.prepare(feed.batch_spec)
        return runner

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
        self._untrained = self.state()
        self._checked = False
        programs_of(self.learner).drop()


class Rollback:
    """Puts a network back to the start of a call that made a loss or weight not finite.

    Args:
        trainer: whose network it is.
        epochs: number of the last epoch, after which the weights are looked at.
        history: where the last finite loss stands.
    """

    def __init__(self, trainer: Trainer, epochs: int, history: History) -> None:
        self._trainer = trainer
        self._epochs = epochs
        self._history = history
        self._kept_epoch = 0
        self._state: list[tf.Tensor] = []
        self._last: dict[str, float] = {}

    def before(self, epoch: int) -> None:
        """Keep the state."""
        self._kept_epoch = epoch
        self._state = self._trainer.state()

    def after(self, epoch: int, logs: Logs) -> None:
        """Look at the losses of an epoch, and at the weights after the last one.

        Raises:
            NonFiniteLossError: one is not finite.
        """
        for name in ("loss", "val_loss"):
            if not math.isfinite(logs.get(name, 0.0)):
                self._raise(name, logs[name], epoch, self._last.get(name), epoch)
        if epoch + 1 == self._epochs:  # the last update has no loss to show it
            weight = self._trainer.weight_not_finite()
            if weight:
                last = epoch + 1
                self._raise(f"weight {weight}", "not finite", epoch, logs["loss"], last)
        self._last = logs

    def _raise(
        self,
        name: str,
        value: float | str,
        epoch: int,
        last_finite: float | None,
        last_epoch: int,
    ) -> None:
        self._trainer.restore(self._state)
        raise NonFiniteLossError(
            name,
            value,
            epoch=epoch + 1,
            last_finite=last_finite,
            last_epoch=last_epoch,
            kept_epoch=self._kept_epoch,
        )


def _test_feed(data: tuple[tf.Tensor, tf.Tensor]) -> ArrayFeed:
    return ArrayFeed(data, sequential_plan(len(data[0]), EVALUATION_BATCH_SIZE))
