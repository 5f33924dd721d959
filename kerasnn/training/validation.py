"""Validation data in a fit: the rows, when they are evaluated, and how."""

from typing import Any

import keras
from keras import callbacks as keras_callbacks

from kerasnn.choices import Driver, FitDriver
from kerasnn.training import keras_names
from kerasnn.training.compiled.chunks import Chunk, Feed
from kerasnn.training.compiled.loop import Logs
from kerasnn.training.compiled.programs import programs_of
from kerasnn.training.distribution.execution import Execution
from kerasnn.training.feeds.array_feed import ArrayFeed
from kerasnn.training.feeds.keras_iterator import keras_iterator
from kerasnn.training.feeds.make_feed import make_feed
from kerasnn.training.runner import Runner, run_test

# A test inside a call cannot be interrupted, so it may not be longer than this.
MAX_STEPS_INSIDE = 1024


class Validation:
    """Evaluates validation data after the epochs of a fit.

    Args:
        model: the model in training.
        data: x, (x, y) or (x, y, sample_weight), or a stream of them.
        batch_size: rows of a batch; None for Keras's default.
        steps: number of batches; None for all.
        freq: every n-th epoch, or the numbers of the epochs (from 1).

    Attributes:
        feed: the rows; None if the model's own `evaluate` takes them.
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
        self.feed: Feed | None = None
        self._adapter: keras_names.DataAdapter | None = None
        self._execution_steps = 1
        self._runner: Runner | None = None

    def prepare(self, execution: Execution, driver: FitDriver, chosen: Driver) -> None:
        """Read the first rows and trace the test, before training starts."""
        if _overrides_evaluate(self.model):
            return
        iterator = keras_iterator(
            self.model,
            keras.utils.unpack_x_y_sample_weight(self.data),
            batch_size=self.batch_size,
            steps_per_epoch=self.steps,
        )
        self._adapter = iterator.data_adapter
        self._execution_steps = iterator.steps_per_execution
        self.feed = execution.feed(make_feed(iterator))
        self._runner = execution.runner(
            programs_of(self.model), "test_step", wanted=driver, driver=chosen
        )

    def for_keras(self) -> Any:
        """The data for Keras's own fit; the adapter may hold a generator's first batch."""
        return self.data if self._adapter is None else self._adapter

    def inside(self) -> Chunk | None:
        """All rows as one chunk, if the test can run inside a call of several epochs."""
        if self.freq != 1 or self.steps or not isinstance(self.feed, ArrayFeed):
            return None
        if self.feed.plan.steps > MAX_STEPS_INSIDE:
            return None
        return self.feed.whole(range(1))

    def due(self, epoch: int) -> bool:
        """Return whether to evaluate after this epoch (from 0).

        Raises:
            ValueError: `validation_freq` is neither a number nor a list.
        """
        if isinstance(self.freq, int):
            return (epoch + 1) % self.freq == 0
        if isinstance(self.freq, list):
            return epoch + 1 in self.freq
        raise ValueError(
            "Expected `validation_freq` to be a list or int. Received: "
            f"validation_freq={self.freq} of the type {type(self.freq)}."
        )

    def evaluate(self, callbacks: keras_callbacks.CallbackList) -> Logs:
        """Evaluate, with the model's `evaluate` if it overrides Keras's."""
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
        return run_test(self._runner, self.feed, callbacks, self._execution_steps)


def _overrides_evaluate(model: keras.Model) -> bool:
    own = getattr(model.evaluate, "__func__", model.evaluate)
    return own is not keras.Model.evaluate and not own.__module__.startswith("kerasnn.")
