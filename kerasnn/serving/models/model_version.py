"""One version of a model, from its first sight to its end."""

import gc
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kerasnn.serving.errors import Code, ServingError
from kerasnn.serving.saved_model.graph import Graph

State = Literal["START", "LOADING", "AVAILABLE", "UNLOADING", "END"]
Fingerprint = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class VersionStatus:
    """What the status of a version tells.

    Attributes:
        version: its number.
        state: of its life.
        code: OK, or why it failed.
        message: what failed; else "".
    """

    version: int
    state: State
    code: Code
    message: str


class ModelVersion:
    """A version that is loaded, in use, or at its end.

    Whoever holds it may ask its graph; when it is retired and nobody holds it any more,
    the graph is closed.

    Args:
        name: of the model.
        number: of the version.
        folder: where it lies.

    Attributes:
        fingerprint: of the folder before it was loaded; None once the folder is gone.
        status: of its life.
    """

    def __init__(self, name: str, number: int, folder: Path) -> None:
        self.name = name
        self.number = number
        self.folder = folder
        self.fingerprint: Fingerprint | None = folder_fingerprint(folder)
        self.status = VersionStatus(number, "LOADING", Code.OK, "")
        self._users = 0
        self._retired = False
        self._graph: Graph | None = None
        self._lock = threading.Lock()

    @property
    def graph(self) -> Graph:
        """The loaded graph; only whoever holds the version may ask for it."""
        assert self._graph is not None
        return self._graph

    @property
    def failed(self) -> bool:
        """Whether it did not load."""
        return self.status.code is not Code.OK

    @property
    def retired(self) -> bool:
        """Whether it was available, and is not any more."""
        return self._retired

    def publish(self, graph: Graph) -> None:
        """From now on it takes requests."""
        self._graph = graph
        self._become("AVAILABLE")

    def fail(self, error: ServingError) -> None:
        """It does not load."""
        self._become("END", error.code, error.message)

    def hold(self) -> None:
        """One more user."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        """One user less; after the last of a retired version it is unloaded."""
        with self._lock:
            self._users -= 1
            last = self._retired and not self._users
        if last:
            # Not here: this may be the event loop, and memory is given back slowly.
            threading.Thread(
                target=self._unload_late, name="kerasnn-unload", daemon=True
            ).start()

    def retire(self) -> None:
        """It takes no more requests; quick, for whoever holds a lock."""
        with self._lock:
            self._retired = True
            self._become("UNLOADING")

    def unload_if_unused(self) -> bool:
        """Close the graph of a retired version; whether it was done now."""
        with self._lock:
            if not self._retired or self._users or self._graph is None:
                return False
            graph, self._graph = self._graph, None
        graph.close()
        self._become("END")
        return True

    def _unload_late(self) -> None:
        if self.unload_if_unused():
            collect_graphs()

    def _become(self, state: State, code: Code = Code.OK, message: str = "") -> None:
        self.status = VersionStatus(self.number, state, code, message)


def collect_graphs() -> None:
    """Give back the memory of graphs that are not used any more.

    TensorFlow's graphs and their operations refer to each other, and are so few objects
    for Python that its collector would let dozens of them lie, each with all constants of
    its model. Takes 0.2 s, during which no other Python runs; after `gc.freeze`, as the
    server does when it has started, a hundredth of that.
    """
    gc.collect()


def folder_fingerprint(folder: Path) -> Fingerprint:
    """What changes when somebody goes on copying into a folder."""
    try:
        return tuple(
            (str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns)
            for path in sorted(folder.rglob("*"))
        )
    except OSError:
        return ()
