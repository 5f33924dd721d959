"""Paths that are given for models, and hold none."""

from pathlib import Path

import pytest

from kerasnn.errors import InputError
from kerasnn.manifest import find_version
from kerasnn.model_paths import describe_other


@pytest.mark.parametrize(
    ("address", "command"),
    [
        ("s3://bucket/models", "aws s3 cp --recursive s3://bucket/models models"),
        ("gs://bucket/models", "gcloud storage cp --recursive gs://bucket/models models"),
        ("hdfs://host/models", "hdfs dfs -get hdfs://host/models models"),
    ],
)
def test_a_remote_folder_is_to_be_copied(address, command):
    assert describe_other(Path(address)) == (
        f"is not on this machine, where models are read from; copy it first: {command}"
    )


def test_a_server_is_asked_in_another_way():
    assert describe_other(Path("http://host:8501")) == (
        "is not on this machine; a running server is asked by"
        " kerasnn predict NAME FILE --server http://host:8501"
    )


@pytest.mark.parametrize("name", ["net.keras", "net.h5", "net.HDF5"])
def test_a_keras_file_is_made_a_saved_model_by_one_command(name):
    assert describe_other(Path(name)) == (
        'is a Keras file; make a SavedModel of it: python -c "import keras;'
        f" keras.models.load_model({name!r}).export('models/net/1')\""
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("net.tflite", "is a TensorFlow Lite model"),
        ("net.onnx", "onnx2tf -i net.onnx -o models/net/1"),
        ("net.pt", "is a PyTorch file"),
        ("frozen.pb", "is a graph of TensorFlow 1"),
        ("shop/1/saved_model.pb", "give its folder, shop/1"),
    ],
)
def test_other_files_are_named(name, words):
    assert words in describe_other(Path(name))


def test_of_what_is_unknown_nothing_is_said(tmp_path):
    assert describe_other(tmp_path) is None
    assert describe_other(Path("models")) is None


def test_a_folder_with_a_keras_file_is_told_with_the_way_out(tmp_path):
    (tmp_path / "net.keras").touch()
    with pytest.raises(InputError) as caught:
        find_version(tmp_path)
    assert str(caught.value).startswith(
        f"{tmp_path}: holds no SavedModel; net.keras is a Keras file; make a SavedModel"
    )


def test_whatever_finds_a_version_says_it():
    with pytest.raises(InputError, match=r"^s3:/bucket/net: is not on this machine"):
        find_version(Path("s3://bucket/net"))
