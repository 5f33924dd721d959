"""A network of tables takes raw rows once exported, as in the process that trained it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import kerasnn
from kerasnn import ExportError, InputError, saving
from kerasnn.datasets import Column, Schema, Target, checked_table, input_names
from kerasnn.errors import DataWarning
from kerasnn.preprocessing import Preprocessor
from kerasnn.saving.session import SessionModel
from kerasnn.saving.version import check_answers
from kerasnn.saving.warm_up import read_warm_up

SCHEMA = Schema(
    (
        Column("age", "numeric", low=17.0, high=90.0),
        Column("hours-per-week", "numeric"),
        Column("class", "categorical", levels=("Private", "State", "Själv")),
        Column("member", "boolean", levels=("no", "yes")),
        Column("country", "categorical", levels=tuple("abcdefghij")),
        Column("since", "datetime", first="2001-05-03", last="2020-01-01T10:00:00"),
        Column("rare", "categorical"),
    ),
    target=Target("income", "classification", classes=("<=50K", ">50K", "größer")),
)
RAW_ROWS = {
    "since": ["2004-02-29", None, "2010-10-10T12:30:01", "1815-06-18", "2030-01-01"],
    "class": ["Private", "never seen", None, " Själv ", "?"],
    "rare": ["a", None, "b", "z", ""],
    "country": ["a", "never seen", None, "j", 3.0],
    "member": ["yes", "no", None, "perhaps", "yes"],
    "hours-per-week": [40.0, None, 1e30, -1.0, 38.5],
    "age": [38.0, float("nan"), 17.0, 90.0, 200.0],
    "other": [0, 0, 0, 0, 0],
}


def training_rows(n=200):
    rng = np.random.default_rng(0)

    def words(*choices):
        return rng.choice(np.array(choices, object), n)

    table = {
        "age": np.where(rng.random(n) < 0.1, np.nan, rng.normal(40, 10, n)),
        "hours-per-week": rng.normal(40, 5, n),
        "class": words("Private", "State", "Själv", None),
        "member": words("no", "yes", None),
        "country": words(*"abcdefghij"),
        "since": np.datetime64("2001-05-03", "s") + rng.integers(6 * 10**8, size=n),
        "rare": [f"level {i}" for i in range(n)],
    }
    return checked_table(table, SCHEMA)


class RandomNetwork(keras.Model):
    """An embedding and a dense layer, as an estimator would make them."""

    def __init__(self, preprocessor, n_out):
        super().__init__()
        (n_codes,) = preprocessor.cardinalities
        self.embedding = keras.layers.Embedding(n_codes, 3)
        self.out = keras.layers.Dense(n_out)
        self.out.build((None, preprocessor.n_in + 3))
        self.embedding.build(())

    def call(self, x, codes):
        return self.out(tf.concat([x, self.embedding(codes[:, 0])], axis=1))

    def get_config(self):
        return {"n_out": self.out.units}


def network_for(schema=SCHEMA, n_out=3, scaling="robust"):
    """A preprocessor, a network, and its answers for x and codes."""
    keras.utils.set_random_seed(1)
    preprocessor = Preprocessor.fit(training_rows(), schema, scaling=scaling)
    network = RandomNetwork(preprocessor, n_out)

    def answers(x, codes):
        outputs = network(x, codes)
        if schema.target.task == "classification":
            return {"probabilities": tf.nn.softmax(outputs)}
        return {"value": outputs[:, 0] if n_out == 1 else outputs}

    return preprocessor, network, answers


def expected_answers(preprocessor, answers, rows, schema=SCHEMA):
    prepared = preprocessor.prepare(checked_table(rows, schema))
    return {k: v.numpy() for k, v in answers(*map(tf.constant, prepared)).items()}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A version folder, and the answers expected for RAW_ROWS."""
    folder = tmp_path_factory.mktemp("exported")
    preprocessor, network, answers = network_for()
    version = saving.export_table(
        network,
        preprocessor,
        SCHEMA,
        folder / "income",
        answers=answers,
        metadata={"metrics": {"error": 0.5}},
        files={"note.txt": b"hello"},
    )
    return version, expected_answers(preprocessor, answers, RAW_ROWS)["probabilities"]


def test_raw_rows_get_the_answers_of_the_network(exported):
    version, expected = exported
    loaded = kerasnn.load(version.parent)
    assert isinstance(loaded, saving.SavedTable)
    answers = loaded.predict(RAW_ROWS)
    assert list(answers) == ["class", "probabilities"]
    np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-6)
    assert answers["probabilities"].dtype == np.float32
    classes = np.array(SCHEMA.target.classes, object)
    np.testing.assert_array_equal(answers["class"], classes[expected.argmax(axis=1)])
    assert (loaded.schema, loaded.folder) == (SCHEMA, version)


