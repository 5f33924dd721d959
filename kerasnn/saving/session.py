"""SavedModels run through the Session loader, as TensorFlow Serving runs them.

With Keras 3 a SavedModel can load in Python with `tf.saved_model.load` and still fail in
the C++ runtime ("Could not find variable"). The Session loader uses the same graph, restore
op and init op as C++, so it fails where TensorFlow Serving fails.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.manifest import DEFAULT_SIGNATURE

Arrays = Mapping[str, NDArray[Any]]


@contextmanager
def quiet_logger() -> Iterator[None]:
    """Hide TensorFlow's messages below errors: "Assets written to", "is deprecated"."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)


class SessionModel:
    """A SavedModel in an open session.

    Args:
        session: the session that it was loaded into.
        meta_graph: describes its signatures.
    """

    def __init__(self, session: Any, meta_graph: Any) -> None:
        self._session = session
        self._signatures = meta_graph.signature_def

    def answers(
        self, inputs: Arrays, *, signature: str = DEFAULT_SIGNATURE
    ) -> dict[str, NDArray[Any]]:
        """Return the named outputs of a signature for named inputs.

        Raises:
            tf.errors.OpError: the SavedModel does not run in the C++ runtime.
        """
        definition = self._signatures[signature]
        fetches = {name: info.name for name, info in definition.outputs.items()}
        feeds = {definition.inputs[name].name: inputs[name] for name in inputs}
        return self._session.run(fetches, feeds)


@contextmanager
def session_model(version_folder: str | Path) -> Iterator[SessionModel]:
    """Load a SavedModel as TensorFlow Serving loads it.

    Raises:
        tf.errors.OpError: it does not load in the C++ runtime.
    """
    with quiet_logger(), tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta_graph = tf.compat.v1.saved_model.loader.load(
            session, ["serve"], str(version_folder)
        )
        yield SessionModel(session, meta_graph)


def session_answers(
    version_folder: str | Path, inputs: Arrays, *, signature: str = DEFAULT_SIGNATURE
) -> dict[str, NDArray[Any]]:
    """Load a SavedModel and return the answers of one request; see `SessionModel.answers`.

    Raises:
        tf.errors.OpError: the SavedModel does not run in the C++ runtime.
    """
    with session_model(version_folder) as model:
        return model.answers(inputs, signature=signature)
