"""Progress of a training: a bar on a terminal, or the lesson's lines."""

from collections.abc import Callable
from typing import Any, Self

from kerasnn.progress import ProgressBar
from kerasnn.training.callbacks.hooks import DelayedCallback
from kerasnn.training.compiled.loop import Logs

EpochCallback = Callable[[int, Logs], None]  # number of the epoch from 0, its metrics


class OnEpochEnd(DelayedCallback):
    """Calls a function after each epoch.

    Args:
        function: takes the number of the epoch, from 0, and its metrics.
    """

    def __init__(self, function: EpochCallback) -> None:
        super().__init__()
        self._function = function

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Call the function."""
        self._function(epoch, logs or {})


class EpochProgress(DelayedCallback):
    """The bar of a fit: its epochs, and the metrics of the last one.

    Args:
        epochs: number of epochs.
        steps: of an epoch; None if it is not known.
    """

    skips_batches = True

    def __init__(self, epochs: int, steps: int | None) -> None:
        super().__init__()
        self.bar = ProgressBar("Training", unit="epochs", total=epochs, in_log=True)
        self._epochs, self._steps, self._epoch = epochs, steps, 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note the number of the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Advance the bar within an epoch."""
        if self._steps:
            self._update(self._epoch + (batch + 1) / self._steps, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Advance the bar by one epoch."""
        self._update(epoch + 1, logs)

    def _update(self, done: float, logs: Any) -> None:
        texts = [f"{name} {float(value):.4g}" for name, value in (logs or {}).items()]
        self.bar.update(done, self._epochs, ", ".join(texts))


class EpochLines:
    """The lesson's lines: `Epoch [100/500], Accuracy: [0.97], Loss: [0.0312]`.

    The accuracy is that of the validation rows, if there are any; the loss is that of the
    training rows.

    Args:
        epochs: number of epochs.
        every: write a line for the first epoch, and for every n-th.
        write: writes a line.
    """

    def __init__(
        self, epochs: int, *, every: int = 100, write: Callable[[str], object] = print
    ) -> None:
        self.epochs = epochs
        self.every = every
        self.write = write

    def __call__(self, epoch: int, logs: Logs) -> None:
        """Write the line of an epoch if it is due."""
        if epoch == 0 or (epoch + 1) % self.every == 0:
            self.write(self.line(epoch, logs))

    def line(self, epoch: int, logs: Logs) -> str:
        """Return the line of one epoch."""
        parts = [f"Epoch [{epoch + 1}/{self.epochs}]"]
        accuracy = _accuracy(logs)
        if accuracy is not None:
            parts.append(f"Accuracy: [{accuracy:.2f}]")
        return ", ".join([*parts, f"Loss: [{logs['loss']:.4f}]"])


def _accuracy(logs: Logs) -> float | None:
    return logs.get("val_accuracy", logs.get("accuracy"))


class EpochBar:
    """A progress bar over the epochs, with the loss and accuracy of `EpochLines`.

    It is a context manager, and shows itself on a terminal only.

    Args:
        epochs: number of epochs.
        shown: False shows nothing.
    """

    def __init__(self, epochs: int, *, shown: bool = True) -> None:
        self.epochs = epochs
        self.bar = ProgressBar("Training", unit="epochs", total=epochs, shown=shown)

    def __call__(self, epoch: int, logs: Logs) -> None:
        """Advance the bar by one epoch."""
        shown = {"loss": logs["loss"], "accuracy": _accuracy(logs)}
        parts = [
            f"{name} {value:.4f}" for name, value in shown.items() if value is not None
        ]
        self.bar.update(epoch + 1, self.epochs, ", ".join(parts))

    def write(self, line: str, *, to_stderr: bool = False) -> None:
        """Print a line above the bar."""
        self.bar.write(line, to_stderr=to_stderr)

    def __enter__(self) -> Self:
        self.bar.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.bar.__exit__(*error)
