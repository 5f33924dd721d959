"""The files of an export and its manifest; readable without TensorFlow.

`<name>/1`, `<name>/2`, ... are the versions of a model. Each has a manifest,
`assets.extra/kerasnn.json`.
"""

import difflib
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from kerasnn.choices import ColumnKind, Task
from kerasnn.errors import InputError
from kerasnn.json_forms import (
    MAX_NAME,
    any_number,
    anything,
    check_form,
    list_of,
    mapping_of,
    nullable,
    number,
    one_of,
    parse_json,
    record,
    text,
    truth,
    whole,
)
from kerasnn.model_files import read_model_file
from kerasnn.model_paths import describe_other

MANIFEST = Path("assets.extra") / "kerasnn.json"
# TensorFlow Serving's names, shared by the export and the server.
WARM_UP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
DEFAULT_SIGNATURE = "serving_default"
INTERVAL_SIGNATURE, EXPLAIN_SIGNATURE = "interval", "explain"
CHECK_SIGNATURE = "check"
EXAMPLES_INPUT = "inputs"  # the input of signatures that take tf.Examples
DESCRIBED = ("created", "versions", "task", "network", "inputs", "outputs")
_FORMAT = 1

_NAME = text(MAX_NAME)
_TEXTS = list_of(text())
_COUNTS = list_of(whole())
_NUMBER_FORMAT = record(
    {},
    {**{k: text(20) for k in ("decimal", "thousands", "unit")}, "has_limits": truth},
    others=False,
)
_RANGE = {"low": nullable(number), "high": nullable(number)}
_TARGET_FORM = record(
    {"name": _NAME, "task": one_of(*get_args(Task))},
    {
        "reason": text(),
        "classes": _TEXTS,
        "counts": _COUNTS,
        "missing_texts": _TEXTS,
        "number_format": nullable(_NUMBER_FORMAT),
        **_RANGE,
    },
    others=False,
)
_COLUMN_FORM = record(
    {"name": _NAME, "kind": one_of(*get_args(ColumnKind))},
    {
        "reason": text(),
        "missing": whole(),
        "first": nullable(text(100)),
        "last": nullable(text(100)),
        "levels": _TEXTS,
        "counts": _COUNTS,
        "n_levels": whole(),
        "missing_texts": _TEXTS,
        "number_format": nullable(_NUMBER_FORMAT),
        "date_format": text(100),
        "repeating_only": truth,
        "has_zone": nullable(truth),
        **_RANGE,
    },
    others=False,
)
_NOTICE_FORM = record(
    {"code": text(), "message": text()},
    {"columns": list_of(_NAME), "rows": whole(), "is_warning": truth},
    others=False,
)
# What `datasets.Schema` writes.
SCHEMA_FORM = record(
    {"format": one_of(1), "columns": list_of(_COLUMN_FORM)},
    {
        "left_out": list_of(record({"name": _NAME, "reason": text()}, {}, others=False)),
        "target": nullable(_TARGET_FORM),
        "rows": whole(),
        "notices": list_of(_NOTICE_FORM),
    },
    others=False,
)
_SIZE = nullable(whole(0, 2**31))
_TENSOR_FORM = record(
    {"dtype": text(30), "shape": list_of(_SIZE, 24)},
    {"columns": list_of(_NAME), "column": _NAME},
    others=True,
)
_DESCRIBED_FORMS = {
    "created": text(100),
    "versions": mapping_of(text(100)),
    "task": text(100),
    "network": record({"class": text(1000), "weights": whole()}, {}, others=True),
    "inputs": mapping_of(_TENSOR_FORM),
    "outputs": mapping_of(_TENSOR_FORM),
}
_SIGNATURE_FORM = record(
    {
        "options": mapping_of(
            record({"input": _NAME, "default": number}, {}, others=False)
        ),
        "outputs": mapping_of(_TENSOR_FORM),
    },
    {},
    others=False,
)
# What commands read of the entries that the caller of an export adds.
METADATA_FORMS = {
    "schema": SCHEMA_FORM,
    "signatures": mapping_of(_SIGNATURE_FORM),
    "validation_rows": whole(),
    "judged_rows": whole(),  # the same, in earlier exports
    "run": text(100),
    "measured_on": text(),
    "metrics": mapping_of(anything),
    "intervals": mapping_of(nullable(list_of(any_number, 2, minimum=2))),
    **dict.fromkeys(("baselines", "settings", "training", "data"), mapping_of(anything)),
}
MANIFEST_FORM = record(
    {"format": one_of(_FORMAT), **_DESCRIBED_FORMS}, METADATA_FORMS, others=True
)


