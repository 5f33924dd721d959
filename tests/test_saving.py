"""What is exported answers as the network does: here, without kerasnn, and in C++."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from catalogue import CASES, rows_for

import kerasnn
from kerasnn import ExportError, InputError, models, saving
from kerasnn.saving import session

EVERY_KIND = pytest.mark.parametrize(
    "kind", [kind for case in CASES.values() for kind in case[:2]]
)
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def answers_of(network, x):
    return {k: v.numpy() for k, v in network.head.answers(network(x)).items()}


def assert_close(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert value.dtype == theirs[name].dtype
        np.testing.assert_allclose(value, theirs[name], rtol=1e-5, atol=1e-6)


@pytest.mark.slow_cases
@EVERY_KIND
@DTYPES
def test_a_loaded_network_answers_as_the_one_exported(kind, dtype, tmp_path):
    network = kind(initializer="normal", seed=3, dtype=dtype)
    folder = kerasnn.export(network, tmp_path / "net")
    loaded = kerasnn.load(folder)
    for n_rows in (1, 7):
        x, _ = rows_for(network, n_rows)
        assert_close(loaded.predict(x), answers_of(network, x))


@pytest.mark.slow_cases
@EVERY_KIND
@DTYPES
def test_the_session_loader_answers_as_well(kind, dtype, tmp_path):
    network = kind(initializer="normal", seed=3, dtype=dtype)
    folder = kerasnn.export(network, tmp_path / "net")
    for n_rows in (1, 7):
        x, _ = rows_for(network, n_rows)
        assert_close(saving.session_answers(folder, {"x": x}), answers_of(network, x))


def test_the_session_loader_finds_the_form_that_is_dead_in_cpp(tmp_path):
    """The trap that decides the exporter; the day this fails, look at it again."""

    class Obvious(tf.Module):
        def __init__(self):
            super().__init__()
            self.model = models.SigmoidModel()

        @tf.function(input_signature=[tf.TensorSpec([None, 2], name="x")])
        def serve(self, x):
            return {"value": self.model(x)}

    obvious = Obvious()
    tf.saved_model.save(obvious, tmp_path, {"serving_default": obvious.serve})
    x = np.ones((1, 2), np.float32)
    loaded = tf.saved_model.load(tmp_path)
    assert loaded.serve(x)["value"].shape == (1, 1)
    with pytest.raises(tf.errors.FailedPreconditionError, match="Could not find variable"):
        saving.session_answers(tmp_path, {"x": x})


WITHOUT_KERASNN = """
import sys
sys.modules["kerasnn"] = None  # importing it would fail
sys.modules["keras"] = None
import numpy as np, tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
answers = loaded.signatures["serving_default"](x=tf.constant(np.load(sys.argv[2])))
np.savez(sys.argv[3], **{name: value.numpy() for name, value in answers.items()})
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A digits network, its version folder, some rows and the network's answers."""
    folder = tmp_path_factory.mktemp("exported")
    network = models.DigitsNetwork(initializer="normal", seed=1)
    scale = keras.layers.Rescaling(1 / 16)
    x = np.random.default_rng(0).integers(17, size=(6, 64)).astype(np.float32)
    np.save(folder / "x.npy", x)
    version = kerasnn.export(network, folder / "net", preprocessing=scale)
    return version, folder / "x.npy", answers_of(network, x / 16)


def test_a_process_without_kerasnn_and_keras_gets_the_same(exported, tmp_path):
    version, rows, expected = exported
    output = tmp_path / "answers.npz"
    subprocess.run(
        [sys.executable, "-c", WITHOUT_KERASNN, version, rows, output], check=True
    )
    with np.load(output) as answers:
        assert_close(dict(answers), expected)


