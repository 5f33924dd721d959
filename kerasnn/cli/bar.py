"""What a person sees on a terminal while a network for a table is trained."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from tqdm import tqdm

FORMAT = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} epochs [{elapsed}{postfix}]"
TOLD = {"loss": "loss", "val_loss": "on left-out rows"}


class FitBar:
    """A bar over the epochs, for the `progress` of an estimator; on a terminal only.

    The time left follows from the pace since the first call, which has the compilation in
    it and is gone by only while there is no other: then it is the most that it can be.
    The number of epochs may shrink, to keep to a time limit; where the training ends before
    it, the bar ends there too.

    Args:
        shown: whether there is one at all.
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
        """Show how far it is."""
        bar = self.bar
        bar.total, bar.bar_format = epochs, FORMAT
        self._losses = ", ".join(
            f"{TOLD.get(name, name)} {value:.4f}" for name, value in losses.items()
        )
        left = self._left(done, epochs, time.monotonic())
        bar.set_postfix_str(", ".join(filter(None, [left, self._losses])), refresh=False)
        bar.n = done
        bar.refresh()

    def _left(self, done: int, epochs: int, now: float) -> str:
        """How long it will take from here."""
        if self._first is None:
            self._first = done, now
            at_most, begun, since = "at most ", 0, self._started
        else:
            at_most, (begun, since) = "", self._first
        if done >= epochs:
            return ""
        seconds = (now - since) / (done - begun) * (epochs - done)
        return f"{at_most}{tqdm.format_interval(seconds)} left"

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


@contextmanager
def told_on_terminal(text: str) -> Iterator[None]:
    """Say what is being done; it is gone when that is done."""
    if not sys.stderr.isatty():
        yield
        return
    sys.stderr.write(text)
    sys.stderr.flush()
    try:
        yield
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
