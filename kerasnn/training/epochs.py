"""The epochs of a fit, one after the other: calls of the loop, and callbacks between them.

Keras's order of events: metrics reset, on_epoch_begin, batches, validation, on_epoch_end.
Where no callback needs to be called before the next epoch begins, several epochs run in
one call, validation and all, and the callbacks hear of them afterwards.
"""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from keras import callbacks as keras_callbacks

from kerasnn.training import keras_names
from kerasnn.training.callbacks import hooks
from kerasnn.training.callbacks.history import History
from kerasnn.training.checkpoints.saver import Position, Saver
from kerasnn.training.compiled.runner import Runner
from kerasnn.training.feeds.array_feed import ArrayFeed
from kerasnn.training.feeds.chunks import Budget, Chunk, Feed

# A test inside a call cannot be interrupted: not more steps than this.
TEST_STEPS_INSIDE = 1024

Logs = dict[str, Any]  # a float, or an array where a metric is one


class Guard(Protocol):
    """Looks at what each call of a fit has done."""

    def before(self, epoch: int) -> None:
        """Called before each call that begins with an epoch (from 0)."""

    def after(self, epoch: int, logs: Logs) -> None:
        """Called with the logs of each epoch, or part of an epoch, that a call has run."""


class Validation(Protocol):
    """The test after an epoch."""

    def due(self, epoch: int) -> bool:
        """Whether it is this epoch's turn (from 0)."""

    def evaluate(self, callbacks: keras_callbacks.CallbackList) -> Logs:
        """Make it; the callbacks are those of the fit."""


@dataclass
class Fit:
    """A fit under way.

    Attributes:
        runner: runs the training step.
        feed: the rows.
        callbacks: Keras's list.
        history: notes how long calls take.
        epochs: number of the last epoch.
        guard: looks at each call.
        execution: Keras's `steps_per_execution`.
        validation: the test after an epoch, where it is not inside the call.
        saver: saves it from time to time.
        settings: that decide the result; what was saved with others is not gone on from.
    """

    runner: Runner
    feed: Feed
    callbacks: keras_callbacks.CallbackList
    history: History
    epochs: int
    guard: Guard
    execution: int = 1
    validation: Validation | None = None
    saver: Saver | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def begin(self, initial_epoch: int) -> Position:
        """Where to begin: at an epoch, or where what was saved stands; it is put back."""
        begin = Position(epoch=initial_epoch)
        if self.saver is None:
            return begin
        saved = self.saver.begin(self.runner, self.settings, self.callbacks)
        if saved is None:
            return begin
        self.feed.seek(saved.data_position)
        return saved

    def run(self, begin: Position) -> Logs | None:
        """Run all epochs; the logs of the last one."""
        logs = None
        self._by_batch = hooks.needs_batch_hooks(self.callbacks, "train")
        in_call = self.validation is None or self.runner.inside is not None
        self._ahead = in_call and self.runner.resets_inside and not self._by_batch
        epoch, done = begin.epoch, begin.step
        while epoch < self.epochs:
            count = 1 if done else self._epochs_ahead(epoch)
            if count > 1:
                logs = self._several(range(epoch, epoch + count))
            else:
                logs = self._one(epoch, done)
            epoch, done = epoch + count, 0
            if self.runner.learner.stop_training:
                break
            self._saved(epoch)
        return logs

    def _epochs_ahead(self, epoch: int) -> int:
        """Epochs that the next call takes."""
        if not isinstance(self.feed, ArrayFeed) or not self._ahead:
            return 1
        fit_in = self.runner.budget() // self.feed.plan.steps
        return max(1, min(fit_in, self.feed.planned, self.epochs - epoch))

    def _several(self, epochs: range) -> Logs:
        """Whole epochs in one call, told of afterwards."""
        assert isinstance(self.feed, ArrayFeed)
        all_logs, tests = self._timed(self.feed.whole(epochs), epochs=epochs)
        seconds = self.history.seconds[-1] / len(epochs)
        # Keras's list takes 40 us an epoch to tell its history, a step or two of training.
        only_history = self.callbacks.callbacks == [self.history]
        for i, epoch in enumerate(epochs):
            logs = all_logs[i] | _prefixed(tests[i] if tests else {})
            if only_history:
                self.history.on_epoch_end(epoch, dict(sorted(logs.items())))
                continue
            self.callbacks.on_epoch_begin(epoch)
            if keras_names.backdate_bars(self.callbacks, seconds):
                self.callbacks.on_train_batch_end(self.feed.plan.steps - 1, all_logs[i])
            self.callbacks.on_epoch_end(epoch, logs)
        return logs

    def _saved(self, epoch: int, step: int = 0) -> None:
        """Save, if it is time; so many steps of this epoch are done."""
        if self.saver is not None:
            self.saver.after_call(Position(epoch, step, self.feed.position))

    def _one(self, epoch: int, done: int) -> Logs:
        """One epoch, of which some steps may be done, in as many calls as it takes."""
        if not self.runner.resets_inside and not done:
            self.runner.learner.reset_metrics()
        self.callbacks.on_epoch_begin(epoch)
        logs: Logs = {}
        tests: list[Logs] = []
        budget: Budget = (lambda: self.execution) if self._by_batch else self.runner.budget
        epochs = range(epoch, epoch + 1)
        for chunk in self.feed.chunks(epoch, budget, by_batch=self._by_batch, done=done):
            if chunk.starts_execution:
                begin = chunk.first_step
                self.callbacks.on_train_batch_begin(begin)
            (logs,), tests = self._timed(chunk, epochs=epochs)
            if chunk.ends_execution:
                end = max(chunk.last_step, begin + self.execution - 1)
                self.callbacks.on_train_batch_end(end, logs)
            if self.runner.learner.stop_training:
                break
            # Of a stream of unknown length nobody knows whether this was the last call.
            if (
                chunk.ends_execution
                and self.feed.steps
                and chunk.last_step + 1 < self.feed.steps
            ):
                self._saved(epoch, chunk.last_step + 1)
        logs = dict(logs)
        if tests:
            logs |= _prefixed(tests[0])
        elif self.validation and self.validation.due(epoch):
            logs |= _prefixed(self.validation.evaluate(self.callbacks))
        self.callbacks.on_epoch_end(epoch, logs)
        return logs

    def _timed(self, chunk: Chunk, epochs: range) -> tuple[list[Logs], list[Logs]]:
        """Run a call between the looks of the guard, and note how long it took."""
        started = time.perf_counter()
        if chunk.first_step == 0:
            self.guard.before(epochs[0])
        logs, tests = self.runner.run(
            chunk, epochs=len(epochs), test=chunk.last_step + 1 == self.feed.steps
        )
        steps = len(epochs) * (chunk.stop - chunk.first)
        self.history.took(steps, time.perf_counter() - started)
        for i, epoch in enumerate(epochs):
            self.guard.after(epoch, logs[i] | _prefixed(tests[i] if tests else {}))
        return logs, tests


