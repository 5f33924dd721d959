"""Options of `kerasnn serve`: their types, and their conversion to ServerOptions."""

import difflib
import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerasnn.errors import InputError
from kerasnn.model_paths import describe_other

if TYPE_CHECKING:
    from kerasnn.serving.batching_file import BatchingParameters
    from kerasnn.serving.options import ServerOptions, TlsFiles


class PortType(click.ParamType):
    """A port; 0 for any free one, `off` for none."""

    name = "port"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        """Convert text to a number; `off` to None."""
        if value == "off":
            return None
        text = str(value)
        if not (text.isascii() and text.isdecimal() and int(text) < 2**16):
            self.fail(
                f"{text!r} is neither a port (1 to 65535), nor 0 for any free one, nor off",
                param,
                ctx,
            )
        return int(text)


class VersionsType(click.ParamType):
    """Which versions of a model: `latest`, `all`, or a number."""

    name = "versions"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | int:
        """Convert text to a number, or keep a word."""
        text = str(value)
        if text in ("latest", "all"):
            return text
        if not (text.isascii() and text.isdecimal() and int(text) < 2**63):
            self.fail(f"{text!r} is neither latest, nor all, nor a number", param, ctx)
        return int(text)


class SecondsType(click.FloatRange):
    """A finite length of time."""

    name = "seconds"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Convert text to a number."""
        number = float(super().convert(value, param, ctx))  # type: ignore[arg-type]
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        return number


def server_options(given: Mapping[str, Any]) -> "ServerOptions":
    """Convert the command's parameters to ServerOptions.

    Args:
        given: the parameters of the command by name.

    Raises:
        UsageError: options exclude each other.
        InputError: the folder has no models.
    """
    from kerasnn.serving.options import Limits, ServerOptions

    if given["rest_port"] is None and given["grpc_port"] is None:
        raise click.UsageError("--rest-port and --grpc-port must not both be off")
    latest, versions = _versions(given["versions"])
    tls = _tls(given["tls_cert"], given["tls_key"], given["tls_client_ca"])
    if given["model_config_file"] is not None and given["versions"] != ("latest",):
        raise click.UsageError("--versions is for FOLDER; the file of models names its own")
    _check_source(given["folder"], given["model_config_file"])
    batching = _batching(given)
    if bool(given["allow"]) != bool(given["model"]):
        raise click.UsageError(
            "--allow and --model go together: which operations, and for which models"
        )
    return ServerOptions(
        folder=given["folder"],
        model_config_file=given["model_config_file"],
        latest=latest,
        versions=versions,
        host=given["host"],
        rest_port=given["rest_port"],
        grpc_port=given["grpc_port"],
        poll_seconds=given["poll_seconds"],
        allow=given["allow"],
        allow_models=given["model"],
        warm_up=not given["no_warm_up"],
        batching=not given["no_batching"],
        max_batch_rows=batching.batch_rows,
        max_request_rows=batching.request_rows,
        batch_sizes=batching.batch_sizes,
        batch_wait_microseconds=batching.wait_microseconds or 0,
        threads=batching.threads,
        limits=Limits(
            body_bytes=given["max_body_bytes"],
            message_bytes=given["max_message_bytes"],
            bytes_in_flight=given["max_bytes_in_flight"],
            rows=given["max_rows"],
            nesting=given["max_nesting"],
            waiting=batching.waiting or given["max_waiting"],
            timeout_seconds=given["timeout_seconds"],
        ),
        allowed_hosts=given["allow_host"],
        allowed_origins=given["allow_origin"],
        tls=tls,
        access_log=given["access_log"],
        drain_seconds=given["drain_seconds"],
    )


def _versions(given: tuple[str | int, ...]) -> tuple[int | None, tuple[int, ...]]:
    """Return the number of latest versions, and the chosen numbers."""
    numbers = tuple(sorted({each for each in given if isinstance(each, int)}))
    words = {each for each in given if isinstance(each, str)}
    if numbers and not words:
        return None, numbers
    if len(words) == 1 and not numbers:
        return (1 if words == {"latest"} else None), ()
    raise click.UsageError(
        "--versions is latest, or all, or numbers (--versions 3 --versions 5); got"
        f" {', '.join(map(str, given))}"
    )


def _batching(given: Mapping[str, Any]) -> "BatchingParameters":
    """Return the parameters of the file of batching, or of the other options.

    Raises:
        UsageError: both are given.
    """
    from kerasnn.serving.batching_file import BatchingParameters, read_batching_file

    file = given["batching_parameters_file"]
    others = BatchingParameters(
        batch_rows=given["max_batch_rows"],
        request_rows=None,
        wait_microseconds=given["batch_wait_us"],
        threads=given["threads"],
    )
    if file is None:
        return others
    if given["no_batching"] or others != BatchingParameters(
        request_rows=None, wait_microseconds=0
    ):
        raise click.UsageError(
            "--batching-parameters-file takes the place of --no-batching, --max-batch-rows,"
            " --batch-wait-us and --threads; give one or the other"
        )
    return read_batching_file(file)


def _tls(cert: Path | None, key: Path | None, authority: Path | None) -> "TlsFiles | None":
    from kerasnn.serving.options import TlsFiles

    if cert is not None and key is not None:
        return TlsFiles(cert, key, authority)
    if cert is not None or key is not None:
        raise click.UsageError("--tls-cert and --tls-key go together")
    if authority is not None:
        raise click.UsageError("--tls-client-ca needs --tls-cert and --tls-key")
    return None


def _check_source(folder: Path | None, config: Path | None) -> None:
    """Raise if there is nothing to serve, before TensorFlow is loaded."""
    if (folder is None) == (config is None):
        raise click.UsageError("Give either FOLDER or --model-config-file")
    if folder is None:
        return
    other = describe_other(folder)
    if not folder.is_dir():
        raise InputError(
            f"{folder}: {other or f'there is no such folder{_did_you_mean(folder)}'}"
        )
    if _has_versions(folder) or any(_has_versions(path) for path in folder.iterdir()):
        return
    if (folder / "saved_model.pb").exists():
        raise InputError(f"{folder}: {_describe_version(folder.absolute())}")
    raise InputError(
        f"{folder}: holds no model; "
        + (other or f"expected {folder}/NAME/1/saved_model.pb or {folder}/1/saved_model.pb")
    )


def _describe_version(folder: Path) -> str:
    """Return what to do with a folder that is a SavedModel itself."""
    if folder.name.isdecimal():
        return (
            f"is one version of a model; give its model's folder, {folder.parent}, and"
            f" --versions {folder.name}"
        )
    name, source = shlex.quote(folder.name), shlex.quote(str(folder))
    return (
        "is a SavedModel without a version, whose folder must be a number:"
        f" mkdir -p models/{name}; cp -r {source} models/{name}/1; kerasnn serve models"
    )


def _has_versions(folder: Path) -> bool:
    """Return whether a folder has a sub-folder whose name is a number."""
    return folder.is_dir() and any(
        path.name.isascii() and path.name.isdecimal() and path.is_dir()
        for path in folder.iterdir()
    )


def _did_you_mean(folder: Path) -> str:
    parent = folder.parent
    names = [p.name for p in parent.iterdir() if p.is_dir()] if parent.is_dir() else []
    near = difflib.get_close_matches(folder.name, names, n=1)
    return f"; did you mean {parent / near[0]}?" if near else ""
