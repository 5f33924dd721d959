"""What members compute side by side is what plain NumPy computes for each of them."""

import numpy as np
import pytest
import tensorflow as tf

from kerasnn.layers import (
    dropout_keys,
    member_dense,
    member_dropout,
    member_lookup,
    periodic_embedding,
    piecewise_linear_encoding,
)

MEMBERS, BATCH = 3, 5


def normal(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def close(ours, theirs):
    np.testing.assert_allclose(ours, np.asarray(theirs), rtol=1e-5, atol=1e-5)


# --- layers -----------------------------------------------------------------------


def test_dense_is_the_matrix_product_of_each_member_over_the_root_of_its_inputs(rng):
    x, kernel = normal(rng, MEMBERS, BATCH, 4), normal(rng, MEMBERS, 4, 2)
    bias = normal(rng, MEMBERS, 1, 2)
    expected = [x[m] @ kernel[m] / 2 + bias[m] for m in range(MEMBERS)]
    close(member_dense(tf.constant(x), tf.constant(kernel), tf.constant(bias)), expected)


def test_a_kernel_without_members_serves_all_of_them(rng):
    x, kernel = normal(rng, MEMBERS, BATCH, 4), normal(rng, 4, 2)
    bias = normal(rng, MEMBERS, 1, 2)
    expected = [x[m] @ kernel / 2 + bias[m] for m in range(MEMBERS)]
    close(member_dense(tf.constant(x), tf.constant(kernel), tf.constant(bias)), expected)


def test_dense_of_no_input_is_the_bias(rng):
    bias = normal(rng, MEMBERS, 1, 2)
    outputs = member_dense(tf.zeros([MEMBERS, BATCH, 0]), tf.zeros([MEMBERS, 0, 2]), bias)
    close(outputs, np.repeat(bias, BATCH, axis=1))


def test_a_number_becomes_waves_mixed_by_the_kernel(rng):
    n_numeric, n_frequencies, units = 2, 4, 3
    x = normal(rng, MEMBERS, BATCH, n_numeric)
    frequencies, phases = (normal(rng, MEMBERS, n_numeric, n_frequencies) for _ in "fp")
    kernel = normal(rng, MEMBERS, n_numeric, n_frequencies, units)
    bias = normal(rng, MEMBERS, n_numeric, units)
    expected = np.empty((MEMBERS, BATCH, n_numeric, units))
    for m, b, n in np.ndindex(MEMBERS, BATCH, n_numeric):
        waves = np.cos(2 * np.pi * frequencies[m, n] * x[m, b, n] + phases[m, n])
        expected[m, b, n] = waves @ kernel[m, n] + bias[m, n]
    ours = periodic_embedding(*map(tf.constant, (x, frequencies, phases, kernel, bias)))
    close(ours, expected.reshape(MEMBERS, BATCH, n_numeric * units))


def test_a_number_fills_the_bins_below_it():
    # By hand: bins 0..1, 1..3, and one that is not used.
    x = tf.constant([[[-1.0], [0.25], [2.0], [9.0]]])
    starts, slopes = tf.constant([[[0.0, 1.0, 3.0]]]), tf.constant([[[1.0, 0.5, 0.0]]])
    expected = [[[0, 0, 0], [0.25, 0, 0], [1, 0.5, 0], [1, 1, 0]]]
    np.testing.assert_array_equal(piecewise_linear_encoding(x, starts, slopes), expected)


def test_each_member_has_bins_of_its_own(rng):
    x = normal(rng, MEMBERS, BATCH, 2)
    starts, slopes = normal(rng, MEMBERS, 2, 4), normal(rng, MEMBERS, 2, 4)
    expected = np.clip((x[..., None] - starts[:, None]) * slopes[:, None], 0, 1)
    ours = piecewise_linear_encoding(*map(tf.constant, (x, starts, slopes)))
    close(ours, expected.reshape(MEMBERS, BATCH, 8))


def test_a_code_is_looked_up_in_its_members_table(rng):
    codes = rng.integers(6, size=(MEMBERS, BATCH)).astype(np.int32)
    table = normal(rng, MEMBERS, 6, 2)
    expected = [[table[m, code] for code in codes[m]] for m in range(MEMBERS)]
    np.testing.assert_array_equal(member_lookup(codes, tf.constant(table)), expected)


# --- dropout ----------------------------------------------------------------------

SEEDS = tf.constant([11, 12, 13], tf.uint32)


def dropped(rate=0.25, *, seeds=SEEDS, step=7, layer=0, shape=(64, 128), wrap=lambda f: f):
    """Ones through dropout, [members, *shape]."""

    def drop(ones, rate, seeds, step):
        return member_dropout(ones, rate, dropout_keys(seeds, step, layer))

    ones = tf.ones([len(seeds), *shape])
    return wrap(drop)(ones, tf.constant(rate), seeds, tf.constant(step)).numpy()


@pytest.mark.parametrize("rate", [0.0, 0.15, 0.5, 0.9])
def test_the_share_of_zeros_is_the_rate(rate):
    # 3 x 512 x 512 entries: a standard deviation is at most 0.0006.
    values = dropped(rate, shape=(512, 512))
    assert np.mean(values == 0) == pytest.approx(rate, abs=0.003)
    kept = values[values > 0]
    np.testing.assert_allclose(kept, 1 / (1 - rate), rtol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_the_mask_is_the_same_under_every_driver(jit_compile):
    compiled = dropped(wrap=lambda f: tf.function(f, jit_compile=jit_compile))
    np.testing.assert_array_equal(compiled > 0, dropped() > 0)


def test_the_mask_of_a_member_does_not_depend_on_the_others():
    together = dropped()
    for m in range(MEMBERS):
        np.testing.assert_array_equal(together[m], dropped(seeds=SEEDS[m : m + 1])[0])


def test_a_part_of_a_batch_has_the_mask_that_it_has_in_the_whole(rng):
    x = tf.constant(normal(rng, MEMBERS, 9, 4))
    keys = dropout_keys(SEEDS, tf.constant(7), 0)
    whole = member_dropout(x, tf.constant(0.5), keys)
    part = member_dropout(x[:, 3:7], tf.constant(0.5), keys, first_row=3)
    np.testing.assert_array_equal(part, whole[:, 3:7])


def test_masks_have_nothing_in_common():
    """Two masks of rate 1/4 are both zero in 1/16 of the entries."""
    masks = [
        dropped(layer=layer, step=step) == 0 for layer, step in [(0, 7), (1, 7), (0, 8)]
    ]
    all_masks = np.concatenate(masks).reshape(9, -1)
    both = all_masks.astype(float) @ all_masks.T / all_masks.shape[1]
    off_diagonal = both[~np.eye(9, dtype=bool)]
    np.testing.assert_allclose(off_diagonal, 1 / 16, atol=0.015)  # 6 deviations


def test_rows_and_units_are_dropped_alike():
    zeros = dropped(shape=(512, 512)) == 0
    for axis in (1, 2):
        shares = zeros.mean(axis=axis)  # each of 512 entries: a deviation is 0.019
        np.testing.assert_allclose(shares, 0.25, atol=0.1)
        assert shares.std() == pytest.approx(np.sqrt(0.25 * 0.75 / 512), rel=0.1)


def test_every_step_layer_and_member_has_a_key_of_its_own():
    keys = [
        dropout_keys(SEEDS, tf.constant(step), layer).numpy()
        for step in (0, 1, 2, 1000, 2**20)
        for layer in range(5)
    ]
    assert np.array(keys).dtype == np.uint32
    assert len(np.unique(keys)) == 5 * 5 * MEMBERS


@pytest.mark.parametrize("dtype", [tf.int32, tf.int64, tf.uint32])
def test_keys_do_not_depend_on_the_type_of_the_step(dtype):
    expected = dropout_keys(SEEDS, tf.constant(9), 2)
    np.testing.assert_array_equal(dropout_keys(SEEDS, tf.constant(9, dtype), 2), expected)


def test_the_hash_is_lowbias32():
    """Keys by the published function, in Python's whole numbers."""

    def lowbias32(bits):
        bits ^= bits >> 16
        bits = bits * 0x7FEB352D % 2**32
        bits ^= bits >> 15
        bits = bits * 0x846CA68B % 2**32
        return bits ^ bits >> 16

    expected = [lowbias32(int(seed) ^ lowbias32(64 * 7 + 3)) for seed in SEEDS.numpy()]
    np.testing.assert_array_equal(dropout_keys(SEEDS, tf.constant(7), 3), expected)