def versions(folder: Path) -> list[int]:
    """Return the version numbers in a model's folder in ascending order."""
    if not folder.is_dir():
        return []
    return sorted(
        int(p.name) for p in folder.iterdir() if _is_version(p.name) and p.is_dir()
    )


def find_version(folder: Path) -> Path:
    """Return the folder itself if it is a version, else the newest version in it.

    Raises:
        InputError: the folder does not exist, or has no version in it.
    """
    if not folder.is_dir():
        other = describe_other(folder)
        raise InputError(
            f"{folder}: {other or f'there is no such folder{_did_you_mean(folder)}'}"
        )
    if (folder / "saved_model.pb").exists():
        return folder
    numbers = versions(folder)
    if not numbers:
        other = describe_other(folder)
        if other is not None:
            raise InputError(f"{folder}: holds no SavedModel; {other}")
        raise InputError(
            f"{folder}: is not a kerasnn export: it has neither saved_model.pb nor a"
            f" version folder{_models_below(folder)}"
        )
    return folder / str(numbers[-1])


def read_manifest(version_folder: Path) -> dict[str, Any]:
    """Read the manifest of a version.

    Raises:
        InputError: it is missing or damaged, has an unknown format, or a field of another
            form than `MANIFEST_FORM`; as `read_model_file`.
    """
    path = version_folder / MANIFEST
    try:
        content = read_model_file(path, version_folder)
    except FileNotFoundError:
        raise InputError(
            f"{version_folder}: is not a kerasnn export: it has no {MANIFEST}"
        ) from None
    except OSError as error:  # such as a circle of links
        raise InputError(f"{path}: cannot be read: {error}") from None
    manifest = parse_json(content, source=path)
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise InputError(f"{path}: is not a manifest of format {_FORMAT}")
    check_form(manifest, MANIFEST_FORM, source=path)
    return cast(dict[str, Any], manifest)


def predicted_column(folder: Path) -> str | None:
    """Return the target of the newest version in a model's folder; None if not known."""
    try:
        return str(read_manifest(find_version(folder))["schema"]["target"]["name"])
    except (InputError, KeyError, TypeError):
        return None


def manifest_text(manifest: Mapping[str, Any]) -> str:
    """Return the manifest as JSON with its format number.

    Raises:
        InputError: a value cannot be written as JSON; NumPy's numbers can.
    """

    def number(value: object) -> Any:
        if isinstance(value, np.generic):
            return value.item()
        raise InputError(f"metadata must be JSON; got {value!r}")

    content = {"format": _FORMAT, **manifest}
    return json.dumps(content, indent=2, ensure_ascii=False, default=number) + "\n"


def known_validation_rows(manifest: Mapping[str, Any]) -> float:
    """Return the number of an export's validation rows; infinite if it is not known."""
    earlier: float = manifest.get("judged_rows", math.inf)
    return manifest.get("validation_rows", earlier)


def data_fingerprint(*arrays: NDArray[Any]) -> str:
    """Return a SHA-256 digest of dtypes, shapes and values."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return f"sha256:{digest.hexdigest()}"


def _is_version(name: str) -> bool:
    return name.isascii() and name.isdecimal() and name == str(int(name)) != "0"


def _models_below(folder: Path) -> str:
    names = sorted(p.name for p in folder.iterdir() if versions(p))
    return f"; the models in it are {', '.join(names)}" if names else ""


def _did_you_mean(folder: Path) -> str:
    parent = folder.parent
    names = [p.name for p in parent.iterdir() if p.is_dir()] if parent.is_dir() else []
    near = difflib.get_close_matches(folder.name, names, n=1)
    return f"; did you mean {parent / near[0]}?" if near else ""
