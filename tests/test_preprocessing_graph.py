"""The graph makes of raw columns, bit for bit, what NumPy makes of the checked table."""

import copy
import datetime as dt
import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnn.datasets import (
    MISSING_TEXTS,
    Column,
    ReadOptions,
    Schema,
    check_rows,
    checked_table,
    infer_schema,
)
from kerasnn.datasets.cells.date_format import read_date
from kerasnn.preprocessing import LevelOptions, Preprocessor, graph, scaling
from kerasnn.preprocessing.graph_dates import graph_date_parts

SCALINGS = ("robust", "standard")
BLANKS = [" ", "\t", "\n", "\x0b", "\x1f", "\x85", "\xa0", "\u2003", "\u3000"]
SCHEMA = Schema(
    (
        Column("number", "numeric"),
        Column("whole", "numeric"),
        Column("flag", "boolean", levels=("no", "yes")),
        Column("few", "categorical"),
        Column("count", "categorical"),
        Column("many", "categorical"),
        Column("when", "datetime"),
    )
)


def training_rows(n=300):
    rng = np.random.default_rng(0)

    def with_gaps(values, gap=None):
        return np.where(rng.random(n) < 0.2, gap, values)

    def words(*choices):
        return rng.choice(np.array(choices, object), n)

    return pd.DataFrame(
        {
            "number": with_gaps(rng.lognormal(size=n), np.nan).astype(np.float64),
            "whole": rng.choice([0.0] * 6 + [1.0, 2.0, 3.0, 4.0], size=n),
            "flag": with_gaps(words("no", "yes")),
            "few": words("a", "b", "ü\x00"),
            "count": with_gaps(words("1", "2", "30")),
            "many": with_gaps(words(*"abcdefghijklmnop", "Äpfel 12", "-1")),
            "when": np.datetime64("2019-02-27", "s") + rng.integers(10**8, size=n),
        }
    )


@cache
def fitted(method):
    """A preprocessor and its graph, compiled."""
    preprocessor = Preprocessor.fit(
        training_rows(), SCHEMA, scaling=method, frequent_value_codes=True
    )
    assert [r.column for r in preprocessor.frequent] == ["whole"]
    specs = [preprocessor.input_specs()]
    return preprocessor, tf.function(preprocessor, input_signature=specs)


def as_tensors(columns, preprocessor):
    specs = preprocessor.input_specs()
    return {name: tf.constant(columns[name], specs[name].dtype) for name in specs}


def assert_same(prepared, tensors):
    for ours, theirs in zip(prepared, tensors, strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        if ours.dtype == np.float32:  # -0.0 is not 0.0 here
            ours, theirs = ours.view(np.int32), theirs.numpy().view(np.int32)
        np.testing.assert_array_equal(ours, theirs)


numbers = st.floats(allow_infinity=False, allow_subnormal=True) | st.floats(-5, 5)


@st.composite
def texts(draw, levels):
    level = st.sampled_from([*levels, *(f"{v}.0" for v in levels), *MISSING_TEXTS])
    text = draw(level | st.text(st.characters(exclude_categories=["Cs"]), max_size=4))
    blanks = st.text(st.sampled_from(BLANKS), max_size=2)
    return draw(blanks) + text + draw(blanks)


@st.composite
def date_texts(draw):
    if draw(st.integers(0, 4)) == 0:
        return draw(st.sampled_from(MISSING_TEXTS))
    date = draw(st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 12, 31)))
    forms = [
        date.date().isoformat(),
        date.isoformat(" ", "minutes"),
        date.isoformat("T", "seconds"),
        date.isoformat("T", "microseconds"),
    ]
    text = draw(st.sampled_from(forms))
    zones = ["", "Z", "+00:00", "-23:59", "+0530", "+14:00"]
    return text if text == forms[0] else text + draw(st.sampled_from(zones))


raw_rows = st.lists(
    st.tuples(
        numbers | st.just(float("nan")),
        numbers | st.just(float("nan")),
        texts(["no", "yes"]),
        texts(["a", "b", "ü\x00"]),
        texts(["1", "2", "30"]),
        texts([*"abcdefghijklmnop", "Äpfel 12", "-1"]),
        date_texts(),
    ),
    min_size=1,
    max_size=5,
)


