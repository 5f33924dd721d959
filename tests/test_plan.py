"""Every batching has each row once in an epoch."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnn import reference
from kerasnn.choices import Batching
from kerasnn.training import make_plan

BATCHINGS = get_args(Batching)


@given(
    batching=st.sampled_from(BATCHINGS),
    n_rows=st.integers(1, 200),
    batch_size=st.integers(1, 250),
    seed=st.integers(0, 5),
    epoch=st.integers(0, 5),
)
@settings(deadline=None)
def test_every_row_is_in_exactly_one_batch(batching, n_rows, batch_size, seed, epoch):
    plan = make_plan(batching, n_rows, batch_size, seed=seed)
    batches = plan.batches(epoch)
    assert tuple(len(batch) for batch in batches) == plan.sizes
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(n_rows))
    assert (plan.n_rows, plan.steps) == (n_rows, len(batches))


@pytest.mark.slow
@given(
    batching=st.sampled_from(BATCHINGS),
    n_rows=st.integers(1, 120),
    batch_size=st.integers(1, 50),
)
@settings(deadline=None)
def test_blocks_hold_the_same_batches_in_the_same_order(batching, n_rows, batch_size):
    plan = make_plan(batching, n_rows, batch_size, seed=1)
    blocks = plan.blocks(range(2, 4), padded_to=3)
    assert len(blocks) <= 2  # full batches, and those one row or more shorter
    for i, epoch in enumerate((2, 3)):
        rows = [batch for block in blocks for batch in block[i]]
        for ours, theirs in zip(rows, plan.batches(epoch), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert all((block[2] == 0).all() for block in blocks)


@pytest.mark.parametrize("batching", BATCHINGS)
def test_seed_and_epoch_decide_the_order(batching):
    def order(seed, epoch):
        return make_plan(batching, 100, 10, seed=seed).row_order(epoch).tolist()

    assert order(1, 2) == order(1, 2)
    assert (order(1, 2) == order(1, 3)) == (batching == "full")
    assert (order(1, 2) == order(2, 2)) == (batching == "full")


def test_kfold_plan_is_the_reference_batcher():
    plan = make_plan("kfold", 1437, 64, seed=4)
    batches = reference.kfold_batches(1437, 64, seed=4, epoch=3)
    for ours, theirs in zip(plan.batches(3), batches, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("batching", "sizes"),
    [
        ("full", (1437,)),
        ("kfold", (66,) * 7 + (65,) * 15),
        ("shuffled", (64,) * 22 + (29,)),
        ("tf-data", (64,) * 22 + (29,)),
    ],
)
def test_batch_sizes_of_the_digits(batching, sizes):
    assert make_plan(batching, 1437, 64).sizes == sizes


@pytest.mark.parametrize("batching", BATCHINGS)
def test_a_batch_larger_than_the_data_is_one_batch(batching):
    assert make_plan(batching, 10, 64).sizes == (10,)


def test_an_unknown_batching_raises_with_the_choices():
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - compared whole
        make_plan("random", 10, 2)
    assert str(caught.value) == (
        "batching must be one of ('full', 'kfold', 'shuffled', 'tf-data'); got 'random'"
    )
