"""Keras's history of a training, with the time of the compiled calls."""

from typing import Any, Protocol

from keras import callbacks


class FitHistory(Protocol):
    """The result of `kerasnn.fit`, with the attributes of `keras.callbacks.History`.

    Attributes:
        history: "loss" and other metrics, and "val_..." if there were validation rows; one
            float for each epoch, measured during the epoch, as in Keras.
        epoch: numbers of the epochs, from 0.
        params: "epochs", "steps" of an epoch, "verbose".
    """

    history: dict[str, list[float]]
    epoch: list[int]
    params: dict[str, Any]


class History(callbacks.History):
    """A `keras.callbacks.History` (see `FitHistory`) with the time of the calls.

    Attributes:
        seconds: wall time of each call of the loop; the first may include a compilation.
        steps_per_call: number of steps of each call.
    """

    history: dict[str, list[float]]
    epoch: list[int]
    params: dict[str, Any]

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self.steps_per_call: list[int] = []

    def took(self, steps: int, seconds: float) -> None:
        """Record one call."""
        self.steps_per_call.append(steps)
        self.seconds.append(seconds)

    def microseconds_per_step(self) -> float | None:
        """Return the time of a step, without the first call; None if there is no other."""
        steps = sum(self.steps_per_call[1:])
        return sum(self.seconds[1:]) / steps * 1e6 if steps else None
