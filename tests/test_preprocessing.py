"""What preprocessing makes of rows, in NumPy; the graph makes the same, to the bit."""

import copy
import json
import pickle

import numpy as np
import pandas as pd
import pytest

from kerasnn import InputError
from kerasnn.datasets import Column, Schema
from kerasnn.preprocessing import LevelOptions, Preprocessor


def texts(*values):
    return np.array(values, object)


def dates(*values):
    return np.array(values, "datetime64[s]")


def fitted(columns, kind, *, levels=(), **options):
    """Fitted to the columns, all of one kind; and what it makes of them."""
    table = pd.DataFrame(columns)
    schema = Schema(tuple(Column(name, kind, levels=levels) for name in columns))
    scaling = {k: options.pop(k) for k in ("scaling",) if k in options}
    preprocessor = Preprocessor.fit(
        table, schema, levels=LevelOptions(**options), **scaling
    )
    return preprocessor, preprocessor.prepare(table)


def test_robust_scaling_is_by_median_and_quartiles_and_clipped_smoothly():
    values = np.array([0.0, 1.0, 2.0, 3.0, 1000.0])  # median 2, quartiles 1 and 3
    _, (x, codes) = fitted({"a": values}, "numeric")
    v = (values - 2) / 2
    np.testing.assert_allclose(x[:, 0], v / np.sqrt(1 + (v / 3) ** 2), rtol=1e-6)
    assert x.dtype == np.float32
    assert (codes.shape, codes.dtype) == ((5, 0), np.int32)


def test_where_the_quartiles_meet_the_ends_scale():
    preprocessor, _ = fitted({"a": np.array([5.0] * 9 + [9.0])}, "numeric")
    assert preprocessor.scaling.centers.tolist() == [5.0]
    assert preprocessor.scaling.factors.tolist() == [0.5]  # 2 / (9 - 5)


