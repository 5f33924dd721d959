import re

import numpy as np
import pandas as pd
import pytest

from kerasnn import NetworkClassifier
from kerasnn.errors import InputError
from kerasnn.reports import Permutations, PreparedTable, permutation_importance, scores

FEATURES = {"size": ([0], []), "unused": ([1], []), "kind": ([2, 3], []), "town": ([], [0])}


def table_of(rng, rows=300):
    kind = rng.integers(2, size=rows)
    x = np.stack([rng.normal(size=rows), rng.normal(size=rows), kind, 1 - kind], axis=1)
    codes = rng.integers(5, size=(rows, 1))
    return PreparedTable(x.astype(np.float32), codes.astype(np.int32), FEATURES)


def predict(x, codes):
    return 3.0 * x[:, 0] + x[:, 2]


def test_a_column_counts_as_the_network_uses_it(rng):
    table = table_of(rng)
    truth = predict(table.x, table.codes)
    found = permutation_importance(predict, table, truth, task="regression")
    assert [one.name for one in found][:2] == ["size", "kind"]
    by_name = {one.name: one for one in found}
    # Shuffled, a value is off by 3 times the difference of two drawn ones: 3 sqrt(2).
    assert by_name["size"].mean == pytest.approx(3 * 2**0.5, rel=0.1)
    assert by_name["kind"].mean == pytest.approx(0.5**0.5, rel=0.1)
    assert by_name["unused"].mean == by_name["town"].mean == 0
    assert 0 < by_name["size"].spread < 0.5


def test_the_loss_of_a_classifier_is_the_log_loss(rng):
    table = table_of(rng)
    sure = np.array([0.1, 0.9])

    def probabilities(x, codes):
        p = sure[x[:, 2].astype(int)]
        return np.stack([1 - p, p], axis=1)

    labels = table.x[:, 2].astype(int)
    found = permutation_importance(probabilities, table, labels, task="classification")
    # Half of the rows, shuffled, are told 0.1 where they were told 0.9.
    assert found[0].name == "kind"
    assert found[0].mean == pytest.approx(0.5 * np.log(9), rel=0.1)


def test_a_columns_importance_does_not_depend_on_the_others(rng):
    table = table_of(rng)
    truth = predict(table.x, table.codes)
    found = permutation_importance(predict, table, truth, task="regression")
    alone = permutation_importance(
        predict, table, truth, task="regression", columns=["kind"]
    )
    assert alone == [one for one in found if one.name == "kind"]


def test_only_the_features_of_the_shuffled_column_differ(rng):
    table = table_of(rng)
    seen = []

    def noting(x, codes):
        seen.append(np.concatenate([x, codes], axis=1))
        return predict(x, codes)

    permutations = Permutations(repeats=3, max_rows=100)
    truth = predict(table.x, table.codes)
    permutation_importance(
        noting, table, truth, task="regression", permutations=permutations
    )
    first, shuffled = seen
    assert len(first) == 100
    repeated = np.concatenate([first] * 3)
    parts = shuffled.reshape(len(FEATURES), 300, 5)
    for part, (in_x, in_codes) in zip(parts, FEATURES.values(), strict=True):
        own = [*in_x, *(4 + i for i in in_codes)]
        others = np.setdiff1d(np.arange(5), own)
        np.testing.assert_array_equal(part[:, others], repeated[:, others])
        # The features of a column stay together.
        rows = sorted(map(tuple, part[:100, own]))
        assert rows == sorted(map(tuple, first[:, own]))
        assert part[:, own].tolist() != repeated[:, own].tolist()


@pytest.mark.slow
def test_shuffled_features_are_those_of_a_shuffled_column(rng):
    """The road without preprocessing is equal to that of raw tables."""
    rows = 120
    raw = pd.DataFrame(
        {
            "size": np.where(rng.random(rows) < 0.2, np.nan, rng.normal(size=rows)),
            "kind": rng.choice(["a", "b", "c"], rows),
            "town": rng.choice(list("abcdefghijklm"), rows),
            "on": rng.choice(["yes", "no"], rows),
            "day": pd.date_range("2020-01-01", periods=rows, freq="37D"),
        }
    )
    labels = (
        (np.nan_to_num(raw["size"]) + (raw["kind"] == "b") > 0.3).to_numpy().astype(int)
    )
    settings = {"members": 2, "folds": 2, "epochs": 2, "driver": "graph"}
    network = NetworkClassifier(**settings, random_state=0).fit(raw, labels)
    features = network.preprocessor_.of_columns
    assert features["town"] == ([], [0])
    assert len(features["day"][0]) > 1
    permutations = Permutations(repeats=2)
    found = permutation_importance(
        network.predict_prepared,
        PreparedTable(*network.prepare(raw), features),
        labels,
        task="classification",
        permutations=permutations,
    )
    draw = np.random.default_rng(permutations.seed)
    draw.permutation(rows)  # of the sample
    orders = [draw.permutation(rows) for _ in range(2)]

    def log_loss(table):
        return scores.losses("classification", labels, network.predict_proba(table)).mean()

    for one in found:
        shuffled = [raw.assign(**{one.name: raw[one.name].array[o]}) for o in orders]
        growth = np.array([log_loss(table) for table in shuffled]) - log_loss(raw)
        assert one.mean == pytest.approx(growth.mean(), abs=1e-6)
        assert one.spread == pytest.approx(growth.std(), abs=1e-6)


def test_many_columns_take_fewer_rows(rng):
    x = rng.normal(size=(1000, 20)).astype(np.float32)
    features = {f"x{i}": ([i], []) for i in range(20)}
    table = PreparedTable(x, np.empty((1000, 0), np.int32), features)
    sizes = []

    def noting(x, codes):
        sizes.append(len(x))
        return x[:, 0]

    for maximum in (30_000, 1):
        permutation_importance(
            noting,
            table,
            x[:, 0],
            task="regression",
            permutations=Permutations(max_predictions=maximum),
        )
    assert sizes[0] == 300  # 30,000 / (20 columns x 5 repeats)
    assert 200 in sizes[1:]  # never fewer
    assert sum(sizes) == 300 + 20 * 5 * 300 + 200 + 20 * 5 * 200
    assert max(sizes) <= 2048


def test_columns_and_seconds_are_bounded(rng):
    table = table_of(rng)
    truth = predict(table.x, table.codes)

    def names(**bounds):
        found = permutation_importance(
            predict,
            table,
            truth,
            task="regression",
            columns=["town", "kind", "size"],
            permutations=Permutations(**bounds),
        )
        return [one.name for one in found]

    assert names(max_columns=2) == ["kind", "town"]
    assert names(max_seconds=-1) == []


WRONG = [
    (
        {"columns": ["sizes"]},
        "there is no column 'sizes' to shuffle; the table has size, unused, kind, town",
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
def test_what_cannot_be_is_refused(given, message, rng):
    right = {"table": table_of(rng, rows=2), "truth": np.zeros(2), "task": "regression"}
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        permutation_importance(predict, **(right | given))
