"""Where models lie, and which of their versions are wanted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from kerasnn.errors import InputError
from kerasnn.serving.statuses import ServingError, invalid

MOST_VERSION = 2**63 - 1
PLATFORM = "tensorflow"


@dataclass(frozen=True)
class ModelSource:
    """A model's folder, and which of its versions are wanted.

    Attributes:
        folder: holds version folders.
        latest: so many of the highest versions; None: all of them.
        versions: if there are any, these and no others.
        labels: other names of versions.
    """

    folder: Path
    latest: int | None = 1
    versions: tuple[int, ...] = ()
    labels: Mapping[str, int] = field(default_factory=dict)

    def wanted(self) -> dict[int, Path]:
        """The wanted versions that are there, and their folders, the highest first."""
        there = version_folders(self.folder)
        if self.versions:
            return {n: path for n, path in there.items() if n in self.versions}
        return dict(list(there.items())[: self.latest])


Sources = Mapping[str, ModelSource]


def version_folders(folder: Path) -> dict[int, Path]:
    """The versions in a folder by number, the highest first.

    Every sub-folder whose name is a whole number is one; leading zeros are allowed.
    """
    try:
        names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    except OSError:
        return {}
    numbers = {int(name): folder / name for name in names if is_version(name)}
    return dict(sorted(numbers.items(), reverse=True))


def is_version(name: str) -> bool:
    """Whether a folder's name is the number of a version."""
    return name.isascii() and name.isdecimal() and int(name) <= MOST_VERSION


def folder_sources(
    folder: Path, *, latest: int | None = 1, versions: tuple[int, ...] = ()
) -> Callable[[], Sources]:
    """The models under a folder, looked for anew at each call.

    Args:
        folder: of models, each a sub-folder with versions; or of one model, which then
            has the name of its folder.
        latest: see `ModelSource`.
        versions: see `ModelSource`.
    """

    def look() -> Sources:
        if version_folders(folder):
            paths = [folder.absolute()]
        elif folder.is_dir():
            paths = sorted(path for path in folder.iterdir() if version_folders(path))
        else:
            paths = []
        # A name beginning with a dot is somebody's work in progress.
        return {
            path.name: ModelSource(path, latest=latest, versions=versions)
            for path in paths
            if not path.name.startswith(".")
        }

    return look


def config_sources(text: str) -> Sources:
    """The models that a configuration of TensorFlow Serving names.

    Args:
        text: a `ModelServerConfig` with a `model_config_list`, as protobuf text.

    Raises:
        InputError: it is not that.
    """
    config = model_server_config_pb2.ModelServerConfig()
    try:
        text_format.Parse(text, config)
    except text_format.ParseError as error:
        raise InputError(
            f"Error parsing text-format tensorflow.serving.ModelServerConfig: {error}"
        ) from None
    try:
        return sources_of(config)
    except ServingError as error:
        raise InputError(error.message) from None


def sources_of(config: Any) -> Sources:
    """The models of a `ModelServerConfig` message.

    Raises:
        ServingError: INVALID_ARGUMENT, it is not one that can be served.
    """
    if config.WhichOneof("config") != "model_config_list":
        raise invalid("Expected a ModelServerConfig with a model_config_list")
    sources: dict[str, ModelSource] = {}
    for model in config.model_config_list.config:
        if model.name in sources:
            raise invalid(
                f"Illegal to list model {model.name} multiple times in config list"
            )
        sources[model.name] = _source(model)
    return sources


def _source(model: Any) -> ModelSource:
    folder = Path(model.base_path)
    if not folder.is_absolute():
        raise invalid(
            f"Expected model {model.name} to have an absolute path or URI; got"
            f" base_path()={model.base_path}"
        )
    if not model.model_platform:
        raise invalid(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor"
            f" ModelServerConfig::model_platform, model name is {model.name}"
        )
    if model.model_platform != PLATFORM:
        raise invalid(
            f"Model {model.name} requests unsupported platform {model.model_platform}"
        )
    labels = dict(model.version_labels)
    policy = model.model_version_policy
    kind = policy.WhichOneof("policy_choice")
    if kind == "all":
        return ModelSource(folder, latest=None, labels=labels)
    if kind == "specific":
        versions = tuple(policy.specific.versions)
        if not versions:
            raise invalid(f"model {model.name}: policy specific must name versions")
        return ModelSource(folder, versions=versions, labels=labels)
    return ModelSource(folder, latest=policy.latest.num_versions or 1, labels=labels)
