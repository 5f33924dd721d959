"""Validation data in a fit: its rows, when they are looked at, and how."""

from typing import Any

import keras
from keras import callbacks as keras_callbacks

from kerasnn.choices import Driver, FitDriver
from kerasnn.training import keras_names
from kerasnn.training.compiled.programs import programs_of
from kerasnn.training.compiled.runner import Runner
from kerasnn.training.distribution.runner import make_runner
from kerasnn.training.distribution.sharding import sharded_feed
from kerasnn.training.distribution.workers import workers_of
from kerasnn.training.epochs import TEST_STEPS_INSIDE, Logs, run_test
from kerasnn.training.feeds.array_feed import ArrayFeed
from kerasnn.training.feeds.chunks import Feed
from kerasnn.training.feeds.keras_iterator import keras_iterator
from kerasnn.training.feeds.make_feed import make_feed


class HeldOut:
    """Validation data, when it is looked at, and how.

    Args:
        model: whose training it is for.
        data: x, (x, y) or (x, y, sample_weight), or a stream of them.
        batch_size: of the test; None for Keras's default.
        steps: batches of a test; None for all.
        freq: every so many epochs, or the numbers of the epochs (from 1).
    """

    def __init__(
        self,
        model: keras.Model,
        data: Any,
        *,
        batch_size: int | None,
        steps: int | None,
        freq: int | list[int],
    ) -> None:
        self.model = model
        self.data = data
        self.batch_size = batch_size
        self.steps = steps
        self.freq = freq
        self.feed: Feed | None = (
            None  # of rows that the model's own `evaluate` does not take
        )
        self._adapter: keras_names.DataAdapter | None = None
        self._execution = 1
        self._runner: Runner | None = None

    def prepare(self, driver: FitDriver, chosen: Driver) -> None:
        """Look at the rows and trace the test, before anything has run."""
        if _overrides_evaluate(self.model):
            return
        iterator = keras_iterator(
            self.model,
            keras.utils.unpack_x_y_sample_weight(self.data),
            batch_size=self.batch_size,
            steps_per_epoch=self.steps,
        )
        self._adapter = iterator.data_adapter
        self._execution = iterator.steps_per_execution
        self.feed = sharded_feed(workers_of(self.model), make_feed(iterator))
        self._runner = make_runner(
            programs_of(self.model), "test_step", wanted=driver, driver=chosen
        )

    def for_keras(self) -> Any:
        """The data for Keras's own fit: an adapter has perhaps looked at a generator."""
        return self.data if self._adapter is None else self._adapter

    def inside(self) -> ArrayFeed | None:
        """The rows, if the test can be made inside a call of several epochs."""
        if self.freq != 1 or self.steps or not isinstance(self.feed, ArrayFeed):
            return None
        return self.feed if self.feed.plan.steps <= TEST_STEPS_INSIDE else None

    def due(self, epoch: int) -> bool:
        """Whether it is this epoch's turn (from 0).

        Raises:
            ValueError: `validation_freq` is neither a number nor a list.
        """
        if isinstance(self.freq, int):
            return (epoch + 1) % self.freq == 0
        if isinstance(self.freq, list):
            return epoch + 1 in self.freq
        raise ValueError(
            f"Expected `validation_freq` to be a list or int. Received: {self.freq}"
        )

    def evaluate(self, callbacks: keras_callbacks.CallbackList) -> Logs:
        """The test after an epoch, by the model's own `evaluate` if it has one."""
        if self.feed is None or self._runner is None:
            x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(self.data)
            return self.model.evaluate(
                x=x,
                y=y,
                sample_weight=sample_weight,
                batch_size=self.batch_size,
                steps=self.steps,
                callbacks=callbacks,
                return_dict=True,
            )
        self.feed.reset()
        return run_test(self._runner, self.feed, callbacks, self._execution)


def _overrides_evaluate(model: keras.Model) -> bool:
    """Whether the user's model has an `evaluate` of its own."""
    own = getattr(model.evaluate, "__func__", model.evaluate)
    return own is not keras.Model.evaluate and not own.__module__.startswith("kerasnn.")
