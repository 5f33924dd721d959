"""The versions of one model: the known, the available, and their labels.

`registry` decides and loads; callers hold its lock.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from kerasnn.serving.errors import Code, ServingError, invalid
from kerasnn.serving.models.model_version import ModelVersion, VersionStatus
from kerasnn.serving.models.sources import ModelSource

MAX_ENDED_VERSIONS = (
    100  # versions that are remembered although they and their folders are gone
)
RETRY_SECONDS = 1  # after which a client may ask a loading model again


@dataclass
class Versions:
    """The versions of one model.

    Attributes:
        name: of the model.
        source: its folder and wanted versions; None: it is no longer served.
        known: every version seen, by number, with the ended ones.
        available: versions that take requests, by number.
        latest: the available version with the highest number.
        labels: numbers of available versions by label.
        pending: whether the versions in the folder are still to be loaded.
    """

    name: str
    source: ModelSource | None
    known: dict[int, ModelVersion] = field(default_factory=dict)
    available: dict[int, ModelVersion] = field(default_factory=dict)
    latest: ModelVersion | None = None
    labels: dict[str, int] = field(default_factory=dict)
    pending: bool = True

    @property
    def settled(self) -> bool:
        """True if a version is available or has failed."""
        return bool(self.available) or any(v.failed for v in self.known.values())

    def find(self, number: int | None, label: str | None) -> ModelVersion:
        """Return the available version of a number or label; the latest by default.

        Raises:
            ServingError: there is none, with TensorFlow Serving's text; UNAVAILABLE, it is
                still to be loaded.
        """
        if label is not None:
            if label not in self.labels:
                raise self._loading(None) or label_error(label)
            number = self.labels[label]
        found = self.latest if number is None else self.available.get(number)
        if found is None:
            raise self._loading(number) or not_found_error(self.name, number)
        return found

    def _loading(self, number: int | None) -> ServingError | None:
        """Return the error for a version that may be available soon; None for others."""
        if number is None and self.loading:
            number = max(self.loading)
        if number in self.loading:
            return loading_error(f"model {self.name} version {number}")
        if not self.pending or number in self.known:
            return None
        return loading_error(f"model {self.name}")

    @property
    def loading(self) -> list[int]:
        """Numbers of the versions that are loading."""
        return [n for n, each in self.known.items() if each.status.state == "LOADING"]

    def statuses(self, number: int | None) -> list[VersionStatus]:
        """Return the statuses of all versions, the newest first, or of one.

        Raises:
            ServingError: NOT_FOUND; UNAVAILABLE before the folder was looked at.
        """
        if not self.known:
            raise self._loading(None) or no_versions_error(self.name)
        if number is None:
            return [self.known[n].status for n in sorted(self.known, reverse=True)]
        if number not in self.known:
            raise ServingError(
                Code.NOT_FOUND, f"Could not find version {number} of model {self.name}"
            )
        return [self.known[number].status]

    def add(self, version: ModelVersion) -> None:
        """Add a published version to the available ones."""
        self.available[version.number] = version
        self._changed()

    def remove(self, version: ModelVersion) -> None:
        """Retire an available version; the caller unloads it."""
        del self.available[version.number]
        version.retire()
        self._changed()

    def set_labels(self) -> None:
        """Set the source's labels of available versions."""
        wanted = {} if self.source is None else self.source.labels
        self.labels = {
            label: number for label, number in wanted.items() if number in self.available
        }

    def forget_missing(self, there: Collection[int]) -> None:
        """Mark the versions whose folders are gone, and forget the oldest of them.

        A folder that comes back is a new version, even if it had failed.
        """
        ended = []
        for number, version in self.known.items():
            if number not in there:
                version.fingerprint = None
                if version.status.state == "END":
                    ended.append(number)
        for number in sorted(ended)[:-MAX_ENDED_VERSIONS]:
            del self.known[number]

    def _changed(self) -> None:
        self.latest = self.available[max(self.available)] if self.available else None
        self.set_labels()


def not_found_error(name: str, number: int | None = None) -> ServingError:
    """Return the error for a request that no version can answer."""
    which = f"Latest({name})" if number is None else f"Specific({name}, {number})"
    return ServingError(Code.NOT_FOUND, f"Servable not found for request: {which}")


def no_versions_error(name: str) -> ServingError:
    """Return the error for a model without any version."""
    return ServingError(Code.NOT_FOUND, f"Could not find any versions of model {name}")


def loading_error(what: str) -> ServingError:
    """Return the error for a request that comes before its model is loaded."""
    return ServingError(
        Code.UNAVAILABLE,
        f"{what} is still loading; try again",
        retry_after_seconds=RETRY_SECONDS,
    )


def label_error(label: str) -> ServingError:
    """Return the error for an unknown label."""
    return invalid(f"Unrecognized servable version label: {label}")
