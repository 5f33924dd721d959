"""One version of a model, from loading to unloading."""

import gc
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kerasnn.manifest import MANIFEST
from kerasnn.serving.errors import Code, ServingError
from kerasnn.serving.saved_model.cell_counts import CellCounts
from kerasnn.serving.saved_model.graph import Graph

if TYPE_CHECKING:
    from kerasnn.serving.saved_model.examples import FeatureNames
    from kerasnn.serving.saved_model.table_inputs import TableInputs

State = Literal["START", "LOADING", "AVAILABLE", "UNLOADING", "END"]
Fingerprint = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class VersionStatus:
    """The status of a version.

    Attributes:
        version: its number.
        state: of its life cycle.
        code: OK, or the code of its failure.
        message: the failure; else "".
    """

    version: int
    state: State
    code: Code
    message: str


class ModelVersion:
    """A version that is loaded, in use, or ended.

    Holders may call its graph. After it is retired, the last release closes the graph.

    Args:
        name: of the model.
        number: of the version.
        folder: of the version.

    Attributes:
        fingerprint: of the folder before loading; None once the folder is gone.
        status: of its life cycle.
        table_inputs: how to read requests as rows of a table; None for other networks.
        cell_counts: of the rows of a table in requests; None for other networks.
    """

    def __init__(self, name: str, number: int, folder: Path) -> None:
        self.name = name
        self.number = number
        self.folder = folder
        self.fingerprint: Fingerprint | None = folder_fingerprint(folder)
        self.status = VersionStatus(number, "LOADING", Code.OK, "")
        self.table_inputs: TableInputs | None = None
        self.cell_counts: CellCounts | None = None
        self._users = 0
        self._retired = False
        self._graph: Graph | None = None
        self._lock = threading.Lock()

    @property
    def graph(self) -> Graph:
        """The loaded graph; only for holders of the version."""
        assert self._graph is not None
        return self._graph

    @property
    def failed(self) -> bool:
        """True if loading failed."""
        return self.status.code is not Code.OK

    def read_table_inputs(self, graph: Graph) -> None:
        """Set `table_inputs` and counts; may import pandas, which takes seconds."""
        self.table_inputs = _table_inputs(self.folder, graph)
        if self.table_inputs is not None:
            self.cell_counts = self.table_inputs.cell_counts()

    def feature_names(self, key: str) -> "FeatureNames | None":
        """Return what names the features of a signature's examples; None: all are taken."""
        table = self.table_inputs
        return None if table is None or key in table.options else table.feature_names

    def publish(self, graph: Graph) -> None:
        """Make the version available with its graph."""
        self._graph = graph
        self._become("AVAILABLE")

    def fail(self, error: ServingError) -> None:
        """End the version with the error of its loading."""
        self._become("END", error.code, error.message)

    def hold(self) -> None:
        """Add a user."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        """Remove a user; the last one of a retired version unloads it."""
        with self._lock:
            self._users -= 1
            last = self._retired and not self._users
        if last:
            # In a thread: this may be the event loop, and freeing memory is slow.
            threading.Thread(
                target=self._unload_late, name="kerasnn-unload", daemon=True
            ).start()

    def retire(self) -> None:
        """Take no more requests; fast enough to call under a lock."""
        with self._lock:
            self._retired = True
            self._become("UNLOADING")

    def unload_if_unused(self) -> bool:
        """Close the graph of a retired version without users; return whether it did."""
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


def _table_inputs(folder: Path, graph: Graph) -> "TableInputs | None":
    if not (folder / MANIFEST).exists():
        return None
    # pandas, which no other network needs.
    from kerasnn.serving.saved_model.table_inputs import read_table_inputs

    return read_table_inputs(folder, graph.signatures)


def collect_graphs() -> None:
    """Free the memory of unused graphs.

    TensorFlow's graphs and operations refer to each other. They are few Python objects, so
    the collector would leave dozens of graphs in memory, each with all constants of its
    model. It takes 0.2 s, during which no other Python code runs; after `gc.freeze`, which
    the server calls at its start, a hundredth of that.
    """
    gc.collect()


def folder_fingerprint(folder: Path) -> Fingerprint:
    """Return names, sizes and times of a folder's files; copying changes them."""
    try:
        return tuple(
            (str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns)
            for path in sorted(folder.rglob("*"))
        )
    except OSError:
        return ()
