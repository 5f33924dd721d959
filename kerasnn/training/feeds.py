"""Where the loop's rows come from: memory, or a stream of batches.

A feed cuts an epoch into calls of the compiled loop. In memory a call is any part of the
epoch and moves nothing but row numbers; from a stream it is a stage, some batches of equal
shape laid side by side.
"""

import itertools
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasnn.training import keras_names
from kerasnn.training.calls import Budget, Call, Feed
from kerasnn.training.ladder import NeedsKerasError
from kerasnn.training.loop import Layout, Tensors
from kerasnn.training.plan import EpochPlan, epochs_planned, keras_plan
from kerasnn.training.programs import Batches
from kerasnn.training.row_source import RowsFromDisk, RowSource, adapted
from kerasnn.training.shard_feed import ShardFeed

# NumPy rows beyond this are not copied to a tensor but read batch by batch: a gather from
# a table far larger than the cache is slow under XLA as well.
ROWS_BYTES = 2**28
STAGE_BATCHES = 32
SECONDS_PER_STAGE = 0.25  # a slow producer is not waited for longer
STAGE_BYTES = 2**25
RAN_OUT = (
    "Your input ran out of data; interrupting training. Make sure that your dataset or"
    " generator can generate at least `steps_per_epoch * epochs` batches. You may need to"
    " use the `.repeat()` function when building your dataset."
)