@pytest.mark.slow
def test_saved_model_cli_shows_and_runs_it(exported, tmp_path):
    version, rows, expected = exported
    tool = Path(sys.executable).parent / "saved_model_cli"
    common = ["--dir", version, "--tag_set", "serve", "--signature_def", "serving_default"]
    ask = f"x={rows}"
    done = subprocess.run(
        [tool, "run", *common, "--inputs", ask, "--outdir", tmp_path],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    answers = {name: np.load(tmp_path / f"{name}.npy") for name in expected}
    assert_close(answers, expected)


def test_the_signature_has_a_free_batch_and_named_tensors(exported):
    version, _, _ = exported
    loaded = tf.saved_model.load(version)
    signature = loaded.signatures["serving_default"]
    (x,) = signature.structured_input_signature[1].values()
    assert (x.name, x.shape.as_list(), x.dtype) == ("x", [None, 64], tf.float32)
    outputs = {k: v.shape.as_list() for k, v in signature.structured_outputs.items()}
    assert outputs == {"class": [None], "probabilities": [None, 10]}


def test_preprocessing_becomes_a_part_of_it(exported):
    version, rows, expected = exported
    assert_close(kerasnn.load(version).predict(np.load(rows)), expected)


def test_fitted_preprocessing_is_kept_with_its_variables(tmp_path):
    network = models.SigmoidNetwork(initializer="normal")
    x, _ = rows_for(network)
    layer = keras.layers.Normalization()
    layer.adapt(x)
    folder = kerasnn.export(network, tmp_path, preprocessing=layer)
    assert_close(kerasnn.load(folder).predict(x), answers_of(network, layer(x)))


def test_the_manifest_says_what_a_reader_needs(tmp_path):
    network = models.SigmoidNetwork(seed=5)
    folder = kerasnn.export(
        network,
        tmp_path,
        columns=["X0", "X1"],
        metadata={"metrics": {"loss": 0.5}},
        files={"note.txt": b"hello"},
    )
    manifest = json.loads((folder / "assets.extra" / "kerasnn.json").read_text())
    assert (folder / "assets.extra" / "note.txt").read_text() == "hello"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", manifest.pop("created"))
    assert manifest == {
        "format": 1,
        "versions": {
            "kerasnn": kerasnn.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
        "task": "regression",
        "network": {
            "class": "SigmoidNetwork",
            "config": network.get_config(),
            "weights": 9,
        },
        "inputs": {"x": {"dtype": "float32", "shape": [None, 2], "columns": ["X0", "X1"]}},
        "outputs": {"value": {"dtype": "float32", "shape": [None, 1]}},
        "metrics": {"loss": 0.5},
    }


def test_versions_are_counted_up_and_the_newest_is_loaded(tmp_path):
    network = models.SigmoidNetwork(initializer="normal")
    (tmp_path / "7").mkdir()
    (tmp_path / "notes").mkdir()
    first = kerasnn.export(network, tmp_path)
    second = kerasnn.export(network, tmp_path)
    assert (first.name, second.name) == ("8", "9")
    assert kerasnn.load(tmp_path).folder == second
    assert kerasnn.load(first).folder == first


def test_an_export_that_fails_leaves_nothing(tmp_path, monkeypatch):
    network = models.SigmoidNetwork()
    kerasnn.export(network, tmp_path)
    before = sorted(os.listdir(tmp_path))

    def other_answers(self, inputs, **_):
        return {"value": np.ones((len(inputs["x"]), 1), np.float32)}

    monkeypatch.setattr(session.SessionModel, "answers", other_answers)
    with pytest.raises(ExportError) as caught:
        kerasnn.export(network, tmp_path)
    assert re.fullmatch(
        r"the SavedModel's 'value' differs from the network's by 0\.\d+;"
        r" nothing was written",
        str(caught.value),
    )
    assert sorted(os.listdir(tmp_path)) == before == ["1"]
    with pytest.raises(ExportError):
        kerasnn.export(network, tmp_path / "new" / "net")
    assert sorted(os.listdir(tmp_path)) == before


def test_a_folder_that_cannot_be_written_is_told_and_nothing_is_left(tmp_path):
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "net"
    for write in (
        lambda: saving.check_writable(target),
        lambda: kerasnn.export(models.SigmoidNetwork(), target),
    ):
        with pytest.raises(InputError) as caught:
            write()
        assert str(caught.value) == f"{target}: cannot be written: Not a directory"
    assert os.listdir(tmp_path) == ["file"]


def test_checking_a_folder_leaves_nothing(tmp_path):
    saving.check_writable(tmp_path / "a" / "b")
    assert os.listdir(tmp_path) == []


def test_a_version_is_whole_before_it_has_its_number(tmp_path, monkeypatch):
    seen = []
    rename = os.rename

    def spy(source, target):
        assert not os.path.exists(target)
        names = sorted(p.name for p in Path(source).rglob("*") if p.is_file())
        seen.append((Path(source).name[:9], Path(target).name, names))
        rename(source, target)

    monkeypatch.setattr(os, "rename", spy)
    kerasnn.export(models.SigmoidNetwork(), tmp_path, files={"note.txt": b""})
    assert seen == [
        (
            ".partial-",
            "1",
            [
                "fingerprint.pb",
                "kerasnn.json",
                "note.txt",
                "saved_model.pb",
                "tf_serving_warmup_requests",
                "variables.data-00000-of-00001",
                "variables.index",
            ],
        )
    ]


def test_numbers_of_numpy_are_kept_as_numbers(tmp_path):
    network = models.SigmoidNetwork(2, [np.int64(3)], seed=np.int64(4))
    folder = kerasnn.export(network, tmp_path, metadata={"metrics": {"a": np.float32(0.5)}})
    manifest = kerasnn.load(folder).manifest
    assert manifest["network"]["config"]["seed"] == 4
    assert manifest["metrics"] == {"a": 0.5}


def test_a_table_is_read_by_its_names(tmp_path, rng):
    network = models.SigmoidNetwork(initializer="normal")
    folder = kerasnn.export(network, tmp_path, columns=["a", "b"])
    table = pd.DataFrame({"b": rng.normal(size=4), "c": 0.0, "a": rng.normal(size=4)})
    loaded = kerasnn.load(folder)
    expected = loaded.predict(table[["a", "b"]].to_numpy())["value"]
    np.testing.assert_array_equal(loaded.predict(table)["value"], expected)
    columns = {name: table[name].tolist() for name in table}
    np.testing.assert_allclose(loaded.predict(columns)["value"], expected, rtol=1e-6)
    with pytest.raises(InputError) as caught:
        loaded.predict(table[["b", "c"]])
    assert str(caught.value) == "x has no column 'a' (of 1 missing); it has b, c"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ["a", "a"]}, "columns must differ; got 'a' 2 times"),
        ({"metadata": {"format": 2}}, "metadata must not have 'format': export writes it"),
        ({"metadata": {"task": ""}}, "metadata must not have 'task': export writes it"),
        (
            {"metadata": {"classes": {"a"}}},
            "metadata must be JSON; got {'a'}",
        ),
        (
            {"files": {"kerasnn.json": b""}},
            "files must have plain names other than kerasnn.json; got 'kerasnn.json'",
        ),
        (
            {"files": {"a/b": b""}},
            "files must have plain names other than kerasnn.json; got 'a/b'",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused_before_writing(tmp_path, options, message):
    with pytest.raises(InputError) as caught:
        kerasnn.export(models.SigmoidNetwork(), tmp_path / "net", **options)
    assert str(caught.value) == message
    assert os.listdir(tmp_path) == []


def test_a_version_is_no_place_for_versions(tmp_path):
    version = kerasnn.export(models.SigmoidNetwork(), tmp_path)
    with pytest.raises(InputError) as caught:
        kerasnn.export(models.SigmoidNetwork(), version)
    assert str(caught.value) == (
        f"{version}: is itself a version; give the folder above it, {tmp_path}"
    )


def test_columns_must_fit_the_network(tmp_path):
    with pytest.raises(InputError) as caught:
        kerasnn.export(models.SigmoidNetwork(), tmp_path, columns=["a"])
    assert str(caught.value) == "columns must name the 2 inputs; got 1 names"
    assert os.listdir(tmp_path) == []


def test_what_is_no_export_is_told(tmp_path):
    def message(folder):
        with pytest.raises(InputError) as caught:
            kerasnn.load(folder)
        return str(caught.value)

    (tmp_path / "digits").mkdir()
    digits = tmp_path / "digits"
    assert message(tmp_path / "digit") == (
        f"{tmp_path / 'digit'}: there is no such folder; did you mean {digits}?"
    )
    assert message(tmp_path / "x") == f"{tmp_path / 'x'}: there is no such folder"
    assert message(digits) == (
        f"{digits}: is not a kerasnn export: it has neither saved_model.pb nor a version"
        " folder"
    )
    (digits / "1" / "assets.extra").mkdir(parents=True)
    (digits / "1" / "saved_model.pb").write_bytes(b"")
    assert message(digits) == (
        f"{digits / '1'}: is not a kerasnn export: it has no assets.extra/kerasnn.json"
    )
    manifest = digits / "1" / "assets.extra" / "kerasnn.json"
    manifest.write_text("{}")
    assert message(digits) == f"{manifest}: is not a manifest of format 1"
    manifest.write_text('{"format": 1, "created": "", "versions": {}, "task": ""}')
    assert message(digits) == f"{manifest}: it has no network, inputs, outputs"
    manifest.write_text("{")
    assert message(digits).startswith(
        f"{manifest}: cannot be read: Expecting property name"
    )


def test_rows_of_another_width_are_refused(exported):
    version, _, _ = exported
    with pytest.raises(InputError) as caught:
        kerasnn.load(version).predict(np.zeros((2, 3)))
    assert str(caught.value) == "x must be [rows, 64]; got shape (2, 3)"


def test_rows_that_are_not_finite_are_refused(exported):
    version, rows, _ = exported
    x = np.load(rows)
    x[2, 5] = np.nan
    with pytest.raises(InputError) as caught:
        kerasnn.load(version).predict(x)
    assert str(caught.value) == ("x must be finite in float32; got x[2, 5]=nan and 0 more")
