"""Asking a SavedModel through the Session loader, TensorFlow Serving's own way.

With Keras 3 a SavedModel can load in Python with `tf.saved_model.load` and still be dead
in the C++ runtime ("Could not find variable"). The Session loader takes the same graph,
restore op and init op as C++ does, so it fails where TensorFlow Serving fails.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]


@contextmanager
def quiet_logger() -> Iterator[None]:
    """Without TensorFlow's log below errors: "Assets written to", "is deprecated"."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)


def session_answers(
    version_folder: str | Path, inputs: Arrays, *, signature: str = "serving_default"
) -> dict[str, NDArray[Any]]:
    """The named outputs of a signature for named inputs.

    Raises:
        tf.errors.OpError: the SavedModel does not run in the C++ runtime.
    """
    with quiet_logger(), tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta_graph = tf.compat.v1.saved_model.loader.load(
            session, ["serve"], str(version_folder)
        )
        definition = meta_graph.signature_def[signature]
        fetches = {name: info.name for name, info in definition.outputs.items()}
        feeds = {definition.inputs[name].name: inputs[name] for name in inputs}
        return session.run(fetches, feeds)