@pytest.mark.slow_cases
@pytest.mark.parametrize("scaling", ["robust", "standard"])
def test_every_scaling_is_carried_along(scaling, tmp_path):
    preprocessor, network, answers = network_for(scaling=scaling)
    folder = saving.export_table(network, preprocessor, SCHEMA, tmp_path, answers=answers)
    np.testing.assert_allclose(
        kerasnn.load(folder).predict(RAW_ROWS)["probabilities"],
        expected_answers(preprocessor, answers, RAW_ROWS)["probabilities"],
        atol=1e-6,
    )


@pytest.mark.slow
@pytest.mark.parametrize("n_out", [1, 2])
def test_numbers_are_answered_as_numbers(n_out, tmp_path):
    schema = Schema(SCHEMA.columns, target=Target("income", "regression"))
    preprocessor, network, answers = network_for(schema, n_out)
    folder = saving.export_table(network, preprocessor, schema, tmp_path, answers=answers)
    loaded = kerasnn.load(folder)
    values = loaded.predict(RAW_ROWS)["value"]
    expected = expected_answers(preprocessor, answers, RAW_ROWS, schema)["value"]
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)
    assert values.shape == ((5,) if n_out == 1 else (5, 2))
    assert loaded.manifest["task"] == "regression"
    shape = [None] if n_out == 1 else [None, 2]
    assert loaded.manifest["outputs"] == {"value": {"dtype": "float32", "shape": shape}}


def doubled(rows):
    """A signature: a raw column of numbers, the sum of x, and an option."""
    return {
        "older": rows.columns["age"] > 30.0,
        "total": tf.reduce_sum(rows.x, axis=1),
        "factor": rows.options["age"],  # named like a column
    }


@pytest.fixture(scope="module")
def with_signature(tmp_path_factory):
    preprocessor, network, answers = network_for()
    folder = saving.export_table(
        network,
        preprocessor,
        SCHEMA,
        tmp_path_factory.mktemp("further"),
        answers=answers,
        signatures={"doubled": saving.TableSignature(doubled, {"age": 2.0})},
    )
    return kerasnn.load(folder), preprocessor


def test_a_further_signature_takes_the_columns_and_its_options(with_signature):
    loaded, preprocessor = with_signature
    rows = checked_table(RAW_ROWS, SCHEMA)
    answers = loaded.signature_outputs("doubled", RAW_ROWS)
    x, _ = preprocessor.prepare(rows)
    np.testing.assert_array_equal(answers["older"], rows["age"] > 30)
    np.testing.assert_allclose(answers["total"], x.sum(axis=1), rtol=1e-5)
    assert set(answers["factor"]) == {2.0}
    given = loaded.signature_outputs("doubled", RAW_ROWS, options={"age": 3.0})
    assert set(given["factor"]) == {3.0}
    unset = loaded.answer_rows(RAW_ROWS, signature="doubled", options={"age": np.nan})
    assert set(unset.outputs["factor"]) == {2.0}  # NaN means the default


def test_a_further_signature_is_described_and_warmed_up(with_signature):
    loaded, _ = with_signature
    described = loaded.manifest["signatures"]["doubled"]
    assert described["options"] == {"age": {"input": "age_option", "default": 2.0}}
    assert described["outputs"]["total"] == {"dtype": "float32", "shape": [None]}
    requests = [key for key, _ in read_warm_up(loaded.folder)]
    assert requests.count("doubled") == 2


def test_a_signature_or_option_that_is_not_there_is_named(with_signature, exported):
    loaded, _ = with_signature
    with pytest.raises(InputError, match="no option 'rate'; it has age"):
        loaded.signature_outputs("doubled", RAW_ROWS, options={"rate": 1.0})
    older = kerasnn.load(exported[0])
    with pytest.raises(InputError, match=r"no signature 'doubled'.*trained and exported"):
        older.signature_outputs("doubled", RAW_ROWS)


def test_a_further_signature_with_other_answers_is_not_published(tmp_path):
    preprocessor, network, answers = network_for()

    def changing(rows):
        size = 1.0 if tf.executing_eagerly() else 2.0
        return {"size": tf.ones_like(rows.x[:, 0]) * size}

    with pytest.raises(ExportError, match="'size' differs"):
        saving.export_table(
            network,
            preprocessor,
            SCHEMA,
            tmp_path / "income",
            answers=answers,
            signatures={"size": saving.TableSignature(changing)},
        )
    assert not list((tmp_path / "income").glob("1"))


