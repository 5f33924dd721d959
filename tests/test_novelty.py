"""Rows unlike those of the training: in NumPy, in the graph and in the SavedModel."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from kerasnn import NetworkRegressor
from kerasnn.datasets import checked_table, infer_schema, raw_columns
from kerasnn.errors import InputError
from kerasnn.novelty import check_function, fit_novelty
from kerasnn.preprocessing import Preprocessor
from kerasnn.saving import load

ROWS = 600


def made_table(rows=ROWS, seed=0):
    """Columns of all kinds, two of which belong together."""
    rng = np.random.default_rng(seed)
    town = rng.choice(["Rome", "Oslo", "Lima"], rows)
    heat = np.select([town == "Rome", town == "Oslo"], [25.0, 5.0], 18.0)
    table = pd.DataFrame(
        {
            "heat": heat + rng.normal(0, 3, rows),
            "town": town,
            "open": rng.choice(["yes", "no"], rows),
            "day": pd.Timestamp("2024-01-01")
            + pd.to_timedelta(rng.integers(0, 400, rows), "D"),
            "size": rng.choice([0.0, 1.5], rows, p=[0.9, 0.1]),
            "dose": rng.normal(0, 1, rows),
        }
    )
    table.loc[::10, "dose"] = np.nan
    return table


@pytest.fixture(scope="module")
def fitted():
    table = made_table()
    schema = infer_schema(table)
    checked = checked_table(table, schema)
    novelty = fit_novelty(checked, schema)
    check = check_function(novelty, Preprocessor.fit(checked, schema).graph)

    def run(rows):
        columns = raw_columns(checked_table(rows, schema))
        found = check({name: tf.constant(values) for name, values in columns.items()})
        return {name: value.numpy() for name, value in found.items()}

    return novelty, schema, run


@pytest.fixture(scope="module")
def trained():
    table = made_table()
    target = table["heat"].to_numpy() + 5 * table["size"].to_numpy()
    target += np.random.default_rng(1).normal(0, 5, ROWS)
    return NetworkRegressor(
        hidden_units=(8,), members=4, folds=2, epochs=2, random_state=0
    ).fit(table, target)


@pytest.fixture(scope="module")
def saved(trained, tmp_path_factory):
    return load(trained.export(tmp_path_factory.mktemp("model") / "towns"))


def changed(**cells):
    """An ordinary row with other cells."""
    row = {
        "heat": 25.2,
        "town": "Rome",
        "open": "yes",
        "day": pd.Timestamp("2024-05-05"),
        "size": 0.0,
        "dose": 0.1,
    }
    return pd.DataFrame([{**row, **cells}])


def test_about_one_ordinary_row_in_a_hundred_is_unlikely(fitted):
    _, _, run = fitted
    found = run(made_table(4000, seed=1))
    assert 0.002 < found["unlikely"].mean() < 0.03


def test_the_graph_flags_what_the_limits_and_the_tree_do(fitted):
    novelty, schema, run = fitted
    rows = made_table(300, seed=2)
    rows.loc[:20, "heat"] = 99.0
    rows.loc[10:30, "town"] = "Paris"
    rows.loc[25:40, "open"] = None
    rows.loc[35:50, "day"] = pd.Timestamp("2031-01-01")
    rows.loc[45:90, "town"] = rows["town"].sample(frac=1, random_state=0).to_numpy()[45:91]
    found, checked = run(rows), checked_table(rows, schema)
    for i, (column, limits) in enumerate(zip(schema.columns, novelty.limits, strict=True)):
        cells = checked[column.name]
        np.testing.assert_array_equal(found["outside"][:, i], limits.outside(cells))
        np.testing.assert_array_equal(found["unseen"][:, i], limits.unseen(cells))
        np.testing.assert_array_equal(found["missing"][:, i], limits.newly_missing(cells))
    codes = np.stack([b.codes(checked[b.name]) for b in novelty.bins], axis=1)
    surprises = novelty.combinations.of_rows(codes)
    unlikely = surprises.sum(axis=1) > novelty.combinations.threshold
    np.testing.assert_array_equal(found["unlikely"], unlikely)
    pairs = novelty.combinations.pairs[surprises.argmax(axis=1)]
    expected = np.where(unlikely[:, np.newaxis], pairs, -1)
    np.testing.assert_array_equal(found["combination"], expected)
    flags = found["outside"] | found["unseen"] | found["missing"]
    np.testing.assert_array_equal(found["unusual"], flags.any(axis=1) | unlikely)
    assert unlikely.sum() > 20
    assert found["outside"].any(axis=0)[[0, 3]].all()


def test_levels_are_found_in_every_spelling_that_preprocessing_reads(fitted):
    novelty, schema, _ = fitted
    graph = Preprocessor.fit(checked_table(made_table(), schema), schema).graph
    check = check_function(novelty, graph)
    columns = {n: v[:1] for n, v in raw_columns(checked_table(changed(), schema)).items()}
    columns = {name: np.repeat(values, 5) for name, values in columns.items()}
    columns["open"] = np.array([b"YES", b" true ", b"0", b"maybe", b"NA"], object)
    columns["town"] = np.array([b" Rome", b"Rome ", b"rome", b"", b"nan"], object)
    found = check({name: tf.constant(values) for name, values in columns.items()})
    names = [*schema.names]
    unseen, missing = found["unseen"].numpy(), found["missing"].numpy()
    assert unseen[:, names.index("open")].tolist() == [False, False, False, True, False]
    assert missing[:, names.index("open")].tolist() == [False] * 4 + [True]
    assert unseen[:, names.index("town")].tolist() == [False, False, True, False, False]
    assert missing[:, names.index("town")].tolist() == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("cells", "columns", "reason"),
    [
        ({}, "", ""),
        ({"heat": 77.0}, "heat", "heat 77 is outside"),
        ({"town": "Paris"}, "town", "town 'Paris' was never seen"),
        ({"open": None}, "open", "open is missing and never was"),
        ({"dose": np.nan}, "", ""),
        ({"day": pd.Timestamp("2030-01-01")}, "day", "day 2030-01-01T00:00:00 is outside"),
        ({"heat": 4.9}, "heat, town", "heat 4.9, town 'Rome'"),
    ],
)
def test_estimator_and_saved_model_name_the_columns_and_why(
    cells, columns, reason, trained, saved
):
    rows = changed(**cells)
    found = trained.check(rows)
    pd.testing.assert_frame_equal(found, saved.check(rows))
    (row,) = found.to_dict("records")
    assert row["unusual"] == bool(columns)
    assert set(row["columns"].split(", ")) == set(columns.split(", "))
    assert all(word in row["reason"] for word in reason.split(", "))


def test_estimator_and_saved_model_agree_on_many_rows(trained, saved):
    rows = made_table(500, seed=3)
    rows["town"] = rows["town"].sample(frac=1, random_state=0).to_numpy()
    found = trained.check(rows)
    pd.testing.assert_frame_equal(found, saved.check(rows))
    assert 0.3 < found["unusual"].mean() < 0.9  # two of three towns do not fit the heat


def test_a_model_without_reference_says_so(trained, tmp_path):
    folder = trained.export(tmp_path / "towns")
    (folder / "assets.extra" / "kerasnn_reference.json").unlink()
    with pytest.raises(InputError, match="export the network anew"):
        _ = load(folder).reference


@pytest.mark.parametrize(
    "damage", [b"{", b'{"format": 1, "columns": []}', b'{"format": 2, "columns": []}']
)
def test_a_damaged_reference_is_named(damage, trained, tmp_path):
    folder = trained.export(tmp_path / "towns")
    path = folder / "assets.extra" / "kerasnn_reference.json"
    path.write_bytes(damage)
    with pytest.raises(InputError, match="kerasnn_reference"):
        _ = load(folder).reference


def test_the_reference_is_read_as_it_was_written(trained, saved):
    assert saved.reference == trained.novelty_.reference
    assert saved.reference.target.rows == ROWS
    assert saved.reference.predictions[0].bins.name == "value"


@pytest.mark.parametrize("only", ["heat", "town"])
def test_a_table_of_one_kind_of_column_can_be_checked(only):
    table = made_table()[[only]]
    schema = infer_schema(table)
    checked = checked_table(table, schema)
    novelty = fit_novelty(checked, schema)
    check = check_function(novelty, Preprocessor.fit(checked, schema).graph)
    found = check({n: tf.constant(v) for n, v in raw_columns(checked).items()})
    assert novelty.combinations is None
    assert not found["unusual"].numpy().any()
    assert found["outside"].shape == (ROWS, 1)
