"""Chooses the feed for the data of a fit: rows in memory, on disk, or a stream of batches.

In memory a chunk is any part of an epoch, and only row numbers move. From a stream it is a
stage: batches of equal shape, joined into one array.
"""

import numpy as np

from kerasnn.training import keras_names
from kerasnn.training.compiled.chunks import Feed
from kerasnn.training.compiled.errors import NeedsKerasError
from kerasnn.training.compiled.specs import DataStructure
from kerasnn.training.feeds.array_feed import ArrayFeed
from kerasnn.training.feeds.keras_iterator import Executions, PlannedRows, dense
from kerasnn.training.feeds.plan import RowOrder, epochs_planned, keras_plan
from kerasnn.training.feeds.row_source import RowsFromDisk
from kerasnn.training.feeds.shard_feed import ShardFeed
from kerasnn.training.feeds.stream_feed import StreamFeed

# Larger NumPy arrays are not copied to a tensor but read batch by batch: a gather from an
# array far larger than the cache is slow under XLA too.
ROWS_BYTES = 2**28


def make_feed(
    iterator: Executions,
    *,
    seed: int | None = None,
    several_epochs: bool = False,
    order: RowOrder | None = None,
) -> Feed:
    """Return the feed for the data of Keras's iterator.

    Args:
        iterator: has not been read yet.
        seed: of the row orders. None draws one from NumPy's global generator.
        several_epochs: whether one call may run several epochs.
        order: row order of every epoch, if it is known.

    Raises:
        NeedsKerasError: the rows cannot be gathered: they are ragged, sparse or objects,
            or there are none.
    """
    adapter = iterator.data_adapter
    execution = iterator.steps_per_execution
    if isinstance(adapter, RowsFromDisk) and not iterator.steps_per_epoch:
        return ShardFeed(
            adapter.source, adapter.batch_size, shuffle=adapter.epoch is not None
        )
    if not isinstance(adapter, keras_names.ArrayDataAdapter):
        return StreamFeed(iterator)
    data = dense(keras_names.adapter_arrays(adapter))
    leaves = DataStructure.flatten(data)
    shuffle = keras_names.adapter_shuffle(adapter)
    if shuffle and seed is None and order is None:
        seed = int(np.random.randint(2**31))  # noqa: NPY002
    plan = keras_plan(len(leaves[0]), adapter.batch_size, shuffle, seed or 0, order)
    if not plan.sizes:
        raise NeedsKerasError("there are no rows")
    if sum(leaf.nbytes for leaf in leaves if isinstance(leaf, np.ndarray)) > ROWS_BYTES:
        iterator.data_adapter = PlannedRows(data, plan)
        return StreamFeed(iterator)
    steps = iterator.steps_per_epoch
    one_pass = steps is None or (steps == plan.steps and execution == 1)
    return ArrayFeed(
        data,
        plan,
        steps_per_epoch=None if one_pass else steps,
        steps_per_execution=execution,
        planned=epochs_planned(plan) if several_epochs and one_pass else 1,
        batch_size=adapter.batch_size,
    )
