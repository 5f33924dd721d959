"""Paths that are not folders with a SavedModel, and what to do with each."""

import re
import shlex
from pathlib import Path

_PLACE = re.compile(r"([a-z][a-z0-9]+):/+(.+)")  # pathlib makes one slash of two
_COPY = {
    "s3": "aws s3 cp --recursive {} models",
    "gs": "gcloud storage cp --recursive {} models",
    "hdfs": "hdfs dfs -get {} models",
}
_KERAS = (".keras", ".h5", ".hdf5")
_OTHERS = {
    ".tflite": "a TensorFlow Lite model, which no SavedModel can be made of; export the"
    " network that it was converted from: model.export(folder)",
    ".onnx": "an ONNX model; onnx2tf makes a SavedModel of it:"
    " python -m pip install onnx2tf, then onnx2tf -i {0} -o models/{1}/1",
    ".pt": "a PyTorch file; only SavedModels of TensorFlow are read",
    ".pth": "a PyTorch file; only SavedModels of TensorFlow are read",
    ".safetensors": "a file of weights without their network; load them into it, and use"
    " model.export(folder)",
    ".pb": "a graph of TensorFlow 1; only SavedModels are read, which have a"
    " saved_model.pb and a folder variables",
}


def describe_other(path: Path) -> str | None:
    """Describe a path that is not a folder of SavedModels, with the way out.

    Args:
        path: as given: a folder, a file, or the address of a remote one.

    Returns:
        A text for "PATH: ..."; None if nothing is known.
    """
    place = _PLACE.fullmatch(str(path))
    if place and not path.exists():
        return _describe_place(place[1], f"{place[1]}://{place[2]}")
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if each.is_file())
        known = ((each, _describe_file(each)) for each in files)
        return next((f"{file.name} is {what}" for file, what in known if what), None)
    what = _describe_file(path)
    return what and f"is {what}"


def _describe_place(scheme: str, address: str) -> str:
    if scheme in ("http", "https"):
        return (
            "is not on this machine; a running server is asked by"
            f" kerasnn predict NAME FILE --server {address}"
        )
    how = _COPY.get(scheme)
    command = f": {how.format(shlex.quote(address))}" if how else ""
    return f"is not on this machine, where models are read from; copy it first{command}"


def _describe_file(path: Path) -> str | None:
    if path.name in ("saved_model.pb", "saved_model.pbtxt"):
        return f"the graph of a SavedModel; give its folder, {path.parent}"
    ending = path.suffix.lower()
    if ending in _KERAS:
        load = f"keras.models.load_model({str(path)!r}).export('models/{path.stem}/1')"
        return f'a Keras file; make a SavedModel of it: python -c "import keras; {load}"'
    found = _OTHERS.get(ending)
    return found and found.format(shlex.quote(str(path)), shlex.quote(path.stem))
