"""What feeds give to the epochs: calls of the compiled loop."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from kerasnn.training.loop import Tensors
from kerasnn.training.programs import Batches

Budget = Callable[[], int]  # steps that the next call may take


@dataclass(frozen=True)
class Call:
    """One call of the loop within an epoch.

    Attributes:
        batches: what its batches look like.
        rows, blocks: as `run_epochs` takes them.
        first, stop: steps to run, of those in the blocks.
        begin: number of its first step in the epoch.
        odd: a batch in a stream whose size is not that of the others.
        opens, closes: whether an execution begins with it, and whether it is over then;
            batches of different sizes in one execution take a call each.
    """

    batches: Batches
    rows: Tensors
    blocks: Tensors
    first: int
    stop: int
    begin: int
    odd: bool = False
    opens: bool = True
    closes: bool = True

    @property
    def end(self) -> int:
        """Number of its last step in the epoch."""
        return self.begin + self.stop - self.first - 1


class Feed(Protocol):
    """What the epochs are made of; `batches` is None until the first one is seen."""

    @property
    def batches(self) -> Batches | None:
        """What its batches look like."""

    @property
    def steps(self) -> int | None:
        """Batches of an epoch, if that is known."""

    def look_at(self, check: Callable[[Any], None]) -> None:
        """Check x, (x, y) or (x, y, sample_weight): all rows, or each batch in turn."""

    def reset(self) -> None:
        """Back to the beginning."""

    @property
    def drawn(self) -> tuple[int, ...]:
        """The place in data that do not begin anew with each epoch; else ()."""

    def go_to(self, drawn: tuple[int, ...]) -> None:
        """To the place that `drawn` told."""

    def calls(
        self, epoch: int, budget: Budget, *, by_batch: bool = False, done: int = 0
    ) -> Iterator[Call]:
        """The calls of one epoch; `by_batch`: each takes one execution, drawn just then.

        `done`: steps of it that were taken before.
        """


class FreshFeed:
    """What feeds have in common whose every epoch begins anew, wherever that is."""

    _check: Callable[[Any], None] | None = None

    def look_at(self, check: Callable[[Any], None]) -> None:
        """Check the rows, when they come."""
        self._check = check

    def reset(self) -> None:
        """There is nothing to go back from."""

    @property
    def drawn(self) -> tuple[int, ...]:
        """Nothing that an epoch depends on."""
        return ()

    def go_to(self, drawn: tuple[int, ...]) -> None:
        """An epoch is found by its number."""
