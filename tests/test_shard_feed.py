"""Rows from disk train as rows in memory do, and are never all in memory at once."""

import mmap
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ClassVar

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import kerasnn
from kerasnn.checkpoints import CheckpointFolder
from kerasnn.datasets import ShuffledShards, write_shards
from kerasnn.errors import InputError
from kerasnn.training.feeds.row_source import (
    Buffers,
    RowsFromDisk,
    row_batches,
    row_groups,
)
from kerasnn.training.feeds.shard_feed import ShardFeed, ahead

ROWS = np.random.default_rng(0).normal(size=(333, 4)).astype(np.float32)
LABELS = (ROWS.sum(axis=1) > 0).astype(np.int32)
WEIGHTS = np.linspace(0.5, 1.5, len(ROWS)).astype(np.float32)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    blocks = [
        {
            "x": ROWS[i : i + 50],
            "y": LABELS[i : i + 50],
            "sample_weight": WEIGHTS[i : i + 50],
        }
        for i in range(0, len(ROWS), 50)
    ]
    folder = tmp_path_factory.mktemp("shards") / "s"
    return ShuffledShards(write_shards(blocks, folder, rows_per_shard=40), together=3)


def model():
    keras.utils.set_random_seed(7)
    made = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(2)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    made.compile(keras.optimizers.Adam(0.01), loss, weighted_metrics=["accuracy"])
    return made


def weights(of):
    return [variable.numpy() for variable in of.variables]


