"""`kerasnn serve`: serve the models of a folder over REST and gRPC."""

import functools
import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerasnn.cli.console import json_option, print_json, quiet_tensorflow
from kerasnn.cli.options import Command, option
from kerasnn.cli.serve_options import (
    PortType,
    SecondsType,
    VersionsType,
    server_options,
)
from kerasnn.errors import InputError

if TYPE_CHECKING:
    from kerasnn.serving.options import ServerOptions
    from kerasnn.serving.server import Started

# Modules of the extra [serve] on every system.
NEEDED = ("starlette", "uvicorn", "httptools", "orjson", "grpc", "grpc_health")
LOGGERS = ("kerasnn", "uvicorn", "asyncio", "grpc")

LISTENING = "Options for listening"
MODELS = "Options for the models"
SPEED = "Options for speed"
LIMITS = "Options for limits of a request"
SAFETY = "Options for TLS and the log"

_option = functools.partial(option, show_default=True)


@click.command(cls=Command, short_help="Serve models over REST and gRPC.")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@json_option
@_option(
    LISTENING,
    "--rest-port",
    type=PortType(),
    default="8501",
    help="0: any free one; or off.",
)
@_option(
    LISTENING,
    "--grpc-port",
    type=PortType(),
    default="8500",
    help="0: any free one; or off.",
)
@_option(
    LISTENING,
    "--host",
    default="127.0.0.1",
    help="Name or address to listen on; 0.0.0.0 for all. Whoever reaches it may ask.",
)
@_option(
    LISTENING, "--cors", is_flag=True, help="Let pages of other origins ask from browsers."
)
@_option(
    LISTENING,
    "--drain-seconds",
    type=SecondsType(0),
    default=30.0,
    help="For the requests that run when SIGTERM or Ctrl-C stops the server.",
)
@_option(
    MODELS,
    "--versions",
    type=VersionsType(),
    multiple=True,
    default=("latest",),
    metavar="latest|all|N",
    help="Which versions of each model; a number may be given several times.",
)
@_option(
    MODELS,
    "--model-config-file",
    type=click.Path(path_type=Path),
    help="TensorFlow Serving's file of models, instead of FOLDER.",
)
@_option(
    MODELS,
    "--poll-seconds",
    type=SecondsType(0.01),
    default=1.0,
    help="Between two looks for new versions.",
)
@_option(
    MODELS,
    "--trust",
    multiple=True,
    metavar="MODEL",
    help="Serve it even if its graph reads or writes files, or runs Python. Several times.",
)
@_option(MODELS, "--no-warm-up", is_flag=True, help="Do not play warm-up requests.")
@_option(SPEED, "--no-batching", is_flag=True, help="Compute each request by itself.")
@_option(
    SPEED,
    "--max-batch-rows",
    type=click.IntRange(1),
    default=1000,
    help="Rows that are computed together.",
)
@_option(
    SPEED,
    "--batch-wait-us",
    type=click.IntRange(0),
    default=0,
    help="Microseconds that a request waits for others.",
)
@_option(
    SPEED,
    "--threads",
    type=click.IntRange(1),
    help="Graph calls at the same time.  [default: the cores]",
)
@_option(
    LIMITS,
    "--max-body-bytes",
    type=click.IntRange(1),
    default=100 * 2**20,
    help="REST: of a request, unpacked.",
)
@_option(
    LIMITS, "--max-rows", type=click.IntRange(1), default=1_000_000, help="Of a request."
)
@_option(
    LIMITS,
    "--max-nesting",
    type=click.IntRange(1),
    default=100,
    help="Of lists and objects in JSON.",
)
@_option(
    LIMITS,
    "--max-waiting",
    type=click.IntRange(1),
    default=1000,
    help="Requests that wait or are computed, of all clients.",
)
@_option(
    LIMITS,
    "--timeout-seconds",
    type=SecondsType(0, min_open=True),
    default=30.0,
    help="For a request to arrive, and again for its answer.",
)
@_option(SAFETY, "--tls-cert", type=click.Path(path_type=Path), help="PEM file.")
@_option(SAFETY, "--tls-key", type=click.Path(path_type=Path), help="PEM file.")
@_option(
    SAFETY,
    "--tls-client-ca",
    type=click.Path(path_type=Path),
    help="PEM file; clients then need a certificate that it has signed.",
)
@_option(
    SAFETY,
    "--access-log",
    metavar="FILE",
    help="A line of JSON for each request; - for standard error.",
)
def serve(as_json: bool, **given: Any) -> None:
    """Answer requests for the models in FOLDER, as TensorFlow Serving does.

    FOLDER holds models, each a folder of numbered versions; or it is one model. Any
    SavedModel is served. New versions are taken up by themselves. Open the REST port in a
    browser to try the models.
    """
    check_extra()
    options = server_options(given)
    from kerasnn.serving.ports import bound_ports, is_loopback
    from kerasnn.serving.tls import read_tls

    tls = None if options.tls is None else read_tls(options.tls)
    with bound_ports(options) as ports:
        log_to_standard_error()
        if not is_loopback(options.host):
            click.echo(
                f"Note: whoever reaches {options.host} may ask the models; there are no"
                f" passwords{'' if tls else ', and no TLS'}",
                err=True,
            )
        # Otherwise gRPC writes a line for each client that does not speak TLS.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        with quiet_tensorflow(), without_keras():
            from kerasnn.serving.server import run_server

        def announce(started: "Started") -> None:
            # From now on, log new and retired versions as well.
            logging.getLogger("kerasnn.serving").setLevel(logging.INFO)
            tell(started, options, as_json=as_json)

        status = run_server(options, ports, tls=tls, announce=announce)
    raise SystemExit(status)