@pytest.mark.slow
@pytest.mark.parametrize("method", SCALINGS)
@settings(deadline=None, max_examples=60)
@given(rows=raw_rows)
def test_the_graph_gives_the_same_bits_for_raw_rows(method, rows):
    preprocessor, compiled = fitted(method)
    columns = dict(zip(SCHEMA.names, map(list, zip(*rows, strict=True)), strict=True))
    prepared = preprocessor.prepare(checked_table(columns, SCHEMA))
    assert_same(prepared, compiled(as_tensors(columns, preprocessor)))


@pytest.mark.parametrize("method", SCALINGS)
@settings(deadline=None, max_examples=60)
@given(
    training=st.lists(numbers | st.just(float("nan")), min_size=1, max_size=30),
    rows=st.lists(st.floats(allow_subnormal=True), min_size=1, max_size=5),
)
def test_the_same_bits_whatever_the_training_rows_were(method, training, rows):
    schema = Schema((Column("a", "numeric"),))
    table = pd.DataFrame({"a": training})
    preprocessor = Preprocessor.fit(table, schema, scaling=method)
    rows = [*training, *rows]
    prepared = preprocessor.prepare(pd.DataFrame({"a": rows}))
    assert np.isfinite(prepared.x).all()
    assert_same(prepared, preprocessor({"a": tf.constant(rows, tf.float64)}))


def many_numbers(rng, n=100_000):
    return rng.normal(size=n) * 10.0 ** rng.uniform(-20, 20, size=n)


def test_the_optimizer_of_graphs_changes_no_bit_of_smooth_clipping(rng):
    """In float64: in float32 hardly any of the changed bits would be seen."""
    values = np.clip(many_numbers(rng), -scaling.MAX_SCALED, scaling.MAX_SCALED)
    spec = tf.TensorSpec([None], tf.float64)

    def in_graph(function):
        return tf.function(function, input_signature=[spec])(values).numpy()

    ours = scaling.smooth_clip(values)
    np.testing.assert_array_equal(in_graph(graph.graph_smooth_clip), ours)
    # The trap; the day this fails, write it as its formula is written.
    plain = values / np.sqrt(1.0 + values * values)
    theirs = in_graph(lambda v: v / tf.sqrt(1.0 + v * v))
    assert (theirs != plain).any()


@pytest.mark.slow
@pytest.mark.parametrize("method", SCALINGS)
def test_many_numbers_are_scaled_alike(method, rng):
    preprocessor, compiled = fitted(method)
    n = 20_000
    table = training_rows().sample(n, replace=True, ignore_index=True, random_state=0)
    table["number"] = many_numbers(rng, n)
    table["whole"] = rng.normal(2, 3, size=n)
    columns = {name: table[name].to_numpy(object, na_value="") for name in table}
    columns |= {name: table[name].to_numpy() for name in ("number", "whole")}
    columns["when"] = np.datetime_as_string(table["when"].to_numpy())
    assert_same(preprocessor.prepare(table), compiled(as_tensors(columns, preprocessor)))


def test_every_day_is_taken_apart_alike():
    """All days of the calendar's 400 years, and the ends of what is read."""
    days = np.arange("1900-01-01", "2300-01-01", dtype="datetime64[D]")
    ends = np.array(["0001-01-01", "0001-12-31", "9999-12-31"], "datetime64[D]")
    table = pd.DataFrame({"t": np.append(days, ends).astype("datetime64[s]")})
    schema = Schema((Column("t", "datetime"),))
    preprocessor = Preprocessor.fit(table, schema)
    text = np.datetime_as_string(np.append(days, ends)).tolist()
    assert preprocessor.n_numeric == 4
    assert_same(preprocessor.prepare(table), preprocessor({"t": tf.constant(text)}))


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2020-02-30",
        "2021-02-29",
        "2020-13-01",
        "2020-00-10",
        "2020-01-00",
        "0000-01-01",
        "2020-01-01T24:00",
        "2020-01-01T10:60",
        "2020-01-01T10:00:60",
        "2020-01-01T10",
        "2020-01-01T10:00+24:00",
        "2020-1-32",
        "2020-01-01 13:00 PM",
        "2020-01-01 0:30 am",
        "20200101",
        "9999-12-31T23:00-02:00",
        "12020-01-01",
    ],
)
def test_a_text_that_is_no_date_is_missing_in_the_graph(text):
    preprocessor, compiled = fitted("robust")
    rows = training_rows().iloc[:2]
    columns = {
        name: [v if v == v and v is not None else "" for v in rows[name]]
        for name in SCHEMA.names
    } | {"number": [1.0, 1.0], "when": [text, ""]}
    x, _ = compiled(as_tensors(columns, preprocessor))
    when = [i for i, name in enumerate(preprocessor.feature_names) if "when" in name]
    assert len(when) == 5
    assert tf.gather(x, when, axis=1).numpy().tolist() == [[0.0] * 5] * 2


