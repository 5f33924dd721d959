"""The models that are served: loaded, warmed, swapped, unloaded.

A version is published when it has answered its warm-up requests; only then the ones
before it are taken out, and each is unloaded when its last request is done. A version
that does not load is named in the log and in its status, and those before it stay.

Looks at the disk and loads in whatever thread calls `refresh`; requests only take and
give back versions, under a lock that nobody holds for long.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kerasnn.serving.graph import Graph
from kerasnn.serving.model_version import Fingerprint, ModelVersion, VersionStatus
from kerasnn.serving.sources import ModelSource, Sources, version_folders
from kerasnn.serving.statuses import Code, ServingError, invalid, of_any
from kerasnn.serving.warm_up import warm_up

if TYPE_CHECKING:
    from kerasnn.serving.metrics import Metrics

_log = logging.getLogger("kerasnn.serving")


@dataclass
class _Model:
    """What is known of one model.

    Attributes:
        source: where it lies.
        versions: every version that was ever seen, by number; ended ones too.
        available: those that take requests.
        labels: to available versions.
    """

    source: ModelSource
    versions: dict[int, ModelVersion] = field(default_factory=dict)
    available: dict[int, ModelVersion] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)

    @property
    def latest(self) -> ModelVersion | None:
        """The available version with the highest number."""
        return self.available[max(self.available)] if self.available else None


class Models:
    """All models, and who uses them.

    Args:
        sources: by name; a function is asked anew at each look.
        trusted: names of models whose graphs may hold operations that are refused.
        warm_up: whether warm-up requests are played.
        metrics: told how long they took.
    """

    def __init__(
        self,
        sources: Sources | Callable[[], Sources],
        *,
        trusted: Collection[str] = (),
        warm_up: bool = True,
        metrics: "Metrics | None" = None,
    ) -> None:
        self._sources = sources
        self._trusted = frozenset(trusted)
        self._warms_up = warm_up
        self._metrics = metrics
        self._models: dict[str, _Model] = {}
        self._lock = threading.Lock()
        self._refreshing = threading.Lock()
        self._looked = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # ------------------------------------------------------------------ requests

    @contextmanager
    def use(
        self, name: str, version: int | None = None, label: str | None = None
    ) -> Iterator[ModelVersion]:
        """A version that stays loaded until the context ends; the latest by default.

        Raises:
            ServingError: there is none, with TensorFlow Serving's text.
        """
        with self._lock:
            found = self._find(name, version, label)
            found.hold()
        try:
            yield found
        finally:
            found.release()

    def _find(self, name: str, version: int | None, label: str | None) -> ModelVersion:
        model = self._models.get(name)
        if label is not None:
            if model is None or label not in model.labels:
                raise invalid(f"Unrecognized servable version label: {label}")
            version = model.labels[label]
        if version is not None:
            found = None if model is None else model.available.get(version)
        else:
            found = None if model is None else model.latest
        if found is None:
            which = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise ServingError(Code.NOT_FOUND, f"Servable not found for request: {which}")
        return found

    def statuses(self, name: str, version: int | None = None) -> list[VersionStatus]:
        """The states of a model's versions, the newest first.

        Raises:
            ServingError: NOT_FOUND, there is no such model or version.
        """
        with self._lock:
            model = self._models.get(name)
            versions = {} if model is None else dict(model.versions)
        if not versions:
            raise ServingError(
                Code.NOT_FOUND, f"Could not find any versions of model {name}"
            )
        if version is not None and version not in versions:
            raise ServingError(
                Code.NOT_FOUND, f"Could not find version {version} of model {name}"
            )
        numbers = sorted(versions, reverse=True) if version is None else [version]
        return [versions[number].status for number in numbers]

    def names(self) -> list[str]:
        """Of the models that are configured or were found."""
        with self._lock:
            return sorted(self._models)

    def labels(self, name: str) -> dict[str, int]:
        """The labels of a model's versions."""
        with self._lock:
            return dict(self._models[name].labels) if name in self._models else {}

    @property
    def ready(self) -> bool:
        """Whether every model was looked at, and has a version that answers or failed."""
        with self._lock:
            return self._looked and all(
                model.available or model.versions for model in self._models.values()
            )

    # ------------------------------------------------------------------ life

    def start(self, poll_seconds: float) -> None:
        """Look at the disk every so many seconds, in a thread."""

        def look() -> None:
            while not self._stop.wait(poll_seconds):
                try:
                    self.refresh()
                except Exception:
                    _log.exception("the models could not be looked at")

        self._thread = threading.Thread(target=look, name="kerasnn-models", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and unload everything."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with self._refreshing, self._lock:
            for model in self._models.values():
                for version in list(model.available.values()):
                    self._retire(model, version)

    def refresh(self) -> None:
        """One look at the disk: load what is new, then unload what is not wanted."""
        with self._refreshing:
            sources = self._sources() if callable(self._sources) else self._sources
            self._configure(sources)
            for name in self.names():
                self._refresh_model(name, self._models[name])
            self._looked = True

    def reload(self, sources: Sources) -> None:
        """Serve these models from now on; waits until they are available.

        Raises:
            ServingError: a label is for a version that is not available
                (FAILED_PRECONDITION, and nothing is changed), or a model has no version
                that loads.
        """
        with self._refreshing:
            self._check_labels(sources)
            self._sources = sources
            self._configure(sources)
            for name in self.names():
                self._refresh_model(name, self._models[name])
        for name in sources:
            with self._lock:
                model = self._models.get(name)
                failed = model is not None and not model.available and model.versions
            if failed:
                newest = self.statuses(name)[0]
                raise ServingError(newest.code or Code.UNKNOWN, newest.message)

    def _configure(self, sources: Sources) -> None:
        """Take up new models, and the new sources of those that are known."""
        for name, source in sources.items():
            with self._lock:
                model = self._models.setdefault(name, _Model(source))
                model.source = source
        for name in self.names():
            if name not in sources:
                self._drop(name)

    def _drop(self, name: str) -> None:
        """A model is not served any more; its ended versions stay in the status."""
        with self._lock:
            model = self._models[name]
            model.source = ModelSource(model.source.folder, latest=0)
            model.labels.clear()

    def _refresh_model(self, name: str, model: _Model) -> None:
        there = version_folders(model.source.folder)
        for number, version in model.versions.items():
            if number not in there:
                version.fingerprint = None  # when it comes back, it is new
        wanted = model.source.wanted()
        for number, folder in sorted(wanted.items()):
            self._load_if_new(name, model, number, folder)
        if wanted and not model.available:
            self._fall_back(name, model, there)
        with self._lock:
            # The old ones go when one of the wanted has come.
            if not wanted or any(number in model.available for number in wanted):
                for number, version in list(model.available.items()):
                    if number not in wanted:
                        self._retire(model, version)
            model.labels = {
                label: number
                for label, number in model.source.labels.items()
                if number in model.available
            }

    def _fall_back(self, name: str, model: _Model, there: Mapping[int, Path]) -> None:
        """None of the wanted versions loads: an older one is better than none."""
        if model.source.versions:
            return  # these and no others
        for number, folder in there.items():
            if model.available:
                return
            self._load_if_new(name, model, number, folder)

    def _load_if_new(self, name: str, model: _Model, number: int, folder: Path) -> None:
        """Load a version that is not, unless it has failed as it lies there."""
        known = model.versions.get(number)
        is_new = known is None or known.ended
        if is_new or (known.failed and known.fingerprint != fingerprint(folder)):
            self._load(name, model, number, folder)

    def _load(self, name: str, model: _Model, number: int, folder: Path) -> None:
        version = ModelVersion(name, number, folder, fingerprint(folder))
        with self._lock:
            model.versions[number] = version
        try:
            version.load(
                Graph(folder, trusted=name in self._trusted), self._warm_up_of(name)
            )
        except Exception as error:
            failure = of_any(error)
            version.fail(failure)
            _log.warning(
                "model %s version %d does not load: %s", name, number, failure.message
            )
            return
        with self._lock:
            version.publish()
            model.available[number] = version
        _log.info("model %s version %d is available", name, number)

    def _warm_up_of(self, name: str) -> Callable[[Graph, Path], None]:
        def play(graph: Graph, folder: Path) -> None:
            if not self._warms_up:
                return
            start = time.perf_counter()
            warm_up(graph, folder)
            if self._metrics is not None:
                self._metrics.observe_warm_up(
                    model=name, seconds=time.perf_counter() - start
                )

        return play

    def _retire(self, model: _Model, version: ModelVersion) -> None:
        """Take a version out; it is unloaded when nobody uses it. The lock is held."""
        del model.available[version.number]
        model.labels = {k: n for k, n in model.labels.items() if n != version.number}
        version.retire()
        _log.info("model %s version %d is taken out", version.name, version.number)

    def _check_labels(self, sources: Sources) -> None:
        """Labels are for available versions only, so that none leads nowhere.

        Raises:
            ServingError: FAILED_PRECONDITION.
        """
        for name, source in sources.items():
            with self._lock:
                model = self._models.get(name)
                available = set() if model is None else set(model.available)
            for label, number in source.labels.items():
                if number not in available:
                    raise ServingError(
                        Code.FAILED_PRECONDITION,
                        f"Request to assign label {label} to version {number} of model"
                        f" {name}, which is not currently available for inference",
                    )


def fingerprint(folder: Path) -> Fingerprint:
    """What changes when somebody goes on copying into a folder."""
    try:
        return tuple(
            (str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns)
            for path in sorted(folder.rglob("*"))
        )
    except OSError:
        return ()
