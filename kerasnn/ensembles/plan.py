"""Row orders of an epoch, for members that each have rows of their own.

All members have equally many batches in an epoch. Each member's rows are shuffled by its
own seed and spread evenly over its batches. A batch with room for one more row holds the
number of a padding row, whose weight is zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kerasnn.training.feeds.plan import EpochPlan

RowNumbers = NDArray[np.int32]


@dataclass(frozen=True)
class BatchShape:
    """Number and size of a member's batches in an epoch.

    Attributes:
        steps: batches of an epoch.
        width: rows of a batch.
    """

    steps: int
    width: int

    @classmethod
    def of(cls, n_rows: int, batch_size: int) -> "BatchShape":
        """Return batches of equal width, at most `batch_size`: no short one at the end."""
        steps = -(-n_rows // batch_size)
        return cls(steps, -(-n_rows // steps))


def member_plan(
    rows: Sequence[RowNumbers], seeds: Sequence[int], shape: BatchShape, *, padding: int
) -> EpochPlan:
    """Return the plan of an epoch for members side by side.

    Args:
        rows: training rows of each member.
        seeds: seed of each member's row orders.
        shape: of the batches; `steps * width` is at least the rows of any member.
        padding: number of a row without weight.

    Returns:
        Batches of members * width row numbers, first those of the first member.
    """
    members = len(rows)

    def row_order(epoch: int) -> RowNumbers:
        slots = np.full((members, shape.steps, shape.width), padding, np.int32)
        for m, (own, seed) in enumerate(zip(rows, seeds, strict=True)):
            slots[m] = spread(own, (seed, epoch), shape, padding)
        return slots.transpose(1, 0, 2).reshape(-1)

    return EpochPlan((members * shape.width,) * shape.steps, row_order)


def spread(
    rows: RowNumbers, seed: tuple[int, ...], shape: BatchShape, padding: int
) -> RowNumbers:
    """Return the rows in random order, [steps, width], with padding spread over batches."""
    order = np.random.default_rng(seed).permutation(rows)
    slots = np.full(shape.steps * shape.width, padding, np.int32)
    # One row to each batch in turn, so that batches differ by at most one row.
    slots[: len(order)] = order
    return slots.reshape(shape.width, shape.steps).T
