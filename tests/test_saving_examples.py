"""Rows as tf.Examples, and the warm-up requests: the same answers as by columns."""

import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.protobuf import saved_model_pb2

import kerasnn
from kerasnn import ExportError, models, saving
from kerasnn.datasets import Column, Schema, Target, checked_table, raw_columns
from kerasnn.preprocessing import Preprocessor
from kerasnn.saving import version
from kerasnn.saving.examples import as_examples_carry, serialize_examples, shortest_float64
from kerasnn.saving.session import session_model
from kerasnn.saving.warm_up import read_warm_up
from tests.test_saving_tables import RAW_ROWS, SCHEMA, network_for


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    preprocessor, network, answers = network_for()
    folder = tmp_path_factory.mktemp("models") / "table"
    return saving.export_table(network, preprocessor, SCHEMA, folder, answers=answers)


def signature(folder, key):
    saved = saved_model(folder)
    return saved.meta_graphs[0].signature_def[key]


def saved_model(folder):
    content = (folder / "saved_model.pb").read_bytes()
    return saved_model_pb2.SavedModel.FromString(content)


def test_a_table_is_classified_by_examples_as_by_columns(table):
    loaded = kerasnn.load(table)
    expected = loaded.predict(RAW_ROWS)
    inputs = {i["column"]: name for name, i in loaded.manifest["inputs"].items()}
    columns = raw_columns(checked_table(RAW_ROWS, SCHEMA))
    examples = serialize_examples({inputs[c]: values for c, values in columns.items()})
    with session_model(table) as model:
        given = model.answers({"inputs": examples}, signature="classify")
    texts = [text.encode() for text in SCHEMA.target.classes]
    assert given["classes"].tolist() == [texts] * 5
    assert given["scores"].dtype == np.float32
    np.testing.assert_allclose(given["scores"], expected["probabilities"], rtol=1e-5)


def test_an_example_may_leave_everything_out(table):
    missing = {name: [None] for name in SCHEMA.names}
    expected = kerasnn.load(table).predict(missing)["probabilities"]
    with session_model(table) as model:
        given = model.answers({"inputs": np.array([b""], object)}, signature="classify")
    np.testing.assert_allclose(given["scores"], expected, rtol=1e-5)


def test_digits_are_classified_by_their_pixels(tmp_path):
    folder = kerasnn.export(models.DigitsNetwork(seed=1), tmp_path)
    x = np.random.default_rng(0).random((3, 64), np.float32)
    expected = kerasnn.load(folder).predict(x)["probabilities"]
    with session_model(folder) as model:
        given = model.answers(
            {"inputs": serialize_examples({"x": x})}, signature="classify"
        )
    assert given["classes"][0].tolist() == [str(i).encode() for i in range(10)]
    np.testing.assert_allclose(given["scores"], expected, rtol=1e-5)


def test_one_value_is_regressed(tmp_path):
    folder = kerasnn.export(models.SigmoidNetwork(), tmp_path)
    x = np.array([[5.1, 3.5], [4.9, 3.0]], np.float32)
    expected = kerasnn.load(folder).predict(x)["value"]
    with session_model(folder) as model:
        given = model.answers({"inputs": serialize_examples({"x": x})}, signature="regress")
    np.testing.assert_allclose(given["outputs"], expected, rtol=1e-6)


def test_several_values_have_no_form(tmp_path):
    network = models.SigmoidNetwork(n_out=2)
    folder = kerasnn.export(network, tmp_path)
    keys = saved_model(folder).meta_graphs[0].signature_def.keys()
    assert keys == {"serving_default", "__saved_model_init_op"}


@pytest.mark.parametrize(
    ("network", "key", "method"),
    [
        (models.DigitsNetwork, "classify", "tensorflow/serving/classify"),
        (models.SigmoidNetwork, "regress", "tensorflow/serving/regress"),
    ],
)
def test_methods_have_servings_names(network, key, method, tmp_path):
    folder = kerasnn.export(network(), tmp_path)
    assert signature(folder, key).method_name == method
    predict = "tensorflow/serving/predict"
    assert signature(folder, "serving_default").method_name == predict


def test_a_value_known_by_heart_is_met_by_an_example(tmp_path):
    """0.1 is another number in the 32 bits of a tf.Example."""
    values = np.concatenate([np.zeros(900), np.resize([0.1, 0.3, 7.0, 1e-3], 100)])
    schema = Schema((Column("x", "numeric"),), target=Target("y", "regression"))
    preprocessor = Preprocessor.fit(
        pd.DataFrame({"x": values}), schema, frequent_value_codes=True
    )
    assert preprocessor.cardinalities

    def answers(x, codes):
        return {"value": tf.cast(codes[:, 0], tf.float32)}

    folder = saving.export_table(
        tf.Module(), preprocessor, schema, tmp_path, answers=answers
    )
    rows = {"x": np.array([0.1, 0.3, 7.0, 1e-3, 0.2])}
    with session_model(folder) as model:
        by_columns = model.answers(rows)["value"]
        by_examples = model.answers(
            {"inputs": serialize_examples(rows)}, signature="regress"
        )
    assert len(set(by_columns)) == 5
    np.testing.assert_array_equal(by_examples["outputs"], by_columns)


