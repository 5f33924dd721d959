"""What a server is told when it is started; read without TensorFlow."""

from dataclasses import dataclass, field
from pathlib import Path

STANDARD_ERROR = "-"


@dataclass(frozen=True)
class TlsFiles:
    """Files for TLS, in PEM form.

    Attributes:
        certificate: of the server, followed by those that lead to its authority.
        key: that belongs to it.
        client_authority: if given, clients need a certificate signed by one of these.
    """

    certificate: Path
    key: Path
    client_authority: Path | None = None


@dataclass(frozen=True)
class Limits:
    """The most that one request, or all that wait, may ask for.

    Attributes:
        body_bytes: of a REST request, also after it was unpacked.
        message_bytes: of a gRPC request or answer; TensorFlow Serving's own bound.
        rows: of a request: items of a list, examples, or the first dimension of a tensor.
        nesting: of lists and objects in JSON.
        waiting: requests that are computed or wait for it, over all models.
        timeout_seconds: for a request that names no deadline of its own.
    """

    body_bytes: int = 100 * 2**20
    message_bytes: int = 2**31 - 1
    rows: int = 1_000_000
    nesting: int = 100
    waiting: int = 1000
    timeout_seconds: float = 30.0


@dataclass(frozen=True)
class ServerOptions:
    """How a server listens, what it serves, and how much it takes.

    Attributes:
        folder: of models, or of one model; None: `model_config_file` tells them.
        model_config_file: a ModelServerConfig as protobuf text, read again at each look.
        latest: so many of the highest versions; None: all of them.
        versions: if there are any, these and no others.
        host: a name or address of this machine.
        rest_port: 0: any free one; None: no REST.
        grpc_port: 0: any free one; None: no gRPC.
        poll_seconds: between two looks at the disk.
        trusted: names of models whose graphs may hold operations that are refused.
        warm_up: whether warm-up requests are played.
        batching: whether requests are computed together.
        max_batch_rows: of one computation.
        batch_wait_microseconds: how long a request waits for others.
        threads: graph calls at the same time; None: one for each core.
        limits: of a request.
        cors: whether pages of other origins may ask.
        tls: None: without.
        access_log: a file, or `STANDARD_ERROR`; None: none.
        drain_seconds: for the requests that run when the server is stopped.
    """

    folder: Path | None
    model_config_file: Path | None = None
    latest: int | None = 1
    versions: tuple[int, ...] = ()
    host: str = "127.0.0.1"
    rest_port: int | None = 8501
    grpc_port: int | None = 8500
    poll_seconds: float = 1.0
    trusted: tuple[str, ...] = ()
    warm_up: bool = True
    batching: bool = True
    max_batch_rows: int = 1000
    batch_wait_microseconds: int = 0
    threads: int | None = None
    limits: Limits = field(default_factory=Limits)
    cors: bool = False
    tls: TlsFiles | None = None
    access_log: str | None = None
    drain_seconds: float = 30.0
