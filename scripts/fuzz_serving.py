"""A hundred thousand requests that are nearly right, or not at all.

    python scripts/fuzz_serving.py --requests 100000 --seed 0

`kerasnn serve` runs as a process of its own. It is asked over REST with good requests that
were spoilt (`fuzz_json.py`), with bytes that are hardly HTTP (`fuzz_bytes.py`), and over
gRPC with tensors that disagree with themselves (`fuzz_messages.py`). The same seed makes
the same requests.

Violations, for which the exit status is 1: a status of 500 or more that is not 501, 504, or
503 with Retry-After; an error under /v1/ that is no JSON object with "error"; over gRPC,
INTERNAL, UNKNOWN, UNAVAILABLE or any other code that is not the client's doing; no answer;
a good request that is not answered rightly after each 1,000 others; a crash, an exit status
other than 0 after SIGTERM, an exception in the log that nobody handled; metrics that grow
with the names that clients make up; memory of the last third of the run more than 32 MB
over that of the second. Of each violation the smallest request is written to a file.
"""

import argparse
import asyncio
import collections
import json
import random
import re
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fuzz_bytes
import fuzz_json
import fuzz_messages
import grpc
from fuzz_answers import ANSWER_LIMIT_SECONDS, Answer, judge, judge_status, read_answer
from fuzz_models import ROWS_OF_3, good_bodies, good_messages, write_models
from serving_process import KerasnnServer, Memory
from tensorflow_serving.apis import predict_pb2

EVERY = 1000  # a good request after so many
QUIET_SECONDS = 0.03  # bytes that are no request need no answer
GROWTH_MEGABYTES = 32
LIMITS = ("--max-body-bytes", str(fuzz_bytes.BODY_LIMIT), "--max-rows", "10000")
GOOD = fuzz_json.join(
    "POST", b"/v1/models/dense:predict", json.dumps({"inputs": ROWS_OF_3}).encode()
)
GOOD_ANSWER = {"outputs": {"y": [[22.0, 28.0], [49.0, 64.0]], "class": [1, 1]}}


@dataclass
class Findings:
    """What came of all requests.

    Attributes:
        outcomes: how often each, such as "REST 400".
        violations: by kind, the problem and its smallest request.
        counts: how often each was.
    """

    outcomes: collections.Counter[str] = field(default_factory=collections.Counter)
    violations: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    counts: collections.Counter[str] = field(default_factory=collections.Counter)

    def add(self, problem: str, request: bytes = b"") -> None:
        """One more violation."""
        # Messages that differ in numbers or in what they quote are one.
        kind = re.sub(r"(?<!request )\b\d+|'[^']*'|\"[^\"]*\"", "...", problem)[:120]
        self.counts[kind] += 1
        if kind not in self.violations or len(request) < len(self.violations[kind][1]):
            self.violations[kind] = problem, request


