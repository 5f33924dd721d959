"""What one round of the benchmark of serving does, and what it saw."""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
from benchmark_serving_contenders import NAME, SIGNATURE, Contender, Started
from benchmark_serving_load import PREDICT, load_grpc, load_rest
from serving_process import Process, free_port

GRPC_CLIENTS = 8
START_LIMIT_SECONDS = 120

# As the server must do it before it can answer, and no more.
LOAD = """
import sys
import tensorflow as tf
with tf.compat.v1.Session(graph=tf.Graph()) as session:
    tf.compat.v1.saved_model.loader.load(session, ["serve"], sys.argv[1])
    print("loaded", flush=True)
"""


@dataclass(frozen=True)
class Question:
    """The one request that is asked again and again, and its answer.

    Attributes:
        body: JSON.
        message: a serialized PredictRequest.
        label: the class.
        probabilities: [10] float32.
    """

    body: str
    message: bytes
    label: int
    probabilities: np.ndarray

    def check(self, label: int, probabilities: Sequence[float]) -> None:
        """Raises ValueError: that is not the answer."""
        close = np.allclose(probabilities, self.probabilities, rtol=1e-4, atol=1e-7)
        if label != self.label or not close:
            raise ValueError(
                f"the answer must be class {self.label} with"
                f" {self.probabilities.tolist()}; got {label} with {list(probabilities)}"
            )


def make_question(model: Path) -> Question:
    """A handwritten digit, and what the network says to it in this process."""
    import tensorflow as tf
    from sklearn.datasets import load_digits
    from tensorflow_serving.apis import predict_pb2

    x = load_digits().data[:1].astype(np.float32)
    loaded = tf.saved_model.load(model)
    outputs = loaded.signatures[SIGNATURE](x=tf.constant(x))
    request = predict_pb2.PredictRequest()
    request.model_spec.name = NAME
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(x))
    return Question(
        json.dumps({"instances": x.tolist()}),
        request.SerializeToString(),
        int(outputs["class"][0]),
        outputs["probabilities"][0].numpy(),
    )


def ask_rest(port: int, path: str, question: Question) -> None:
    """One request whose answer must be right."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", path, question.body, headers)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    if response.status == 503:
        raise ConnectionError(f"{path}: it is still loading: {text!r}")
    if response.status != 200:
        raise ValueError(f"{path}: {response.status} {text!r}")
    (answer,) = json.loads(text)["predictions"]
    question.check(answer["class"], answer["probabilities"])


def ask_grpc(port: int, question: Question) -> None:
    """One request whose answer must be right."""
    from tensorflow_serving.apis import predict_pb2

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            PREDICT, response_deserializer=predict_pb2.PredictResponse.FromString
        )
        outputs = call(question.message, timeout=30).outputs
    import tensorflow as tf

    values = {alias: tf.make_ndarray(outputs[alias]) for alias in outputs}
    question.check(int(values["class"][0]), values["probabilities"][0].tolist())


@dataclass
class Measurement:
    """What was seen of one contender.

    Attributes:
        contender: which one.
        start_seconds: from its command to its first answer, one for each round.
        loading_seconds: of processes that only load the model, the mean of one before and
            one after; one for each round, of `kerasnn serve` alone.
        rss_megabytes: of its processes after the load, one for each round.
        cells: by "REST 8": what the clients got, one for each round.
    """

    contender: Contender
    start_seconds: list[float] = field(default_factory=list)
    loading_seconds: list[float] = field(default_factory=list)
    rss_megabytes: list[float] = field(default_factory=list)
    cells: dict[str, list[dict[str, float]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    """What stays the same in all rounds.

    Attributes:
        folder: of the models.
        question: what is asked.
        wrk_script: a file.
        grpc_request: a file.
        peer_python: the interpreter of the peers.
        clients: numbers of clients over REST.
        seconds: of one load.
    """

    folder: Path
    question: Question
    wrk_script: Path
    grpc_request: Path
    peer_python: str
    clients: Sequence[int]
    seconds: float

    def round(self, measurement: Measurement) -> None:
        """Start it, ask it, load it, end it."""
        contender = measurement.contender
        started = Started(self.peer_python, self.folder, free_port(), free_port())
        before = loading_seconds(Path(started.model)) if contender.ours else 0.0
        with contender.start(started) as process:
            self.wait(contender, process, started)
            measurement.start_seconds.append(time.perf_counter() - process.started)
            if contender.rest_path:
                url = f"http://127.0.0.1:{started.rest_port}{contender.rest_path}"
                self.rest_cells(measurement, process, url)
            if contender.grpc:
                ask_grpc(started.grpc_port, self.question)
                self.grpc_cell(measurement, process, started.grpc_port)
            measurement.rss_megabytes.append(process.rss_megabytes())
        if contender.ours:
            after = loading_seconds(Path(started.model))
            measurement.loading_seconds.append((before + after) / 2)

    def wait(self, contender: Contender, process: Process, started: Started) -> None:
        """Until it gives the right answer."""
        while True:
            try:
                if contender.rest_path:
                    ask_rest(started.rest_port, contender.rest_path, self.question)
                else:
                    ask_grpc(started.grpc_port, self.question)
                return
            except (OSError, grpc.RpcError, http.client.HTTPException) as error:
                waited = time.perf_counter() - process.started
                if not process.alive or waited > START_LIMIT_SECONDS:
                    raise RuntimeError(
                        f"{contender.title} gave no answer: {error}\n{process.said()}"
                    ) from error
            time.sleep(0.01)

    def rest_cells(self, measurement: Measurement, process: Process, url: str) -> None:
        """A short load to warm up, then each number of clients."""
        load_rest(url, self.wrk_script, clients=max(self.clients), seconds=1)
        for clients in self.clients:
            before = process.cpu_seconds()
            got = load_rest(url, self.wrk_script, clients=clients, seconds=self.seconds)
            note(measurement, f"REST {clients}", got, process.cpu_seconds() - before)

    def grpc_cell(self, measurement: Measurement, process: Process, port: int) -> None:
        """The same over gRPC."""
        load_grpc(port, self.grpc_request, clients=GRPC_CLIENTS, seconds=1)
        before = process.cpu_seconds()
        got = load_grpc(port, self.grpc_request, clients=GRPC_CLIENTS, seconds=self.seconds)
        cpu_seconds = process.cpu_seconds() - before
        note(measurement, f"gRPC {GRPC_CLIENTS}", got, cpu_seconds)


def note(
    measurement: Measurement, cell: str, got: dict[str, float], cpu_seconds: float
) -> None:
    """Keep what one load gave."""
    figures = got | {
        "requests_per_second": got["requests"] / got["seconds"],
        "requests_per_cpu_second": got["requests"] / max(cpu_seconds, 1e-9),
    }
    measurement.cells.setdefault(cell, []).append(figures)


def loading_seconds(model: Path) -> float:
    """Of a process that imports TensorFlow and loads the model, to its end of loading."""
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", LOAD, str(model)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        return time.perf_counter() - started
