"""The folders of models, and which of their versions to serve.

Names come from listing folders and from the operator's configuration, never from a
request, so no request can leave a folder. Links are followed, as in TensorFlow Serving:
whoever may write into the folder decides what is served.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from kerasnn.errors import InputError
from kerasnn.model_paths import describe_other
from kerasnn.serving.errors import ServingError, invalid

MAX_VERSION = 2**63 - 1
PLATFORM = "tensorflow"


@dataclass(frozen=True)
class ModelSource:
    """A model's folder, and which of its versions to serve.

    Attributes:
        folder: holds version folders.
        latest: number of the highest versions to serve; None: all.
        versions: if not empty, exactly these versions.
        labels: version numbers by label.
    """

    folder: Path
    latest: int | None = 1
    versions: tuple[int, ...] = ()
    labels: Mapping[str, int] = field(default_factory=dict)

    def wanted(self, there: Mapping[int, Path]) -> dict[int, Path]:
        """Return the versions to serve of those on the disk, the highest first."""
        if self.versions:
            return {n: path for n, path in there.items() if n in self.versions}
        return dict(list(there.items())[: self.latest])


Sources = Mapping[str, ModelSource]


def version_folders(folder: Path) -> dict[int, Path]:
    """Return the versions in a folder by number, the highest first.

    Every sub-folder whose name is a whole number is a version; leading zeros are allowed.
    If two names have the same number, the one without zeros counts.

    Raises:
        OSError: the folder exists and cannot be listed. The caller should keep the
            versions found before: a disk that does not answer has not lost its models.
    """
    try:
        paths = [path for path in folder.iterdir() if is_version(path.name)]
    except (FileNotFoundError, NotADirectoryError):
        return {}
    paths.sort(key=lambda path: path.name)  # "01" before "1"
    numbers = {int(path.name): path for path in paths if path.is_dir()}
    return dict(sorted(numbers.items(), reverse=True))


def is_version(name: str) -> bool:
    """Return whether a folder's name is the number of a version."""
    return name.isascii() and name.isdecimal() and int(name) <= MAX_VERSION


def folder_sources(
    folder: Path, *, latest: int | None = 1, versions: tuple[int, ...] = ()
) -> Callable[[], Sources]:
    """Return a function that lists the models under a folder at each call.

    Args:
        folder: of models, each a sub-folder with versions; or of one model, which then
            has the name of its folder.
        latest: see `ModelSource`.
        versions: see `ModelSource`.

    Returns:
        A function that raises OSError if the folder cannot be listed.
    """
    # The process may change its working directory later; "." needs a name.
    folder = folder.absolute()

    def look() -> Sources:
        paths = [folder] if version_folders(folder) else _model_folders(folder)
        return {
            path.name: ModelSource(path, latest=latest, versions=versions) for path in paths
        }

    return look


def _model_folders(folder: Path) -> list[Path]:
    """Return the sub-folders that hold versions.

    Names that begin with a dot are work in progress; a request cannot contain names that
    are not Unicode.
    """
    try:
        paths = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [
        path
        for path in paths
        if not path.name.startswith(".") and _is_unicode(path.name) and _has_versions(path)
    ]


def _has_versions(folder: Path) -> bool:
    try:
        return bool(version_folders(folder))
    except PermissionError:
        return False  # another user's, such as lost+found


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def parse_config(text: str) -> Sources:
    """Parse TensorFlow Serving's configuration of models.

    Args:
        text: a `ModelServerConfig` with a `model_config_list`, as protobuf text.

    Raises:
        InputError: the text is no such configuration.
    """
    config = model_server_config_pb2.ModelServerConfig()
    try:
        text_format.Parse(text, config)
    except text_format.ParseError as error:
        raise InputError(
            f"Error parsing text-format tensorflow.serving.ModelServerConfig: {error}"
        ) from None
    try:
        return sources_from_config(config)
    except ServingError as error:
        raise InputError(error.message) from None


def sources_from_config(config: Any) -> Sources:
    """Return the models of a `ModelServerConfig` message.

    Raises:
        ServingError: INVALID_ARGUMENT, it cannot be served; with TensorFlow Serving's text
            if it has one.
    """
    if config.WhichOneof("config") != "model_config_list":
        raise invalid("a ModelServerConfig must have a model_config_list; this has none")
    sources: dict[str, ModelSource] = {}
    for model in config.model_config_list.config:
        if model.name in sources:
            raise invalid(
                f"Illegal to list model {model.name} multiple times in config list"
            )
        sources[model.name] = _source(model)
    return sources


def _source(model: Any) -> ModelSource:
    if not model.name:
        raise invalid("each model of a model_config_list must have a name; one has none")
    _check_platform(model)
    folder = Path(model.base_path)
    if not folder.is_absolute():
        raise invalid(
            f"Expected model {model.name} to have an absolute path or URI; got base_path()="
            f"{model.base_path}{_way_out(folder)}"
        )
    return ModelSource(folder, **_policy(model), labels=dict(model.version_labels))


def _way_out(folder: Path) -> str:
    other = describe_other(folder)
    return "" if other is None else f"; it {other}"


def _check_platform(model: Any) -> None:
    platform = model.model_platform
    if model.model_type != model_server_config_pb2.MODEL_TYPE_UNSPECIFIED:
        if platform:
            raise invalid(
                "Illegal setting both ModelServerConfig::model_type (deprecated) and"
                f" ModelServerConfig::model_platform, model name is {model.name}"
            )
        platform = model_server_config_pb2.ModelType.Name(model.model_type).lower()
    if not platform:
        raise invalid(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor"
            f" ModelServerConfig::model_platform, model name is {model.name}"
        )
    if platform != PLATFORM:
        raise invalid(
            f'the model_platform of model {model.name} must be "{PLATFORM}";'
            f' got "{platform}"'
        )


def _policy(model: Any) -> dict[str, Any]:
    """Return the version policy as arguments of `ModelSource`."""
    policy = model.model_version_policy
    kind = policy.WhichOneof("policy_choice")
    if kind == "all":
        return {"latest": None}
    if kind == "specific":
        if not policy.specific.versions:
            raise invalid(
                f"model {model.name}: the policy specific must name versions; it names none"
            )
        return {"versions": tuple(policy.specific.versions)}
    return {"latest": policy.latest.num_versions or 1}
