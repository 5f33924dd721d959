import re

import numpy as np
import pandas as pd
import pytest

from kerasnn.errors import InputError
from kerasnn.reports import Permutations, permutation_importance


def table_of(rng, rows=300):
    return pd.DataFrame(
        {
            "size": rng.normal(size=rows),
            "unused": rng.normal(size=rows),
            "kind": pd.Categorical(rng.choice(["a", "b"], size=rows)),
            "day": pd.date_range("2020-01-01", periods=rows),
        },
        index=np.arange(rows) * 7,
    )


def predict(table):
    return 3 * table["size"].to_numpy() + (table["kind"] == "b").to_numpy()


def test_a_column_counts_as_the_network_uses_it(rng):
    table = table_of(rng)
    found = permutation_importance(predict, table, predict(table), task="regression")
    assert [one.name for one in found][:2] == ["size", "kind"]
    by_name = {one.name: one for one in found}
    # Shuffled, a value is off by 3 times the difference of two drawn ones: 3 sqrt(2).
    assert by_name["size"].mean == pytest.approx(3 * 2**0.5, rel=0.1)
    assert by_name["kind"].mean == pytest.approx(0.5**0.5, rel=0.1)
    assert by_name["unused"].mean == by_name["day"].mean == 0
    assert 0 < by_name["size"].spread < 0.5


def test_the_loss_of_a_classifier_is_the_log_loss(rng):
    table = table_of(rng)
    sure = np.array([0.1, 0.9])

    def probabilities(table):
        p = sure[(table["kind"] == "b").to_numpy().astype(int)]
        return np.stack([1 - p, p], axis=1)

    labels = (table["kind"] == "b").to_numpy().astype(int)
    found = permutation_importance(probabilities, table, labels, task="classification")
    # Half of the rows, shuffled, are told 0.1 where they were told 0.9.
    assert found[0].name == "kind"
    assert found[0].mean == pytest.approx(0.5 * np.log(9), rel=0.1)


def test_a_columns_importance_does_not_depend_on_the_others(rng):
    table = table_of(rng)
    truth = predict(table)
    found = permutation_importance(predict, table, truth, task="regression")
    alone = permutation_importance(
        predict,
        table[["kind", "size"]],
        truth,
        task="regression",
        columns=["kind"],
    )
    assert alone == [one for one in found if one.name == "kind"]


def test_predict_is_called_once_a_column_with_tables_like_the_first(rng):
    table = table_of(rng)
    seen = []

    def noting(given):
        seen.append(given)
        return predict(given)

    permutations = Permutations(repeats=3, max_rows=100)
    permutation_importance(
        noting, table, predict(table), task="regression", permutations=permutations
    )
    assert [len(given) for given in seen] == [100, 300, 300, 300, 300]
    for given in seen:
        assert given.dtypes.equals(table.dtypes)
        assert given.index.equals(pd.RangeIndex(len(given)))
    # Only the column that is shuffled differs, and it holds the same values.
    first = pd.concat([seen[0]] * 3, ignore_index=True)
    for name, given in zip(table, seen[1:], strict=True):
        others = [column for column in table if column != name]
        pd.testing.assert_frame_equal(given[others], first[others])
        assert sorted(given[name][:100]) == sorted(first[name][:100])
        assert given[name].tolist() != first[name].tolist()


def test_many_columns_take_fewer_rows(rng):
    table = pd.DataFrame(rng.normal(size=(1000, 20)))
    sizes = []

    def noting(given):
        sizes.append(len(given))
        return given[0].to_numpy()

    for maximum in (30_000, 1):
        permutation_importance(
            noting,
            table,
            table[0].to_numpy(),
            task="regression",
            permutations=Permutations(max_predictions=maximum),
        )
    assert sizes[0] == 300  # 30,000 / (20 columns x 5 repeats)
    assert sizes[21] == 200  # never fewer


WRONG = [
    (
        {"columns": ["sizes"]},
        "there is no column 'sizes' to shuffle; the table has size, kind",
    ),
    (
        {"truth": np.zeros(3)},
        "table and truth must have the same rows, at least one; got 2 and 3",
    ),
    (
        {"permutations": Permutations(repeats=0)},
        "repeats must be a whole number of at least 1; got 0",
    ),
]


@pytest.mark.parametrize(("given", "message"), WRONG)
def test_what_cannot_be_is_refused(given, message):
    right = {
        "table": pd.DataFrame({"size": [1.0, 2.0], "kind": ["a", "b"]}),
        "truth": np.zeros(2),
        "task": "regression",
    }
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        permutation_importance(predict, **(right | given))
