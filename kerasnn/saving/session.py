"""SavedModels run through a session, as TensorFlow Serving runs them.

With Keras 3 a SavedModel can load in Python with `tf.saved_model.load` and still fail in
the C++ runtime ("Could not find variable"). A session uses the same graph, restore op and
init op as C++, so it fails where TensorFlow Serving fails.

The graph is checked before anything of it runs; see `kerasnn.graphs.policy`.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.graphs.loading import load_into, read_checked
from kerasnn.manifest import DEFAULT_SIGNATURE

Arrays = Mapping[str, NDArray[Any]]


class SessionModel:
    """A SavedModel in a session of its own; thread-safe.

    Args:
        version_folder: of the SavedModel.
        allow: types of operations that are allowed although the policy refuses them.

    Attributes:
        signatures: SignatureDefs by key.

    Raises:
        InputError: the graph is damaged, or holds unsafe operations.
        tf.errors.OpError: it does not load in the C++ runtime.
    """

    def __init__(self, version_folder: str | Path, *, allow: Collection[str] = ()) -> None:
        saved = read_checked(Path(version_folder), allow)
        self.signatures = saved.meta_graph.signature_def
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        try:
            load_into(self._session, saved)
        except BaseException:
            self.close()
            raise

    def answers(
        self, inputs: Arrays, *, signature: str = DEFAULT_SIGNATURE
    ) -> dict[str, NDArray[Any]]:
        """Return the named outputs of a signature for named inputs.

        Raises:
            tf.errors.OpError: the SavedModel does not run in the C++ runtime.
        """
        definition = self.signatures[signature]
        fetches = {name: info.name for name, info in definition.outputs.items()}
        feeds = {definition.inputs[name].name: inputs[name] for name in inputs}
        return self._session.run(fetches, feeds)

    def close(self) -> None:
        """Close the session."""
        self._session.close()


@contextmanager
def session_model(version_folder: str | Path) -> Iterator[SessionModel]:
    """Context manager with a SavedModel that is closed afterwards; see `SessionModel`."""
    model = SessionModel(version_folder)
    try:
        yield model
    finally:
        model.close()


def session_answers(
    version_folder: str | Path, inputs: Arrays, *, signature: str = DEFAULT_SIGNATURE
) -> dict[str, NDArray[Any]]:
    """Load a SavedModel and return the answers of one request; see `SessionModel.answers`.

    Raises:
        tf.errors.OpError: the SavedModel does not run in the C++ runtime.
    """
    with session_model(version_folder) as model:
        return model.answers(inputs, signature=signature)
