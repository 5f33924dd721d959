"""Keras's list of callbacks for a fit, with a history and the progress."""

from typing import Any

import keras
from keras import callbacks as keras_callbacks

from kerasnn.choices import Verbose
from kerasnn.training.callbacks.history import History
from kerasnn.training.callbacks.progress import EpochProgress


def with_history(
    learner: Any,
    callbacks: Any,
    *,
    verbose: Verbose,
    epochs: int,
    steps: int | None,
    as_keras: bool = False,
) -> tuple[History, keras_callbacks.CallbackList]:
    """Return a new history, and Keras's list with the callbacks, a history and progress.

    The new history is in the list, unless the user gave one; progress is `EpochProgress`,
    or with verbose=2 Keras's lines. With `as_keras` the list has Keras's own history and
    progress instead.
    """
    history = History()
    if not isinstance(callbacks, keras_callbacks.CallbackList):
        given = list(keras.tree.flatten(callbacks) if callbacks else [])
        has_history = any(isinstance(c, keras_callbacks.History) for c in given)
        keras_lines = verbose == 2 or (as_keras and verbose != 0)
        if not (has_history or as_keras):
            given.append(history)
        if verbose != 0 and not keras_lines:
            given.append(EpochProgress(epochs, steps))
        callbacks = keras_callbacks.CallbackList(
            given,
            add_history=as_keras,
            add_progbar=keras_lines,
            verbose=verbose,
            epochs=epochs,
            steps=steps,
            model=learner,
        )
    return history, callbacks
