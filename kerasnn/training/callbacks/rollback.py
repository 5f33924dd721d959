"""Restores a network when a loss or weight is no longer finite."""

import math
from typing import Protocol

import tensorflow as tf

from kerasnn.errors import NonFiniteLossError
from kerasnn.training.callbacks.history import History
from kerasnn.training.callbacks.loop_hook import LoopHook
from kerasnn.training.compiled.loop import Logs


class Restorable(Protocol):
    """A network whose weights and optimizer can be copied and restored."""

    def state(self) -> list[tf.Tensor]:
        """A copy of weights, optimizer slots and learning rate."""

    def restore(self, state: list[tf.Tensor]) -> None:
        """Assign what `state` returned."""

    def non_finite_weight(self) -> str | None:
        """The name of a trained Variable that holds NaN or an infinity."""


class Rollback(LoopHook):
    """Restores a network to the start of the call that made a loss or weight not finite.

    Args:
        network: the network in training.
        epochs: number of the last epoch, after which the weights are checked.
        history: the history of the fit.
    """

    def __init__(self, network: Restorable, epochs: int, history: History) -> None:
        self._network = network
        self._epochs = epochs
        self._history = history
        self._kept_epoch = 0
        self._state: list[tf.Tensor] = []
        self._last: Logs = {}

    def before_call(self, epoch: int) -> None:
        """Copy the state."""
        self._kept_epoch = epoch
        self._state = self._network.state()

    def after_epoch(self, epoch: int, logs: Logs) -> None:
        """Check the losses, and the weights after the last epoch.

        Raises:
            NonFiniteLossError: one is not finite.
        """
        for name in ("loss", "val_loss"):
            if not math.isfinite(logs.get(name, 0.0)):
                self._raise(name, logs[name], epoch, self._last.get(name), epoch)
        if epoch + 1 == self._epochs:  # no loss shows the last update
            weight = self._network.non_finite_weight()
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
        self._network.restore(self._state)
        raise NonFiniteLossError(
            name,
            value,
            epoch=epoch + 1,
            last_finite=last_finite,
            last_epoch=last_epoch,
            kept_epoch=self._kept_epoch,
        )