class Fuzz:
    """One run against one server."""

    def __init__(self, server: KerasnnServer, *, requests: int, seed: int) -> None:
        self.server, self.seed = server, seed
        self.indices = iter(range(requests))
        self.findings = Findings()
        self.bodies, self.messages = good_bodies(), good_messages()
        self.good_message = next(
            message.SerializeToString()
            for _, message in self.messages
            if message.model_spec.name == "dense"
        )

    async def run(self, workers: int) -> None:
        """All requests, several at once."""
        await asyncio.gather(*(Worker(self).run() for _ in range(workers)))

    async def check_good(self, channel: grpc.aio.Channel) -> None:
        """A good request over REST and one over gRPC are answered rightly."""
        await self.check_good_rest()
        predict = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            response_deserializer=predict_pb2.PredictResponse.FromString,
        )
        try:
            response = await predict(self.good_message, timeout=ANSWER_LIMIT_SECONDS)
            y = list(response.outputs["y"].float_val)
            if y != [22.0, 28.0, 49.0, 64.0]:
                self.findings.add(f"good message: {y}")
        except grpc.aio.AioRpcError as error:
            self.findings.add(f"good message: {error.code().name}: {error.details()}")

    async def check_good_rest(self) -> None:
        """Over a connection of its own."""
        try:
            reader, writer = await self.connect()
            writer.write(GOOD)
            answer = await asyncio.wait_for(read_answer(reader), ANSWER_LIMIT_SECONDS)
            writer.close()
            if answer.status != 200 or json.loads(answer.body) != GOOD_ANSWER:
                self.findings.add(f"good request: {answer.status} {answer.body[:200]!r}")
        except (OSError, EOFError, TimeoutError) as error:
            self.findings.add(f"good request: {type(error).__name__}: {error}")

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new connection to the REST side."""
        return await asyncio.open_connection(
            "127.0.0.1", self.server.rest_port, limit=2**26
        )


class Worker:
    """Takes one request after the other; keeps a connection and a channel."""

    def __init__(self, fuzz: Fuzz) -> None:
        self.fuzz, self.findings = fuzz, fuzz.findings
        self.connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.last = b""

    async def run(self) -> None:
        """Until no request is left, or the server is gone."""
        target = f"127.0.0.1:{self.fuzz.server.grpc_port}"
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(target, options) as channel:
            self.channel = channel
            for index in self.fuzz.indices:
                await self.one(random.Random(f"{self.fuzz.seed} {index}"))
                if not self.fuzz.server.alive:
                    # One of those that were under way has done it.
                    self.findings.add(f"the server ended at request {index}", self.last)
                    return
                if index % EVERY == EVERY - 1:
                    await self.fuzz.check_good(channel)
        if self.connection is not None:
            self.connection[1].close()

    async def one(self, r: random.Random) -> None:
        """One request of one of the three kinds."""
        kind = r.random()
        if kind < 0.6:
            await self.rest(fuzz_json.request(r.choice(self.fuzz.bodies), r))
        elif kind < 0.8:
            await self.raw(*fuzz_bytes.request(r, self.fuzz.bodies), r)
        else:
            await self.grpc(*fuzz_messages.request(self.fuzz.messages, r))

    async def rest(self, request: bytes) -> None:
        """Well-formed HTTP: there must be an answer."""
        self.last = request
        method, path, _ = request.split(b" ", 2)
        verb = method.decode()
        try:
            answer = await asyncio.wait_for(self.ask(request, verb), ANSWER_LIMIT_SECONDS)
        except (OSError, EOFError, TimeoutError) as error:
            self.connection = None
            self.findings.add(f"REST: no answer: {type(error).__name__}", request)
            return
        self.findings.outcomes[f"REST {answer.status}"] += 1
        if (problem := judge(answer, verb, path.decode("latin-1"))) is not None:
            self.findings.add(f"REST: {problem}", request)

    async def ask(self, request: bytes, method: str) -> Answer:
        """Over the kept connection; over a new one if the server had ended that."""
        kept = self.connection is not None
        self.connection = self.connection or await self.fuzz.connect()
        reader, writer = self.connection
        try:
            writer.write(request)
            answer = await read_answer(reader, method)
        except (OSError, EOFError):
            writer.close()
            self.connection = None
            if kept:
                return await self.ask(request, method)
            raise
        if answer.closes:
            writer.close()
            self.connection = None
        return answer

    async def raw(self, kind: str, data: bytes, r: random.Random) -> None:
        """Bytes over a connection of their own; whatever comes back is judged."""
        self.last = data
        try:
            reader, writer = await self.fuzz.connect()
        except OSError as error:
            self.findings.add(f"no connection: {error}", data)
            return
        writer.write(data)
        if kind == "begun" and r.random() < 0.5:
            writer.transport.abort()
            return
        expected = data.count(b" HTTP/1.1\r\n") if kind == "pipelined" else 0
        answers = 0
        wait = ANSWER_LIMIT_SECONDS if expected else QUIET_SECONDS
        try:
            while not expected or answers < expected:
                answer = await asyncio.wait_for(read_answer(reader), wait)
                answers += 1
                self.findings.outcomes[f"{kind} {answer.status}"] += 1
                if (problem := judge_status(answer)) is not None:
                    self.findings.add(f"{kind}: {problem}", data)
        except (OSError, EOFError, TimeoutError):
            if answers == 0:
                self.findings.outcomes[f"{kind}, no answer"] += 1
        except ValueError as error:
            self.findings.add(f"{kind}: an answer that is no HTTP: {error}", data)
        if answers < expected:
            self.findings.add(f"{kind}: fewer answers than requests", data)
        writer.transport.abort()

    async def grpc(self, method: str, message: bytes) -> None:
        """One call with these bytes."""
        self.last = message
        package = "grpc.health.v1" if method.startswith("Health") else "tensorflow.serving"
        call = self.channel.unary_unary(f"/{package}.{method}")
        code, details = grpc.StatusCode.OK, ""
        try:
            await call(message, timeout=ANSWER_LIMIT_SECONDS)
        except grpc.aio.AioRpcError as error:
            code, details = error.code(), error.details() or ""
        self.findings.outcomes[f"gRPC {code.name}"] += 1
        if code not in fuzz_messages.ALLOWED:
            self.findings.add(f"gRPC {method} {code.name}: {details[:300]}", message)


def check_metrics(server: KerasnnServer, findings: Findings, models: set[str]) -> None:
    """They hold the names of models that are there, not those that clients made up."""
    url = f"http://127.0.0.1:{server.rest_port}/metrics"
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            text = response.read().decode()
    except OSError as error:
        findings.add(f"no metrics: {error}")
        return
    made_up = set(re.findall(r'model_name="([^"]*)"', text)) - models - {""}
    if made_up:
        findings.add(f"the metrics name models that are not there: {sorted(made_up)[:9]}")


def run(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The whole run: what is reported."""
    write_models(folder)
    with KerasnnServer(folder, *LIMITS) as server:
        fuzz = Fuzz(server, requests=arguments.requests, seed=arguments.seed)
        memory, started = Memory(server), time.perf_counter()
        asyncio.run(fuzz.run(arguments.workers))
        seconds = time.perf_counter() - started
        memory.ending.set()
        findings = fuzz.findings
        if server.alive:
            check_metrics(server, findings, {path.name for path in folder.iterdir()})
        exit_status = server.end() if server.alive else server.popen.returncode
        said = server.said()
    if exit_status != 0:
        findings.add(f"SIGTERM must end it with 0; got {exit_status}: {said}")
    if "Traceback" in said:
        findings.add(f"an exception in the log that nobody handled: {said[-3000:]}")
    thirds = memory.thirds()
    if thirds[2] > thirds[1] + GROWTH_MEGABYTES:
        findings.add(f"memory grew: {thirds[1]:.0f} MB, then {thirds[2]:.0f} MB")
    return {
        "requests": arguments.requests,
        "seconds": seconds,
        "outcomes": dict(sorted(findings.outcomes.items())),
        "megabytes": thirds,
        "exit_status": exit_status,
        "violations": [
            {"problem": problem, "count": findings.counts[kind]}
            | write_request(number, request, arguments.output)
            for number, (kind, (problem, request)) in enumerate(findings.violations.items())
        ],
    }


def write_request(number: int, request: bytes, folder: Path) -> dict[str, str]:
    """Where the request of a violation is to be found."""
    if not request:
        return {}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"violation-{number}.bin"
    path.write_bytes(request)
    return {"request": str(path)}


def text(report: dict[str, Any]) -> str:
    """The report, as lines."""
    return "\n".join(
        [
            f"{report['requests']} requests in {report['seconds']:.0f} s",
            *(f"{number:>8} {outcome}" for outcome, number in report["outcomes"].items()),
            "memory, lowest of each third: "
            + ", ".join(f"{megabytes:.0f} MB" for megabytes in report["megabytes"]),
            f"exit status after SIGTERM: {report['exit_status']}",
            f"{len(report['violations'])} kinds of violations",
            *(
                f"{v['count']:>8} {v['problem']} {v.get('request', '')}"
                for v in report["violations"]
            ),
        ]
    )


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=8, help="requests at once")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("fuzz-violations"),
        help="folder for the requests of violations, made if there are any",
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object on standard output"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the fuzz and print it; the exit status."""
    arguments = parse(argv)
    with tempfile.TemporaryDirectory() as folder:
        report = run(arguments, Path(folder))
    print(json.dumps(report) if arguments.json else text(report))
    return 1 if report["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
