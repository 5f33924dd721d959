"""The progress bar of the training of a table's network."""

from collections.abc import Mapping
from typing import Any, Self

from kerasnn.progress import ProgressBar

_LOSS_NAMES = {"loss": "loss", "val_loss": "left out"}


class FitBar:
    """A bar over the epochs, for the `progress` of an estimator; a context manager.

    Args:
        shown: False shows no bar.
    """

    def __init__(self, *, shown: bool = True) -> None:
        self.bar = ProgressBar("Training", unit="epochs", shown=shown)

    def __call__(self, done: int, epochs: int, losses: Mapping[str, float]) -> None:
        """Show the number of epochs done, and the losses."""
        texts = [f"{_LOSS_NAMES.get(name, name)} {v:.3g}" for name, v in losses.items()]
        self.bar.update(done, epochs, ", ".join(texts))

    def __enter__(self) -> Self:
        self.bar.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.bar.__exit__(*error)
