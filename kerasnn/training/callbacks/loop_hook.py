"""Hooks of the compiled loop: code of this package that runs between compiled calls.

Hooks are not Keras's callbacks. Callbacks keep Keras's order of events, and may run late
when several epochs share a call; a hook runs at every call, and sees each epoch's logs.
"""

import contextlib
from typing import Any, NamedTuple, Protocol

from keras import callbacks as keras_callbacks

from kerasnn.training.compiled.chunks import Feed
from kerasnn.training.compiled.loop import Logs


class Position(NamedTuple):
    """A place in a fit.

    Attributes:
        epoch: the epoch that is running or comes next, from 0.
        step: completed steps of that epoch.
        data: position in a stream that continues across epochs.
        finished: whether the fit is over.
    """

    epoch: int = 0
    step: int = 0
    data: tuple[int, ...] = ()
    finished: bool = False


class FitState(Protocol):
    """A running fit, as far as hooks need it.

    Attributes:
        start: where the fit begins; a hook that restores a checkpoint sets it.
    """

    runner: Any
    feed: Feed
    callbacks: keras_callbacks.CallbackList
    start: Position


class LoopHook:
    """Base of the hooks; every method does nothing."""

    def context(self) -> contextlib.AbstractContextManager[Any]:
        """A context around all calls of a fit."""
        return contextlib.nullcontext()

    def on_fit_begin(self, fit: FitState) -> None:
        """Run after on_train_begin; the learner's Variables exist."""

    def before_call(self, epoch: int) -> None:
        """Run before a call that starts with an epoch (from 0)."""

    def after_epoch(self, epoch: int, logs: Logs) -> None:
        """Run for each epoch, or part of an epoch, that a call has run."""

    def between_calls(self, position: Position) -> None:
        """Run where the fit can be saved, or interrupted."""

    def on_fit_end(self, position: Position) -> None:
        """Run after on_train_end."""
