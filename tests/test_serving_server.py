"""The life of `kerasnn serve`, as a process of its own.

Most tests ask one server, which the last of them stops.
"""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import numpy as np
import pytest
import serving_models
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from serving_certificates import NEEDS_OPENSSL, make_authority
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from kerasnn.errors import InputError
from kerasnn.serving import server as server_module
from kerasnn.serving.models import registry
from kerasnn.serving.models.model_version import ModelVersion
from kerasnn.serving.options import ServerOptions
from kerasnn.serving.ports import bound_ports
from kerasnn.serving.saved_model.graph import Graph
from kerasnn.serving.server import run_server

SLOW_STEPS = 600_000  # 0.6 to 2 s: the other requests come in that time


class Served:
    """A running server.

    Attributes:
        told: what it printed when it was ready.
    """

    def __init__(self, folder, *options):
        command = [sys.executable, "-m", "kerasnn", "serve", str(folder)]
        self.process = subprocess.Popen(
            [*command, "--rest-port", "0", "--grpc-port", "0", *map(str, options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.told = self.process.stdout.readline()

    @property
    def rest_port(self):
        return json.loads(self.told)["rest_port"]

    @property
    def grpc_port(self):
        return json.loads(self.told)["grpc_port"]

    def ask(self, path, body=None, **settings):
        """Status and text of an answer."""
        scheme = "https" if settings else "http"
        data = None if body is None else json.dumps(body).encode()
        url = f"{scheme}://127.0.0.1:{self.rest_port}{path}"
        try:
            with urllib.request.urlopen(url, data, timeout=60, **settings) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def end(self, number=signal.SIGTERM):
        """Stop it: exit status, and what it wrote to standard error."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=240)
        return self.process.returncode, errors


@contextmanager
def serving(folder, *options):
    served = Served(folder, *options)
    try:
        yield served
    finally:
        served.process.kill()
        served.process.communicate()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "models"
    serving_models.make_half_plus_two(folder / "half")
    serving_models.make_slow(folder / "slow")
    serving_models.make_broken(folder / "broken")
    return folder


@pytest.fixture(scope="module")
def log(models):
    return models.parent / "access.log"


@pytest.fixture(scope="module")
def served(models, log):
    with serving(models, "--json", "--access-log", log, "--poll-seconds", 0.1) as served:
        yield served


def run(*arguments):
    """A command that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "kerasnn", "serve", *map(str, arguments)],
        capture_output=True,
        text=True,
    )


def predict_request(name, **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    for alias, values in inputs.items():
        request.inputs[alias].CopyFrom(tf.make_tensor_proto(values))
    return request


def predict(channel, request):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(
        request, timeout=60
    )


def local_channel(served):
    return grpc.insecure_channel(f"127.0.0.1:{served.grpc_port}")


# --- a server that runs -------------------------------------------------------------------


def test_when_it_is_ready_it_tells_ports_and_models(served):
    assert json.loads(served.told) == {
        "host": "127.0.0.1",
        "rest_port": served.rest_port,
        "grpc_port": served.grpc_port,
        "models": {"broken": [], "half": [1], "slow": [1]},
    }


def test_it_answers_over_rest(served):
    assert served.ask("/v1/models/half:predict", {"instances": [2.0]}) == (
        200,
        '{"predictions":[3.0]}',
    )


def test_it_answers_over_grpc(served):
    with local_channel(served) as channel:
        response = predict(channel, predict_request("half", x=np.float32([2, 4])))
    assert list(response.outputs["y"].float_val) == [3.0, 4.0]


def test_it_is_ready_though_one_model_has_failed(served):
    assert served.ask("/readyz") == (200, "ready\n")
    status = json.loads(served.ask("/v1/models/broken")[1])["model_version_status"][0]
    assert (status["state"], status["status"]["error_code"]) == ("END", "DATA_LOSS")


def test_its_health_is_told_over_grpc(served):
    with local_channel(served) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        response = stub.Check(health_pb2.HealthCheckRequest(), timeout=60)
    assert response.status == health_pb2.HealthCheckResponse.SERVING


def test_a_new_version_takes_over(served, models):
    serving_models.make_half_plus_two(models / ".half", 2, two=10.0)
    (models / ".half/2").rename(models / "half/2")
    until = time.monotonic() + 60
    while served.ask("/v1/models/half/versions/2")[0] == 404 and time.monotonic() < until:
        time.sleep(0.05)
    while "[11.0]" not in served.ask("/v1/models/half:predict", {"instances": [2.0]})[1]:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_another_server_on_its_port_says_so(served, models):
    done = run(models, "--rest-port", served.rest_port, "--grpc-port", "off")
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        f"Error: --rest-port {served.rest_port}: another program listens on"
        f" 127.0.0.1:{served.rest_port}; give another port, or 0 for any free one\n",
    )


@pytest.mark.slow
def test_sigterm_lets_what_runs_end(served, log):
    """The last to ask the server: what runs is answered, nothing new is taken."""
    assert served.ask("/v1/models/half:predict", {"instances": [2.0]})[0] == 200
    test_its_health_is_told_over_grpc(served)
    with local_channel(served) as channel:
        predict(channel, predict_request("half", x=np.float32([2])))
    assert served.ask("/readyz")[0] == 200
    answers = {}

    def ask_slowly():
        columns = {"steps": [SLOW_STEPS], "x": [1.0]}
        answers["rest"] = served.ask("/v1/models/slow:predict", {"inputs": columns})

    def call_slowly():
        request = predict_request("slow", steps=np.int32([SLOW_STEPS]), x=np.float32([2]))
        with local_channel(served) as channel:
            answers["grpc"] = list(predict(channel, request).outputs["y"].float_val)

    def watch():
        with local_channel(served) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            told = stub.Watch(health_pb2.HealthCheckRequest(), timeout=60)
            for response in told:
                answers.setdefault("health", []).append(response.status)
                watching.set()

    watching = threading.Event()
    threads = [threading.Thread(target=each) for each in (watch, ask_slowly, call_slowly)]
    threads[0].start()
    assert watching.wait(60)
    for thread in threads[1:]:
        thread.start()
    until = time.monotonic() + 60
    while "kerasnn_requests_waiting 2" not in served.ask("/metrics")[1]:
        assert time.monotonic() < until, answers
        time.sleep(0.02)
    status, errors = served.end()
    for thread in threads:
        thread.join()
    assert answers == {
        "rest": (200, '{"outputs":[1.0]}'),
        "grpc": [2.0],
        "health": [
            health_pb2.HealthCheckResponse.SERVING,
            health_pb2.HealthCheckResponse.NOT_SERVING,
        ],
    }
    assert status == 0
    assert "stopping: running requests have up to 30 s to finish" in errors
    assert "model broken version 1 does not load" in errors
    assert "Traceback" not in errors
    check_log([json.loads(line) for line in log.read_text().splitlines()])


def check_log(lines):
    """Every kind of request is in it, also those that ended in the drain."""
    told = {
        (line["protocol"], line["path"], line.get("model"), line.get("code"))
        for line in lines
    }
    service = "/tensorflow.serving.PredictionService/Predict"
    assert told >= {
        ("REST", "/v1/models/half:predict", "half", "OK"),
        ("REST", "/v1/models/slow:predict", "slow", "OK"),
        ("REST", "/readyz", None, None),
        ("gRPC", service, "half", "OK"),
        ("gRPC", service, "slow", "OK"),
        ("gRPC", "/grpc.health.v1.Health/Check", None, "OK"),
    }
    (slow,) = [line for line in lines if line["path"] == "/v1/models/slow:predict"]
    assert (slow["status"], slow["rows"], slow["version"]) == (200, 1, 1)
    assert slow["milliseconds"] > 100


# --- while models load, in this process --------------------------------------------------


class SlowLoader:
    """Takes the place of a graph: its loading ends when the test allows it."""

    def __init__(self, monkeypatch):
        self.begun, self.open = threading.Event(), threading.Event()
        monkeypatch.setattr(registry, "Graph", self._load)

    def _load(self, folder, **options):
        self.begun.set()
        assert self.open.wait(60)
        return Graph(folder, **options)


def status_of(port, path, body=None):
    """Status, Retry-After and text of an answer."""
    url, data = (
        f"http://127.0.0.1:{port}{path}",
        json.dumps(body).encode() if body else None,
    )
    try:
        with urllib.request.urlopen(url, data, timeout=60) as response:
            return response.status, None, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["retry-after"], error.read().decode()


def while_running(options, act):
    """Run a server, and a function of its ports beside it; what the function returned.

    The ports are bound, but refuse connections until the server listens.
    """

    def acting(*ports):
        try:
            return act(*ports)
        except BaseException:
            os.kill(os.getpid(), signal.SIGTERM)  # or the server would run for ever
            raise

    announced.clear()
    ready.clear()
    with bound_ports(options) as ports, ThreadPoolExecutor(1) as pool:
        acted = pool.submit(acting, ports.rest_port, ports.grpc_port)
        try:
            status = run_server(options, ports, announce=announce)
        except SystemExit as stop:
            status = stop.code
        return status, acted.result(60)


announced, ready = [], threading.Event()


def announce(started):
    announced.append(started)
    ready.set()


def test_it_listens_before_the_models_are_loaded(models, monkeypatch):
    loader = SlowLoader(monkeypatch)

    def ask(rest, grpc_port):
        assert loader.begun.wait(60)
        before = {
            path: status_of(rest, path, body)
            for path, body in (
                ("/healthz", None),
                ("/readyz", None),
                ("/v1/models/slow:predict", {"inputs": {"steps": [0], "x": [1.0]}}),
                ("/v1/models/slow/versions/1", None),
                ("/v1/models/nothing:predict", {"instances": [1.0]}),
            )
        }
        with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            healths = [
                stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=60).status
                for name in ("", "slow")
            ]
            request = predict_request("slow", steps=np.int32([0]), x=np.float32([1]))
            with pytest.raises(grpc.RpcError) as caught:
                predict(channel, request)
        assert announced == []
        loader.open.set()
        while status_of(rest, "/readyz")[0] != 200:
            time.sleep(0.01)
        after = status_of(
            rest, "/v1/models/slow:predict", {"inputs": {"steps": [0], "x": [1.0]}}
        )
        os.kill(os.getpid(), signal.SIGTERM)
        return before, healths, caught.value.code(), after

    folder = models / "slow"
    options = ServerOptions(folder, rest_port=0, grpc_port=0)
    status, (before, healths, code, after) = while_running(options, ask)
    loading = (503, "1", '{"error":"model slow version 1 is still loading; try again"}')
    assert before == {
        "/healthz": (200, None, "alive\n"),
        "/readyz": (
            503,
            "1",
            "not ready; loading: slow version 1 (0 of 1 models are done)\n",
        ),
        "/v1/models/slow:predict": loading,
        "/v1/models/slow/versions/1": before["/v1/models/slow/versions/1"],
        "/v1/models/nothing:predict": (
            404,
            None,
            '{"error":"Servable not found for request: Latest(nothing)"}',
        ),
    }
    assert '"state": "LOADING"' in before["/v1/models/slow/versions/1"][2]
    assert healths == [health_pb2.HealthCheckResponse.NOT_SERVING] * 2
    assert code is grpc.StatusCode.UNAVAILABLE
    assert after[::2] == (200, '{"outputs":[1.0]}')
    assert status == 0
    assert [started.models for started in announced] == [{"slow": [1]}]


