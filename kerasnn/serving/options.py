"""Options of a server; readable without TensorFlow."""

from dataclasses import dataclass, field
from pathlib import Path

STANDARD_ERROR = "-"


@dataclass(frozen=True)
class TlsFiles:
    """Files for TLS, in PEM form.

    Attributes:
        certificate: the server's, followed by the chain to its authority.
        key: of the certificate.
        client_authority: if given, clients need a certificate that it has signed.
    """

    certificate: Path
    key: Path
    client_authority: Path | None = None


@dataclass(frozen=True)
class Limits:
    """Limits of one request, and of all waiting requests.

    Attributes:
        body_bytes: of a REST request, also after decompression.
        message_bytes: of a gRPC request.
        bytes_in_flight: of all requests that are being received or answered.
        rows: of a request: items of a list, examples, or the first dimension of a tensor;
            not the numbers of a single input of rank 1, which may be one signal.
        nesting: of lists and objects in JSON.
        waiting: number of requests of a model that run or wait.
        timeout_seconds: for a request without a deadline.
    """

    body_bytes: int = 100 * 2**20
    message_bytes: int = 16 * 2**20
    bytes_in_flight: int = 512 * 2**20
    rows: int = 1_000_000
    nesting: int = 100
    waiting: int = 1000
    timeout_seconds: float = 30.0


@dataclass(frozen=True)
class ServerOptions:
    """Options of a server: where it listens, what it serves, and its limits.

    Attributes:
        folder: of models, or of one model; None: `model_config_file` lists the models.
        model_config_file: a ModelServerConfig as protobuf text, read again at each refresh.
        latest: number of the highest versions to serve; None: all.
        versions: if not empty, exactly these versions.
        host: a name or address of this machine.
        rest_port: 0: any free one; None: no REST.
        grpc_port: 0: any free one; None: no gRPC.
        poll_seconds: between two refreshes from the disk.
        allow: types of unsafe operations that the graphs of `allow_models` may hold.
        allow_models: names of models.
        warm_up: whether warm-up requests are replayed.
        batching: whether requests are joined.
        max_batch_rows: of one joined call.
        max_request_rows: of a request that could be joined; None: any.
        batch_sizes: numbers of rows that joined calls are filled up to; any, if empty.
        batch_wait_microseconds: how long a request waits for others.
        threads: number of parallel calls of a model; None: one for each core.
        limits: of a request.
        allowed_hosts: names of the server for browsers, beside the usual ones.
        allowed_origins: whose pages may send requests; "*" for all.
        tls: None: no TLS.
        access_log: a file, or `STANDARD_ERROR`; None: no log.
        drain_seconds: time for running requests when the server is stopped.
    """

    folder: Path | None
    model_config_file: Path | None = None
    latest: int | None = 1
    versions: tuple[int, ...] = ()
    host: str = "127.0.0.1"
    rest_port: int | None = 8501
    grpc_port: int | None = 8500
    poll_seconds: float = 1.0
    allow: tuple[str, ...] = ()
    allow_models: tuple[str, ...] = ()
    warm_up: bool = True
    batching: bool = True
    max_batch_rows: int = 1000
    max_request_rows: int | None = None
    batch_sizes: tuple[int, ...] = ()
    batch_wait_microseconds: int = 0
    threads: int | None = None
    limits: Limits = field(default_factory=Limits)
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    tls: TlsFiles | None = None
    access_log: str | None = None
    drain_seconds: float = 30.0