@contextmanager
def without_keras() -> Iterator[None]:
    """Context manager in which TensorFlow is imported without Keras, unused by a server.

    At the end of its import TensorFlow 2.21 loads Keras, and with it pandas, scikit-learn
    and matplotlib: 2.3 s and 700 MB instead of 1.3 s and 530 MB. If Keras cannot be
    imported, TensorFlow continues; it imports `tf.keras` when that is first used.
    """
    if "keras" in sys.modules:
        yield
        return
    sys.modules["keras"] = None  # type: ignore[assignment]  # cannot be imported
    try:
        yield
    finally:
        del sys.modules["keras"]


def check_extra() -> None:
    """Raise InputError if the extra is not installed; loads nothing."""
    if any(importlib.util.find_spec(module) is None for module in NEEDED):
        raise InputError(
            "kerasnn serve needs packages that are not installed. In a checkout of"
            ' kerasnn, run python -m pip install ".[serve]"'
        )


def log_to_standard_error() -> None:
    """Log warnings and errors to standard error, with the time."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    for name in LOGGERS:
        logging.getLogger(name).addHandler(handler)


def tell(started: "Started", options: "ServerOptions", *, as_json: bool) -> None:
    """Print the addresses and the number of the models."""
    from kerasnn.serving.ports import address

    scheme = "http" if options.tls is None else "https"
    places = []
    if started.rest_port is not None:
        places.append(f"REST {scheme}://{address(options.host, started.rest_port)}")
    if started.grpc_port is not None:
        places.append(f"gRPC {address(options.host, started.grpc_port)}")
    if as_json:
        ports = {"rest_port": started.rest_port, "grpc_port": started.grpc_port}
        print_json({"host": options.host, **ports, "models": started.models})
        return
    available = sum(bool(versions) for versions in started.models.values())
    count = len(started.models)
    models = f"{available} of {count}" if available < count else f"{count}"
    click.echo(
        f"Serving {models} model{'' if count == 1 else 's'}: {', '.join(places)}"
        " (Ctrl-C stops)"
    )
