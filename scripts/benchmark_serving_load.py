"""The load: closed loops of keep-alive clients in a process of their own.

REST is loaded by wrk, one thread in C. gRPC is loaded by this file as a program, Python
clients of grpc.aio with ready-made bytes:

    python scripts/benchmark_serving_load.py PORT CLIENTS SECONDS REQUEST_FILE

Both count their own CPU time from the same cores that the server has; the Python clients
take several times as much of it as wrk.
"""

import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PREDICT = "/tensorflow.serving.PredictionService/Predict"
# Latencies are in microseconds; wrk corrects them for requests it could not send in time.
WRK_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[{body}]==]
function done(summary, latency, requests)
  local e = summary.errors
  local form = '{{"requests": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f,'
  io.write(string.format(
    '\\n' .. form .. ' "errors": %d}}\\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def find_wrk() -> str:
    """Where wrk is.

    Raises:
        RuntimeError: it is not installed.
    """
    path = shutil.which("wrk")
    if path is None:
        raise RuntimeError(
            "The load over REST is made by wrk, which was not found;"
            " install it (apt-get install wrk, brew install wrk)"
        )
    return path


def write_wrk_script(body: str, folder: Path) -> Path:
    """A Lua file that makes wrk send this body and print one line of JSON."""
    path = folder / "post.lua"
    path.write_text(WRK_SCRIPT.format(body=body))
    return path


def load_rest(url: str, script: Path, *, clients: int, seconds: float) -> dict[str, float]:
    """What so many clients got: requests, seconds, p50_ms, p99_ms, errors.

    Raises:
        RuntimeError: wrk failed; with what it said.
    """
    command = [find_wrk(), "-t", "1", "-c", str(clients), "-d", f"{seconds:.0f}s"]
    command += ["--latency", "--timeout", "30s", "-s", str(script), url]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise RuntimeError(f"wrk: {done.stdout}{done.stderr}")
    return json.loads(lines[-1])


def load_grpc(
    port: int, request: Path, *, clients: int, seconds: float
) -> dict[str, float]:
    """As `load_rest`, of Python clients; "client_cpu_seconds" is what they used.

    Raises:
        RuntimeError: the process of the clients failed; with what it said.
    """
    arguments = [str(port), str(clients), str(seconds), str(request)]
    done = subprocess.run(
        [sys.executable, __file__, *arguments], capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"gRPC clients: {done.stderr}")
    return json.loads(done.stdout)


async def one_client(
    port: int, request: bytes, until: float, latencies: list[float]
) -> int:
    """Ask again and again; the number of errors."""
    import grpc

    # Its own connection: channels with equal options would share one.
    options = [("grpc.use_local_subchannel_pool", 1)]
    errors = 0
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        predict = channel.unary_unary(PREDICT)
        while (sent := time.perf_counter()) < until:
            try:
                await predict(request)
            except grpc.aio.AioRpcError:
                errors += 1
            latencies.append(time.perf_counter() - sent)
    return errors


async def all_clients(port: int, clients: int, seconds: float, request: bytes) -> Any:
    """The figures of all of them."""
    latencies: list[float] = []
    started = time.perf_counter()
    until = started + seconds
    errors = await asyncio.gather(
        *(one_client(port, request, until, latencies) for _ in range(clients))
    )
    elapsed = time.perf_counter() - started
    percentiles = statistics.quantiles(latencies, n=100)
    return {
        "requests": len(latencies),
        "seconds": elapsed,
        "p50_ms": percentiles[49] * 1e3,
        "p99_ms": percentiles[98] * 1e3,
        "errors": sum(errors),
        "client_cpu_seconds": time.process_time(),
    }


def main(argv: Sequence[str]) -> None:
    """Load, and print the figures as one JSON object."""
    port, clients, seconds, path = argv
    request = Path(path).read_bytes()
    load = all_clients(int(port), int(clients), float(seconds), request)
    print(json.dumps(asyncio.run(load)))


if __name__ == "__main__":
    main(sys.argv[1:])
