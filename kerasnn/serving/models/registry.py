"""The served models: loads, warms up, swaps and unloads their versions.

A version becomes available after its warm-up requests. Only then are older versions
retired; each is unloaded after its last request. If a version does not load, the log and
its status say why, and older versions stay. It is tried again when its folder changes.

`refresh` reads the disk and loads in the calling thread. Requests only hold and release
versions, under a lock that is held for microseconds.
"""

import functools
import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import tensorflow as tf

from kerasnn.graphs.files import read_graph
from kerasnn.serving.errors import Code, ServingError, as_serving_error, from_tensorflow
from kerasnn.serving.metrics import Metrics
from kerasnn.serving.models.allowed import Allowed
from kerasnn.serving.models.model_version import (
    ModelVersion,
    VersionStatus,
    collect_graphs,
    folder_fingerprint,
)
from kerasnn.serving.models.sources import ModelSource, Sources, version_folders
from kerasnn.serving.models.versions import (
    Versions,
    label_error,
    loading_error,
    no_versions_error,
    not_found_error,
)
from kerasnn.serving.models.warm_up import prepare, try_signatures, warm_up
from kerasnn.serving.saved_model.cell_counts import CellCounts
from kerasnn.serving.saved_model.graph import Graph

_log = logging.getLogger("kerasnn.serving")


