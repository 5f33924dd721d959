"""The epochs of a fit: compiled calls, with callbacks and hooks between them.

Keras's order of events: metrics reset, on_epoch_begin, batches, validation, on_epoch_end.
If no callback has to run before the next epoch begins, several epochs and their
validation share one call, and the callbacks run afterwards.
"""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from keras import callbacks as keras_callbacks

from kerasnn.training import keras_names
from kerasnn.training.callbacks import hooks
from kerasnn.training.callbacks.history import History
from kerasnn.training.callbacks.loop_hook import LoopHook, Position
from kerasnn.training.callbacks.progress import EpochProgress
from kerasnn.training.compiled.chunks import Budget, Chunk, Feed
from kerasnn.training.compiled.loop import Logs, flat
from kerasnn.training.feeds.array_feed import ArrayFeed
from kerasnn.training.runner import Runner
from kerasnn.training.validation import Validation


@dataclass
class FitRun:
    """One fit, from on_train_begin to on_train_end.

    Attributes:
        runner: runs the training step.
        feed: the training rows.
        callbacks: Keras's list.
        history: records how long calls take.
        epochs: number of the last epoch.
        start: where the fit begins; a hook may set it from a checkpoint.
        execution: Keras's `steps_per_execution`.
        validation: the test after an epoch, unless it runs inside the call.
        hooks: run between calls.
    """

    runner: Runner
    feed: Feed
    callbacks: keras_callbacks.CallbackList
    history: History
    epochs: int
    start: Position = field(default_factory=Position)
    execution: int = 1
    validation: Validation | None = None
    hooks: Sequence[LoopHook] = field(default_factory=tuple)

    def run(self) -> None:
        """Train, from on_train_begin to on_train_end."""
        learner = self.runner.learner
        learner.stop_training = False
        self.feed.reset()
        self.callbacks.on_train_begin()
        epoch = keras_names.initial_epoch(learner)
        if epoch:
            self.start = Position(epoch)
        for hook in self.hooks:
            hook.on_fit_begin(self)
        if self.start.finished and self.start.epoch >= self.epochs:
            self.callbacks.on_train_end()
            return
        with contextlib.ExitStack() as contexts:
            for hook in self.hooks:
                contexts.enter_context(hook.context())
            for callback in self.callbacks.callbacks:
                if isinstance(callback, EpochProgress):
                    contexts.enter_context(callback.bar)
            contexts.enter_context(self.runner.reports_lost_workers())
            logs = self._run_epochs()
            if learner.optimizer is not None and self.epochs > 0:
                variables = list(learner.trainable_variables)
                learner.optimizer.finalize_variable_values(variables)
            self.callbacks.on_train_end(logs)
            end = Position(self.epochs, 0, self.feed.position, finished=True)
            for hook in self.hooks:
                hook.on_fit_end(end)

    def _run_epochs(self) -> Logs | None:
        """Run all epochs; return the logs of the last one."""
        logs = None
        self._by_batch = hooks.needs_batch_hooks(self.callbacks, "train")
        in_call = self.validation is None or self.runner.inside is not None
        self._ahead = in_call and self.runner.resets_inside and not self._by_batch
        epoch, done = self.start.epoch, self.start.step
        while epoch < self.epochs:
            count = 1 if done else self._epochs_ahead(epoch)
            if count > 1:
                logs = self._run_several(range(epoch, epoch + count))
            else:
                logs = self._run_one(epoch, done)
            epoch, done = epoch + count, 0
            if self.runner.learner.stop_training:
                break
            self._between_calls(epoch)
        return logs

    def _epochs_ahead(self, epoch: int) -> int:
        """Number of epochs in the next call."""
        if not isinstance(self.feed, ArrayFeed) or not self._ahead:
            return 1
        in_budget = self.runner.budget() // self.feed.plan.steps
        return max(1, min(in_budget, self.feed.planned, self.epochs - epoch))

    def _run_several(self, epochs: range) -> Logs:
        """Run whole epochs in one call, then their callbacks."""
        assert isinstance(self.feed, ArrayFeed)
        all_logs, tests = self._run_chunk(self.feed.whole(epochs), epochs)
        grouped = self.runner.grouped
        seconds = self.history.seconds[-1] / len(epochs)
        # Keras's list takes 40 us an epoch to call its History: a step or two of training.
        first, *others = self.callbacks.callbacks or [None]
        only_history = type(first) in (History, keras_callbacks.History) and not others
        for i, epoch in enumerate(epochs):
            logs = all_logs[i] | _with_val_prefix(tests[i] if tests else {})
            if only_history:
                first.on_epoch_end(epoch, flat(grouped(logs)))
                continue
            self.callbacks.on_epoch_begin(epoch)
            if keras_names.backdate_bars(self.callbacks, seconds):
                last_step = self.feed.plan.steps - 1
                self.callbacks.on_train_batch_end(last_step, grouped(all_logs[i]))
            self.callbacks.on_epoch_end(epoch, grouped(logs))
        return logs

    def _run_one(self, epoch: int, done: int) -> Logs:
        """Run one epoch, of which `done` steps are complete."""
        if not self.runner.resets_inside and not done:
            self.runner.learner.reset_metrics()
        self.callbacks.on_epoch_begin(epoch)
        logs: Logs = {}
        tests: list[Logs] = []
        budget: Budget = (lambda: self.execution) if self._by_batch else self.runner.budget
        for chunk in self.feed.chunks(epoch, budget, by_batch=self._by_batch, done=done):
            if chunk.starts_execution:
                first_step = chunk.first_step
                self.callbacks.on_train_batch_begin(first_step)
            (logs,), tests = self._run_chunk(chunk, range(epoch, epoch + 1))
            if chunk.ends_execution:
                last_step = max(chunk.last_step, first_step + self.execution - 1)
                self.callbacks.on_train_batch_end(last_step, self.runner.grouped(logs))
            if self.runner.learner.stop_training:
                break
            # In a stream of unknown length this may have been the last chunk.
            done = chunk.last_step + 1
            if chunk.ends_execution and self.feed.steps and done < self.feed.steps:
                self._between_calls(epoch, done)
        logs = dict(logs)
        if tests:
            logs |= _with_val_prefix(tests[0])
        elif self.validation and self.validation.due(epoch):
            logs |= _with_val_prefix(self.validation.evaluate(self.callbacks))
        self.callbacks.on_epoch_end(epoch, self.runner.grouped(logs))
        return logs

    def _run_chunk(self, chunk: Chunk, epochs: range) -> tuple[list[Logs], list[Logs]]:
        """Run a chunk between the hooks, and record how long it took."""
        started = time.perf_counter()
        if chunk.first_step == 0:
            for hook in self.hooks:
                hook.before_call(epochs[0])
        logs, tests = self.runner.run(
            chunk, epochs=len(epochs), test=chunk.last_step + 1 == self.feed.steps
        )
        steps = len(epochs) * (chunk.stop - chunk.first)
        self.history.took(steps, time.perf_counter() - started)
        for i, epoch in enumerate(epochs):
            epoch_logs = logs[i] | _with_val_prefix(tests[i] if tests else {})
            for hook in self.hooks:
                hook.after_epoch(epoch, epoch_logs)
        return logs, tests

    def _between_calls(self, epoch: int, step: int = 0) -> None:
        position = Position(epoch, step, self.feed.position)
        for hook in self.hooks:
            hook.between_calls(position)


def _with_val_prefix(logs: Logs) -> Logs:
    return {f"val_{name}": value for name, value in logs.items()}
