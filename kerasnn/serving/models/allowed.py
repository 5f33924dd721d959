"""Unsafe operations that the operator allows: for a folder's graphs, not for a name.

A name can get another folder by a reload, and a folder another graph by a new version. So
what was allowed is recorded once, at the server's first look: the folder of each named
model, and the fingerprints of the graphs in it. Whatever comes later is not among them.
"""

import contextlib
from collections.abc import Collection, Sequence
from pathlib import Path

from kerasnn.graphs.files import SavedGraph, fingerprint
from kerasnn.serving.models.sources import Sources, version_folders


class Allowed:
    """The operations that some models may have although the policy refuses them.

    Args:
        models: names.
        ops: types of operations, for each of these models.
    """

    def __init__(self, models: Collection[str] = (), ops: Collection[str] = ()) -> None:
        self._models = frozenset(models)
        self._ops = frozenset(ops)
        self._recorded: dict[str, tuple[Path, frozenset[str]]] = {}

    def record(self, sources: Sources) -> None:
        """Record folders and graphs of the models as they are when the server starts."""
        for name in self._models & sources.keys():
            folder = sources[name].folder
            with contextlib.suppress(OSError):  # then nothing is allowed
                graphs = frozenset(map(fingerprint, version_folders(folder).values()))
                self._recorded[name] = folder.resolve(), graphs - {""}

    def ops(self, name: str, saved: SavedGraph) -> frozenset[str]:
        """Return the operations that a version of a model may have."""
        return self._ops if self._is_recorded(name, saved) else frozenset()

    def way_out(self, name: str, saved: SavedGraph, ops: Sequence[str]) -> str:
        """Return how to allow the operations of a version, as the end of a message."""
        options = " ".join(f"--allow {op}" for op in ops)
        if name not in self._models or self._is_recorded(name, saved):
            return (
                "if you trust the model, start the server again with"
                f" --model {name} {options}"
            )
        folder, _ = self._recorded.get(name, ("its folder", None))
        return (
            f"--allow is for the graphs that were in {folder} when the server started, and"
            f" this one is not among them; if you trust it, start the server again with"
            f" --model {name} {options}"
        )

    def _is_recorded(self, name: str, saved: SavedGraph) -> bool:
        if name not in self._recorded:
            return False
        folder, graphs = self._recorded[name]
        return saved.folder.parent.resolve() == folder and saved.fingerprint in graphs
