"""What happened in training: Keras's history, and how long the calls took."""

from keras import callbacks


class History(callbacks.History):
    """`keras.callbacks.History`, which `fit` returns, with the time of the calls.

    Attributes:
        history: "loss" and other metrics, and "val_..." where there were validation rows;
            one float for each epoch, taken while the epoch went on, as Keras does.
        epoch: numbers of the epochs, from 0.
        params: "epochs", "steps" of an epoch, "verbose".
        seconds: wall time of each call of the loop; the first may hold a compilation.
        steps_per_call: steps that each of these calls ran.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self.steps_per_call: list[int] = []

    def took(self, steps: int, seconds: float) -> None:
        """Note one call."""
        self.steps_per_call.append(steps)
        self.seconds.append(seconds)

    def microseconds_per_step(self) -> float | None:
        """Wall time a step, without the first call; None if there was only that one."""
        steps = sum(self.steps_per_call[1:])
        return sum(self.seconds[1:]) / steps * 1e6 if steps else None
