"""What happened in training, epoch by epoch."""

from dataclasses import dataclass, field


@dataclass
class History:
    """The metrics of each epoch, with the attributes of `keras.callbacks.History`.

    Attributes:
        history: "loss" and other metrics, and "val_..." where there were validation rows;
            one float for each epoch, taken while the epoch went on, as Keras does.
        epoch: numbers of the epochs, from 0.
        params: "epochs", and "steps" of an epoch.
        seconds: wall time of each compiled call; the first holds the compilation.
        epochs_per_call: epochs that each of these calls ran.
    """

    history: dict[str, list[float]] = field(default_factory=dict)
    epoch: list[int] = field(default_factory=list)
    params: dict[str, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    epochs_per_call: list[int] = field(default_factory=list)

    def append(self, epoch: int, logs: dict[str, float]) -> None:
        """Add one epoch."""
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)

    def took(self, epochs: int, seconds: float) -> None:
        """Note one compiled call."""
        self.epochs_per_call.append(epochs)
        self.seconds.append(seconds)

    def microseconds_per_step(self) -> float | None:
        """Wall time a step, without the first call; None if there was only that one."""
        steps = sum(self.epochs_per_call[1:]) * self.params["steps"]
        return sum(self.seconds[1:]) / steps * 1e6 if steps else None
