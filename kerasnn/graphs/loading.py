"""Loading of a graph that was checked into a session, as TensorFlow Serving loads it.

TensorFlow's own loader reads the file once more, which may be another one by then. This
takes the same steps with the graph that was read: import, restore the variables, run the
initialization with the paths of the assets.
"""

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from kerasnn.errors import InputError
from kerasnn.graphs.files import SavedGraph, read_graph
from kerasnn.graphs.policy import find_unsafe_ops
from kerasnn.graphs.program import GraphProgram

WayOut = Callable[[Sequence[str]], str]  # from types of operations to an end of a message


def allow_argument(ops: Sequence[str]) -> str:
    """Return how to allow operations in Python, as the end of a message."""
    return f"if you trust the model, allow={tuple(ops)} allows them"


def check_policy(
    saved: SavedGraph, allow: Collection[str] = (), way_out: WayOut = allow_argument
) -> None:
    """Check that a graph holds no unsafe operations.

    Args:
        saved: the graph.
        allow: types of operations that the user allows.
        way_out: how to allow others, for the message.

    Raises:
        tf.errors.PermissionDeniedError: it does; the message names one of them.
    """
    unsafe = find_unsafe_ops(saved.meta_graph, allow)
    if not unsafe:
        return
    more = f", and {len(unsafe) - 1} more" if len(unsafe) > 1 else ""
    ops = sorted({each.op for each in unsafe})
    message = f"the graph holds operations that are not run: {unsafe[0]}{more}"
    raise tf.errors.PermissionDeniedError(None, None, f"{message}; {way_out(ops)}")


def read_checked(folder: Path, allow: Collection[str] = ()) -> SavedGraph:
    """Read the graph of a version and check it.

    Args:
        folder: of the version.
        allow: types of operations that the user allows.

    Raises:
        InputError: it is damaged, holds unsafe operations, or a link leads out of it.
    """
    try:
        saved = read_graph(folder)
        check_policy(saved, allow)
    except tf.errors.PermissionDeniedError as error:
        raise InputError(f"{folder}: {error.message}") from None
    except tf.errors.OpError as error:
        raise InputError(f"{folder}: the SavedModel is damaged: {error.message}") from None
    return saved


def load_into(session: Any, saved: SavedGraph) -> None:
    """Load a graph into a session of its own, and initialize it.

    Raises:
        Exception: whatever TensorFlow raises for a damaged SavedModel.
    """
    program = GraphProgram(saved.meta_graph)
    with quiet_logger(), session.graph.as_default():
        saver = tf.compat.v1.train.import_meta_graph(saved.meta_graph)
        if saver is not None:
            saver.restore(session, str(saved.folder / "variables" / "variables"))
        paths = {
            tensor: str(saved.folder / "assets" / name)
            for tensor, name in program.assets().items()
        }
        for end in program.init_ends():
            session.run(session.graph.as_graph_element(end), paths)


@contextlib.contextmanager
def quiet_logger() -> Iterator[None]:
    """Hide TensorFlow's messages below errors: "Restoring parameters", "is deprecated"."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)
