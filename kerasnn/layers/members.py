"""Layers of ensembles: the first dimension is the member.

Every member has its own rows and weights, and does not depend on the others: trained side
by side, it ends as it would alone, up to rounding.
"""

import math

import tensorflow as tf


def member_dense(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Compute x @ kernel / sqrt(n_in) + bias, for each member.

    The division (the NTK parametrization) lets one learning rate serve layers of any width.

    Args:
        x: [members, batch, n_in].
        kernel: [members, n_in, n_out], entries about 1.
        bias: [members, 1, n_out].

    Returns:
        [members, batch, n_out].

    Source: Jacot et al., Neural Tangent Kernel (2018).
    """
    return tf.matmul(x, kernel) * (1 / math.sqrt(max(kernel.shape[-2], 1))) + bias


def periodic_embedding(
    x: tf.Tensor,
    frequencies: tf.Tensor,
    phases: tf.Tensor,
    kernel: tf.Tensor,
    bias: tf.Tensor,
) -> tf.Tensor:
    """Embed numbers by learned waves: cos(2 pi f x + phase) @ kernel + bias.

    Args:
        x: [members, batch, n_numeric].
        frequencies: [members, n_numeric, n_frequencies].
        phases: like the frequencies.
        kernel: [members, n_numeric, n_frequencies, units].
        bias: [members, n_numeric, units].

    Returns:
        [members, batch, n_numeric * units].

    Source: Gorishniy et al., On Embeddings for Numerical Features (2022); with the bias in
    the cosine and this size, Holzmueller et al., Better by Default (2024).
    """
    # Constant and frequencies first: otherwise a graph rounds in another order than eager.
    angles = x[..., tf.newaxis] * (2 * math.pi * frequencies[:, tf.newaxis])
    waves = tf.cos(angles + phases[:, tf.newaxis])
    embedded = tf.einsum("mbnf,mnfu->mbnu", waves, kernel) + bias[:, tf.newaxis]
    n_numeric, units = kernel.shape[1], kernel.shape[3]
    return tf.reshape(embedded, [*_leading(x), n_numeric * units])


def piecewise_linear_encoding(
    x: tf.Tensor, starts: tf.Tensor, slopes: tf.Tensor
) -> tf.Tensor:
    """Encode each number by its position in each bin: 0 before it, 1 after it.

    Args:
        x: [members, batch, n_numeric].
        starts: [members, n_numeric, bins].
        slopes: [members, n_numeric, bins], 1 / width of each bin; 0 for an unused bin.

    Returns:
        [members, batch, n_numeric * bins].

    Source: Gorishniy et al., On Embeddings for Numerical Features (2022), section 3.2.
    """
    offsets = x[..., tf.newaxis] - starts[:, tf.newaxis]
    encoded = tf.clip_by_value(offsets * slopes[:, tf.newaxis], 0.0, 1.0)
    return tf.reshape(encoded, [*_leading(x), starts.shape[1] * starts.shape[2]])


def member_lookup(codes: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
    """Look up the embedding of each code.

    Args:
        codes: [members, batch] int32 in 0..cardinality-1; checked by preprocessing.
        table: [members, cardinality, units].

    Returns:
        [members, batch, units].
    """
    return tf.gather(table, codes, batch_dims=1)


def dropout_keys(seeds: tf.Tensor, step: tf.Tensor, layer: int) -> tf.Tensor:
    """Return a key for each member, which differs between steps and layers.

    Args:
        seeds: [members] uint32.
        step: number of the step, any integer type.
        layer: number of the layer.

    Returns:
        [members] uint32.
    """
    place = _hash(tf.cast(step, tf.uint32) * tf.constant(64, tf.uint32) + layer)
    return _hash(seeds ^ place)


def member_dropout(
    x: tf.Tensor,
    rate: tf.Tensor,
    keys: tf.Tensor,
    first_row: int | tf.Tensor | None = None,
) -> tf.Tensor:
    """Set entries to zero with the probability `rate`, and scale up the others.

    The mask is a hash of (key of the member, number of the entry): equal eagerly, in a
    graph and under XLA, and independent of the other members. It takes a quarter of the
    time of TensorFlow's fastest generator under XLA.

    Args:
        x: [members, batch, units].
        rate: scalar float32 in [0, 1).
        keys: [members] uint32, from `dropout_keys`.
        first_row: number of the first row if these are a part of the batch, so that the
            mask is that of the whole batch; None for the whole.

    Source of the hash: C. Wellons, Prospecting for Hash Functions (2018), "lowbias32".
    """
    _, batch, units = tf.unstack(tf.shape(x))
    entries = tf.range(batch * units)
    if first_row is not None:
        entries += first_row * units
    entries = tf.reshape(entries, [1, batch, units])
    bits = _hash(tf.bitcast(entries, tf.uint32) ^ keys[:, tf.newaxis, tf.newaxis])
    # Compared as signed integers of 24 bits: XLA is slow to convert unsigned ones.
    drawn = tf.bitcast(tf.bitwise.right_shift(bits, _u32(8)), tf.int32)
    keep = drawn >= tf.cast(rate * 2.0**24, tf.int32)
    return tf.where(keep, x / (1 - rate), 0.0)


def _hash(bits: tf.Tensor) -> tf.Tensor:
    """Mix the bits: every bit of the result depends on every given bit."""
    bits = bits ^ tf.bitwise.right_shift(bits, _u32(16))
    bits = bits * _u32(0x7FEB352D)
    bits = bits ^ tf.bitwise.right_shift(bits, _u32(15))
    bits = bits * _u32(0x846CA68B)
    return bits ^ tf.bitwise.right_shift(bits, _u32(16))


def _u32(value: int) -> tf.Tensor:
    return tf.constant(value, tf.uint32)


def _leading(x: tf.Tensor) -> list[int | tf.Tensor]:
    """Return members and batch, as numbers where they are known."""
    dynamic = tf.shape(x)
    return [x.shape[i] if x.shape[i] is not None else dynamic[i] for i in range(2)]