def same(ones, others):
    return all(np.array_equal(a, b) for a, b in zip(ones, others, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("driver", ["graph", "xla"])
def test_rows_in_the_same_order_train_as_in_memory(source, driver):
    in_memory, from_disk = model(), model()
    fit = {"batch_size": 16, "epochs": 3, "shuffle": False, "verbose": 0}
    expected = kerasnn.fit(
        in_memory, ROWS, LABELS, sample_weight=WEIGHTS, driver=driver, **fit
    )
    got = kerasnn.fit(from_disk, source, driver=driver, **fit)
    if driver == "graph":
        assert same(weights(from_disk), weights(in_memory))
        assert got.history == expected.history
    else:  # the short last batch runs as a graph
        for one, other in zip(weights(from_disk), weights(in_memory), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)


def documented_order(sizes, *, together, seed, epoch):
    """The row numbers of an epoch, in the documented order."""
    ends = np.cumsum(sizes)
    rows = [np.arange(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    numbers = np.random.default_rng((seed, epoch)).permutation(len(sizes))
    order = []
    for start in range(0, len(numbers), together):
        group = np.concatenate([rows[i] for i in numbers[start : start + together]])
        turn = np.arange(len(group), dtype=np.int32)
        np.random.default_rng((seed, epoch, start)).shuffle(turn)
        order.append(group[turn])
    return np.concatenate(order)


@pytest.fixture(scope="module")
def step_by_step(source):
    """The weights after two eager epochs on rows in memory, in the documented order."""
    plain = model()
    for epoch in range(2):
        order = documented_order(source.shards.sizes, together=3, seed=0, epoch=epoch)
        kerasnn.fit(
            plain,
            ROWS[order],
            LABELS[order],
            sample_weight=WEIGHTS[order],
            batch_size=35,
            shuffle=False,
            verbose=0,
            driver="eager",
        )
    return weights(plain)


@pytest.mark.slow_cases
@pytest.mark.parametrize("driver", ["graph", "xla"])
def test_shuffled_rows_train_as_eager_steps_in_the_documented_order(
    source, step_by_step, driver
):
    from_disk = model()
    kerasnn.fit(from_disk, source, batch_size=35, epochs=2, verbose=0, driver=driver)
    if driver == "graph":
        assert same(weights(from_disk), step_by_step)
    else:
        for one, other in zip(weights(from_disk), step_by_step, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)


def batches_of(chunk):
    """The last array of each batch of a chunk, gathered as the loop does."""
    numbers = chunk.blocks[0].numpy()[0, chunk.first : chunk.stop]
    return [chunk.rows[-1].numpy()[batch].tolist() for batch in numbers]


@given(
    n_rows=st.integers(1, 70),
    per_shard=st.integers(1, 20),
    together=st.integers(1, 4),
    batch_size=st.integers(1, 80),  # smaller and larger than a group
    by_batch=st.booleans(),
    data=st.data(),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_batches_follow_the_documented_order_for_any_sizes(
    n_rows, per_shard, together, batch_size, by_batch, data, tmp_path_factory
):
    y = np.arange(n_rows)
    shards = write_shards(
        [{"x": -y[:, None], "y": y}],
        tmp_path_factory.mktemp("shards") / "s",
        rows_per_shard=per_shard,
    )
    feed = ShardFeed(
        ShuffledShards(shards, seed=5, together=together), batch_size, shuffle=True
    )
    next(feed.chunks(7, lambda: 1))  # and leave the rest
    for epoch in range(2):  # in reused memory
        order = documented_order(shards.sizes, together=together, seed=5, epoch=epoch)
        assert sorted(order) == y.tolist()
        expected = [
            order[i : i + feed.batch_size].tolist()
            for i in range(0, n_rows, feed.batch_size)
        ]
        done = data.draw(st.integers(0, len(expected) - 1)) if epoch else 0
        chunks = feed.chunks(epoch, lambda: 1, by_batch=by_batch, done=done)
        assert [b for chunk in chunks for b in batches_of(chunk)] == expected[done:]


def test_the_rows_of_a_chunk_do_not_change_while_later_ones_are_read(source):
    feed = ShardFeed(source, 16, shuffle=True)
    chunks, first = [], []
    for epoch in range(3):
        for chunk in feed.chunks(epoch, lambda: 1):
            chunks.append(chunk)
            first.append([tensor.numpy() for tensor in chunk.rows])
    assert len({id(chunk.rows) for chunk in chunks}) == 9  # 3 groups an epoch
    for chunk, rows in zip(chunks, first, strict=True):
        assert same([tensor.numpy() for tensor in chunk.rows], rows)


class RecordedMemory(mmap.mmap):
    """Records the memory that is requested without a file."""

    requested: list[mmap.mmap]

    def __new__(cls, file, size, **settings):
        made = super().__new__(cls, file, size, **settings)
        if file == -1:
            cls.requested.append(made)
        return made


@pytest.fixture
def memory(monkeypatch):
    RecordedMemory.requested = []
    monkeypatch.setattr(mmap, "mmap", RecordedMemory)
    yield RecordedMemory.requested
    RecordedMemory.requested = []


def test_a_fit_holds_at_most_three_groups_in_memory(memory, source):
    feed = ShardFeed(source, 16, shuffle=True)
    kerasnn.fit(model(), source, batch_size=16, epochs=4, verbose=0)
    group = (3 * 40 + 16) * (4 * 4 + 4 + 4 + 4)  # x, y, sample_weight, order
    assert feed.max_bytes == 3 * group
    assert group < sum(len(each) for each in memory) <= 3 * group


def test_the_tensors_of_a_chunk_share_the_memory_of_the_rows(memory, source):
    chunk = next(ShardFeed(source, 16, shuffle=True).chunks(0, lambda: 1))
    for tensor in chunk.rows:
        places = [np.frombuffer(each, np.uint8) for each in memory]
        assert any(np.shares_memory(np.asarray(tensor), place) for place in places)


@pytest.mark.parametrize("hold", ["view", "tensor", "array of a tensor"])
def test_memory_is_reused_only_when_nothing_refers_to_it(hold):
    buffers = Buffers([np.zeros((1, 3), np.float32)], 5)
    (array,), _ = buffers.take()
    place = array.ctypes.data
    if hold == "view":
        held = array[1:4].reshape(-1)[2:]
    else:
        held = tf.experimental.dlpack.from_dlpack(array.__dlpack__())
        held = held if hold == "tensor" else np.asarray(held)
    del array
    (other,), _ = buffers.take()
    assert other.ctypes.data != place
    del held
    (again,), _ = buffers.take()
    assert again.ctypes.data == place
    assert again.shape == (5, 3)


def test_batches_are_the_rows_of_the_groups_in_their_order(source):
    row = [np.zeros((1, 4), np.float32), np.zeros(1, np.int32), np.zeros(1, np.float32)]
    buffers = Buffers(row, 3 * 40 + 16)
    groups = list(row_groups(source, 2, 16, buffers, first=32))
    assert [len(group.order) % 16 for group in groups] == [0, 0, (333 - 32) % 16]
    expected = [
        [leaf[group.order[i : i + 16]] for leaf in group.rows]
        for group in groups
        for i in range(0, len(group.order), 16)
    ]
    batches = list(row_batches(source, 2, 16, first=32))
    assert len(batches) == len(expected) == -(-(333 - 32) // 16)
    assert all(map(same, batches, expected))


class Foreign:
    """Rows of the other byte order, one group of two pieces."""

    n_rows = max_rows = 5

    def pieces(self, epoch, *, first=0):
        rows = np.arange(10, dtype=">f4").reshape(5, 2)
        yield iter([rows[:2], rows[2:]]), np.arange(first, 5, dtype=np.int32)


def test_rows_of_the_other_byte_order_are_converted():
    (chunk,) = ShardFeed(Foreign(), 5, shuffle=False).chunks(0, lambda: 1)
    np.testing.assert_array_equal(chunk.rows[0].numpy()[:5], np.arange(10).reshape(5, 2))


def test_arrays_of_any_type_reach_the_chunk(tmp_path):
    y = np.arange(7)
    arrays = {
        "flag": y % 2 == 0,
        "half": y.astype(np.float16),
        "text": y.astype("U3"),
        "nothing": np.zeros((7, 0), np.float32),
        "y": y,
    }
    source = ShuffledShards(write_shards([arrays], tmp_path / "s", rows_per_shard=3))
    (chunk,) = ShardFeed(source, 7, shuffle=False).chunks(0, lambda: 1)
    x, labels = chunk.batch_spec.structure.pack(chunk.rows)
    for name, tensor in {**x, "y": labels}.items():
        expected = arrays[name].astype("S3") if name == "text" else arrays[name]
        np.testing.assert_array_equal(tensor.numpy()[:7], expected)


def test_evaluate_and_predict_read_rows_in_their_stored_order(source):
    trained = model()
    expected = kerasnn.evaluate(
        trained, ROWS, LABELS, sample_weight=WEIGHTS, verbose=0, return_dict=True
    )
    got = kerasnn.evaluate(trained, source, verbose=0, return_dict=True)
    assert got == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(
        kerasnn.predict(trained, source, verbose=0),
        kerasnn.predict(trained, ROWS, verbose=0),
        atol=1e-6,
    )


def test_validation_data_may_be_on_disk(source):
    history = kerasnn.fit(
        model(), ROWS, LABELS, epochs=2, verbose=0, validation_data=source
    ).history
    assert len(history["val_loss"]) == 2


def test_keras_own_loop_trains_on_rows_from_disk(source):
    history = kerasnn.fit(model(), source, epochs=2, verbose=0, driver="keras").history
    assert len(history["loss"]) == 2


def test_targets_beside_rows_from_disk_raise(source):
    with pytest.raises(InputError) as raised:
        kerasnn.fit(model(), source, LABELS)
    assert str(raised.value) == "rows from disk bring their targets and weights; got y"


def test_an_adapter_yields_one_epoch_after_another(source):
    adapter = RowsFromDisk(source, 100, shuffle=True)
    first, second = ([y for _, y, _ in adapter.get_numpy_iterator()] for _ in range(2))
    assert [len(y) for y in first] == [100, 100, 100, 33]
    assert not np.array_equal(first[0], second[0])
    assert adapter.num_batches == 4


@pytest.mark.slow
def test_a_fit_resumed_within_an_epoch_ends_with_the_same_bits(
    source, tmp_path, monkeypatch
):
    monkeypatch.setattr("kerasnn.training.feeds.shard_feed.MAX_STEPS", 4)
    whole = model()
    arguments = {"batch_size": 16, "epochs": 3, "verbose": 0}
    history = kerasnn.fit(whole, source, **arguments).history
    folder = CheckpointFolder(tmp_path, keep=1000)
    monkeypatch.setattr(
        "kerasnn.training.checkpoints.run_checkpoints.CheckpointFolder", lambda path: folder
    )
    kerasnn.fit(model(), source, checkpoint=tmp_path, checkpoint_every=0, **arguments)
    numbers = folder.numbers()
    steps = [folder.load(number).description["position"][1] for number in numbers]
    assert any(steps)  # some are within an epoch
    for number in reversed(numbers):
        resumed = model()
        again = kerasnn.fit(
            resumed,
            source,
            checkpoint=tmp_path,
            checkpoint_every=3600,
            resume=True,
            **arguments,
        )
        assert same(weights(resumed), weights(whole))
        assert again.history == history
        for later in [n for n in folder.numbers() if n >= number]:
            folder.path(later).unlink()


def test_items_are_made_in_advance_and_in_order():
    made = []

    def items():
        for i in range(5):
            made.append(i)
            yield i

    stream = ahead(items(), 2)
    assert next(stream) == 0
    assert list(stream) == [1, 2, 3, 4]
    assert made == [0, 1, 2, 3, 4]


def test_a_reader_of_an_abandoned_stream_can_read_another():
    reader = ThreadPoolExecutor(1)
    stream = ahead(iter("abcdef"), 2, reader)
    assert next(stream) == "a"
    stream.close()
    assert list(ahead(iter("xyz"), 2, reader)) == ["x", "y", "z"]
    reader.shutdown()


def test_items_not_begun_are_cancelled_when_a_stream_is_abandoned():
    class Reader:
        """Has time for the first item only."""

        futures: ClassVar[list[Future]] = []

        def submit(self, make, *arguments):
            future = Future()
            if not self.futures:
                future.set_result(make(*arguments))
            self.futures.append(future)
            return future

    stream = ahead(iter("abc"), 1, Reader())
    assert next(stream) == "a"
    stream.close()
    assert [future.cancelled() for future in Reader.futures] == [False, True]


def test_an_error_while_reading_in_advance_is_raised_at_its_item():
    def items():
        yield 1
        raise InputError("the shard vanished")

    stream = ahead(items(), 2)
    assert next(stream) == 1
    with pytest.raises(InputError, match="the shard vanished"):
        next(stream)
