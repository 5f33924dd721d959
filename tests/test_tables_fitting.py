"""A table as a whole job: which rows are tested, what is measured, what is kept."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss, root_mean_squared_error

from kerasnn import saving, tables
from kerasnn.datasets import ColumnHints, Target, as_table
from kerasnn.datasets.schema.target import target_values
from kerasnn.errors import InputError
from kerasnn.tables.rows import drawn, table_fingerprint

SHORT = {
    "members": 2,
    "folds": 2,
    "epochs": 8,
    "hidden_units": (16,),
    "batch_size": 16,
    "driver": "graph",
}


def flowers(n_rows=90, seed=0):
    """Three kinds by length and colour; a weight that follows from the length."""
    rng = np.random.default_rng(seed)
    kind = rng.permutation(np.resize(["aster", "rose", "tulip"], n_rows))
    length = rng.normal(np.select([kind == "rose", kind == "tulip"], [3, 6], 0), 1)
    return pd.DataFrame(
        {
            "length": length,
            "colour": rng.choice(["red", "white"], n_rows),
            "weight": 100 + 20 * length + rng.normal(size=n_rows),
            "kind": kind,
        }
    )


def trained(table, target, *, ignore=(), test_size=0.2, seed=0, **settings):
    hints = ColumnHints(ignore=ignore)
    rows = tables.read_rows(
        table, target=target, hints=hints, test_size=test_size, seed=seed
    )
    estimator = tables.estimator_for(rows.target)(**{**SHORT, **settings})
    return tables.measure(tables.fit(rows, estimator))


@pytest.fixture(scope="module")
def classified():
    return trained(flowers(), target="kind", ignore=["weight"])


@pytest.fixture(scope="module")
def regressed():
    return trained(flowers(), target="weight")


# --- rows -------------------------------------------------------------------------


@given(
    sizes=st.lists(st.integers(2, 30), min_size=2, max_size=6),
    share=st.floats(0.01, 0.5),
    seed=st.integers(0, 1000),
)
@settings(deadline=None)
def test_each_class_is_drawn_by_its_share_and_none_wholly(sizes, share, seed):
    groups = np.random.default_rng(seed).permutation(np.repeat(range(len(sizes)), sizes))
    chosen = drawn(groups, share, seed=seed)
    n_drawn = max(round(len(groups) * share), 1)
    assert chosen.sum() == min(n_drawn, len(groups) // 2)
    for group, size in enumerate(sizes):
        of_group = chosen[groups == group].sum()
        assert of_group < size
        assert abs(of_group - size * chosen.sum() / len(groups)) < 1 + 1e-9


def test_every_row_is_as_likely_to_be_tested():
    groups = np.repeat([0, 1], [20, 5])
    often = sum(drawn(groups, 0.2, seed=seed).astype(int) for seed in range(4000)) / 4000
    np.testing.assert_allclose(often, 0.2, atol=0.03)


def test_no_row_is_tested_where_none_is_wanted():
    rows = tables.read_rows(flowers(), target="kind", test_size=0)
    assert not rows.tested.any()
    assert len(rows.inputs(tested=False)) == 90


def test_another_seed_tests_other_rows():
    masks = [tables.read_rows(flowers(), target="kind", seed=s).tested for s in (0, 0, 1)]
    assert (masks[0] == masks[1]).all()
    assert (masks[0] != masks[2]).any()


@pytest.mark.parametrize("test_size", [-0.1, 0.6, np.nan, True])
def test_an_impossible_test_size_is_told(test_size):
    with pytest.raises(InputError) as error:
        tables.read_rows(flowers(), target="kind", test_size=test_size)
    assert str(error.value) == f"test_size must be a number from 0 to 0.5; got {test_size}"


def test_targets_are_numbers_of_classes_whatever_their_dtype():
    target = Target("y", "classification", classes=("1", "2", "10"))
    for values in (["10", "1", "2"], [10, 1, 2], [10.0, 1.0, 2.0], ["10.0", "1", " 2 "]):
        found = target_values(pd.Series(values, name="y"), target)
        assert found.tolist() == [2, 0, 1]


def test_a_target_that_is_no_number_is_told():
    with pytest.raises(InputError) as error:
        target_values(
            pd.Series(["1", "x"], name="y"), Target("y", "regression", low=0.0, high=1.0)
        )
    assert str(error.value).startswith("column 'y', row 1: 'x' is not a number.")


def test_the_fingerprint_is_that_of_the_values(tmp_path):
    table = pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]})
    table.to_csv(tmp_path / "table.csv", index=False)
    rows = as_table(tmp_path / "table.csv")
    assert rows["a"].dtype == np.float64
    assert table_fingerprint(rows, ["a", "b"]) == table_fingerprint(table, ["a", "b"])
    assert table_fingerprint(table[::-1], ["a", "b"]) != table_fingerprint(
        table, ["a", "b"]
    )
    assert table_fingerprint(table, ["b"]) != table_fingerprint(table, ["a"])


# --- job --------------------------------------------------------------------------


def test_the_scores_are_those_of_rows_that_were_not_learned_from(classified):
    rows = classified.fitted.rows
    assert (rows.tested.sum(), (~rows.tested).sum()) == (18, 72)
    assert classified.fitted.estimator.preprocessor_.n_numeric == 1
    test = flowers()[rows.tested]
    probabilities = classified.fitted.estimator.predict_proba(test)
    np.testing.assert_array_equal(classified.predicted, probabilities)
    predicted = np.array(["aster", "rose", "tulip"])[probabilities.argmax(axis=1)]
    found = classified.metrics
    assert found["accuracy"] == pytest.approx(accuracy_score(test.kind, predicted))
    assert found["log_loss"] == pytest.approx(log_loss(test.kind, probabilities))
    assert classified.measured_on == "test rows, never learned from"


def test_the_baselines_and_the_columns_are_of_the_same_rows(classified):
    assert classified.baselines.keys() == {"linear", "constant"}
    for predicted in classified.baselines.values():
        assert predicted.shape == (18, 3)
    shares = classified.baselines["constant"][0]
    np.testing.assert_allclose(shares, [1 / 3, 1 / 3, 1 / 3], atol=0.02)
    assert next(iter(classified.importance)).name == "length"
    assert {one.name for one in classified.importance} == {"length", "colour"}


def test_a_regression_is_measured_in_the_unit_of_its_target(regressed):
    test = flowers()[regressed.fitted.rows.tested]
    expected = root_mean_squared_error(test.weight, regressed.predicted)
    assert regressed.metrics["rmse"] == pytest.approx(expected)
    assert 1 < expected < 200


@pytest.mark.slow
def test_without_test_rows_the_members_tell_of_the_rows_that_they_left_out():
    outcome = trained(flowers(), target="weight", test_size=0)
    assert outcome.measured_on == "training rows, each by the members that left it out"
    answers = outcome.fitted.estimator.oof_predictions_
    expected = root_mean_squared_error(flowers().weight, answers)
    assert outcome.metrics["rmse"] == pytest.approx(expected)
    assert outcome.scores["rmse"].low < expected < outcome.scores["rmse"].high


@pytest.mark.slow
def test_the_same_seed_gives_the_same_network_and_another_another(regressed):
    again, other = (trained(flowers(), target="weight", seed=seed) for seed in (0, 1))
    assert again.metrics == regressed.metrics
    assert other.metrics != regressed.metrics


@pytest.mark.slow
def test_what_is_saved_answers_like_what_was_measured(classified, tmp_path):
    folder = tables.save(classified, tmp_path / "flowers")
    saved = saving.load(folder)
    test = flowers()[classified.fitted.rows.tested]
    np.testing.assert_allclose(
        saved.predict(test)["probabilities"], classified.predicted, atol=1e-6
    )
    found = tables.evaluate(saved, test)
    assert found.rows == 18
    for name, score in found.scores.items():
        assert score.value == pytest.approx(classified.metrics[name], abs=1e-5)
    assert not found.learned
    assert tables.evaluate(saved, flowers()).learned
    page = (folder / "assets.extra" / "report.html").read_text()
    for text in ("<title>flowers", "Beside simple models", "fingerprint", "colour"):
        assert text in page
    assert saved.manifest["data"] == {
        "source": "DataFrame",
        "train_rows": 72,
        "test_rows": 18,
        "fingerprint": classified.fitted.rows.fingerprint,
    }


def test_a_report_that_fails_does_not_lose_the_network(classified, tmp_path, monkeypatch):
    def fails(*arguments, **settings):
        raise ZeroDivisionError("no page")

    monkeypatch.setattr("kerasnn.tables.exporting.table_page", fails)
    with pytest.raises(ZeroDivisionError, match="no page") as caught:
        tables.save(classified, tmp_path / "flowers")
    version = tmp_path / "flowers" / "1"
    assert caught.value.__notes__ == [
        f"The network is saved in {version}, without its report."
    ]
    assert len(saving.load(version).predict(flowers())["class"]) == len(flowers())
    assert not (version / "assets.extra" / "report.html").exists()


@pytest.mark.slow
def test_a_target_of_truths_and_one_of_categories_are_classes():
    for target, names in (
        (flowers().kind == "rose", ("False", "True")),
        (flowers().kind.astype("category"), ("aster", "rose", "tulip")),
    ):
        outcome = trained(flowers().assign(kind=target), target="kind")
        assert outcome.fitted.schema.target.classes == names
        assert outcome.truth.max() == len(names) - 1


def test_more_folds_than_rows_to_learn_from_are_told():
    with pytest.raises(InputError) as error:
        trained(flowers(12), target="kind", folds=11, members=11)
    assert str(error.value) == (
        "folds must be at most the number of rows to learn from, 10 of 12; got folds=11"
    )


# --- targets and templates --------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["10", "9", "9"], ["9", "10"]),  # text is sorted as the numbers that it holds
        ([10, 9, 9], [9, 10]),
        ([1.5, 0.1, 0.1], [0.1, 1.5]),
        ([True, False, False], ["False", "True"]),
        (["b", "a", "a"], ["a", "b"]),
    ],
)
def test_an_estimator_takes_the_class_indices_of_the_rows(values, classes):
    table = flowers(60).assign(kind=np.resize(np.array(values), 60))
    rows = tables.read_rows(table, target="kind", task="classification", test_size=0)
    labels, indices = rows.labels(tested=False), rows.targets(tested=False)
    np.testing.assert_array_equal(labels.codes, indices)
    assert indices[:3].tolist() == [1, 0, 0]
    estimator = tables.estimator_for(rows.target)(schema=rows.schema)
    np.testing.assert_array_equal(estimator._fit_targets(labels, 60), indices)
    assert estimator.classes_.tolist() == labels.categories.tolist() == classes


def test_a_template_is_not_changed(classified):
    template = tables.estimator_for(classified.fitted.rows.target)(**SHORT)
    fitted = tables.fit(classified.fitted.rows, template)
    assert not hasattr(template, "history_")
    assert template.schema is template.random_state is None
    assert fitted.estimator.random_state == classified.fitted.rows.seed
    np.testing.assert_array_equal(
        fitted.estimator.predict_proba(flowers()),
        classified.fitted.estimator.predict_proba(flowers()),
    )