def test_a_server_that_still_loads_ends_with_a_word(models, monkeypatch, caplog):
    loader = SlowLoader(monkeypatch)
    monkeypatch.setattr(server_module, "_end_at_once", sys.exit)

    def stop(rest, grpc_port):
        assert loader.begun.wait(60)
        os.kill(os.getpid(), signal.SIGTERM)
        while "stopping" not in caplog.text:
            time.sleep(0.01)
        loader.open.set()

    options = ServerOptions(models / "slow", rest_port=0, grpc_port=None)
    assert while_running(options, stop)[0] == 0
    assert "stopping: running requests have up to 30 s to finish" in caplog.text


# --- while a version is unloaded, in this process -----------------------------------------


class SlowToClose:
    """A graph whose closing ends when the server has seen that it must wait for it."""

    def __init__(self, monkeypatch):
        self.begun, self.seen, self.ended = (threading.Event() for _ in range(3))
        any_native_thread = server_module._any_native_thread

        def look():
            found = any_native_thread()
            if found:
                self.seen.set()
            return found

        monkeypatch.setattr(server_module, "_any_native_thread", look)

    def close(self):
        self.begun.set()
        if self.seen.wait(60):
            self.ended.set()


def test_a_server_does_not_end_before_its_last_graph_is_unloaded(models, monkeypatch):
    """Python would end the thread within TensorFlow, and C++ then abort the process."""
    monkeypatch.setattr(server_module, "_end_at_once", sys.exit)
    monkeypatch.setattr(server_module, "UNLOAD_SECONDS", 60)
    graph = SlowToClose(monkeypatch)
    version = ModelVersion("slow", 2, models)
    version.publish(graph)
    version.hold()
    version.retire()

    def stop(rest, grpc_port):
        assert ready.wait(60)
        version.release()
        assert graph.begun.wait(60)
        os.kill(os.getpid(), signal.SIGTERM)

    options = ServerOptions(models / "slow", rest_port=0, grpc_port=None)
    status, _ = while_running(options, stop)
    assert graph.ended.is_set()
    assert version.status.state == "END"
    assert status == 0


