"""`Trainer`: fit, evaluate and predict for the networks of the lessons."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import callbacks as keras_callbacks
from numpy.typing import ArrayLike, NDArray

from kerasnn.choices import Batching, FitDriver, OptimizerName, Verbose
from kerasnn.errors import InputError, check_whole_number
from kerasnn.layers import raw_variables
from kerasnn.manifest import data_fingerprint
from kerasnn.models import check_network
from kerasnn.training.callbacks import hooks
from kerasnn.training.callbacks.callback_list import with_history
from kerasnn.training.callbacks.history import History
from kerasnn.training.callbacks.loop_hook import LoopHook, Position
from kerasnn.training.callbacks.progress import EpochCallback, OnEpochEnd
from kerasnn.training.callbacks.rollback import Rollback
from kerasnn.training.checkpoints.run_checkpoints import RunCheckpoints
from kerasnn.training.checks import checked_rows, checked_targets
from kerasnn.training.compiled.programs import programs_of
from kerasnn.training.distribution.execution import execution_of
from kerasnn.training.epochs import FitRun
from kerasnn.training.fallback import check_driver
from kerasnn.training.feeds.array_feed import ArrayFeed
from kerasnn.training.feeds.plan import (
    EpochPlan,
    epochs_planned,
    make_plan,
    sequential_plan,
)
from kerasnn.training.learner import learner_of
from kerasnn.training.runner import Runner, run_test
from kerasnn.training.steps import Optimizer, predict_step

EVALUATION_BATCH_SIZE = 1024

_Pair = tuple[ArrayLike, ArrayLike]  # x, y
_TensorPair = tuple[tf.Tensor, tf.Tensor]


class Trainer:
    """Trains one network; checks the rows strictly, and raises if a loss is not finite.

    The compiled loop is kept, so a second `fit` compiles nothing.

    Args:
        model: a `tf.Module` network (`SigmoidNetwork`, `DigitsNetwork`), or its Keras
            twin, compiled.
        optimizer: for a `tf.Module`: a name (with Keras's default learning rate; see
            `training.OPTIMIZERS`), a `keras.optimizers.Optimizer`, or `GradientDescent`.
            A Keras model has the one it was compiled with.
        driver: "xla", compiled; "graph", starts at once and runs 3 to 5 times slower;
            "eager", for a debugger; "auto", XLA where the run is long enough.

    Raises:
        InputError: not such a network, or a Keras model that is not compiled or that is
            given an optimizer; an unknown driver.
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
        self._execution = execution_of(model)
        with self._execution.workers.scope():
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
        """The optimizer; a Keras model may have been compiled with another one since."""
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
        validation_data: _Pair | None = None,
        callbacks: Sequence[keras_callbacks.Callback] = (),
        on_epoch: Sequence[EpochCallback] = (),
        verbose: Verbose = 0,
        checkpoints: RunCheckpoints | None = None,
    ) -> History:
        """Train the network.

        Args:
            x: [rows, n_in].
            y: [rows] labels, or [rows, n_out] one-hot rows or values.
            epochs: number of the last epoch.
            batch_size: rows of a batch; batching="full" does not use it.
            batching: "shuffled", "kfold", "tf-data" or "full"; see `make_plan`.
            seed: of the row order. The same seed gives the same weights, bit for bit.
            initial_epoch: number of epochs to skip, with their row orders.
            validation_data: (x, y) to test on after each epoch.
            callbacks: Keras's callbacks; for a `tf.Module`, only those that use no more of
                the model than its weights, optimizer and `stop_training`.
            on_epoch: functions of (epoch from 0, metrics), called for each epoch; a few
                epochs late where several run in one compiled call.
            verbose: as in Keras: 1 for a progress bar, 2 for a line an epoch.
            checkpoints: where the fit is saved, and from which it resumes.

        Returns:
            The metrics of each epoch.

        Raises:
            InputError: rows, labels or numbers that cannot be used; nothing is changed.
            NonFiniteLossError: a loss, or a weight after the last step, became NaN or
                infinite; weights and optimizer are restored to the start of the compiled
                call, which the error names.
        """
        check_whole_number("epochs", epochs, minimum=1)
        check_whole_number("batch_size", batch_size, minimum=1)
        check_whole_number("seed", seed, minimum=0)
        check_whole_number("initial_epoch", initial_epoch, minimum=0)
        data = self._tensors(x, y)
        plan = make_plan(batching, len(data[0]), batch_size, seed=seed)
        planned = epochs_planned(plan) if hooks.accept_delayed_epochs(callbacks) else 1
        feed = ArrayFeed(data, plan, planned=planned)
        self._execution.feed(feed, epochs=epochs, initial_epoch=initial_epoch)
        test = self._test_feed(validation_data)
        runner = self._runner("train_step", feed, test, steps=plan.steps * epochs)
        history, callback_list = with_history(
            self.learner,
            [*callbacks, *map(OnEpochEnd, on_epoch)],
            verbose=verbose,
            epochs=epochs,
            steps=plan.steps,
        )
        fit_hooks: list[LoopHook] = [Rollback(self, epochs, history)]
        if checkpoints is not None:
            settings = _settings(data, plan, seed, batching)
            fit_hooks.append(self._execution.saver(checkpoints, settings))
        start = Position(initial_epoch)
        FitRun(
            runner, feed, callback_list, history, epochs, start=start, hooks=fit_hooks
        ).run()
        return history

    def evaluate(self, x: ArrayLike, y: ArrayLike) -> dict[str, float]:
        """Compute loss and metrics, means over the rows.

        Raises:
            InputError: rows or labels that cannot be used.
        """
        feed = self._test_feed((x, y))
        assert feed is not None
        runner = self._runner("test_step", feed)
        return run_test(runner, feed, keras_callbacks.CallbackList(model=self.learner))

    def predict(self, x: ArrayLike) -> dict[str, NDArray[Any]]:
        """Compute the named answers.

        Returns:
            "class" [rows] and "probabilities" [rows, n_out], or "value" [rows, n_out].

        Raises:
            InputError: rows that cannot be used.
        """
        rows = tf.constant(checked_rows(x, self.model.n_in, self.model.dtype))
        return {k: v.numpy() for k, v in predict_step(self.model, rows).items()}

    def reset(self, seed: int) -> None:
        """Return to an untrained network: weights from the seed, optimizer as it was.

        The learning rate belongs to the optimizer and is reset too.
        """
        check_whole_number("seed", seed, minimum=0)
        self._follow_model()
        self.restore(self._untrained)
        self.model.initialize(seed)

    def state(self) -> list[tf.Tensor]:
        """Copy weights, optimizer slots and learning rate, on the device."""
        return [tf.identity(variable) for variable in self._variables]

    def restore(self, state: list[tf.Tensor]) -> None:
        """Assign what `state` returned."""
        for variable, value in zip(self._variables, state, strict=True):
            variable.assign(value)

    def non_finite_weight(self) -> str | None:
        """Return the name of a trained Variable that holds NaN or an infinity."""
        for variable in self._trained:
            if not np.isfinite(variable.numpy()).all():
                return variable.name.split(":")[0]
        return None

    def _tensors(self, x: ArrayLike, y: ArrayLike) -> _TensorPair:
        model = self.model
        rows = checked_rows(x, model.n_in, model.dtype)
        targets = checked_targets(y, len(rows), model.head, model.n_out, model.dtype)
        return tf.constant(rows), tf.constant(targets)

    def _test_feed(self, data: _Pair | None) -> ArrayFeed | None:
        if data is None:
            return None
        if len(data) != 2:
            kind = type(data).__name__
            raise InputError(f"validation_data must be (x, y); got a {kind} of {len(data)}")
        tensors = self._tensors(*data)
        plan = sequential_plan(len(tensors[0]), EVALUATION_BATCH_SIZE)
        return ArrayFeed(tensors, plan)

    def _runner(
        self,
        step: str,
        feed: ArrayFeed,
        test: ArrayFeed | None = None,
        *,
        steps: int | None = None,
    ) -> Runner:
        """Trace the step, after a check of the variables the first time."""
        self._follow_model()
        if not self._checked:
            self._execution.check_variables(self.model, feed)
            self._checked = True
        programs = programs_of(self.learner)
        runner = self._execution.runner(
            programs,
            step,
            wanted=self.driver,
            driver=programs.choose(self.driver, steps),
            inside=test.whole(range(1)) if test else None,
        )
        runner.prepare(feed.batch_spec)
        return runner

    def _follow_model(self) -> None:
        """Start over if the model has another optimizer or other trainable Variables."""
        trained = self.model.trainable_variables
        made_for = (self.optimizer, *map(id, trained))
        if self._made_for == made_for:
            return
        self._made_for = made_for
        self.optimizer.build(list(trained))
        # Stored, because a tf.Module searches for its Variables at each access.
        self._trained = raw_variables(trained)
        self._variables = raw_variables([*self.model.variables, *self.optimizer.variables])
        self._untrained = self.state()
        self._checked = False
        programs_of(self.learner).drop()


def check_network_arguments(**arguments: Any) -> None:
    """Check that no argument is given that a `tf.Module` network does not take.

    Raises:
        InputError: one is.
    """
    given = [
        name
        for name, value in arguments.items()
        if value is not None and not (isinstance(value, float | bool) and not value)
    ]
    if given:
        raise InputError(
            f"a tf.Module network does not take {', '.join(given)}; its Keras twin"
            " (kerasnn.models) takes every argument of keras.Model"
        )


def _settings(
    data: _TensorPair, plan: EpochPlan, seed: int, batching: Batching
) -> dict[str, Any]:
    """Return the settings, beside the model, that must be the same when a fit resumes."""
    return {
        "seed": seed,
        "batching": batching,
        "batch_size": plan.sizes[0],
        "data": data_fingerprint(*(tensor.numpy() for tensor in data)),
    }