WITHOUT_KERASNN = """
import json, sys
sys.modules["kerasnn"] = None  # importing it would fail
sys.modules["keras"] = None
import numpy as np, tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
columns = json.load(open(sys.argv[2]))
specs = loaded.signatures["serving_default"].structured_input_signature[1]
inputs = {name: tf.constant(columns[name], specs[name].dtype) for name in specs}
answers = loaded.signatures["serving_default"](**inputs)
print(json.dumps({
    "class": [text.decode() for text in answers["class"].numpy()],
    "probabilities": answers["probabilities"].numpy().tolist(),
}))
"""


def raw_inputs(names):
    """RAW_ROWS as a client sends them, by the names of the inputs."""
    missing = dict.fromkeys(names, "") | {"age": float("nan")}
    missing["hours_per_week"] = float("nan")
    columns = {
        name: [missing[name] if v is None else v for v in RAW_ROWS[column]]
        for name, column in names.items()
    }
    return columns | {"country": [str(v) for v in columns["country"]]}


def inputs_of(version):
    manifest = json.loads((version / "assets.extra" / "kerasnn.json").read_text())
    return {name: given["column"] for name, given in manifest["inputs"].items()}


@pytest.mark.slow
def test_a_process_without_kerasnn_and_keras_gets_the_same(exported, tmp_path):
    version, expected = exported
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps(raw_inputs(inputs_of(version))))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_KERASNN, version, rows],
        check=True,
        capture_output=True,
        text=True,
    )
    answers = json.loads(done.stdout.splitlines()[-1])
    np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-6)
    classes = [SCHEMA.target.classes[i] for i in expected.argmax(axis=1)]
    assert answers["class"] == classes


def test_the_session_loader_answers_as_well(exported):
    version, expected = exported
    inputs = {k: np.array(v, object) for k, v in raw_inputs(inputs_of(version)).items()}
    answers = saving.session_answers(version, inputs)
    np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-6)


def test_the_signature_takes_each_column_by_its_name(exported):
    version, _ = exported
    signature = tf.saved_model.load(version).signatures["serving_default"]
    inputs = signature.structured_input_signature[1]
    assert {name: (i.dtype.name, i.shape.as_list()) for name, i in inputs.items()} == {
        "age": ("float64", [None]),
        "hours_per_week": ("float64", [None]),
        "class_": ("string", [None]),
        "member": ("string", [None]),
        "country": ("string", [None]),
        "since": ("string", [None]),
        "rare": ("string", [None]),
    }
    outputs = signature.structured_outputs
    assert {name: (o.dtype.name, o.shape.as_list()) for name, o in outputs.items()} == {
        "class": ("string", [None]),
        "probabilities": ("float32", [None, 3]),
    }


def test_the_manifest_says_what_a_reader_needs(exported):
    version, _ = exported
    manifest = kerasnn.load(version).manifest
    assert (version / "assets.extra" / "note.txt").read_text() == "hello"
    assert Schema.from_dict(manifest["schema"]) == SCHEMA
    assert manifest["format"] == 1
    assert manifest["task"] == "classification"
    assert manifest["classes"] == ["<=50K", ">50K", "größer"]
    assert manifest["metrics"] == {"error": 0.5}
    assert manifest["network"]["class"] == "RandomNetwork"
    assert manifest["network"]["config"] == {"n_out": 3}
    assert manifest["inputs"]["hours_per_week"] == {
        "dtype": "float64",
        "shape": [None],
        "column": "hours-per-week",
    }
    assert manifest["outputs"] == {
        "class": {"dtype": "string", "shape": [None]},
        "probabilities": {"dtype": "float32", "shape": [None, 3]},
    }


def test_many_rows_are_answered_in_parts_and_none_at_all(exported, monkeypatch):
    version, expected = exported
    loaded = kerasnn.load(version)
    monkeypatch.setattr(saving.reader, "_ROWS_PER_CALL", 2)
    answers = loaded.predict(RAW_ROWS)
    np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-6)
    none = loaded.predict(pd.DataFrame(RAW_ROWS).iloc[:0])
    assert (none["class"].shape, none["probabilities"].shape) == ((0,), (0, 3))


def test_a_table_that_does_not_fit_the_schema_is_told(exported):
    loaded = kerasnn.load(exported[0])
    with pytest.raises(InputError) as caught:
        loaded.predict(RAW_ROWS | {"age": ["old"] * 5})
    assert str(caught.value) == (
        "column 'age', row 0: 'old' is not a number. The column is numeric: its cells are"
        " numbers, or empty where missing"
    )


def test_a_column_without_any_known_level_is_warned_of(exported):
    loaded = kerasnn.load(exported[0])
    rows = pd.concat([pd.DataFrame(RAW_ROWS)] * 2, ignore_index=True)
    with pytest.warns(
        DataWarning, match="column 'class' has no level that the network knows"
    ):
        loaded.predict(rows.assign(**{"class": "never seen"}))