class ModelRegistry:
    """All models and their versions.

    Args:
        sources: by name; a function is called at each refresh.
        allowed: the unsafe operations that some models may hold; see `Allowed`.
        warm_up: whether warm-up requests are replayed.
        metrics: records the time of the warm-up.
    """

    def __init__(
        self,
        sources: Sources | Callable[[], Sources],
        *,
        allowed: Allowed | None = None,
        warm_up: bool = True,
        metrics: Metrics | None = None,
    ) -> None:
        self._sources = sources
        self._allowed = allowed or Allowed()
        self._warms_up = warm_up
        self._metrics = metrics
        self._models: dict[str, Versions] = {}
        self._lock = threading.Lock()  # of what requests see; held for microseconds
        self._refreshing = threading.Lock()  # held while models are loaded
        self._complaints: dict[str, str] = {}
        self._listed = False  # whether the models' names are known
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # --- requests -------------------------------------------------------------------

    def use(self, name: str, version: int | None = None, label: str | None = None) -> "Use":
        """Return a context that keeps a version loaded; the latest by default.

        Raises:
            ServingError: on entry, no such version, with TensorFlow Serving's text.
        """
        return Use(self, name, version, label)

    def take(self, name: str, version: int | None, label: str | None) -> ModelVersion:
        """Return a held version; the caller releases it."""
        with self._lock:
            versions = self._models.get(name)
            if versions is None:
                self._check_listed()
                raise (
                    not_found_error(name, version) if label is None else label_error(label)
                )
            found = versions.find(version, label)
            found.hold()
        return found

    def statuses(self, name: str, version: int | None = None) -> list[VersionStatus]:
        """Return the statuses of a model's versions, the newest first.

        Raises:
            ServingError: NOT_FOUND, there is no such model or version; UNAVAILABLE, that
                is not known yet.
        """
        with self._lock:
            versions = self._models.get(name)
            if versions is None:
                self._check_listed()
                raise no_versions_error(name)
            return versions.statuses(version)

    def all_statuses(self) -> dict[str, list[VersionStatus]]:
        """Return the statuses of the versions of each model, by sorted name."""
        with self._lock:
            return {
                name: model.statuses(None) if model.known else []
                for name, model in sorted(self._models.items())
                if model.source is not None
            }

    def names(self) -> list[str]:
        """Return the names of the configured or found models, sorted."""
        with self._lock:
            return sorted(name for name, v in self._models.items() if v.source is not None)

    def counted(self) -> list[tuple[str, int, CellCounts]]:
        """Return name, number and counts of each available version that has any."""
        with self._lock:
            return [
                (name, number, version.cell_counts)
                for name, versions in sorted(self._models.items())
                for number, version in sorted(versions.available.items())
                if version.cell_counts is not None
            ]

    def labels(self, name: str) -> dict[str, int]:
        """Return the labels of a model's versions."""
        with self._lock:
            return dict(self._models[name].labels) if name in self._models else {}

    @property
    def ready(self) -> bool:
        """True if every model has a version that is available or has failed."""
        return self.why_not_ready() is None

    def why_not_ready(self) -> str | None:
        """Return what is still loading, or which models have no version; None if ready."""
        with self._lock:
            if not self._listed:
                return "the models are looked for"
            served = [v for _, v in sorted(self._models.items()) if v.source is not None]
            waiting = [v for v in served if not v.settled]
            loading = [f"{v.name} version {n}" for v in served for n in v.loading]
            pending = any(v.pending for v in served)
        if pending:
            done = len(served) - len(waiting)
            what = f"loading: {', '.join(loading)}" if loading else "loading"
            return f"{what} ({done} of {len(served)} models are done)"
        if waiting:
            return f"models that are not ready: {', '.join(v.name for v in waiting)}"
        return None

    # --- life -----------------------------------------------------------------------

    def start(self, poll_seconds: float) -> None:
        """Refresh now and then periodically, in a thread.

        Args:
            poll_seconds: between two refreshes; 0: only one.
        """

        def look() -> None:
            while True:
                try:
                    self.refresh()
                except Exception:
                    _log.exception("the models could not be looked at")
                if not poll_seconds or self._stop.wait(poll_seconds):
                    return

        self._thread = threading.Thread(target=look, name="kerasnn-models", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and unload all unused versions."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with self._refreshing:
            for versions in self._models.values():
                self._unload(versions, list(versions.available.values()))

    def refresh(self) -> None:
        """Read the disk once: load new versions, then unload unwanted ones."""
        with self._refreshing:
            try:
                sources = self._sources() if callable(self._sources) else self._sources
            except OSError as error:
                self._complain("the models", error)
                return
            self._complaints.pop("the models", None)
            if not self._listed:
                self._allowed.record(sources)
            self._serve(sources)

    def reload(self, sources: Sources) -> None:
        """Replace the served models, and wait until they are available.

        Raises:
            ServingError: FAILED_PRECONDITION, a label is for a version that is not
                available; nothing changes. UNKNOWN, no version of a model loads.
        """
        with self._refreshing:
            self._check_labels(sources)
            self._sources = sources
            self._serve(sources)
        self._check_available(sources)

    def _serve(self, sources: Sources) -> None:
        """Update the models to their sources."""
        with self._lock:
            for name, source in sources.items():
                versions = self._models.setdefault(name, Versions(name, None))
                versions.pending |= versions.source is None
                versions.source = source
            for name, versions in list(self._models.items()):
                if name not in sources:
                    versions.source = None
                    if not versions.known:
                        del self._models[name]
                versions.set_labels()
            self._listed = True
        changed = False
        for name, versions in self._models.items():
            try:
                changed |= self._refresh_model(versions)
                self._complaints.pop(f"model {name}", None)
            except OSError as error:
                self._complain(f"model {name}", error)
            versions.pending = False
        if changed:
            collect_graphs()

    def _refresh_model(self, versions: Versions) -> bool:
        """Load, swap, unload; return whether a graph was dropped."""
        source = versions.source
        there = {} if source is None else version_folders(source.folder)
        wanted = {} if source is None else source.wanted(there)
        with self._lock:
            versions.forget_missing(there)
        failed = [self._load_if_new(versions, n, path) for n, path in wanted.items()]
        if wanted and source is not None and not source.versions:
            # No wanted version loads: an older one is better than none.
            for number, path in there.items():
                if versions.available:
                    break
                failed.append(self._load_if_new(versions, number, path))
        # Old versions stay until a wanted one is available.
        if wanted and not any(number in versions.available for number in wanted):
            return any(failed)
        old = [v for n, v in versions.available.items() if n not in wanted]
        return self._unload(versions, old) or any(failed)

    def _load_if_new(self, versions: Versions, number: int, folder: Path) -> bool:
        """Load a new version, or a failed one that has changed; return whether it fails."""
        known = versions.known.get(number)
        if self._stop.is_set() or number in versions.available:
            return False
        if (
            known is not None
            and known.failed
            and known.fingerprint == folder_fingerprint(folder)
        ):
            return False
        version = ModelVersion(versions.name, number, folder)
        with self._lock:
            versions.known[number] = version
        try:
            graph = self._loaded(version)
        except ServingError as error:
            version.fail(error)
            _log.warning(
                "model %s version %d does not load: %s", version.name, number, error.message
            )
            return True
        except Exception as error:  # a fault of the server; other models go on
            version.fail(as_serving_error(error))
            _log.exception("model %s version %d does not load", version.name, number)
            return True
        with self._lock:
            version.publish(graph)
            versions.add(version)
        _log.info("model %s version %d is available", version.name, number)
        return False

    def _loaded(self, version: ModelVersion) -> Graph:
        """Load and warm up the graph of a version."""
        try:
            saved = read_graph(version.folder)
        except tf.errors.OpError as error:
            raise from_tensorflow(error) from None
        graph = Graph(
            saved,
            allow=self._allowed.ops(version.name, saved),
            way_out=functools.partial(self._allowed.way_out, version.name, saved),
        )
        try:
            version.read_table_inputs(graph)
            prepare(graph)
            if self._warms_up:
                start = time.perf_counter()
                played = warm_up(graph, version.folder)
                seconds = time.perf_counter() - start
                if not played:
                    try_signatures(graph)
                elif self._metrics is not None:
                    self._metrics.observe_warm_up(model=version.name, seconds=seconds)
        except BaseException:
            graph.close()
            raise
        return graph

    def _unload(self, versions: Versions, old: Collection[ModelVersion]) -> bool:
        """Retire versions, and unload the unused; return whether there were any."""
        with self._lock:
            for version in old:
                versions.remove(version)
        for version in old:
            _log.info("model %s version %d is retired", version.name, version.number)
            version.unload_if_unused()  # else its last user does it
        return bool(old)

    # --- what may go wrong ------------------------------------------------------------

    def _check_listed(self) -> None:
        """Raise UNAVAILABLE until the models have been listed for the first time."""
        if not self._listed:
            raise loading_error("the server")

    def _check_labels(self, sources: Sources) -> None:
        """Raise if a label is for a version that is not available."""
        for name, source in sources.items():
            available: Mapping[int, ModelVersion] = {}
            if name in self._models:
                available = self._models[name].available
            for label, number in source.labels.items():
                if number not in available:
                    raise ServingError(
                        Code.FAILED_PRECONDITION,
                        f"Request to assign label {label} to version {number} of model"
                        f" {name}, which is not currently available for inference",
                    )

    def _check_available(self, sources: Sources) -> None:
        """Raise if a model has no available version, with the reason of its newest."""
        with self._lock:
            missing = {
                name: self._why_not(name, source)
                for name, source in sources.items()
                if name in self._models and not self._models[name].available
            }
        if missing:
            whys = "".join(f"{{{why}}}, " for why in missing.values())
            raise ServingError(
                Code.UNKNOWN,
                f"{len(missing)} servable(s) did not become available: {{{whys}}}",
            )

    def _why_not(self, name: str, source: ModelSource) -> str:
        failed = [v for v in self._models[name].known.values() if v.failed]
        if not failed:
            return f"{{name: {name}}} due to error: no version in {source.folder}"
        status = max(failed, key=lambda version: version.number).status
        return (
            f"{{name: {name} version: {status.version}}} due to error:"
            f" {status.code.name}: {status.message}"
        )

    def _complain(self, what: str, error: OSError) -> None:
        """Log once that a disk does not answer; the served models stay."""
        if self._complaints.get(what) != str(error):
            self._complaints[what] = str(error)
            _log.warning("%s cannot be listed; the served models stay: %s", what, error)


class Use:
    """A context that holds a version; a generator would be half as fast."""

    __slots__ = ("_label", "_models", "_name", "_used", "_version")

    def __init__(
        self, models: ModelRegistry, name: str, version: int | None, label: str | None
    ) -> None:
        self._models = models
        self._name, self._version, self._label = name, version, label

    def __enter__(self) -> ModelVersion:
        self._used = self._models.take(self._name, self._version, self._label)
        return self._used

    def __exit__(self, *_: object) -> None:
        self._used.release()