class ArrayFeed:
    """Rows in memory.

    Args:
        data: x, (x, y) or (x, y, sample_weight) of tensors.
        plan: batches and row orders.
        steps_per_epoch: batches of an epoch, if it is not one pass over the rows: the
            position then persists over epochs, as Keras has it.
        steps_per_execution: the steps of an epoch are rounded up to a multiple of it.
        planned: epochs that one call has room for.
    """

    def __init__(
        self,
        data: Any,
        plan: EpochPlan,
        *,
        steps_per_epoch: int | None = None,
        steps_per_execution: int = 1,
        planned: int = 1,
    ) -> None:
        self.rows: Tensors = [tf.convert_to_tensor(t) for t in Layout.flatten(data)]
        self.data = Layout(data).pack(self.rows)
        self.plan = plan
        self.planned = planned
        self.batches = Batches.of(data, [size for size, _ in itertools.groupby(plan.sizes)])
        self._steps_per_epoch = steps_per_epoch
        self._execution = steps_per_execution
        self._pass = 0
        self._step = 0
        self._blocks: tuple[range, Tensors] = (range(0), [])

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return self._steps_per_epoch or self.plan.steps

    def blocks(self, passes: range) -> Tensors:
        """The row numbers of some passes; the last ones asked for are kept."""
        if self._blocks[0] != passes:
            blocks = self.plan.blocks(passes, self.planned)
            self._blocks = passes, [tf.constant(block) for block in blocks]
        return self._blocks[1]

    def whole(self, passes: range) -> Call:
        """Whole epochs in one call; without `steps_per_epoch` an epoch is a pass."""
        blocks = self.blocks(passes)
        return Call(self.batches, self.rows, blocks, 0, self.plan.steps, begin=0)

    def look_at(self, check: Callable[[Any], None]) -> None:
        """Check the rows."""
        check(self.data)

    def reset(self) -> None:
        """Back to the first row."""
        self._pass = self._step = 0

    @property
    def drawn(self) -> tuple[int, ...]:
        """The pass and its step, where an epoch is not a pass."""
        return () if self._steps_per_epoch is None else (self._pass, self._step)

    def go_to(self, drawn: tuple[int, ...]) -> None:
        """To the place that `drawn` told."""
        if drawn:
            self._pass, self._step = drawn

    def calls(
        self, epoch: int, budget: Budget, *, by_batch: bool = False, done: int = 0
    ) -> Iterator[Call]:
        """The calls of one epoch."""
        if self._steps_per_epoch is None:
            self._pass, self._step = epoch, done
        wanted = -(-self.steps // self._execution) * self._execution
        while done < wanted:
            if self._step == self.plan.steps:
                self._pass, self._step = self._pass + 1, 0
                if done:
                    if self._steps_per_epoch:
                        warnings.warn(RAN_OUT, stacklevel=2)
                    return
            count = min(budget(), wanted - done, self.plan.steps - self._step)
            call = Call(
                self.batches,
                self.rows,
                self.blocks(range(self._pass, self._pass + 1)),
                self._step,
                self._step + count,
                begin=done,
            )
            self._step += count  # before the call is run: `drawn` tells what follows it
            done += count
            yield call


class Executions(keras_names.EpochIterator):
    """Keras's iterator, giving the batches of one execution at a time, as under TensorFlow.

    It counts batches, remembers the position over epochs, and warns when data run out.
    """

    def __next__(self) -> tuple[int, int, list[Any]]:
        """First and last step of an execution, and its batches."""
        first, last, iterator = next(self._epoch_iterator)
        batches = list(itertools.islice(iterator, self.steps_per_execution))
        if not batches:
            with self.catch_stop_iteration():
                raise StopIteration
            raise StopIteration
        return first, last, batches


def keras_iterator(
    model: keras.Model, data: tuple[Any, Any, Any], **arguments: Any
) -> Executions:
    """Keras's iterator over these rows.

    Raises:
        InputError: rows from disk come with other rows.
    """
    x, y, sample_weight = data
    if isinstance(x, RowSource):
        x = adapted(
            x,
            arguments.get("batch_size"),
            shuffle=bool(arguments.get("shuffle")),
            y=y,
            sample_weight=sample_weight,
            class_weight=arguments.pop("class_weight", None),
        )
    return Executions(
        x=x,
        y=y,
        sample_weight=sample_weight,
        steps_per_execution=model.steps_per_execution,
        **arguments,
    )


class PlannedRows(keras_names.DataAdapter):
    """Rows too large to be copied, as a stream of the batches of a plan.

    Args:
        data: nested NumPy arrays; memory maps are read batch by batch.
        plan: batches and row orders.
    """

    def __init__(self, data: Any, plan: EpochPlan) -> None:
        self.data = keras.tree.map_structure(
            lambda leaf: None if leaf is None else np.asarray(leaf), data
        )
        self.plan = plan
        self.epoch = 0

    def get_numpy_iterator(self) -> Iterator[Any]:
        """The batches of the next epoch."""
        batches = self.plan.batches(self.epoch)
        self.epoch += 1
        for rows in batches:
            yield keras.tree.map_structure(
                lambda leaf, at=rows: None if leaf is None else leaf[at], self.data
            )

    @property
    def num_batches(self) -> int:
        """Batches of an epoch."""
        return self.plan.steps

    @property
    def batch_size(self) -> int:
        """Rows of the first batch."""
        return self.plan.sizes[0]


class StreamFeed:
    """Batches that come one after the other: `tf.data`, generators, `PyDataset`, loaders.

    Args:
        iterator: which counts batches and warns when they run out.
    """

    def __init__(self, iterator: Executions) -> None:
        self.iterator = iterator
        self.batches: Batches | None = None
        self._width = 0  # rows of the first batch
        self._epochs_drawn = 0
        self._check: Callable[[Any], None] | None = None
        adapter = iterator.data_adapter
        planned = isinstance(adapter, PlannedRows)
        look = adapter.data if planned else keras_names.peek(adapter)
        if look is not None:
            self.batches = self._look(look)

    @property
    def steps(self) -> int | None:
        """Batches of an epoch, if that is known."""
        return self.iterator.num_batches

    def look_at(self, check: Callable[[Any], None]) -> None:
        """Check each batch, when it comes."""
        self._check = check

    def reset(self) -> None:
        """Back to the beginning, where the data can be read again."""
        self.iterator.reset()

    @property
    def drawn(self) -> tuple[int, ...]:
        """The epochs that were drawn; () where any one of them can be drawn directly."""
        return () if self._planned else (self._epochs_drawn,)

    def go_to(self, drawn: tuple[int, ...]) -> None:
        """To the place that `drawn` told: these epochs are drawn, and dropped.

        What a pipeline shuffles depends on all that was drawn from it before.
        """
        for _ in range(drawn[0] if drawn else 0):
            for _ in self._executions(0):
                pass

    @property
    def _planned(self) -> bool:
        """Whether each epoch can be drawn directly."""
        planned = isinstance(self.iterator.data_adapter, PlannedRows)
        return planned and self.iterator.steps_per_epoch is None

    def _executions(self, done: int) -> Iterator[list[Any]]:
        """The batches of each execution of an epoch, after so many that are dropped."""
        iterator = iter(self.iterator)
        while (execution := next(iterator, None)) is not None:
            batches = execution[2]
            if done > 0:
                done -= len(batches)
            else:
                yield batches
        self._epochs_drawn += 1

    def calls(
        self, epoch: int, budget: Budget, *, by_batch: bool = False, done: int = 0
    ) -> Iterator[Call]:
        """The calls of one epoch."""
        if self._planned:
            self.iterator.data_adapter.epoch = epoch
        stage: list[Tensors] = []
        begin, opens, since = done, True, time.perf_counter()
        for buffer in self._executions(done):
            for number, batch in enumerate(buffer):
                if self._check is not None:
                    self._check(batch)
                leaves = self._arrays(batch)
                if not (stage and _same_shapes(stage[-1], leaves)):
                    if stage:
                        split = by_batch and number > 0
                        yield self._call(stage, by_batch, begin, opens, closes=not split)
                        begin, opens, stage = begin + len(stage), not split, []
                    self._follow(batch)
                stage.append(leaves)
            full = len(stage) >= min(self._room(stage[-1]), budget())
            if by_batch or full or time.perf_counter() - since > SECONDS_PER_STAGE:
                yield self._call(stage, by_batch, begin, opens)
                begin, opens, stage = begin + len(stage), True, []
                since = time.perf_counter()
        if stage:
            yield self._call(stage, by_batch, begin, opens)

    def _call(
        self,
        stage: list[Tensors],
        by_batch: bool,
        begin: int,
        opens: bool,
        closes: bool = True,
    ) -> Call:
        """One call for batches of equal shape, in a stage that has room for more."""
        assert self.batches is not None
        count, width = len(stage), len(stage[0][0])
        self._width = self._width or width
        room = count if by_batch else self._room(stage[0])
        blank = [np.zeros_like(leaf) for leaf in stage[0]] if count < room else []
        whole = stage + [blank] * (room - count)
        rows = [tf.constant(np.concatenate(leaves)) for leaves in zip(*whole, strict=True)]
        numbers = np.arange(room * width, dtype=np.int32).reshape(1, room, width)
        return Call(
            self.batches,
            rows,
            [tf.constant(numbers)],
            0,
            count,
            begin,
            odd=width != self._width,
            opens=opens,
            closes=closes,
        )

    def _arrays(self, batch: Any) -> Tensors:
        """The leaves of a batch, in the types of the first one."""
        leaves = [np.asarray(leaf) for leaf in Layout.flatten(batch)]
        if self.batches is None:
            return leaves
        types = [dtype.as_numpy_dtype for _, dtype in self.batches.tensors]
        return [leaf.astype(t, copy=False) for leaf, t in zip(leaves, types, strict=True)]

    def _room(self, batch: Tensors) -> int:
        """Batches of a stage."""
        size = sum(leaf.nbytes for leaf in batch)
        return max(1, min(STAGE_BATCHES, STAGE_BYTES // max(1, size)))

    def _look(self, batch: Any) -> Batches:
        batch = keras.tree.map_structure(dense, keras.tree.lists_to_tuples(batch))
        adapter = self.iterator.data_adapter
        fixed = isinstance(adapter, keras_names.TFDatasetAdapter)
        return Batches.of(batch, [adapter.batch_size if fixed else None])

    def _follow(self, batch: Any) -> None:
        """Learn the shapes of a batch: what differs between batches is not fixed."""
        seen = self._look(batch)
        if self.batches is None:
            self.batches = seen
        elif self.batches.tensors != seen.tensors:
            self.batches = _common(self.batches, seen)


def make_feed(
    iterator: Executions, *, seed: int | None = None, several_epochs: bool = False
) -> Feed:
    """The feed of Keras's iterator: rows in memory, or its batches.

    Args:
        iterator: not yet begun.
        seed: of the row orders. None draws one from NumPy's global generator.
        several_epochs: whether a call may run several epochs.

    Raises:
        NeedsKerasError: the rows cannot be gathered: ragged, sparse, objects, none.
    """
    adapter = iterator.data_adapter
    execution = iterator.steps_per_execution
    if isinstance(adapter, RowsFromDisk) and not iterator.steps_per_epoch:
        return ShardFeed(
            adapter.source, adapter.batch_size, shuffle=adapter.epoch is not None
        )
    if not isinstance(adapter, keras_names.ArrayDataAdapter):
        return StreamFeed(iterator)
    data = keras.tree.map_structure(dense, keras_names.adapter_arrays(adapter))
    leaves = Layout.flatten(data)
    shuffle = keras_names.adapter_shuffle(adapter)
    if shuffle and seed is None:
        seed = int(np.random.randint(2**31))  # noqa: NPY002
    plan = keras_plan(len(leaves[0]), adapter.batch_size, shuffle, seed or 0)
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
    )


def dense(leaf: Any) -> Any:
    """A leaf as a NumPy array or tensor."""
    if leaf is None or isinstance(leaf, tf.Tensor):
        return leaf
    if isinstance(leaf, tf.TensorSpec) and (leaf.dtype.is_numeric or leaf.dtype.is_bool):
        return leaf
    if isinstance(leaf, tf.RaggedTensor | tf.SparseTensor | tf.TypeSpec):
        raise NeedsKerasError(f"the data holds a {type(leaf).__name__}")
    array = np.asarray(leaf)  # of PyTorch, JAX, or a list
    if array.dtype == object:
        raise NeedsKerasError(f"the data holds a {type(leaf).__name__}")
    return array


def _common(one: Batches, other: Batches) -> Batches:
    """Batches like both: a dimension in which they differ is None.

    Raises:
        NeedsKerasError: they differ in more than that.
    """
    tensors = []
    pairs = zip(one.tensors, other.tensors, strict=True)
    for (shape, dtype), (other_shape, _) in pairs:  # other types are cast
        if len(shape) != len(other_shape):
            raise NeedsKerasError(f"batches differ: {shape} and {other_shape}")
        dims = zip(shape, other_shape, strict=True)
        tensors.append((tuple(a if a == b else None for a, b in dims), dtype))
    return one._replace(tensors=tuple(tensors))


def _same_shapes(one: Tensors, other: Tensors) -> bool:
    return [t.shape for t in one] == [t.shape for t in other]
