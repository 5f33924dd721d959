"""Keras's history of a training, with the time of the compiled calls."""

from keras import callbacks


class History(callbacks.History):
    """`keras.callbacks.History` with the time of the calls; `fit` returns it.

    Attributes:
        history: "loss" and other metrics, and "val_..." if there were validation rows; one
            float for each epoch, measured during the epoch, as in Keras.
        epoch: numbers of the epochs, from 0.
        params: "epochs", "steps" of an epoch, "verbose".
        seconds: wall time of each call of the loop; the first may include a compilation.
        steps_per_call: number of steps of each call.
    """

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
