"""What feeds give to the epochs: calls of the compiled loop."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from kerasnn.training.compiled.specs import BatchSpec, Tensors

Budget = Callable[[], int]  # steps that the next call may take


@dataclass(frozen=True)
class Chunk:
    """Consecutive steps of one epoch, run in one call of the compiled loop.

    Attributes:
        batch_spec: shapes and types of its batches.
        rows, blocks: as `run_epochs` takes them.
        first, stop: the steps to run, as numbers in the blocks.
        first_step: number of its first step in the epoch.
        irregular_size: whether its batches have another size than the first of the stream.
        starts_execution, ends_execution: whether one of Keras's executions begins or ends
            with it. Batches of different sizes in one execution take a chunk each.
    """

    batch_spec: BatchSpec
    rows: Tensors
    blocks: Tensors
    first: int
    stop: int
    first_step: int
    irregular_size: bool = False
    starts_execution: bool = True
    ends_execution: bool = True

    @property
    def last_step(self) -> int:
        """Number of its last step in the epoch."""
        return self.first_step + self.stop - self.first - 1


class Feed(Protocol):
    """What the epochs are made of; `batches` is None until the first one is seen."""

    @property
    def batch_spec(self) -> BatchSpec | None:
        """What its batches look like."""

    @property
    def steps(self) -> int | None:
        """BatchSpec of an epoch, if that is known."""

    def check_with(self, check: Callable[[Any], None]) -> None:
        """Check x, (x, y) or (x, y, sample_weight): all rows, or each batch in turn."""

    def reset(self) -> None:
        """Back to the beginning."""

    @property
    def position(self) -> tuple[int, ...]:
        """The place in data that do not begin anew with each epoch; else ()."""

    def seek(self, position: tuple[int, ...]) -> None:
        """To the place that `position` told."""

    def chunks(
        self, epoch: int, budget: Budget, *, by_batch: bool = False, done: int = 0
    ) -> Iterator[Chunk]:
        """The calls of one epoch; `by_batch`: each takes one execution, drawn just then.

        `done`: steps of it that were taken before.
        """


class FreshFeed:
    """What feeds have in common whose every epoch begins anew, wherever that is."""

    _check: Callable[[Any], None] | None = None

    def check_with(self, check: Callable[[Any], None]) -> None:
        """Check the rows, when they come."""
        self._check = check

    def reset(self) -> None:
        """There is nothing to go back from."""

    @property
    def position(self) -> tuple[int, ...]:
        """Nothing that an epoch depends on."""
        return ()

    def seek(self, position: tuple[int, ...]) -> None:
        """An epoch is found by its number."""
