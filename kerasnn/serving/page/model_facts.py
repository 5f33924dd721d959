"""Facts about the models for the page, as JSON values; `routes` serves them."""

import json
import math
from pathlib import Path
from typing import Any

from kerasnn.errors import InputError
from kerasnn.graphs.program import INIT_SIGNATURE
from kerasnn.manifest import DEFAULT_SIGNATURE, MANIFEST, read_manifest
from kerasnn.serving.models.model_version import ModelVersion, VersionStatus
from kerasnn.serving.models.registry import ModelRegistry
from kerasnn.serving.saved_model.signatures import (
    Signature,
    TensorInfo,
)

REPORT = "report.html"


def all_models(models: ModelRegistry) -> dict[str, Any]:
    """Return the models with the statuses of their versions, the newest first."""
    return {
        "models": [
            {"name": name, "versions": [_status(status) for status in statuses]}
            for name, statuses in models.all_statuses().items()
        ]
    }


def one_version(version: ModelVersion) -> dict[str, Any]:
    """Return the signatures and the manifest of a version.

    `manifest` is None if the SavedModel was not exported by kerasnn. Version numbers are
    text: a browser cannot represent numbers above 2^53.
    """
    return {
        "name": version.name,
        "version": str(version.number),
        "signatures": _signatures(version),
        "manifest": manifest_of(version.folder),
        "files": sorted(shown_files(version.folder)),
    }


def shown_files(folder: Path) -> dict[str, Path]:
    """Return the files of a version that a browser may read: its report and figures.

    Links that leave the version's folder are excluded: the folder may be untrusted.
    """
    extra = folder / MANIFEST.parent
    if not extra.is_dir():
        return {}
    return {
        path.name: path
        for path in extra.iterdir()
        if (path.name == REPORT or path.suffix == ".png") and _inside(path, folder)
    }


def manifest_of(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a version; None if there is no readable one."""
    if not _inside(folder / MANIFEST, folder):
        return None
    try:
        manifest = read_manifest(folder)
    except (InputError, RecursionError):
        return None
    readable = isinstance(manifest["inputs"], dict) and isinstance(
        manifest["outputs"], dict
    )
    return manifest if readable else None


def json_text(content: Any) -> bytes:
    """Return JSON that every browser reads: non-finite numbers become null."""
    return json.dumps(_finite(content), allow_nan=False).encode()


def _status(status: VersionStatus) -> dict[str, str]:
    return {
        "version": str(status.version),
        "state": status.state,
        "code": status.code.name,
        "message": status.message,
    }


def _signatures(version: ModelVersion) -> list[dict[str, Any]]:
    """Return the signatures, the default one first."""
    signatures = [s for key, s in version.graph.signatures.items() if key != INIT_SIGNATURE]
    signatures.sort(key=lambda s: (s.key != DEFAULT_SIGNATURE, s.key))
    return [_signature(signature) for signature in signatures]


def _signature(signature: Signature) -> dict[str, Any]:
    return {
        "key": signature.key,
        "method_name": signature.method_name,
        "inputs": [_tensor(info) for _, info in sorted(signature.inputs.items())],
        "outputs": [_tensor(info) for _, info in sorted(signature.outputs.items())],
    }


def _tensor(info: TensorInfo) -> dict[str, Any]:
    """Describe a tensor; open sizes and an unknown shape are None."""
    shape = None if info.shape is None else [None if n < 0 else n for n in info.shape]
    return {"name": info.alias, "dtype": info.dtype.name, "shape": shape}


def _inside(path: Path, folder: Path) -> bool:
    return path.is_file() and path.resolve().is_relative_to(folder.resolve())


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
