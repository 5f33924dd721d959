"""`kerasnn serve`: serve the models of a folder over REST and gRPC."""

import functools
import importlib.util
import logging
import os
from typing import TYPE_CHECKING, Any

import click

from kerasnn.cli.console import (
    echo_line,
    json_option,
    print_json,
    quiet_tensorflow,
    without_keras,
)
from kerasnn.cli.options import PATH, Command, at_least, known_ops, option
from kerasnn.cli.serve.options import (
    PortType,
    SecondsType,
    VersionsType,
    server_options,
)
from kerasnn.errors import InputError, printable

if TYPE_CHECKING:
    from kerasnn.serving.options import ServerOptions
    from kerasnn.serving.server import Started

# Modules of the extra [serve] on every system.
NEEDED = ("starlette", "uvicorn", "httptools", "orjson", "grpc", "grpc_health")
LOGGERS = ("kerasnn", "uvicorn", "asyncio", "grpc")

_option = functools.partial(option, show_default=True)
listening_option = functools.partial(_option, heading="Options for listening")
models_option = functools.partial(_option, heading="Options for the models")
speed_option = functools.partial(_option, heading="Options for speed")
limits_option = functools.partial(_option, heading="Options for limits of a request")
safety_option = functools.partial(_option, heading="Options for TLS and the log")


@click.command(cls=Command, short_help="Serve models over REST and gRPC.")
@click.argument("folder", type=PATH, required=False)
@json_option
@listening_option("--rest-port", PortType(), "0: any free one; or off.", default="8501")
@listening_option("--grpc-port", PortType(), "0: any free one; or off.", default="8500")
@listening_option(
    "--host",
    str,
    "Name or address to listen on; 0.0.0.0 for all. Anyone who can reach it may send"
    " requests.",
    default="127.0.0.1",
)
@listening_option(
    "--allow-origin",
    str,
    "Let pages of this origin ask from browsers; * for all. May be repeated.",
    multiple=True,
    metavar="ORIGIN",
)
@listening_option(
    "--allow-host",
    str,
    "A name under which browsers reach the server. May be repeated.",
    multiple=True,
    metavar="NAME",
)
@listening_option(
    "--drain-seconds",
    SecondsType(0),
    "For the requests that run when SIGTERM or Ctrl-C stops the server.",
    default=30.0,
)
@models_option(
    "--versions",
    VersionsType(),
    "Which versions of each model; a number may be given several times.",
    multiple=True,
    default=("latest",),
    metavar="latest|all|N",
)
@models_option(
    "--model-config-file", PATH, "TensorFlow Serving's file of models, instead of FOLDER."
)
@models_option(
    "--poll-seconds", SecondsType(0.01), "Between two looks for new versions.", default=1.0
)
@models_option(
    "--allow",
    str,
    "An operation such as ReadFile that the graphs of --model, as they are now, may have"
    " although it is not safe. May be repeated.",
    multiple=True,
    metavar="OP",
    callback=known_ops,
)
@models_option(
    "--model",
    str,
    "A model to which --allow applies. May be repeated.",
    multiple=True,
    metavar="NAME",
)
@models_option("--no-warm-up", None, "Do not play warm-up requests.", is_flag=True)
@speed_option("--no-batching", None, "Compute each request by itself.", is_flag=True)
@speed_option(
    "--max-batch-rows", at_least(1), "Rows that are computed together.", default=1000
)
@speed_option(
    "--batch-wait-us",
    at_least(0),
    "Microseconds that a request waits for others.",
    default=0,
)
@speed_option(
    "--batching-parameters-file", PATH, "TensorFlow Serving's file, instead of the others."
)
@speed_option(
    "--threads", at_least(1), "Calls of a model at the same time.  [default: the cores]"
)
@limits_option(
    "--max-body-bytes", at_least(1), "REST: of a request, unpacked.", default=100 * 2**20
)
@limits_option("--max-message-bytes", at_least(1), "gRPC: of a request.", default=2**24)
@limits_option(
    "--max-bytes-in-flight",
    at_least(1),
    "Of all requests that come or are answered.",
    default=2**29,
)
@limits_option("--max-rows", at_least(1), "Of a request.", default=1_000_000)
@limits_option("--max-nesting", at_least(1), "Of lists and objects in JSON.", default=100)
@limits_option(
    "--max-waiting",
    at_least(1),
    "Requests to a model that wait or are computed.",
    default=1000,
)
@limits_option(
    "--timeout-seconds",
    SecondsType(0, min_open=True),
    "For a request to arrive, and again for its answer.",
    default=30.0,
)
@safety_option("--tls-cert", PATH, "PEM file.")
@safety_option("--tls-key", PATH, "PEM file.")
@safety_option(
    "--tls-client-ca", PATH, "PEM file; clients then need a certificate that it has signed."
)
@safety_option(
    "--access-log",
    str,
    "A line of JSON for each request; - for standard error.",
    metavar="FILE",
)
def serve(as_json: bool, **given: Any) -> None:
    """Answer requests for the models in FOLDER, as TensorFlow Serving does.

    FOLDER holds models, each a folder of numbered versions; or it is one model. Any
    SavedModel is served. New versions are taken up by themselves. Open the REST port in a
    browser to try the models.

    A SavedModel is a program. One whose graph has operations that can reach files, other
    machines or Python, or that are unknown, is refused.
    """
    check_extra()
    options = server_options(given)
    from kerasnn.serving.ports import bound_ports, is_loopback
    from kerasnn.serving.tls import read_tls

    tls = None if options.tls is None else read_tls(options.tls)
    with bound_ports(options) as ports:
        log_to_standard_error()
        if not is_loopback(options.host):
            echo_line(
                f"Note: anyone who can reach {options.host} may send requests; there are no"
                f" passwords{'' if tls else ', and no TLS'}",
                err=True,
            )
        # Otherwise gRPC writes a line for each client that does not speak TLS.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        with quiet_tensorflow(status=0), without_keras():
            from kerasnn.serving.server import run_server

        def announce(started: "Started") -> None:
            # From now on, log new and retired versions as well.
            logging.getLogger("kerasnn.serving").setLevel(logging.INFO)
            tell(started, options, as_json=as_json)

        status = run_server(options, ports, tls=tls, announce=announce)
    raise SystemExit(status)


def check_extra() -> None:
    """Raise InputError if the extra is not installed; loads nothing."""
    if any(importlib.util.find_spec(module) is None for module in NEEDED):
        raise InputError(
            "kerasnn serve needs packages that are not installed. In a checkout of"
            ' kerasnn, run python -m pip install ".[serve]"'
        )


class _LineFormatter(logging.Formatter):
    """Escapes control characters, which requests and models may bring into a message."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """See `logging.Formatter`; a traceback is added after this."""
        return printable(super().formatMessage(record))


def log_to_standard_error() -> None:
    """Log warnings and errors to standard error, with the time."""
    handler = logging.StreamHandler()
    handler.setFormatter(_LineFormatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
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
    echo_line(
        f"Serving {models} model{'' if count == 1 else 's'}: {', '.join(places)}"
        " (Ctrl-C stops)"
    )
