"""Which hooks the callbacks override: this decides how many steps a call may run."""

import dis
from typing import Any, Literal

import keras
from keras import callbacks as keras_callbacks

from kerasnn.training import keras_names

Kind = Literal["train", "test", "predict"]


class DelayedCallback(keras_callbacks.Callback):
    """A callback that may be called for several epochs at once, after the last of them.

    It only reports: what it does at the end of an epoch does not affect the training.

    Attributes:
        skips_batches: whether some of its batch hooks may be left out.
    """

    skips_batches = False


DELAYED = (DelayedCallback, keras_callbacks.History, keras_callbacks.ProgbarLogger)


def needs_batch_hooks(callbacks: keras_callbacks.CallbackList, kind: Kind) -> bool:
    """Return whether a callback overrides a hook of every batch."""
    names = [f"on_{kind}_batch_begin", f"on_{kind}_batch_end"]
    if kind == "train":
        names += ["on_batch_begin", "on_batch_end"]
    return any(
        not keras_names.is_default(getattr(callback, name))
        and not _may_skip_batches(callback, name)
        for callback in callbacks.callbacks
        for name in names
    )


def accept_delayed_epochs(callbacks: Any) -> bool:
    """Return whether all callbacks may be called for an epoch after later ones have run.

    Args:
        callbacks: as `Model.fit` takes them.
    """
    if isinstance(callbacks, keras_callbacks.CallbackList):
        callbacks = callbacks.callbacks
    given = keras.tree.flatten(callbacks) if callbacks else []
    return all(type(c) in DELAYED or isinstance(c, DelayedCallback) for c in given)


def _may_skip_batches(callback: Any, name: str) -> bool:
    """Return whether a batch hook has nothing to do under the callback's settings."""
    hook = getattr(callback, name)
    if hook.__module__.startswith("keras_tuner."):  # it calls the tuner's hook
        hook = getattr(getattr(callback, "tuner", None), name, hook)
    if _returns_at_once(hook):
        return True
    if isinstance(callback, DelayedCallback) and callback.skips_batches:
        return True
    if not hook.__module__.startswith("keras."):  # overridden in a subclass
        return False
    if isinstance(callback, DELAYED):
        return True
    if isinstance(
        callback, keras_callbacks.ModelCheckpoint | keras_callbacks.BackupAndRestore
    ):
        return callback.save_freq == "epoch" or callback.save_freq is False
    if isinstance(callback, keras_callbacks.TensorBoard):
        return not keras_names.tensorboard_needs_batches(callback)
    return False


def _returns_at_once(hook: Any) -> bool:
    """Return whether a function only returns a constant, as an empty one does."""
    code = getattr(hook, "__code__", None)
    empty = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}
    return code is not None and empty.issuperset(
        i.opname for i in dis.get_instructions(code)
    )
