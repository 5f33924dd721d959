"""The files of a SavedModel: its graph, its fingerprint, links that leave its folder."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf import text_format
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from kerasnn.errors import InputError
from kerasnn.model_files import check_model_file

SERVE_TAG = "serve"
GRAPH_FILES = ("saved_model.pb", "saved_model.pbtxt")  # the first that is there
_EXTRA = ("kerasnn.json", "kerasnn_reference.json", "tf_serving_warmup_requests")
_READ_BY_LOADING = (
    *(*GRAPH_FILES, "variables", "assets"),
    *(f"assets.extra/{name}" for name in _EXTRA),
)


@dataclass(frozen=True)
class SavedGraph:
    """The graph of a SavedModel, as it was read once.

    Attributes:
        folder: of the version.
        meta_graph: the MetaGraphDef for serving.
        fingerprint: SHA-256 of the file, in hexadecimal.
    """

    folder: Path
    meta_graph: Any
    fingerprint: str


def read_graph(folder: Path) -> SavedGraph:
    """Read the graph of a version.

    Raises:
        tf.errors.NotFoundError: there is none, with TensorFlow's text.
        tf.errors.DataLossError: it is damaged.
        tf.errors.PermissionDeniedError: a link leads out of the folder, or something in it
            is no regular file.
    """
    check_links(folder)
    path, content = _content(folder)
    saved = saved_model_pb2.SavedModel()
    try:
        if path.suffix == ".pb":
            saved.ParseFromString(content)
        else:
            text_format.Parse(content, saved)
    except (DecodeError, text_format.ParseError) as error:
        raise tf.errors.DataLossError(
            None, None, f"{path} cannot be read: {error}"
        ) from None
    for meta_graph in saved.meta_graphs:
        if set(meta_graph.meta_info_def.tags) == {SERVE_TAG}:
            return SavedGraph(folder, meta_graph, hashlib.sha256(content).hexdigest())
    raise tf.errors.NotFoundError(
        None,
        None,
        f"Could not find meta graph def matching supplied tags: {{ {SERVE_TAG} }}. To"
        " inspect available tag-sets in the SavedModel, please use the SavedModel CLI:"
        f" `saved_model_cli`; in {path}",
    )


def fingerprint(folder: Path) -> str:
    """Return the fingerprint of a version's graph, which is not parsed; "" without one."""
    try:
        check_links(folder)
        return hashlib.sha256(_content(folder)[1]).hexdigest()
    except tf.errors.OpError:
        return ""


def check_links(folder: Path) -> None:
    """Check that what loading reads is inside a version's folder, and regular files.

    The folder itself may be a link.

    Raises:
        tf.errors.PermissionDeniedError: a link leads out of it, or there is a pipe, a
            device or a socket.
    """
    for name in _READ_BY_LOADING:
        for path in (folder / name, *(folder / name).rglob("*")):
            try:
                check_model_file(path, folder)
            except InputError as error:
                raise tf.errors.PermissionDeniedError(None, None, str(error)) from None
            except OSError:
                continue  # it is not there, and loading says so if it is needed


def _content(folder: Path) -> tuple[Path, bytes]:
    for name in GRAPH_FILES:
        path = folder / name
        if path.exists():
            try:
                return path, path.read_bytes()
            except OSError as error:
                raise tf.errors.DataLossError(
                    None, None, f"{path} cannot be read: {error}"
                ) from None
    raise tf.errors.NotFoundError(
        None,
        None,
        "Could not find SavedModel .pb or .pbtxt at supplied export directory path:"
        f" {folder}",
    )
