"""A good model under load from 8 clients, beside neighbours that try to stop it.

    python scripts/soak_neighbours.py --seconds 60

`kerasnn serve` runs as a process of its own. Beside the good model stand one of each kind
of Keras layer, asked with wrong ranks and empty arrays, and one that loops without end. By
turns come those, bodies of 100 MB, connections that are half open, and new versions of the
good model. Before that, the good model is measured with the server to itself.

Reported are: good answers that failed (must be 0), the 99th percentile of the good model's
times, quiet and beside its neighbours, the slowest `/healthz` (must be under 0.1 s), and
the memory before and after (must be within a tenth). The slowest `/healthz` and the
percentiles are those of the machine as well: the clients of this script use the same cores.

The exit status is 1 if a good answer failed, the server ended by itself or not with 0, or
memory grew.
"""

import argparse
import contextlib
import http.client
import itertools
import json
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from serving_process import EXACT_MEMORY, KerasnnServer
from soak_clients import Violations
from soak_versions import NAME, Versions

CLIENTS = 8
LARGE_BYTES = 100_000_000
HALF_OPEN = 50
HEALTHZ_SECONDS = 0.1
GROWTH = 1.1
TIMEOUT_SECONDS = 5  # of the server: after it an endless loop is cancelled
ENDLESS = "endless"
WRONG: tuple[Any, ...] = (
    *([], [[]], [[[]]], [[[[]]]], [1], [[1]], [[[1]]], [[[[1]]]], [[[[[1]]]]]),
    *([[1, 2], [3, 4]], [[[[1, 2], [3, 4]]]], [[[[]], [[]]]], [[[[[[1]]]]]]),
)

layers = tf.keras.layers
KINDS: dict[str, tuple[tuple[int | None, ...], Callable[[], Any]]] = {
    "conv1d": ((8, 3), lambda: layers.Conv1D(4, 3)),
    "conv2d": ((8, 8, 4), lambda: layers.Conv2D(4, 3, groups=2)),
    "conv3d": ((6, 6, 6, 2), lambda: layers.Conv3D(4, 3)),
    "conv2d_transpose": ((8, 8, 3), lambda: layers.Conv2DTranspose(4, 3)),
    "separable": ((8, 8, 3), lambda: layers.SeparableConv2D(4, 3)),
    "depthwise": ((8, 8, 3), lambda: layers.DepthwiseConv2D(3)),
    "open_sizes": ((None, None, 3), lambda: layers.Conv2D(4, 3)),
    "lstm": ((5, 3), lambda: layers.LSTM(4)),
    "gru": ((None, 3), lambda: layers.GRU(4)),
    "embedding": ((4,), lambda: layers.Embedding(10, 4)),
    "pooling": ((8, 8, 3), lambda: layers.MaxPooling2D()),
    "normalization": ((8, 8, 3), lambda: layers.BatchNormalization()),
    "attention": ((5, 8), lambda: SelfAttention()),
}


class SelfAttention(layers.Layer):
    """Attention of a sequence to itself."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = layers.MultiHeadAttention(2, 4)

    def build(self, shape: Any) -> None:
        """Make the weights."""
        self.attention.build(shape, shape)

    def call(self, x: Any) -> Any:
        """[rows, steps, size] to the same."""
        return self.attention(x, x)


class Endless(tf.Module):
    """Loops for as long as x says; without end for a large one."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def serve(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """[n] to [n]."""
        (y,) = tf.while_loop(
            lambda y: tf.reduce_sum(y) > 1.0, lambda y: (0.5 * y + 0.5 * x,), [x]
        )
        return {"y": y}


def write_neighbours(folder: Path) -> None:
    """One model of each kind of layer, and the endless one."""
    for name, (shape, make) in KINDS.items():
        x = tf.keras.Input(shape, name="x")
        tf.keras.Model(x, make()(x)).export(folder / name / "1", verbose=False)
    module = Endless()
    path = folder / ENDLESS / "1"
    tf.saved_model.save(module, path, signatures={"serving_default": module.serve})


def request(
    port: int, method: str, path: str, body: bytes | None = None, *, seconds: float = 60
) -> tuple[int, bytes]:
    """One request on a connection of its own: the status and the body of its answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    with contextlib.closing(connection):
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read()