def test_text_that_no_file_holds_is_an_unknown_level(exported):
    loaded = kerasnn.load(exported[0])
    half = loaded.predict(RAW_ROWS | {"class": ["\ud800"] * 5})
    unknown = loaded.predict(RAW_ROWS | {"class": ["never seen"] * 5})
    np.testing.assert_array_equal(half["probabilities"], unknown["probabilities"])


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (["age", "hours_per_week"], ["age", "hours_per_week"]),
        (["hours-per-week", "a b"], ["hours_per_week", "a_b"]),
        (["class", "self", "None"], ["class_", "self_", "None_"]),
        (["1st", "_u", "", "ähm"], ["x1st", "x_u", "x", "x_hm"]),
        (["A", "a"], ["A", "a_2"]),
        (["a-b", "a_b", "a_b_2"], ["a_b_3", "a_b", "a_b_2"]),
    ],
)
def test_columns_get_names_that_tensorflow_takes(columns, names):
    assert list(input_names(columns).items()) == list(zip(columns, names, strict=True))


def test_odd_names_survive_the_export(tmp_path):
    odd = ["A", "a", "a b", "a_b", "self", "lambda", "1", "ß", "%", "inputs", "value"]
    rows = {name: np.arange(5.0) + i for i, name in enumerate(odd)}
    schema = Schema(
        tuple(Column(name, "numeric") for name in odd),
        target=Target("y", "regression"),
    )
    preprocessor = Preprocessor.fit(pd.DataFrame(rows), schema)
    network = keras.Sequential([keras.Input((len(odd),)), keras.layers.Dense(1)])

    def answers(x, codes):
        return {"value": network(x)[:, 0]}

    folder = saving.export_table(network, preprocessor, schema, tmp_path, answers=answers)
    expected = expected_answers(preprocessor, answers, rows, schema)["value"]
    values = kerasnn.load(folder).predict(rows)["value"]
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_an_export_that_fails_leaves_nothing(tmp_path, monkeypatch):
    preprocessor, network, answers = network_for()

    def message():
        with pytest.raises(ExportError) as caught:
            saving.export_table(network, preprocessor, SCHEMA, tmp_path, answers=answers)
        assert os.listdir(tmp_path) == []
        return str(caught.value)

    asked = SessionModel.answers

    def other_probabilities(*asking, **options):
        found = asked(*asking, **options)
        return found | {"probabilities": np.zeros_like(found["probabilities"])}

    monkeypatch.setattr(SessionModel, "answers", other_probabilities)
    assert message().startswith(
        "the SavedModel's 'probabilities' differs from the network's by 0."
    )

    def other_classes(*asking, **options):
        found = asked(*asking, **options)
        return found | {"class": np.array([b"other"] * 12, object)}

    monkeypatch.setattr(SessionModel, "answers", other_classes)
    assert message() == (
        f"the SavedModel's classes, {', '.join(['other'] * 12)}, are not those of its"
        " probabilities; nothing was written"
    )


def test_large_numbers_may_differ_by_their_rounding():
    value = np.array([300.0, 1e6], np.float32)
    check_answers({"value": value}, {"value": value + np.array([0.25, 0.0])})
    with pytest.raises(ExportError) as caught:
        check_answers({"value": value}, {"value": value + np.array([8.0, 0.0])})
    assert str(caught.value) == (
        "the SavedModel's 'value' differs from the network's by 8; nothing was written"
    )


def test_what_cannot_be_kept_is_refused_before_writing(tmp_path):
    preprocessor, network, answers = network_for()

    def message(schema=SCHEMA, answers=answers, **options):
        with pytest.raises(InputError) as caught:
            saving.export_table(
                network, preprocessor, schema, tmp_path, answers=answers, **options
            )
        assert os.listdir(tmp_path) == []
        return str(caught.value)

    assert message(Schema(SCHEMA.columns)) == (
        "the schema must have a target; infer it with target="
    )
    assert message(metadata={"schema": {}}) == (
        "metadata must not have 'schema': export writes it"
    )
    assert message(answers=lambda x, codes: {"value": x}) == (
        "answers must give 'probabilities'; it gives value"
    )
    assert message(answers=lambda x, codes: {"probabilities": x[:, :2]}) == (
        "answers must give 'probabilities' of shape [rows, 3], a column for each class of"
        " the schema; got (12, 2)"
    )


@pytest.mark.slow
def test_inspect_tells_of_a_table(exported):
    version, _ = exported
    tool = Path(sys.executable).parent / "kerasnn"
    done = subprocess.run([tool, "inspect", version], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    words = [line.split() for line in done.stdout.splitlines()]
    signature = ["hours_per_week", "float64", "[rows]", "column", "hours-per-week"]
    assert signature in words
    assert ["income", "<=50K,", ">50K,", "größer"] in words
    assert ["class", "string", "[rows]"] in words
