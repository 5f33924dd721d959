"""Free text as numbers."""

import numpy as np
import pandas as pd
import tensorflow as tf

from kerasnn.preprocessing.texts import (
    MAX_CHARACTERS,
    MAX_PARTS,
    N_BUCKETS,
    TextVectors,
    fit_text_vectors,
)

GOOD = ["lovely place, friendly staff", "friendly and clean, lovely view", "lovely, clean"]
BAD = ["dirty room and rude staff", "rude, loud and dirty", "dirty and loud room"]
TEXTS = pd.Series((GOOD + BAD) * 30, dtype=object)
FITTED = fit_text_vectors("review", TEXTS)


def numbers(texts):
    return np.stack(list(FITTED.numbers(pd.Series(texts, dtype=object)).values()), axis=1)


def test_the_vectors_are_bounded_and_have_a_name_for_each_number():
    assert FITTED.vectors.shape == (N_BUCKETS, MAX_PARTS)
    assert FITTED.parts[0] == "text 1"
    assert len(FITTED.parts) == MAX_PARTS
    assert fit_text_vectors("x", TEXTS[:5]).vectors.shape == (N_BUCKETS, 1)


def test_texts_of_similar_words_have_similar_numbers():
    good, bad, new = numbers(["lovely and friendly", "rude and dirty", "clean, friendly"])
    assert np.linalg.norm(new - good) < np.linalg.norm(new - bad)


def test_capitals_and_blanks_do_not_count():
    one, other = numbers(["Lovely  Place", "lovely\u00a0place"])
    np.testing.assert_array_equal(one, other)


def test_missing_and_empty_texts_are_zero():
    np.testing.assert_array_equal(numbers([None, ""]), 0.0)


def test_a_long_text_is_read_up_to_its_limit():
    one, other = numbers(["a b" * MAX_CHARACTERS, "a b" * MAX_CHARACTERS + " lovely"])
    np.testing.assert_array_equal(one, other)


def test_any_unicode_has_finite_numbers():
    assert np.isfinite(numbers(["日本語のテキスト", "\U0001f600", "\ud800", "\x00"])).all()


def test_a_row_does_not_depend_on_its_neighbours_and_the_graph_gives_the_same():
    texts = [*TEXTS[:6], None, "ÄÖ unknown words"]
    alone = np.concatenate([numbers([text]) for text in texts])
    np.testing.assert_array_equal(numbers(texts), alone)
    encoded = [(text or "").encode() for text in texts]
    compiled = tf.function(FITTED.graph)(tf.constant(encoded))
    np.testing.assert_array_equal(np.stack([*compiled.values()], axis=1), alone)


def test_json_keeps_the_vectors():
    restored = TextVectors.from_dict(FITTED.to_dict())
    assert restored.column == "review"
    np.testing.assert_array_equal(restored.vectors, FITTED.vectors)
