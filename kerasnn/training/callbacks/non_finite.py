"""A warning of a loss that is not finite."""

import math

from keras import callbacks as keras_callbacks

from kerasnn.errors import warn_user
from kerasnn.training.callbacks.loop_hook import LoopHook
from kerasnn.training.compiled.loop import Logs


class NonFiniteWarning(LoopHook):
    """Warns once of a loss that is not finite; training continues, as in Keras."""

    def __init__(self, callbacks: keras_callbacks.CallbackList) -> None:
        # Users of TerminateOnNaN see it anyway.
        stops = keras_callbacks.TerminateOnNaN
        self._warned = any(isinstance(c, stops) for c in callbacks.callbacks)

    def after_epoch(self, epoch: int, logs: Logs) -> None:
        """Check the losses of an epoch."""
        for name in ("loss", "val_loss"):
            value = logs.get(name, 0.0)
            if not self._warned and isinstance(value, float) and not math.isfinite(value):
                self._warned = True
                warn_user(
                    f"{name} is {value} in epoch {epoch + 1}, and training goes on;"
                    " keras.callbacks.TerminateOnNaN() would stop it. A smaller learning"
                    " rate or scaled inputs may help"
                )
