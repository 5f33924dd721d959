"""What is exported runs in TensorFlow's C++ runtime, asked by a program without Python."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import kerasnn
from kerasnn import models, saving
from kerasnn.datasets import checked_table, raw_columns
from kerasnn.saving.examples import serialize_examples
from tests.test_saving_tables import RAW_ROWS, SCHEMA, network_for

SOURCE = Path(__file__).parent / "c" / "ask.c"
LIBRARIES = Path(tf.sysconfig.get_lib())
COMPILER = shutil.which("cc")
TYPES = {"float32": "float", "float64": "double", "object": "string"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(COMPILER is None, reason="there is no C compiler"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The compiled program."""
    path = tmp_path_factory.mktemp("c") / "ask"
    names = ("libtensorflow_cc.so.2", "libtensorflow_framework.so.2")
    subprocess.run(
        [
            *(COMPILER, "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", SOURCE),
            *("-isystem", tf.sysconfig.get_include(), "-o", path),
            *(LIBRARIES / name for name in names),
            f"-Wl,-rpath,{LIBRARIES}",
        ],
        check=True,
    )
    return path


def answers(program, folder, key, inputs):
    """The lines that the program prints of each output, by name."""
    signature = signature_of(folder, key)
    outputs = sorted(signature.outputs)
    question = [
        *(line for name in inputs for line in given(signature.inputs[name], inputs[name])),
        *(f"output {place(signature.outputs[name])}" for name in outputs),
    ]
    done = subprocess.run(
        [program, folder],
        input="\n".join(question).encode(),
        capture_output=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr.decode()
    lines = done.stdout.decode().splitlines()
    return outputs, lines


def given(info, values):
    yield f"input {place(info)} {TYPES[values.dtype.name]} {values.ndim}" + "".join(
        f" {size}" for size in values.shape
    )
    for value in values.reshape(-1):
        yield value.hex() if isinstance(value, bytes) else repr(float(value))


def place(info):
    return info.name.replace(":", " ")


def signature_of(folder, key):
    content = (folder / "saved_model.pb").read_bytes()
    (meta_graph,) = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    return meta_graph.signature_def[key]


def assert_close(lines, expected):
    numbers = np.array([float(line) for line in lines])
    np.testing.assert_allclose(numbers, expected.reshape(-1), rtol=1e-5, atol=1e-7)


def test_rows_of_numbers_get_the_same_answers(program, tmp_path):
    folder = kerasnn.export(models.DigitsNetwork(seed=3), tmp_path / "digits")
    x = np.random.default_rng(0).random((4, 64), np.float32)
    expected = kerasnn.load(folder).predict(x)
    names, lines = answers(program, folder, "serving_default", {"x": x})
    assert names == ["class", "probabilities"]
    assert [int(line) for line in lines[:4]] == expected["class"].tolist()
    assert_close(lines[4:], expected["probabilities"])
    examples = {"inputs": serialize_examples({"x": x})}
    names, lines = answers(program, folder, "classify", examples)
    assert names == ["classes", "scores"]
    assert lines[:40] == [str(i) for i in range(10)] * 4
    assert_close(lines[40:], expected["probabilities"])


def test_a_table_gets_the_same_answers_by_columns_and_by_examples(program, tmp_path):
    preprocessor, network, function = network_for()
    folder = saving.export_table(
        network, preprocessor, SCHEMA, tmp_path / "table", answers=function
    )
    loaded = kerasnn.load(folder)
    expected = loaded.predict(RAW_ROWS)
    inputs = {i["column"]: name for name, i in loaded.manifest["inputs"].items()}
    columns = raw_columns(checked_table(RAW_ROWS, SCHEMA))
    rows = {inputs[column]: values for column, values in columns.items()}
    _, lines = answers(program, folder, "serving_default", rows)
    assert lines[:5] == expected["class"].tolist()
    assert_close(lines[5:], expected["probabilities"])
    examples = {"inputs": serialize_examples(rows)}
    _, lines = answers(program, folder, "classify", examples)
    assert lines[:3] == list(SCHEMA.target.classes)
    assert_close(lines[15:], expected["probabilities"])