def run_fit(fit: Fit, initial_epoch: int) -> None:
    """A fit from on_train_begin to on_train_end."""
    learner = fit.runner.learner
    learner.stop_training = False
    fit.feed.reset()
    fit.callbacks.on_train_begin()
    initial_epoch = keras_names.initial_epoch(learner) or initial_epoch
    begin = fit.begin(initial_epoch)
    if begin.finished and begin.epoch >= fit.epochs:
        fit.callbacks.on_train_end()
        return
    watching = fit.saver.checkpoints.watching() if fit.saver else contextlib.nullcontext()
    with watching, fit.runner.reports_lost_workers():
        logs = fit.run(begin)
        if learner.optimizer is not None and fit.epochs > 0:
            learner.optimizer.finalize_variable_values(list(learner.trainable_variables))
        fit.callbacks.on_train_end(logs)
        if fit.saver is not None:
            fit.saver.save(Position(fit.epochs, 0, fit.feed.position, finished=True))


def run_test(
    runner: Runner, feed: Feed, callbacks: keras_callbacks.CallbackList, execution: int = 1
) -> Logs:
    """Evaluate on all rows of a feed; its metrics."""
    learner = runner.learner
    by_batch = hooks.needs_batch_hooks(callbacks, "test")
    budget: Budget = (lambda: execution) if by_batch else runner.budget
    learner.stop_evaluating = False
    callbacks.on_test_begin()
    if not runner.resets_inside:
        learner.reset_metrics()
    logs: Logs = {}
    for chunk in feed.chunks(0, budget, by_batch=by_batch):
        if chunk.starts_execution:
            begin = chunk.first_step
            callbacks.on_test_batch_begin(begin)
        (logs,), _ = runner.run(chunk)
        if chunk.ends_execution:
            callbacks.on_test_batch_end(max(chunk.last_step, begin + execution - 1), logs)
        if learner.stop_evaluating:
            break
    logs = dict(sorted(logs.items()))  # as Keras returns them
    callbacks.on_test_end(logs)
    return logs


def _prefixed(logs: Logs) -> Logs:
    """Names as they stand in the history after a test."""
    return {f"val_{name}": value for name, value in logs.items()}
