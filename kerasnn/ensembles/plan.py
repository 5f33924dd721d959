"""Which rows are in which batch, for members that each have rows of their own.

An epoch is as many batches for all members; each member's rows are shuffled by a seed of
its own and spread over them evenly. Where a batch has room for a row more, it holds the
number of a row that weighs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kerasnn.training.plan import EpochPlan

RowNumbers = NDArray[np.int32]


@dataclass(frozen=True)
class BatchShape:
    """How the rows of a member are cut.

    Attributes:
        steps: batches of an epoch.
        width: rows of a batch.
    """

    steps: int
    width: int

    @classmethod
    def of(cls, n_rows: int, batch_size: int) -> "BatchShape":
        """BatchSpec of equal width, at most `batch_size`: no short one at the end."""
        steps = -(-n_rows // batch_size)
        return cls(steps, -(-n_rows // steps))


def member_plan(
    rows: Sequence[RowNumbers], seeds: Sequence[int], shape: BatchShape, *, padding: int
) -> EpochPlan:
    """The plan of an epoch for members side by side.

    Args:
        rows: the training rows of each member.
        seeds: of each member's row orders.
        shape: of the batches; `steps * width` is at least the rows of any member.
        padding: number of a row that weighs nothing.

    Returns:
        BatchSpec of members * width row numbers, one member's after the other's.
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
    """The rows in a random order, [steps, width], the padding spread over the batches."""
    order = np.random.default_rng(seed).permutation(rows)
    slots = np.full(shape.steps * shape.width, padding, np.int32)
    # Dealt out like cards: the batches differ by one row at the most.
    slots[: len(order)] = order
    return slots.reshape(shape.width, shape.steps).T
