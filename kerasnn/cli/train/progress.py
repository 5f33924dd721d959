"""The progress bar of the training of a table's network."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from tqdm import tqdm

_BAR = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} epochs [{elapsed}{postfix}]"
_LOSS_NAMES = {"loss": "loss", "val_loss": "on left-out rows"}


class FitBar:
    """A bar over the epochs, for the `progress` of an estimator; on a terminal only.

    The remaining time follows from the speed since the first call, which includes the
    compilation; the estimate of the first call itself is therefore an upper bound. The
    number of epochs may shrink, to keep a time limit.

    Args:
        shown: False shows no bar.
    """

    def __init__(self, *, shown: bool = True) -> None:
        self.bar = tqdm(
            desc="Training",
            bar_format="{desc} ... {elapsed}",
            disable=None if shown else True,
        )
        self._started = time.monotonic()
        self._first: tuple[int, float] | None = None  # epochs and time of the first call
        self._losses = ""

    def __call__(self, done: int, epochs: int, losses: Mapping[str, float]) -> None:
        """Show the number of epochs done."""
        bar = self.bar
        bar.total, bar.bar_format = epochs, _BAR
        self._losses = ", ".join(
            f"{_LOSS_NAMES.get(name, name)} {value:.4f}" for name, value in losses.items()
        )
        left = self._left(done, epochs, time.monotonic())
        bar.set_postfix_str(", ".join(filter(None, [left, self._losses])), refresh=False)
        bar.n = done
        bar.refresh()

    def _left(self, done: int, epochs: int, now: float) -> str:
        if self._first is None:
            self._first = done, now
            bound, start, since = "at most ", 0, self._started
        else:
            bound, (start, since) = "", self._first
        if done >= epochs:
            return ""
        seconds = (now - since) / (done - start) * (epochs - done)
        return f"{bound}{tqdm.format_interval(seconds)} left"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None and self._first is not None:
            self.bar.total = self.bar.n
            self.bar.set_postfix_str(self._losses, refresh=False)
            self.bar.refresh()
        self.bar.close()