def test_standard_scaling_is_by_mean_and_standard_deviation(rng):
    values = rng.normal(50, 7, size=100)
    _, (x, _) = fitted({"a": values}, "numeric", scaling="standard")
    expected = (values - values.mean()) / values.std()
    np.testing.assert_allclose(x[:, 0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scaling", ["robust", "standard"])
def test_constant_and_absent_numbers_are_zero(scaling):
    columns = {
        "one": np.full(20, 7.0),
        "none": np.full(20, np.nan),
        "twice": np.repeat([1.0, 2.0], 10),
    }
    preprocessor, (x, _) = fitted(columns, "numeric", scaling=scaling)
    assert preprocessor.feature_names == ("one", "none", "twice")
    assert (x[:, :2] == 0).all()
    assert (x[:10, 2] < 0).all()
    assert (x[10:, 2] > 0).all()


@pytest.mark.parametrize("scaling", ["robust", "standard"])
def test_numbers_of_any_size_stay_finite(scaling):
    top = np.finfo(np.float64).max
    tiny = np.finfo(np.float64).smallest_subnormal
    values = np.array([-top, top, tiny, -tiny, 0.0, 1.0, -1.0, 1e200, np.nan])
    for n in range(2, len(values) + 1):
        preprocessor, (x, _) = fitted({"a": values[:n]}, "numeric", scaling=scaling)
        assert np.isfinite(x).all()
        assert np.isfinite(preprocessor.prepare(pd.DataFrame({"a": values})).x).all()


def test_missing_numbers_are_zero_and_have_an_indicator():
    columns = {
        "often": np.array([1.0, 2.0, 4.0, 9.0, np.nan, np.nan, np.nan]),
        "once": np.array([1.0, 2.0, 4.0, 9.0, 5.0, 6.0, np.nan]),
    }
    preprocessor, (x, _) = fitted(columns, "numeric")
    assert preprocessor.feature_names == ("often", "once", "often missing")
    assert (preprocessor.n_in, preprocessor.n_numeric) == (3, 2)
    assert x[6].tolist() == [0.0, 0.0, 1.0]
    assert x[:, 2].tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_booleans_are_minus_one_and_one():
    values = texts("yes", "no", None, "perhaps")
    preprocessor, (x, _) = fitted({"a": values}, "boolean", levels=("no", "yes"))
    assert preprocessor.feature_names == ("a=yes",)
    assert x[:, 0].tolist() == [1, -1, 0, 0]


def test_few_levels_are_one_hot_and_two_are_a_sign():
    columns = {
        "sign": texts(*"aaaaabbb", "rare"),
        "three": texts(*"cccaaabbb"),
    }
    preprocessor, (x, _) = fitted(columns, "categorical")
    assert preprocessor.feature_names == ("sign=b", "three=a", "three=b", "three=c")
    assert x[[0, 5, 8], 0].tolist() == [-1, 1, 0]
    assert x[[0, 3, 6], 1:].tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    unknown = preprocessor.prepare(pd.DataFrame({"sign": texts("x"), "three": texts(None)}))
    assert (unknown.x == 0).all()


def test_many_levels_are_codes_by_frequency():
    values = texts(*"ddddccccbbbaaax")
    preprocessor, (x, codes) = fitted({"a": values}, "categorical", one_hot_levels=3)
    assert x.shape == (15, 0)
    assert codes[:, 0].tolist() == [2] * 4 + [1] * 4 + [4] * 3 + [3] * 3 + [0]
    assert preprocessor.cardinalities == (5,)
    assert preprocessor.n_embedded == 1


def test_at_most_max_levels_are_kept():
    values = texts(*"ddddcccbbbaaa")
    preprocessor, _ = fitted({"a": values}, "categorical", max_levels=3)
    assert preprocessor.feature_names == ("a=d", "a=a", "a=b")


def test_missing_is_a_level_where_it_is_frequent_enough():
    values = texts(*"aaabbb", None, None, None)
    preprocessor, (x, _) = fitted({"a": values}, "categorical")
    assert preprocessor.feature_names == ("a missing", "a=a", "a=b")
    assert x[[0, 3, 6]].tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    preprocessor, (x, _) = fitted({"a": values[:-1]}, "categorical")
    assert preprocessor.feature_names == ("a=b",)
    assert x[[0, 3, 6], 0].tolist() == [-1, 1, 0]


def test_a_category_that_says_nothing_is_left_out():
    columns = {
        "constant": texts(*"aaaaaa"),
        "missing": texts(*[None] * 6),
        "rare": texts(*"aabbcd"),
        "good": texts(*"aaaabb"),
    }
    preprocessor, _ = fitted(columns, "categorical")
    assert preprocessor.feature_names == ("good=a",)
    assert preprocessor.names == tuple(columns)


def test_dates_become_numbers():
    values = dates(
        "2024-02-29T06:30", "1969-12-31T18:00", "2023-01-01", "NaT", "NaT", "NaT"
    )
    preprocessor, (x, _) = fitted({"t": values}, "datetime", scaling="standard")
    assert preprocessor.feature_names == (
        "t days",
        "t day of year",
        "t day of month",
        "t weekday",
        "t hour",
        "t missing",
    )
    parts = np.array(
        [
            [19782 + 6.5 / 24, 60, 29, 3, 6.5],  # a Thursday
            [-1 + 18 / 24, 365, 31, 2, 18],
            [19358, 1, 1, 6, 0],
        ]
    )
    expected = (parts - parts.mean(0)) / parts.std(0)
    np.testing.assert_allclose(x[:3, :5], expected, rtol=1e-6)
    assert x[3].tolist() == [0, 0, 0, 0, 0, 1]


def test_only_parts_of_dates_that_vary_are_kept():
    days, _ = fitted({"t": dates("2024-01-01", "2024-01-08", "2024-01-15")}, "datetime")
    assert days.feature_names == ("t days", "t day of month")
    months, _ = fitted({"t": dates("2023-01-01", "2023-02-01", "2024-01-01")}, "datetime")
    assert months.feature_names == ("t days", "t day of year", "t weekday")


def test_dates_that_no_text_in_a_graph_can_be_are_missing():
    values = dates("2024-01-01", "2024-02-02", "NaT", "NaT", "NaT")
    preprocessor, _ = fitted({"t": values}, "datetime")
    x = preprocessor.prepare(pd.DataFrame({"t": dates("12000-01-01", "0000-06-01")})).x
    assert preprocessor.feature_names[-1] == "t missing"
    assert x.tolist() == [[0.0] * (x.shape[1] - 1) + [1.0]] * 2


def mixed_table(n=200, seed=0):
    """A table with every kind of column, and its schema."""
    rng = np.random.default_rng(seed)

    def some(values, share=0.2):
        return np.where(rng.random(n) < share, None, values)

    table = pd.DataFrame(
        {
            "number": np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(size=n)),
            "whole": rng.integers(5, size=n).astype(np.float64),
            "flag": some(rng.choice(np.array(["no", "yes"], object), n)),
            "few": some(rng.choice(np.array(["a", "b", "ü"], object), n)),
            "many": some(rng.choice(np.array(list("abcdefghijklmnop"), object), n)),
            "when": dates("2020-02-27") + rng.integers(10**8, size=n),
        }
    )
    kinds = ("numeric", "numeric", "boolean", "categorical", "categorical", "datetime")
    columns = [
        Column(name, kind, levels=("no", "yes") if kind == "boolean" else ())
        for name, kind in zip(table, kinds, strict=True)
    ]
    return table, Schema(tuple(columns))


@pytest.mark.parametrize("scaling", ["robust", "standard"])
@pytest.mark.parametrize(
    "copied",
    [
        lambda p: Preprocessor.from_dict(json.loads(json.dumps(p.to_dict()))),
        lambda p: pickle.loads(pickle.dumps(p)),
        copy.deepcopy,
    ],
    ids=["json", "pickle", "deepcopy"],
)
def test_a_copy_prepares_the_same(copied, scaling):
    table, schema = mixed_table()
    preprocessor = Preprocessor.fit(table, schema, scaling=scaling)
    x, codes = preprocessor.prepare(table)
    assert (x.shape, codes.shape) == ((200, 13), (200, 1))
    assert len(preprocessor.feature_names) == 13
    again = copied(preprocessor)
    np.testing.assert_array_equal(again.prepare(table).x, x)
    np.testing.assert_array_equal(again.prepare(table).codes, codes)
    assert again.to_dict() == preprocessor.to_dict()


def test_the_order_of_rows_changes_nothing(rng):
    table, schema = mixed_table()
    shuffled = table.sample(frac=1, random_state=0)
    preprocessor = Preprocessor.fit(table, schema)
    assert Preprocessor.fit(shuffled, schema).to_dict() == preprocessor.to_dict()
    x = preprocessor.prepare(table).x
    np.testing.assert_array_equal(preprocessor.prepare(shuffled).x, x[shuffled.index])


def test_what_is_no_preprocessing_is_told():
    with pytest.raises(InputError) as caught:
        Preprocessor.from_dict({"format": 2})
    assert str(caught.value) == ("this is not preprocessing of format 1; its format is 2")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"scaling": "minmax"},
            "scaling must be 'robust' or 'standard'; got 'minmax'",
        ),
        (
            {"one_hot_levels": 1},
            "one_hot_levels must be a whole number of at least 2; got 1",
        ),
        ({"min_count": 0}, "min_count must be a whole number of at least 1; got 0"),
        ({"max_levels": 0}, "max_levels must be a whole number of at least 1; got 0"),
    ],
)
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(InputError) as caught:
        fitted({"a": np.arange(3.0)}, "numeric", **options)
    assert str(caught.value) == message


def test_columns_that_say_nothing_are_refused():
    columns = {"a": texts(*"aabb"), "b": texts(*"abcd")}
    with pytest.raises(InputError) as caught:
        fitted(columns, "categorical")
    assert str(caught.value) == (
        "no column is informative in these 4 rows: no level of 'a', 'b' occurs in 3 of"
        " them; give more rows, or columns whose values repeat"
    )