SOME = np.random.default_rng(0).random(1000)
NUMBERS = {
    "times": 1.6e9 + 3e4 * SOME,
    "identifiers": np.resize([123456789.0, 123456790.0, 123456791.0], 1000),
    "thirds known by heart": np.concatenate(
        [np.zeros(900), np.resize([1 / 3, 2 / 3], 100)]
    ),
    "beyond 32 bits": 1e300 * SOME,
    "below 32 bits": 1e-200 * SOME,
}


@pytest.mark.slow_cases
@pytest.mark.parametrize("numbers", NUMBERS.values(), ids=NUMBERS.keys())
def test_numbers_that_32_bits_do_not_hold_are_exported(numbers, tmp_path):
    """By columns they are exact; by examples the answers are those for what is left."""
    column = Column("x", "numeric", low=float(numbers.min()), high=float(numbers.max()))
    schema = Schema((column,), target=Target("y", "regression"))
    preprocessor = Preprocessor.fit(
        pd.DataFrame({"x": numbers}), schema, frequent_value_codes=True
    )

    def answers(x, codes):
        value = tf.reduce_sum(x, axis=1)
        if preprocessor.cardinalities:
            value += tf.cast(codes[:, 0], tf.float32)
        return {"value": value}

    folder = saving.export_table(
        tf.Module(), preprocessor, schema, tmp_path, answers=answers
    )
    rows = {"x": numbers[-5:]}
    x, codes = preprocessor.prepare(checked_table(rows, schema))
    expected = answers(tf.constant(x), tf.constant(codes))["value"]
    carried = as_examples_carry(rows)
    with session_model(folder) as model:
        by_columns = model.answers(rows)["value"]
        of_carried = model.answers(carried)["value"]
        by_examples = model.answers(
            {"inputs": serialize_examples(rows)}, signature="regress"
        )
    np.testing.assert_allclose(by_columns, expected, rtol=1e-6)
    np.testing.assert_array_equal(by_examples["outputs"], of_carried)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_shortest_float64_is_the_shortest_decimal_that_reads_back(number):
    written = shortest_float64(tf.constant([number], tf.float32)).numpy()[0]
    assert np.float32(written) == np.float32(number)
    if np.float32(f"{number:.6g}") == number:
        assert written == float(f"{number:.6g}")


def test_missing_numbers_stay_missing():
    assert np.isnan(shortest_float64(tf.constant([np.nan], tf.float32)).numpy()).all()


def test_the_warm_up_requests_are_those_of_every_signature(table):
    requests = list(read_warm_up(table))
    assert [name for name, _ in requests] == [
        *("serving_default", "serving_default"),
        *("classify", "classify"),
    ]
    rows = [len(next(iter(inputs.values()))) for _, inputs in requests]
    assert rows == [1, 12, 1, 12]
    manifest = json.loads((table / "assets.extra" / "kerasnn.json").read_text())
    assert requests[0][1].keys() == manifest["inputs"].keys()


@pytest.mark.parametrize(
    ("name", "change", "difference"),
    [
        ("scores", lambda scores: scores + 1, "differs from the network's by 1"),
        ("classes", lambda classes: classes[:, ::-1], "are not the network's"),
    ],
    ids=["scores", "classes"],
)
def test_a_signature_that_answers_otherwise_fails_the_export(
    name, change, difference, tmp_path, monkeypatch
):
    expected = version.expected_outputs

    def other(answers, classes):
        given = expected(answers, classes)
        return given | {name: change(given[name])}

    monkeypatch.setattr(version, "expected_outputs", other)
    with pytest.raises(ExportError) as raised:
        kerasnn.export(models.DigitsNetwork(), tmp_path / "net")
    assert str(raised.value) == (
        f"the SavedModel's {name!r} {difference}; nothing was written"
    )
    assert not (tmp_path / "net").exists()


def test_an_export_from_before_is_still_loaded(tmp_path, monkeypatch):
    """One signature, and no warm-up requests."""
    with monkeypatch.context() as before:
        before.setattr(version, "make_examples_signature", lambda *_: None)
        before.setattr(version, "write_warm_up", lambda *_: None)
        before.setattr(version, "read_warm_up", lambda _: [])
        folder = kerasnn.export(models.DigitsNetwork(seed=1), tmp_path / "before")
    assert saved_model(folder).meta_graphs[0].signature_def.keys() == {
        *("serving_default", "__saved_model_init_op"),
    }
    now = kerasnn.export(models.DigitsNetwork(seed=1), tmp_path / "now")
    x = np.random.default_rng(0).random((3, 64), np.float32)
    answers, expected = (kerasnn.load(one).predict(x) for one in (folder, now))
    for name, value in expected.items():
        np.testing.assert_array_equal(answers[name], value)