FORMATS = (
    *("", "%m/%d/%Y", "%d.%m.%y", "%b %d, %Y", "%d %B %y", "%Y %b", "%Y-%m", "%YQ%q"),
    *("%H:%M", "%I:%M:%S %p", "%Y%m%d", "%y%m%d%H%M", "%s", "%Q", "%d/%m/%Y %H:%M:%S%z"),
)
DATE_TEXTS = (
    *("9/25/2021", "25/9/2021", "1.2.21", "31.12.30", "01-02-29", "2014-7-1", "2/30/2021"),
    *("September 25, 2021", "Sept. 3rd 2021", "25-Sep-21", "Sat, 25 SEP 2021 10:00 GMT"),
    *("2021 May", "may 2021", "25 Foo 2021", "2021-09", "2021-13", "2021Q3", "2021 q4"),
    *("7:30:00", "7:30 PM", "12:00 a.m.", "13:00 PM", "24:00", "07:59:60", "9/25/21 1:5"),
    *("20210925", "20210925.0", "20211301", "210925", "2109251030", "1632528000", "-1"),
    *("1632528000123", "123456789012345", "25/09/2021 10:00:00+0200", "9/25/21 1:05 pm"),
    *("2021-09-25 10:00-00:30", "2021-09-25, 10:00 Z", "2021-09-25T10:00+02", "", "NA"),
    *("#09# 25, 2021", "2021-#09#-25", "1/2/2021T3:04", "\u06f1/2/2021", "1/1/0000", "?"),
    *("3. März 2021", "1er AOÛT 2021", "mardi 2 mars 2021", "3 de enero de 2021"),
    *("12 févr. 2020", "DÉC 3, 2020", "27 de março de 2021", "Mär 3, 2021"),
    *("1/2/2021 3:04:05.6", "x#09#", "may", "1 may 21", "2021-#05#"),
)


@pytest.mark.parametrize("date_format", FORMATS)
def test_dates_of_each_format_are_read_alike(date_format):
    schema = Schema((Column("t", "datetime", date_format=date_format),))
    days = np.datetime64("2000-01-01", "s") + np.arange(100) * 10_000_000
    preprocessor = Preprocessor.fit(pd.DataFrame({"t": days}), schema)
    rows = check_rows({"t": [*DATE_TEXTS]}, schema, strict=False).rows
    assert rows["t"].notna().any()
    tensors = preprocessor({"t": tf.constant([*DATE_TEXTS])})
    assert_same(preprocessor.prepare(rows), tensors)


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(date=st.dates(dt.date(1930, 1, 1), dt.date(2029, 12, 31)), text=st.data())
def test_a_date_written_in_a_format_is_that_date(date, text):
    date_format = text.draw(
        st.sampled_from(
            ["%m/%d/%Y", "%d.%m.%y", "%B %d, %Y", "%d-%b-%y", "%Y%m%d", "%a, %d %b %Y"]
        )
    )
    written = date.strftime(date_format)
    known = date_format.removeprefix("%a, ")
    assert read_date(written, known) == np.datetime64(date, "s")
    parts = graph_date_parts(tf.constant([written]), known)
    assert parts["days"].numpy().tolist() == [np.datetime64(date, "D").astype(int)]


