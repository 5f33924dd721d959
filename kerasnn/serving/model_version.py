"""One version of a model, from its first sight to its end."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kerasnn.serving.graph import Graph
from kerasnn.serving.statuses import Code, ServingError

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
    """A version that may be loaded, in use, or at its end.

    Args:
        name: of the model.
        number: of the version.
        folder: where it lies.
        fingerprint: of the folder, when it was looked at; None when it is gone.
    """

    def __init__(
        self,
        name: str,
        number: int,
        folder: Path,
        fingerprint: Fingerprint | None = None,
    ) -> None:
        self.name = name
        self.number = number
        self.folder = folder
        self.fingerprint = fingerprint
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
    def ended(self) -> bool:
        """Whether it was loaded once, and is not any more or will not be for long."""
        return not self.failed and self._retired

    def load(self, graph: Graph, warm_up: Callable[[Graph, Path], object]) -> None:
        """Take a graph, and let it answer its first requests.

        Raises:
            ServingError: it does not answer them; it is closed.
        """
        try:
            warm_up(graph, self.folder)
        except BaseException:
            graph.close()
            raise
        self._graph = graph

    def publish(self) -> None:
        """From now on it takes requests."""
        self._become("AVAILABLE")

    def fail(self, error: ServingError) -> None:
        """It does not load."""
        self._become("END", error.code, error.message)

    def hold(self) -> None:
        """One more user."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        """One user less; the last of a retired version unloads it."""
        with self._lock:
            self._users -= 1
            self._unload_if_unused()

    def retire(self) -> None:
        """It takes no more requests, and is unloaded when nobody uses it."""
        with self._lock:
            self._retired = True
            self._become("UNLOADING")
            self._unload_if_unused()

    def _unload_if_unused(self) -> None:
        if self._retired and not self._users and self._graph is not None:
            self._graph.close()
            self._graph = None
            self._become("END")

    def _become(self, state: State, code: Code = Code.OK, message: str = "") -> None:
        self.status = VersionStatus(self.number, state, code, message)
