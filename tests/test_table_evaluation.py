"""Scores on tables whose target is written in another way than in the training."""

import numpy as np
import pandas as pd
import pytest

from kerasnn.datasets import Column, ReadOptions, Schema, Target
from kerasnn.errors import InputError
from kerasnn.saving.reader import RowAnswers
from kerasnn.tables.evaluation import evaluate


class Saved:
    """A network of the column x that is always right."""

    manifest = {}
    has_intervals = False

    def __init__(self, target):
        columns = (Column("x", "numeric", low=0.0, high=5000.0),)
        self.schema = Schema(columns, target=target)

    def predict(self, table, *, reading=None):
        x = table["x"].to_numpy(np.float64)
        if self.schema.target.task == "regression":
            return {"value": x}
        return {"probabilities": np.stack([x < 2000, x >= 2000], axis=1).astype(float)}

    def answer_rows(self, table, *, reading=None, signature, options):
        is_answered = np.ones(len(table), bool)
        return RowAnswers(self.predict(table), is_answered, (), ())


PRICE = Saved(Target("price", "regression", low=1000.0, high=4000.5))
CHOICE = Saved(Target("choice", "classification", classes=("False", "True")))
X = [1000.0, 2500.25, 4000.5]


@pytest.mark.parametrize(
    "cells",
    [
        ["1,000.00", "2,500.25", "4,000.50"],
        ["1.000,00", "2.500,25", "4.000,50"],
        ["$1,000.00", "$2,500.25", "$4,000.50"],
        ["1000", "2500,25", "4000,5"],
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_numbers_in_another_dress_are_read_and_said(cells, strict):
    table = pd.DataFrame({"x": X, "price": cells})
    found = evaluate(PRICE, table, reading=ReadOptions(strict=strict))
    assert found.rows == 3
    assert found.scores["rmse"].value == 0
    assert [notice.code for notice in found.notices] == ["other-format"]


@pytest.mark.parametrize("cells", [["no", "yes", "yes"], [0, 1, 1], [False, True, True]])
def test_classes_that_are_truths_are_read_in_every_spelling(cells):
    found = evaluate(CHOICE, pd.DataFrame({"x": X, "choice": cells}))
    assert (found.rows, found.scores["accuracy"].value, found.notices) == (3, 1.0, ())


def test_what_is_no_number_is_left_out_or_an_error():
    table = pd.DataFrame({"x": X, "price": ["1000", "high", None]})
    found = evaluate(PRICE, table)
    assert found.rows == 1
    assert "2 of 3 rows are not scored" in found.notices[0].message
    with pytest.raises(InputError, match="price"):
        evaluate(PRICE, table, reading=ReadOptions(strict=True))