def test_all_spellings_of_a_truth_are_one_level_in_the_graph():
    schema = infer_schema({"a": ["True", "false", "TRUE", "False"] * 3, "b": range(12)})
    texts = ["yes", "NO", "on", "f", "1", "0.0", "tRUE", "maybe", "WAHR", "Não", "да"]
    rows = {"a": texts, "b": [1] * len(texts)}
    preprocessor = Preprocessor.fit(checked_table(rows, schema), schema)
    columns = {"a": tf.constant(rows["a"]), "b": tf.constant(rows["b"], tf.float64)}
    x, _ = preprocessor(columns)
    assert x[:, 1].numpy().tolist() == [1, -1, 1, -1, 1, -1, 1, 0, 1, -1, 1]
    assert_same(preprocessor.prepare(checked_table(rows, schema)), preprocessor(columns))


def test_missing_texts_of_a_column_are_missing_in_the_graph():
    table = {
        "n": [1.0, 2.0, -999.0, 3.0] * 5,
        "c": ["a", "b", "c", "(none)"] * 5,
        "d": ["2020-01-01", "1900-01-01", "2021-05-06", "2022-01-01"] * 5,
    }
    na = ("-999", "(none)", "1900-01-01")
    schema = infer_schema(table, reading=ReadOptions(na=na))
    assert [c.missing for c in schema.columns] == [5, 5, 5]
    checked = checked_table(table, schema)
    preprocessor = Preprocessor.fit(checked, schema)
    again = Preprocessor.from_dict(json.loads(json.dumps(preprocessor.to_dict())))
    for one in (preprocessor, again):
        assert_same(one.prepare(checked), one(as_tensors(table, one)))


def test_rows_without_numbers_or_levels():
    table = pd.DataFrame({"a": np.array(list("aabbcc"), object)})
    schema = Schema((Column("a", "categorical"),))
    preprocessor = Preprocessor.fit(
        table, schema, levels=LevelOptions(min_count=1, one_hot_levels=2)
    )
    inputs = {"a": tf.constant(["c", "x"])}
    x, codes = preprocessor(inputs)
    assert (x.shape, codes.numpy().tolist()) == ((2, 0), [[3], [0]])
    assert_same(preprocessor.prepare(pd.DataFrame({"a": ["c", "x"]})), (x, codes))


def test_a_copy_has_a_graph_of_its_own():
    preprocessor, compiled = fitted("robust")
    columns = as_tensors({name: [] for name in SCHEMA.names}, preprocessor)
    again = copy.deepcopy(preprocessor)
    assert again.graph is not preprocessor.graph
    for ours, theirs in zip(again(columns), compiled(columns), strict=True):
        assert ours.shape == theirs.shape


def test_one_trace_serves_any_number_of_rows():
    preprocessor, compiled = fitted("standard")
    for n in (0, 1, 7):
        text = ["a"] * n
        columns = dict.fromkeys(SCHEMA.names, text)
        compiled(
            as_tensors(columns | {"number": [1.0] * n, "whole": [1.0] * n}, preprocessor)
        )
    assert compiled.experimental_get_tracing_count() == 1


def test_inputs_are_numbers_and_texts():
    preprocessor, _ = fitted("robust")
    specs = {name: (s.dtype, s.shape) for name, s in preprocessor.input_specs().items()}
    assert list(specs) == list(SCHEMA.names)
    assert specs["number"] == (tf.float64, [None])
    assert specs["flag"] == specs["few"] == specs["when"] == (tf.string, [None])


def operations(n_columns):
    """How many operations a table of so many columns takes, beside its inputs."""
    kinds = ["numeric", "categorical", "boolean", "datetime"]
    days = np.datetime64("2000-01-01", "s") + np.arange(30) * 10_000_000
    values = [np.arange(30.0), list("abc") * 10, list("ab") * 15, days]
    columns = [Column(f"c{i}", kinds[i % 4], levels=("a", "b")) for i in range(n_columns)]
    rows = pd.DataFrame({c.name: values[kinds.index(c.kind)] for c in columns})
    preprocessor = Preprocessor.fit(rows, Schema(tuple(columns)))
    compiled = tf.function(preprocessor, autograph=False)
    traced = compiled.get_concrete_function(preprocessor.input_specs()).graph
    return sum(op.type != "Placeholder" for op in traced.get_operations())


def test_more_columns_need_no_more_operations():
    assert operations(80) == operations(8)