# --- others -------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_takes_too_long_to_end_is_cut_off_and_the_line_is_for_people(models):
    with serving(models / "slow", "--drain-seconds", 0.2, "--grpc-port", "off") as served:
        assert served.told.startswith("Serving 1 model: REST http://127.0.0.1:")
        assert served.told.endswith(" (Ctrl-C stops)\n")
        port = int(served.told.split(":")[3].split()[0])
        body = json.dumps({"inputs": {"steps": [25 * SLOW_STEPS], "x": [1.0]}}).encode()
        with socket.create_connection(("127.0.0.1", port)) as client:
            head = "POST /v1/models/slow:predict HTTP/1.1\r\nhost: localhost\r\n"
            head += "content-length: "
            client.sendall(f"{head}{len(body)}\r\n\r\n".encode() + body)
            url = f"http://127.0.0.1:{port}/metrics"
            until = time.monotonic() + 60
            while b"kerasnn_requests_waiting 1" not in urllib.request.urlopen(url).read():
                assert time.monotonic() < until
                time.sleep(0.05)
            status, errors = served.end(signal.SIGINT)
            assert client.recv(1000) == b""
    assert status == 0
    assert errors.splitlines()[-1].endswith("requests that ran on after 0.2 s were cut off")


@pytest.mark.slow
@NEEDS_OPENSSL
def test_tls_is_for_both_and_clients_may_need_a_certificate(models, tmp_path):
    make_authority(tmp_path)
    names = {"--tls-cert": "server.crt", "--tls-key": "server.key"}
    names |= {"--tls-client-ca": "ca.crt"}
    files = [part for name, file in names.items() for part in (name, tmp_path / file)]
    authority, key, certificate = (
        (tmp_path / name).read_bytes() for name in ("ca.crt", "client.key", "client.crt")
    )
    with serving(models / "half", "--json", *files) as served:
        context = ssl.create_default_context(cafile=tmp_path / "ca.crt")
        with pytest.raises((urllib.error.URLError, OSError)):
            served.ask("/healthz", context=context)
        context.load_cert_chain(tmp_path / "client.crt", tmp_path / "client.key")
        assert served.ask("/healthz", context=context) == (200, "alive\n")

        request = predict_request("half", x=np.float32([2]))
        where = f"127.0.0.1:{served.grpc_port}"
        stranger = grpc.ssl_channel_credentials(authority)
        with (
            grpc.secure_channel(where, stranger) as channel,
            pytest.raises(grpc.RpcError) as caught,
        ):
            predict(channel, request)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        known = grpc.ssl_channel_credentials(authority, key, certificate)
        with grpc.secure_channel(where, known) as channel:
            response = predict(channel, request)
        assert response.model_spec.version.value in (1, 2)
        assert served.end()[0] == 0


def test_a_damaged_file_of_models_ends_the_start(tmp_path):
    path = tmp_path / "models.config"
    path.write_text("nonsense {")
    options = ServerOptions(None, model_config_file=path, rest_port=0, grpc_port=None)
    with bound_ports(options) as ports, pytest.raises(InputError) as caught:
        run_server(options, ports, announce=pytest.fail)
    assert str(caught.value).startswith(
        f"--model-config-file {path}: Error parsing text-format"
        " tensorflow.serving.ModelServerConfig: "
    )
