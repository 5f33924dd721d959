"""Rows from disk: the same training as in memory, from any place, and never all at once."""

import keras
import numpy as np
import pytest

import kerasnn
from kerasnn.checkpoints import CheckpointFolder
from kerasnn.datasets.shards import write_shards
from kerasnn.datasets.shuffling import ShuffledShards
from kerasnn.errors import InputError
from kerasnn.training.row_source import RowsFromDisk
from kerasnn.training.shard_feed import ShardFeed, ahead

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


@pytest.mark.parametrize("driver", ["graph", "xla"])
def test_in_the_same_order_it_is_the_training_of_rows_in_memory(source, driver):
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


def test_shuffled_it_takes_every_row_once_an_epoch(source):
    feed = ShardFeed(source, 16, shuffle=True)
    rows = [
        np.concatenate(
            [
                call.rows[1].numpy()[block]
                for call in feed.calls(epoch, lambda: 1)
                for block in [call.blocks[0].numpy()[0, call.first : call.stop].ravel()]
            ]
        )
        for epoch in (0, 1)
    ]
    assert [len(epoch) for epoch in rows] == [len(ROWS)] * 2
    assert all(epoch.sum() == LABELS.sum() for epoch in rows)
    assert not np.array_equal(*rows)


def test_evaluate_and_predict_stream_in_the_rows_own_order(source):
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


def test_validation_data_may_lie_on_disk(source):
    history = kerasnn.fit(
        model(), ROWS, LABELS, epochs=2, verbose=0, validation_data=source
    ).history
    assert len(history["val_loss"]) == 2


def test_keras_own_loop_takes_the_same_rows(source):
    history = kerasnn.fit(model(), source, epochs=2, verbose=0, driver="keras").history
    assert len(history["loss"]) == 2


def test_rows_from_disk_bring_their_targets(source):
    with pytest.raises(InputError) as raised:
        kerasnn.fit(model(), source, LABELS)
    assert str(raised.value) == "rows from disk bring their targets and weights; got y"


def test_an_adapter_gives_the_epochs_in_turn(source):
    adapter = RowsFromDisk(source, 100, shuffle=True)
    first, second = ([y for _, y, _ in adapter.get_numpy_iterator()] for _ in range(2))
    assert [len(y) for y in first] == [100, 100, 100, 33]
    assert not np.array_equal(first[0], second[0])
    assert adapter.num_batches == 4


def test_from_the_middle_of_an_epoch_it_goes_on_to_the_same_bits(
    source, tmp_path, monkeypatch
):
    monkeypatch.setattr("kerasnn.training.shard_feed.MOST_STEPS", 4)
    whole = model()
    arguments = {"batch_size": 16, "epochs": 3, "verbose": 0}
    history = kerasnn.fit(whole, source, **arguments).history
    kept = CheckpointFolder(tmp_path, keep=1000)
    monkeypatch.setattr(
        "kerasnn.training.run_checkpoints.CheckpointFolder", lambda folder: kept
    )
    kerasnn.fit(model(), source, checkpoint=tmp_path, checkpoint_every=0, **arguments)
    numbers = kept.numbers()
    steps = [kept.load(number).description["position"][1] for number in numbers]
    assert any(steps)  # some stand within an epoch
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
        for later in [n for n in kept.numbers() if n >= number]:
            kept.path(later).unlink()


def test_things_are_made_ahead_and_in_order():
    made = []

    def things():
        for i in range(5):
            made.append(i)
            yield i

    stream = ahead(things(), 2)
    assert next(stream) == 0
    assert list(stream) == [1, 2, 3, 4]
    assert made == [0, 1, 2, 3, 4]


def test_an_error_while_reading_ahead_is_raised_where_it_belongs():
    def things():
        yield 1
        raise InputError("the shard vanished")

    stream = ahead(things(), 2)
    assert next(stream) == 1
    with pytest.raises(InputError, match="the shard vanished"):
        next(stream)
