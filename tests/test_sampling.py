"""Rows drawn from a table as it passes, and the counts of all of it."""

import numpy as np
import pandas as pd
import pytest

from kerasnn.datasets.profiling.counting import MAX_TEXTS, ColumnCounter
from kerasnn.datasets.profiling.sampling import RowSample


def sampled(table, size, blocks, seed=0):
    sample = RowSample(size, seed)
    for part in np.array_split(np.arange(len(table)), blocks):
        sample.add(table.iloc[part].reset_index(drop=True))
    return sample.drawn()


TABLE = pd.DataFrame({"n": np.arange(5000), "t": [f"t{i}" for i in range(5000)]})


@pytest.mark.parametrize("size", [1, 700, 5000, 6000])
def test_the_sample_does_not_depend_on_the_blocks(size):
    whole = sampled(TABLE, size, 1)
    assert len(whole) == min(size, 5000)
    for blocks in (2, 7, 500):
        pd.testing.assert_frame_equal(sampled(TABLE, size, blocks), whole)


def test_its_index_is_the_number_of_the_row():
    sample = sampled(TABLE, 700, 9)
    pd.testing.assert_frame_equal(TABLE.loc[sample.index], sample)
    assert sample.index.is_unique


@pytest.mark.slow
def test_every_row_is_drawn_as_often_as_any_other():
    table = TABLE.iloc[:50]
    times = np.zeros(50)
    for seed in range(1000):
        times[sampled(table, 10, 3, seed).index] += 1
    # Binomial(1000, 0.2): a standard deviation of 13.
    assert abs(times - 200).max() < 65


def test_its_order_is_random():
    first = [sampled(TABLE.iloc[:50], 10, 2, seed).index[0] for seed in range(500)]
    assert 15 < np.mean(first) < 34
    assert len(set(first)) > 40


@pytest.mark.parametrize("seed", range(3))
def test_no_quantile_is_farther_off_than_is_said(seed):
    values = np.sort(np.random.default_rng(seed).lognormal(sigma=2, size=100_000))
    table = pd.DataFrame({"v": np.random.default_rng(9).permutation(values)})
    sample = sampled(table, 4000, 10, seed)["v"]
    shares = np.linspace(0.01, 0.99, 99)
    ranks = np.searchsorted(values, np.quantile(sample, shares)) / len(values)
    # With probability 0.999, by the inequality of Dvoretzky, Kiefer and Wolfowitz;
    # Massart (1990). docs/larger-than-memory.md gives it for 65,536 rows: 0.8 %.
    error, documented = (np.sqrt(np.log(2 / 0.001) / (2 * n)) for n in (4000, 65_536))
    assert abs(ranks - shares).max() <= error
    assert documented == pytest.approx(0.008, abs=5e-4)


COLUMNS = {
    "text": ["a", "b", " a ", None, "NA", "a", "?", "c"],
    "whole": [1, 2, 2, 3, 3, 3, 1, 0],
    "number": [1.5, np.nan, 2.0, 2.0, np.nan, 0.0, 1.0, 1.0],
    "truth": [True, False, True, True, True, False, False, True],
    "mixed": ["a", 1, 1.0, None, "1", "1.0", True, "a"],
}
TEXTS = {
    "text": ({"a": 3, "b": 1, "c": 1}, 3),
    "whole": ({"1": 2, "2": 2, "3": 3, "0": 1}, 0),
    "number": ({"1.5": 1, "2": 2, "0": 1, "1": 2}, 2),
    "truth": ({"True": 5, "False": 3}, 0),
    "mixed": ({"a": 2, "1": 4, "True": 1}, 1),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("blocks", [1, 3])
def test_texts_and_missing_values_are_counted(name, blocks):
    counter = ColumnCounter(texts=True)
    for part in np.array_split(np.arange(8), blocks):
        counter.add(pd.Series(COLUMNS[name]).iloc[part])
    counts = counter.counts()
    assert (dict(counts.texts), counts.missing) == TEXTS[name]
    assert counts.rows == 8


def test_of_numbers_only_the_missing_ones_are_counted_unless_asked():
    for name in ("whole", "number"):
        counter = ColumnCounter()
        counter.add(pd.Series(COLUMNS[name]))
        assert counter.counts().texts is None
        assert counter.counts().missing == TEXTS[name][1]


def test_rows_that_were_counted_can_be_left_out():
    column = pd.Series(COLUMNS["text"])
    counter = ColumnCounter()
    counter.add(column)
    rest = ColumnCounter()
    rest.add(column.iloc[[0, 1, 3]])
    assert counter.counts().without(column.iloc[[2, 4, 5, 6, 7]]) == rest.counts()


def test_where_there_are_too_many_texts_missing_values_are_still_counted():
    counter = ColumnCounter()
    counter.add(pd.Series([f"t{i}" for i in range(MAX_TEXTS + 1)], dtype=object))
    counter.add(pd.Series(["t1", None, " NA ", "?"], dtype=object))
    counts = counter.counts()
    assert (counts.texts, counts.missing, counts.rows) == (None, 3, MAX_TEXTS + 5)


def test_numbers_that_stood_in_text_are_written_as_numbers_are():
    counter = ColumnCounter()
    counter.add(pd.Series(["1.50", "1.5", "2", "2.0", None], dtype=object))
    assert dict(counter.counts().of_numbers().texts) == {"1.5": 2, "2": 2}
