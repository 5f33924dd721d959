"""Clients that ask without rest and compare each answer with what its version must say."""

import http.client
import json
import random
import threading
import time
from collections.abc import Callable

import grpc
import numpy as np
import tensorflow as tf
from soak_versions import NAME
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

REQUEST_LIMIT_SECONDS = 30
KEPT_VIOLATIONS = 20


class Violations:
    """What must not have happened; counts all, and keeps the first few as text."""

    def __init__(self) -> None:
        self.count = 0
        self.texts: list[str] = []
        self.lock = threading.Lock()

    def add(self, text: str) -> None:
        """One more."""
        with self.lock:
            self.count += 1
            if len(self.texts) < KEPT_VIOLATIONS:
                self.texts.append(text)


class Reigns:
    """Which version must answer at which time.

    A version's reign can begin as soon as the disk says so (`due`), and the one before ends
    at the latest when a client has seen the new one (`seen`). In between both are right.
    Times are by `time.perf_counter`.
    """

    def __init__(self, first: int) -> None:
        now = time.perf_counter()
        self.numbers, self.due_at = [first], [now]
        self.seen_at: list[float] = [now]
        self.lock = threading.Lock()

    def due(self, number: int) -> None:
        """From now on this one may answer."""
        with self.lock:
            self.numbers.append(number)
            self.due_at.append(time.perf_counter())
            self.seen_at.append(float("inf"))

    def seen(self, number: int, at: float) -> None:
        """An answer of the version that is due came at this time."""
        with self.lock:
            if number == self.numbers[-1]:
                self.seen_at[-1] = min(self.seen_at[-1], at)

    @property
    def has_begun(self) -> bool:
        """Whether the version that is due was seen."""
        with self.lock:
            return self.seen_at[-1] < float("inf")

    @property
    def took_seconds(self) -> list[float]:
        """From due to seen, of each reign but the first."""
        with self.lock:
            pairs = list(zip(self.due_at, self.seen_at, strict=True))[1:]
        return [seen - due for due, seen in pairs if seen < float("inf")]

    def allow(self, number: int, sent: float, received: float) -> bool:
        """Whether this version may have answered a request of that time."""
        with self.lock:
            ends = [*self.seen_at[1:], float("inf")]
            return any(
                number == n and due <= received and sent <= end
                for n, due, end in zip(self.numbers, self.due_at, ends, strict=True)
            )


class RestClient:
    """Keeps one connection."""

    kind = "REST"

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection(
            "127.0.0.1", port, timeout=REQUEST_LIMIT_SECONDS
        )

    def ask(self, x: list[float]) -> tuple[list[float], int | None]:
        """The answer, and None: REST does not tell the version."""
        body = json.dumps({"instances": x})
        self.connection.request("POST", f"/v1/models/{NAME}:predict", body)
        response = self.connection.getresponse()
        text = response.read()
        if response.status != 200:
            raise ValueError(f"{response.status} {text[:300]!r}")
        return json.loads(text)["predictions"], None

    def close(self) -> None:
        """End the connection."""
        self.connection.close()


class GrpcClient:
    """Keeps one channel."""

    kind = "gRPC"

    def __init__(self, port: int) -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.stub = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)

    def ask(self, x: list[float]) -> tuple[list[float], int | None]:
        """The answer, and the version that says it gave it."""
        request = predict_pb2.PredictRequest()
        request.model_spec.name = NAME
        request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.float32(x)))
        response = self.stub.Predict(request, timeout=REQUEST_LIMIT_SECONDS)
        version = response.model_spec.version.value
        return list(response.outputs["y"].float_val), version

    def close(self) -> None:
        """End the channel."""
        self.channel.close()


class Load:
    """Several clients, each in a thread, that begin when made.

    Attributes:
        counts: answers that were right, by kind of client.
    """

    def __init__(
        self,
        makers: list[Callable[[], RestClient | GrpcClient]],
        reigns: Reigns,
        violations: Violations,
        *,
        requests_per_second: float,
        seed: int,
    ) -> None:
        self.reigns, self.violations = reigns, violations
        self.interval_seconds = len(makers) / requests_per_second
        self.ending = threading.Event()
        self.counts = {"REST": 0, "gRPC": 0}
        self.lock = threading.Lock()
        self.threads = [
            threading.Thread(target=self._run, args=(make, seed + i), daemon=True)
            for i, make in enumerate(makers)
        ]
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        """Wait for the last answers."""
        self.ending.set()
        for thread in self.threads:
            thread.join(2 * REQUEST_LIMIT_SECONDS)
            if thread.is_alive():
                self.violations.add("a request was never answered")

    def _run(self, make: Callable[[], RestClient | GrpcClient], seed: int) -> None:
        random_source = random.Random(seed)
        client = make()
        due = time.perf_counter()
        while not self.ending.is_set():
            rows = random_source.randint(1, 4)
            x = [float(random_source.randint(-500, 500)) for _ in range(rows)]
            if not self._ask(client, x):
                client.close()
                client = make()
            due = max(due + self.interval_seconds, time.perf_counter() - 1)
            self.ending.wait(max(0.0, due - time.perf_counter()))
        client.close()

    def _ask(self, client: RestClient | GrpcClient, x: list[float]) -> bool:
        sent = time.perf_counter()
        try:
            y, version = client.ask(x)
            received = time.perf_counter()
            numbers = {b - 2 * a for a, b in zip(x, y, strict=True)}
            (number,) = numbers  # all rows by one version
        except (OSError, ValueError, http.client.HTTPException, grpc.RpcError) as error:
            self.violations.add(f"{client.kind} {x}: {type(error).__name__}: {error}")
            return False
        self.reigns.seen(int(number), received)
        if version not in (None, number):
            self.violations.add(f"{client.kind}: {version} answered {number:g}'s numbers")
        elif not self.reigns.allow(int(number), sent, received):
            due = self.reigns.numbers[-2:]
            self.violations.add(f"{client.kind}: {number:g} answered when {due} were due")
        else:
            with self.lock:
                self.counts[client.kind] += 1
        return True
