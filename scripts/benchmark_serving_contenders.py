"""Who takes part in the benchmark of serving, and how each is started.

All serve the same SavedModel of one network in one worker, take the same body
`{"instances": [[...]]}` and answer `{"predictions": [...]}`, or speak the same gRPC
protocol. The peers' small programs are in `serving_peers/`, each written as the peer's own
documentation writes it; they run in an environment of their own (`--peer-python`).
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from serving_process import Process

PEERS = Path(__file__).parent / "serving_peers"
PEER_PACKAGES = (
    "tensorflow tensorflow-serving-api grpcio fastapi uvicorn uvloop httptools litserve"
    " bentoml"
)
NAME, SIGNATURE = "digits", "serving_default"


@dataclass(frozen=True)
class Started:
    """What a contender is started with.

    Attributes:
        python: the interpreter of its environment.
        folder: `<folder>/digits/1` is the SavedModel.
        rest_port: where it must answer over REST, if it does.
        grpc_port: where it must answer over gRPC, if it does.
    """

    python: str
    folder: Path
    rest_port: int
    grpc_port: int

    @property
    def model(self) -> str:
        """The SavedModel's own folder."""
        return str(self.folder / NAME / "1")


@dataclass(frozen=True)
class Contender:
    """One server.

    Attributes:
        name: as in `--peers`.
        title: as in the table.
        command: that starts it.
        rest_path: where it predicts over REST; None if it does not.
        grpc: whether it answers over gRPC.
        needs: packages that its environment must have.
        ours: whether it runs in this environment, not the peers'.
    """

    name: str
    title: str
    command: Callable[[Started], Sequence[str]] = field(repr=False)
    rest_path: str | None = None
    grpc: bool = False
    needs: tuple[str, ...] = ()
    ours: bool = False

    def start(self, started: Started) -> Process:
        """The running server, which may not listen yet."""
        process = Process(
            self.command(started), environment={"MODEL": started.model}, folder=PEERS
        )
        process.forget_output()
        return process

    def lacks(self, peer_python: str) -> list[str]:
        """The packages that the peers' environment does not have."""
        code = (
            "import importlib.util, sys;"
            "print(*[n for n in sys.argv[1:] if importlib.util.find_spec(n) is None])"
        )
        done = subprocess.run(
            [peer_python, "-c", code, *self.needs],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()


def left_out_line(contender: Contender, packages: Sequence[str]) -> str:
    """Why it is not in the table, and the way out."""
    return (
        f"{contender.title}: left out, {', '.join(packages)} not installed; make an"
        " environment of the peers (python -m venv peers; peers/bin/pip install -c"
        f" constraints.txt {PEER_PACKAGES}) and name it: --peer-python peers/bin/python"
    )


def _kerasnn(*options: str) -> Callable[[Started], Sequence[str]]:
    def command(started: Started) -> Sequence[str]:
        ports = ["--rest-port", str(started.rest_port)]
        ports += ["--grpc-port", str(started.grpc_port)]
        serve = [sys.executable, "-m", "kerasnn", "serve", str(started.folder)]
        return [*serve, *ports, *options]

    return command


def _fastapi(started: Started) -> Sequence[str]:
    options = ["--no-access-log", "--log-level", "warning"]
    port = ["--port", str(started.rest_port)]
    return [started.python, "-m", "uvicorn", "fastapi_app:app", *port, *options]


def _litserve(max_batch_size: int) -> Callable[[Started], Sequence[str]]:
    def command(started: Started) -> Sequence[str]:
        arguments = [str(started.rest_port), str(max_batch_size)]
        return [started.python, "litserve_app.py", *arguments]

    return command


def _bentoml(started: Started) -> Sequence[str]:
    where = ["--host", "127.0.0.1", "--port", str(started.rest_port)]
    serve = [started.python, "-m", "bentoml", "serve", "bentoml_app:Digits"]
    return [*serve, *where, "--quiet"]


def _grpc(kind: str) -> Callable[[Started], Sequence[str]]:
    def command(started: Started) -> Sequence[str]:
        return [started.python, "grpc_app.py", str(started.grpc_port), kind]

    return command


PREDICT_PATH = f"/v1/models/{NAME}:predict"
FASTAPI = ("fastapi", "uvicorn", "uvloop", "httptools", "tensorflow")
GRPC = ("grpc", "tensorflow_serving", "tensorflow")
OURS = Contender("kerasnn", "kerasnn serve", _kerasnn(), PREDICT_PATH, grpc=True, ours=True)
CONTENDERS = (
    OURS,
    Contender(
        "kerasnn-alone",
        "kerasnn serve --no-batching",
        _kerasnn("--no-batching"),
        PREDICT_PATH,
        grpc=True,
        ours=True,
    ),
    Contender("fastapi", "FastAPI, def", _fastapi, "/predict", needs=FASTAPI),
    Contender(
        "fastapi-async", "FastAPI, async def", _fastapi, "/predict-async", needs=FASTAPI
    ),
    Contender(
        "litserve", "LitServe", _litserve(1), "/predict", needs=("litserve", "tensorflow")
    ),
    Contender(
        "litserve-batch",
        "LitServe, batches of up to 64",
        _litserve(64),
        "/predict",
        needs=("litserve", "tensorflow"),
    ),
    Contender("bentoml", "BentoML", _bentoml, "/predict", needs=("bentoml", "tensorflow")),
    Contender("grpc-aio", "grpc.aio + tf.function", _grpc("aio"), grpc=True, needs=GRPC),
    Contender(
        "grpc-threads",
        "grpc, 8 threads + tf.function",
        _grpc("threads"),
        grpc=True,
        needs=GRPC,
    ),
)