class Times:
    """How long each of many requests took.

    Attributes:
        seconds: of each.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def percentile(self, share: float) -> float:
        """Seconds that this share of the requests took at most."""
        return float(np.quantile(self.seconds, share)) if self.seconds else 0.0


class GoodClients:
    """Eight clients of the good model, and one of `/healthz`, until `stop`."""

    def __init__(self, port: int, violations: Violations) -> None:
        self.port, self.violations = port, violations
        self.good, self.health = Times(), Times()
        self._ending = threading.Event()
        works = [*[self._ask] * CLIENTS, self._look]
        self._threads = [threading.Thread(target=work, daemon=True) for work in works]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after the current requests."""
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        path = f"/v1/models/{NAME}:predict"
        for x in itertools.cycle([1.0, 2.0, 3.0]):
            if self._ending.wait(0.005):
                return
            started = time.perf_counter()
            try:
                connection.request("POST", path, json.dumps({"instances": [x]}))
                response = connection.getresponse()
                text = response.read()
                (y,) = json.loads(text)["predictions"]
                if (y - 2 * x) % 1 or response.status != 200:
                    raise ValueError(text[:200])
            except Exception as error:
                self.violations.add(f"a good answer failed: {error!r}")
                connection.close()
            else:
                self.good.seconds.append(time.perf_counter() - started)

    def _look(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while not self._ending.wait(0.02):
            started = time.perf_counter()
            try:
                connection.request("GET", "/healthz")
                connection.getresponse().read()
            except Exception as error:
                self.violations.add(f"/healthz failed: {error!r}")
                connection.close()
            else:
                self.health.seconds.append(time.perf_counter() - started)


class Neighbours:
    """What happens beside the good model, one turn after the other.

    Attributes:
        outcomes: how often each status came, by the kind of turn.
    """

    def __init__(self, port: int, versions: Versions, seed: int) -> None:
        self.port, self.versions = port, versions
        self.random = random.Random(seed)
        self.number = 1
        self.outcomes: dict[str, dict[str, int]] = {}
        self._turns = itertools.cycle(
            [
                ("wrong ranks", self.wrong_ranks),
                ("endless loops", self.endless_loops),
                ("large bodies", self.large_bodies),
                ("half-open connections", self.half_open),
                ("reloads", self.reload),
            ]
        )

    def turn(self) -> str:
        """Do the next thing; its name."""
        name, do = next(self._turns)
        counts = self.outcomes.setdefault(name, {})
        for status in do():
            counts[status] = counts.get(status, 0) + 1
        return name

    def wrong_ranks(self) -> Iterator[str]:
        """Each kind of layer is asked with each wrong value."""
        for name, value in itertools.product(KINDS, WRONG):
            form = self.random.choice(["instances", "inputs"])
            yield self.ask(name, json.dumps({form: value}).encode())

    def endless_loops(self) -> Iterator[str]:
        """More loops than the server has threads."""
        body = b'{"instances": [9.0]}'
        yield from self.together([lambda: self.ask(ENDLESS, body)] * 6)

    def large_bodies(self) -> Iterator[str]:
        """Numbers, words, and bytes that are no JSON."""
        number = b"0.123456,"
        bodies = [
            b'{"instances": [%s0]}' % (number * (LARGE_BYTES // len(number) - 5)),
            b'{"instances": [%s"b"]}' % (b'"a",' * (LARGE_BYTES // 20)),
            b"[" * (LARGE_BYTES - 1),
        ]
        yield from self.together(
            [lambda body=body: self.ask("conv2d", body) for body in bodies]
        )

    def half_open(self) -> Iterator[str]:
        """Connections that send a head and a part of a body, and stay."""
        head = b"POST /v1/models/conv2d:predict HTTP/1.1\r\nHost: localhost\r\n"
        opened = []
        for _ in range(HALF_OPEN):
            one = socket.create_connection(("127.0.0.1", self.port))
            one.sendall(head + b"Content-Length: 1000000\r\n\r\n" + b"[" * 1000)
            opened.append(one)
            yield "opened"
        time.sleep(1)
        for one in opened:
            one.close()

    def reload(self) -> Iterator[str]:
        """A new version of the good model; the last one goes."""
        self.number += 1
        self.versions.write(self.number)
        self.versions.publish(self.number)
        time.sleep(2)
        self.versions.delete(self.number - 1)
        yield "published"

    def ask(self, name: str, body: bytes) -> str:
        """The status of one request, or what went wrong."""
        try:
            return str(request(self.port, "POST", f"/v1/models/{name}:predict", body)[0])
        except Exception as error:
            return type(error).__name__

    def together(self, asks: Sequence[Callable[[], str]]) -> list[str]:
        """The results of functions that run at the same time."""
        found: list[str] = []
        threads = [
            threading.Thread(target=lambda ask=ask: found.append(ask())) for ask in asks
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found


def lowest_memory(server: KerasnnServer, seconds: float = 3) -> float:
    """The lowest of a few samples, in MB."""
    samples = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        samples.append(server.rss_megabytes())
        time.sleep(0.2)
    return min(samples)


def run(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The whole soak: what is reported."""
    versions = Versions(folder / NAME)
    versions.write(1)
    versions.publish(1)
    write_neighbours(folder)
    violations = Violations()
    options = ("--timeout-seconds", str(TIMEOUT_SECONDS), "--poll-seconds", "0.5")
    with KerasnnServer(folder, *options, environment=EXACT_MEMORY) as server:
        neighbours = Neighbours(server.rest_port, versions, arguments.seed)
        for _ in range(5):  # each once, so that what is made once is made
            neighbours.turn()
        before = lowest_memory(server)
        quiet = GoodClients(server.rest_port, violations)
        time.sleep(arguments.seconds / 4)
        quiet.stop()
        beside = GoodClients(server.rest_port, violations)
        until = time.perf_counter() + arguments.seconds * 3 / 4
        while time.perf_counter() < until and server.alive:
            print(neighbours.turn(), violations.count, file=sys.stderr, flush=True)
        beside.stop()
        time.sleep(TIMEOUT_SECONDS)
        after = lowest_memory(server)
        if not server.alive:
            violations.add(f"the server ended: {server.said()}")
        exit_status = server.end() if server.alive else server.popen.returncode
        if exit_status:
            violations.add(f"it must end with 0; got {exit_status}: {server.said()}")
    if after > GROWTH * before:
        violations.add(f"memory grew: {before:.0f} MB, then {after:.0f} MB")
    return {
        "good": len(beside.good.seconds),
        "quiet_p99_ms": quiet.good.percentile(0.99) * 1e3,
        "beside_p99_ms": beside.good.percentile(0.99) * 1e3,
        "healthz_p99_ms": beside.health.percentile(0.99) * 1e3,
        "healthz_max_ms": beside.health.percentile(1.0) * 1e3,
        "healthz_over_100_ms": sum(s > HEALTHZ_SECONDS for s in beside.health.seconds),
        "healthz_median_ms": statistics.median(beside.health.seconds or [0.0]) * 1e3,
        "megabytes": [before, after],
        "outcomes": neighbours.outcomes,
        "exit_status": exit_status,
        "violation_count": violations.count,
        "violations": violations.texts,
    }


def text(report: dict[str, Any]) -> str:
    """The report, as lines."""
    return "\n".join(f"{key}: {value}" for key, value in report.items())


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600, help="a quarter is quiet")
    parser.add_argument("--seed", type=int, default=0, help="of what is asked")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object on standard output"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the soak and print it; the exit status."""
    arguments = parse(argv)
    with tempfile.TemporaryDirectory() as folder:
        found = run(arguments, Path(folder) / "models")
    print(json.dumps(found) if arguments.json else text(found))
    return 1 if found["violation_count"] else 0


if __name__ == "__main__":
    sys.exit(main())
