"""The versions of one model: which are known, which answer, and by which names.

Decides nothing and loads nothing; that is left to `models`. Whoever calls holds its lock.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from kerasnn.serving.errors import Code, ServingError, invalid
from kerasnn.serving.models.model_version import ModelVersion, VersionStatus
from kerasnn.serving.models.sources import ModelSource

MAX_ENDED_VERSIONS = (
    100  # versions that are remembered although they and their folders are gone
)


@dataclass
class Versions:
    """Of one model.

    Attributes:
        name: of the model.
        source: where it lies, and which versions are wanted; None: it is served no more.
        known: every version that was seen, by number; ended ones too.
        available: those that take requests.
        latest: the one of them with the highest number.
        labels: to available versions.
    """

    name: str
    source: ModelSource | None
    known: dict[int, ModelVersion] = field(default_factory=dict)
    available: dict[int, ModelVersion] = field(default_factory=dict)
    latest: ModelVersion | None = None
    labels: dict[str, int] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        """Whether a version answers, or has failed."""
        return bool(self.available) or any(v.failed for v in self.known.values())

    def find(self, number: int | None, label: str | None) -> ModelVersion:
        """The available version with a number or label; the latest if there is neither.

        Raises:
            ServingError: there is none, with TensorFlow Serving's text.
        """
        if label is not None:
            if label not in self.labels:
                raise label_error(label)
            number = self.labels[label]
        found = self.latest if number is None else self.available.get(number)
        if found is None:
            raise not_found_error(self.name, number)
        return found

    def statuses(self, number: int | None) -> list[VersionStatus]:
        """The states of all versions, the newest first, or of one.

        Raises:
            ServingError: NOT_FOUND.
        """
        if not self.known:
            raise no_versions_error(self.name)
        if number is None:
            return [self.known[n].status for n in sorted(self.known, reverse=True)]
        if number not in self.known:
            raise ServingError(
                Code.NOT_FOUND, f"Could not find version {number} of model {self.name}"
            )
        return [self.known[number].status]

    def add(self, version: ModelVersion) -> None:
        """A published version takes requests."""
        self.available[version.number] = version
        self._changed()

    def remove(self, version: ModelVersion) -> None:
        """An available version takes none any more; it has to be unloaded yet."""
        del self.available[version.number]
        version.retire()
        self._changed()

    def set_labels(self) -> None:
        """Give the source's labels to those versions that are available."""
        wanted = {} if self.source is None else self.source.labels
        self.labels = {
            label: number for label, number in wanted.items() if number in self.available
        }

    def forget_missing(self, there: Collection[int]) -> None:
        """Remember which folders are not there any more; not for ever.

        When a folder comes back its version is new, even if it had failed.
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
    """No version of a model can answer a request."""
    which = f"Latest({name})" if number is None else f"Specific({name}, {number})"
    return ServingError(Code.NOT_FOUND, f"Servable not found for request: {which}")


def no_versions_error(name: str) -> ServingError:
    """A model has no state, for it never had a version."""
    return ServingError(Code.NOT_FOUND, f"Could not find any versions of model {name}")


def label_error(label: str) -> ServingError:
    """No version has a label."""
    return invalid(f"Unrecognized servable version label: {label}")
