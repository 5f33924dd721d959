"""Versions of a model that say their own number, and versions that must not be served.

Each takes `x [n]` and gives `y [n] = 2 x + its number`, exactly, and holds 16 MB of
weights, so that a version that is not freed shows in the server's memory.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

NAME = "sum"
WEIGHTS_MEGABYTES = 16
ROWS = tf.TensorSpec([None], tf.float32, name="x")


class Sum(tf.Module):
    """y = 2 x + number."""

    def __init__(self) -> None:
        super().__init__()
        self.number = tf.Variable(0.0)
        self.weights = tf.Variable(tf.zeros([WEIGHTS_MEGABYTES * 2**18]))

    @tf.function(input_signature=[ROWS])
    def serve(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """[n] to [n]."""
        return {"y": 2.0 * x + self.number + tf.reduce_sum(self.weights[:8])}


class Writing(tf.Module):
    """Writes a file whenever it is asked: not to be served."""

    @tf.function(input_signature=[ROWS])
    def serve(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """[n] to [n]."""
        with tf.control_dependencies([tf.io.write_file("/tmp/never", "written")]):
            return {"y": tf.identity(x)}


def _truncated(folder: Path) -> None:
    path = folder / "saved_model.pb"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _without_variables(folder: Path) -> None:
    shutil.rmtree(folder / "variables")


def _refused(folder: Path) -> None:
    module = Writing()
    tf.saved_model.save(module, folder, signatures={"serving_default": module.serve})


def _failing_warm_up(folder: Path) -> None:
    write_warm_up(folder, "no_such_input")


BROKEN: dict[str, Callable[[Path], None]] = {
    "half a saved_model.pb": _truncated,
    "no variables": _without_variables,
    "an operation that writes": _refused,
    "a warm-up that fails": _failing_warm_up,
}


def write_warm_up(folder: Path, alias: str) -> None:
    """One request that the server plays before it serves the version."""
    log = prediction_log_pb2.PredictionLog()
    request: Any = log.predict_log.request
    request.model_spec.name = NAME
    request.inputs[alias].CopyFrom(tf.make_tensor_proto([1.0, 2.0], tf.float32))
    extra = folder / "assets.extra"
    extra.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(extra / "tf_serving_warmup_requests")) as writer:
        writer.write(log.SerializeToString())


class Versions:
    """The versions of one model on the disk.

    Attributes:
        folder: its own, which holds the numbers.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.module = Sum()  # traced once: each save only writes it
        folder.mkdir(parents=True)

    def write(self, number: int, broken: str | None = None) -> None:
        """Beside the versions, under a name that is no number; spoilt if asked to."""
        beside = self.folder / f"writing-{number}"
        self.module.number.assign(float(number))
        signatures = {"serving_default": self.module.serve}
        tf.saved_model.save(self.module, beside, signatures=signatures)
        write_warm_up(beside, "x")
        if broken is not None:
            BROKEN[broken](beside)

    def publish(self, number: int) -> None:
        """Rename what was written to its number."""
        (self.folder / f"writing-{number}").rename(self.folder / str(number))

    def delete(self, number: int) -> None:
        """Remove it, file by file."""
        shutil.rmtree(self.folder / str(number))

    def numbers(self) -> list[int]:
        """Those on the disk, newest first."""
        names = [path.name for path in self.folder.iterdir()]
        return sorted((int(name) for name in names if name.isdecimal()), reverse=True)
