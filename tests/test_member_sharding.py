"""The slices of the workers are the batch, and their results add up."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnn.ensembles.members.learner import MemberLearner
from kerasnn.ensembles.members.sharding import (
    AllRows,
    LocalRows,
    WorkerRows,
    row_sharding,
)
from kerasnn.errors import InputError
from kerasnn.models import TabularConfig, TabularNetwork
from kerasnn.training.distribution.workers import ALONE, one_device_workers
from tests.recipes import recipe_of

MEMBERS = 3


def group_of(worker, n_workers):
    """A stand-in for a group of workers; its collectives send nothing."""
    return SimpleNamespace(worker=worker, n_workers=n_workers, reduce_sum=lambda x: x)


def shardings(workers):
    return [WorkerRows(group_of(worker, workers)) for worker in range(workers)]


def batch_of(width):
    return np.random.default_rng(width).normal(size=(MEMBERS, width, 2)).astype(np.float32)


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(1, 5))
def test_the_slices_of_the_workers_are_the_batch(width, workers):
    batch = batch_of(width)
    parts = [rows.local(batch) for rows in shardings(workers)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), batch)
    sizes = [part.shape[1] for part in parts]
    assert max(sizes) - min(sizes) <= 1
    firsts = [rows.first_row(batch) for rows in shardings(workers)]
    assert firsts == np.cumsum([0, *sizes[:-1]]).tolist()


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_the_means_of_the_workers_add_up_to_that_of_the_batch(known):
    batch = batch_of(7)

    def means(values):
        return [rows.mean(rows.local(values)[..., 0], values) for rows in shardings(3)]

    spec = tf.TensorSpec([MEMBERS, 7 if known else None, 2])
    found = tf.add_n(tf.function(means, input_signature=[spec])(batch))
    np.testing.assert_allclose(found, batch[..., 0].mean(axis=1), rtol=1e-5)


def test_the_gradients_of_the_workers_add_up_to_those_of_one(rng):
    """With dropout, whose masks are those of the whole batch."""
    width = 5
    x = rng.normal(size=(MEMBERS * width, 3)).astype(np.float32)
    codes = rng.integers(0, 4, (MEMBERS * width, 1)).astype(np.int32)
    targets = rng.integers(0, 3, MEMBERS * width).astype(np.int32)
    weights = rng.uniform(0.5, 2, MEMBERS * width).astype(np.float32)

    def found(rows):
        config = TabularConfig(
            2, 3, 3, "multiclass", cardinalities=(4,), members=MEMBERS, hidden_units=(6,)
        )
        network = TabularNetwork(config)
        learner = MemberLearner(network, cycles=1, label_smoothing=0.1, has_dropout=True)
        sample = np.broadcast_to(x[:8], (MEMBERS, 8, 3))
        network.initialize(sample, np.broadcast_to(codes[:8], (MEMBERS, 8, 1)), [1, 2, 3])
        recipe = recipe_of(learning_rate=0.1, weight_decay=0.0, dropout=0.4)
        learner.begin(recipe, [4, 5, 6], steps=9)
        learner.batches = rows
        seen = []
        learner.optimizer.apply = seen.extend
        learner.train_step(tuple(map(tf.constant, (x, codes, targets, weights))))
        return [*map(tf.convert_to_tensor, seen), learner.loss_sum, learner.weight_sum]

    alone = found(AllRows())
    for several in zip(*map(found, shardings(3)), strict=True):
        whole = alone.pop(0)
        np.testing.assert_allclose(np.sum(several, axis=0), whole, atol=1e-5)
    assert not alone


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 4))
def test_local_batches_are_a_batch_side_by_side(width, workers):
    whole = batch_of(width * workers)[..., 0]
    parts = np.split(whole, workers, axis=1)
    means = []
    for worker, part in enumerate(parts):
        rows = LocalRows(group_of(worker, workers))
        assert rows.local(part) is part
        assert rows.first_row(part) == worker * width
        means.append(rows.mean(tf.constant(part), part))
    np.testing.assert_allclose(sum(means), whole.mean(axis=1), rtol=1e-4, atol=1e-6)


def test_a_single_process_has_all_rows():
    assert row_sharding(ALONE) == row_sharding(ALONE, local_batches=True) == AllRows()
    assert one_device_workers(None) is ALONE


def test_a_strategy_of_one_process_is_refused():
    with pytest.raises(InputError) as raised:
        one_device_workers(tf.distribute.MirroredStrategy(["CPU:0"]))
    assert str(raised.value) == (
        "strategy must be a tf.distribute.MultiWorkerMirroredStrategy; got MirroredStrategy"
    )
