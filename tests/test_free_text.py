"""Free text: which columns are, and whether it helps."""

import numpy as np
import pandas as pd
import pytest

from kerasnn.datasets import Column, Schema
from kerasnn.datasets.cells.factorized import factorize
from kerasnn.datasets.schema.free_text import ASKED, is_free_text, without_idle_texts

RANDOM = np.random.default_rng(2)
GOOD = ["lovely", "clean", "friendly", "quiet"]
BAD = ["dirty", "rude", "loud", "broken"]
NEUTRAL = ["room", "staff", "street", "bed", "view", "door", "floor", "lamp"]


def reviews(stars):
    return [
        " ".join([*RANDOM.choice(NEUTRAL, 5), *RANDOM.choice(GOOD if s else BAD, 2)])
        for s in stars
    ]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (reviews([0, 1] * 20), True),
        ([f"customer-{i}" for i in range(40)], False),
        (["a short repeated text", "another of a few texts"] * 20, False),
        ([float(i) for i in range(40)], False),
        (reviews([0, 1] * 5), False),
    ],
)
def test_free_text_is_different_in_most_rows_and_has_several_words(cells, expected):
    assert is_free_text(factorize(cells)) is expected


def used(texts, values, task, reason=""):
    columns = (
        Column("size", "numeric", low=1.0, high=1.0),
        Column("review", "text", reason),
    )
    table = pd.DataFrame({"size": 1.0, "review": pd.Series(texts, dtype=object)})
    return without_idle_texts(Schema(columns), table, np.array(values), task)


def test_text_that_tells_the_class_stays():
    stars = RANDOM.integers(0, 2, 90)
    assert used(reviews(stars), stars, "classification").names == ("size", "review")


def test_text_that_tells_the_number_stays():
    stars = RANDOM.integers(0, 2, 90)
    prices = 100.0 * stars + RANDOM.normal(0, 20, 90)
    assert used(reviews(stars), prices, "regression").names == ("size", "review")


def test_text_that_tells_nothing_is_left_out_with_the_way_to_keep_it():
    stars = RANDOM.integers(0, 2, 90)
    schema = used(reviews(RANDOM.integers(0, 2, 90)), stars, "classification")
    assert schema.names == ("size",)
    (left_out,) = schema.left_out
    assert "text=['review'] keeps it" in left_out.reason


def test_text_that_was_asked_for_stays():
    stars = RANDOM.integers(0, 2, 90)
    texts = reviews(RANDOM.integers(0, 2, 90))
    assert "review" in used(texts, stars, "classification", reason=ASKED).names


def test_missing_texts_are_empty():
    stars = RANDOM.integers(0, 2, 90)
    texts = [t if i % 3 else None for i, t in enumerate(reviews(stars))]
    assert "review" in used(texts, stars, "classification").names
