import asyncio
import json
import threading

import grpc
import pytest
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from kerasnn.errors import InputError
from kerasnn.serving.access_log import FACTS, AccessLog, logged_app
from kerasnn.serving.grpc.access_log import AccessLogInterceptor


def written(path, *lines, **settings):
    log = AccessLog(str(path), **settings)
    for line in lines:
        log.write(line)
    log.start()
    log.stop()
    return [json.loads(line) for line in path.read_text().splitlines()]


# --- lines ----------------------------------------------------------------------------


def test_each_request_is_a_line_with_its_time(tmp_path):
    lines = written(tmp_path / "log", {"path": "/a"}, {"path": "/b"})
    assert [line["path"] for line in lines] == ["/a", "/b"]
    assert all(line["time"].endswith("+00:00") for line in lines)


def test_what_was_there_stays(tmp_path):
    (tmp_path / "log").write_text('{"path": "/before"}\n')
    lines = written(tmp_path / "log", {"path": "/a"})
    assert [line["path"] for line in lines] == ["/before", "/a"]


def test_no_client_can_write_a_line_of_its_own(tmp_path):
    model = 'a\n{"path": "/forged"}\x1b[2J\u202e\ud800'
    (line,) = written(tmp_path / "log", {"model": model})
    assert line["model"] == model
    assert (tmp_path / "log").read_bytes().isascii()


def test_lines_that_the_disk_is_too_slow_for_are_counted(tmp_path):
    lines = written(tmp_path / "log", *({"n": n} for n in range(5)), max_waiting=3)
    assert lines[0]["dropped"] == 2
    assert [line["n"] for line in lines[1:]] == [0, 1, 2]


def test_standard_error_is_a_target(capfd):
    log = AccessLog("-")
    log.start()
    log.write({"path": "/a"})
    log.stop()
    assert json.loads(capfd.readouterr().err)["path"] == "/a"


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(InputError) as caught:
        AccessLog(str(tmp_path))
    assert str(caught.value) == f"--access-log {tmp_path}: Is a directory"


def test_a_disk_that_is_full_is_told_and_the_server_goes_on(tmp_path, caplog):
    log = AccessLog("/dev/full")
    log.write({"path": "/a"})
    log.write({"path": "/b"})
    log.start()
    log.stop()
    assert caplog.messages == [
        "the access log cannot be written: [Errno 28] No space left on device"
    ]


# --- REST -----------------------------------------------------------------------------


class Lines(list):
    """Takes the place of a log."""

    def write(self, line):
        self.append(line)


SCOPE = {
    "type": "http",
    "method": "POST",
    "raw_path": b"/v1/models/half:predict",
    "query_string": b"",
    "client": ("127.0.0.1", 1234),
}


def ask(app, *received):
    lines, messages, sent = Lines(), iter(received), []

    async def receive():
        return next(messages)

    async def send(message):
        sent.append(message)

    asyncio.run(logged_app(app, lines)(dict(SCOPE), receive, send))
    (line,) = lines
    assert line.pop("milliseconds") >= 0
    return line, sent


def test_bytes_status_and_facts_of_a_request_are_told():
    async def app(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        scope[FACTS].update(model="half", version=3)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"12345"})

    chunk = {"type": "http.request", "body": b"abc", "more_body": True}
    line, sent = ask(app, chunk, {"type": "http.request", "body": b"d"})
    assert line == {
        "protocol": "REST",
        "client": "127.0.0.1:1234",
        "method": "POST",
        "path": "/v1/models/half:predict",
        "model": "half",
        "version": 3,
        "status": 200,
        "bytes_in": 4,
        "bytes_out": 5,
    }
    assert [message["type"] for message in sent] == [
        "http.response.start",
        "http.response.body",
    ]


def test_a_client_that_leaves_before_the_answer_has_status_499():
    async def app(scope, receive, send):
        await receive()

    line, _ = ask(app, {"type": "http.disconnect"})
    assert (line["status"], line["bytes_in"], line["bytes_out"]) == (499, 0, 0)


# --- gRPC -----------------------------------------------------------------------------


class Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    async def Predict(self, request, context):  # noqa: N802
        if request.model_spec.name == "missing":
            await context.abort(grpc.StatusCode.NOT_FOUND, "it is not there")
        response = predict_pb2.PredictResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = 7
        return response


@pytest.fixture
def call():
    """Call Predict once on a server with the log: the lines."""
    lines, loop = Lines(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start():
        server = grpc.aio.server(interceptors=[AccessLogInterceptor(lines)])
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            Servicer(), server
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, port

    server, port = asyncio.run_coroutine_threadsafe(start(), loop).result()

    def call(request):
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            try:
                stub.Predict(request, timeout=10)
            except grpc.RpcError as error:
                call.error = error.details()
        # An aborted call ends in the server after its client was told.
        asyncio.run_coroutine_threadsafe(server.stop(10), loop).result()
        for line in lines:
            assert line.pop("milliseconds") >= 0
            assert line.pop("client").startswith("ipv4:127.0.0.1:")
        return lines

    yield call
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def asking(name):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.inputs["x"].dtype = 1
    request.inputs["x"].tensor_shape.dim.add(size=3)
    request.inputs["x"].float_val.extend([1, 2, 3])
    return request


def test_a_call_is_told_with_the_version_that_answered(call):
    request = asking("half")
    assert call(request) == [
        {
            "protocol": "gRPC",
            "path": "/tensorflow.serving.PredictionService/Predict",
            "model": "half",
            "version": 7,
            "rows": 3,
            "code": "OK",
            "bytes_in": request.ByteSize(),
            "bytes_out": 12,
        }
    ]


def test_a_call_that_fails_is_told_with_its_code(call):
    request = asking("missing")
    assert call(request) == [
        {
            "protocol": "gRPC",
            "path": "/tensorflow.serving.PredictionService/Predict",
            "model": "missing",
            "version": None,
            "rows": 3,
            "code": "NOT_FOUND",
            "bytes_in": request.ByteSize(),
            "bytes_out": 0,
        }
    ]
    assert call.error == "it is not there"
