"""Numbers that come back get a code each."""

import numpy as np
import pandas as pd

from kerasnn.datasets import infer_schema
from kerasnn.preprocessing import Preprocessor
from kerasnn.preprocessing.frequent_values import MIN_COUNT, fit_frequent_values


def rows_of(*values_and_counts):
    return np.concatenate([np.full(n, value, float) for value, n in values_and_counts])


def test_values_in_enough_rows_have_a_code_in_ascending_order_and_all_else_is_0():
    numbers = rows_of((7688, 40), (0, 200), (3, 60), (5, MIN_COUNT - 1), (np.nan, 9))
    frequent = fit_frequent_values("gain", numbers)
    assert frequent.values == (0.0, 3.0, 7688.0)
    asked = np.array([0, 3, 7688, 5, -1, 1e300, np.nan, -0.0])
    assert frequent.codes(asked).tolist() == [1, 2, 3, 0, 0, 0, 0, 1]


def test_a_column_of_many_or_of_two_values_or_without_a_common_one_has_none(rng):
    assert fit_frequent_values("even", rows_of((0, 200), (1, 200), (2, 200))) is None
    assert fit_frequent_values("many", rng.normal(size=1000)) is None
    assert fit_frequent_values("two", rows_of((0, 500), (1, 500))) is None
    assert fit_frequent_values("rare", np.arange(100.0).repeat(20)) is None


def test_the_codes_stand_behind_those_of_the_levels_and_the_number_stays():
    words = [f"w{i}" for i in range(12)]
    table = pd.DataFrame(
        {
            "stars": np.tile([1.0, 2.0, 1.0, 1.0, 3.0, 4.0], 80),
            "word": pd.Series(np.tile(words, 40), dtype=object),
        }
    )
    preprocessor = Preprocessor.fit(table, infer_schema(table), frequent_value_codes=True)
    assert preprocessor.cardinalities == (13, 5)
    assert preprocessor.feature_names == ("stars",)
    codes = preprocessor.prepare(table).codes
    assert codes[:6, 1].tolist() == [1, 2, 1, 1, 3, 4]
    again = Preprocessor.from_dict(preprocessor.to_dict())
    np.testing.assert_array_equal(again.prepare(table).codes, codes)
    assert Preprocessor.fit(table, infer_schema(table)).frequent == ()
