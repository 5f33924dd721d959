"""A small HTTP server that answers in TensorFlow Serving's form, without TensorFlow.

Its models are functions of the inputs. It can also tell manifests, as `kerasnn serve` does,
turn requests away, and fail.
"""

import contextlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INFER = re.compile(r"/v1/models/([^/:]+)(?:/(?:versions|labels)/([^/:]+))?:predict")
METADATA = re.compile(r"/v1/models/([^/:]+)(?:/(?:versions|labels)/([^/:]+))?/metadata")

PAGE = re.compile(r"/page/models/([^/:]+)/([0-9]+)")


class FakeModel:
    """A model: `inputs` and `outputs` are {name: (dtype, shape)}, `answer` a function."""

    def __init__(self, inputs, outputs, answer, *, version="1", manifest=None, labels=None):
        self.inputs, self.outputs, self.answer = inputs, outputs, answer
        self.version, self.manifest = version, manifest
        self.labels = labels  # those of a signature "classify", if it has one
        self.further = {}  # other signatures: models by key

    def metadata(self, name):
        signatures = {
            key: {
                "inputs": {n: tensor(n, *of) for n, of in model.inputs.items()},
                "outputs": {n: tensor(n, *of) for n, of in model.outputs.items()},
                "method_name": "tensorflow/serving/predict",
                "defaults": {},
            }
            for key, model in {"serving_default": self, **self.further}.items()
        }
        if self.labels is not None:
            signatures["classify"] = {"method_name": "tensorflow/serving/classify"}
        return {
            "model_spec": {"name": name, "signature_name": "", "version": self.version},
            "metadata": {"signature_def": {"signature_def": signatures}},
        }

    def states(self, name):
        """Return the versions, as the page is told of them."""
        states = {self.version: "AVAILABLE", "0": "END"}
        versions = [{"version": v, "state": state} for v, state in states.items()]
        return {"name": name, "versions": versions}


def tensor(name, dtype, shape):
    dims = [{"size": str(size), "name": ""} for size in shape or ()]
    return {
        "dtype": dtype,
        "tensor_shape": {"dim": dims, "unknown_rank": shape is None},
        "name": f"{name}:0",
    }


class FakeServer:
    """Attributes: url; asked: (verb, path, JSON) of each request, in order.

    `before` are answers (status, headers, body) that are given first, whatever is asked;
    an answer None closes the connection instead.
    """

    def __init__(self, models, *, tells_manifests=False, tls=None):
        self.models, self.tells_manifests = models, tells_manifests
        self.asked, self.before = [], []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
            self.url = self.url.replace("http:", "https:")

    def answer(self, verb, path, content):
        """(status, headers, JSON) to a request."""
        if match := METADATA.fullmatch(path):
            name, version = match.groups()
            if self.models.get(name) is None:
                return error(404, f"Servable not found for request: Latest({name})")
            if "/versions/" in path and version != self.models[name].version:
                why = f"Servable not found for request: Specific({name}, {version})"
                return error(404, why)
            return 200, {}, self.models[name].metadata(name)
        if match := INFER.fullmatch(path):
            model = self.models[match[1]]
            if match[2] not in (None, model.version):
                why = f"Servable not found for request: Specific({match[1]}, {match[2]})"
                return error(404, why)
            model = model.further.get(content.get("signature_name"), model)
            try:
                given = model.answer(**content["inputs"])
            except ValueError as why:
                return error(400, str(why))
            if len(model.outputs) == 1:
                given = given[next(iter(model.outputs))]
            return 200, {}, {"outputs": given}
        if path.endswith(":classify"):
            (model,) = self.models.values()
            if content != {"signature_name": "classify", "examples": [{}]}:
                return error(400, "not the question that was expected")
            if not model.labels:
                return error(400, "Feature: x (data type: float) is required")
            return 200, {}, {"results": [[[label, 0.5] for label in model.labels]]}
        if self.tells_manifests and path == "/page/models":
            return 200, {}, {"models": [m.states(n) for n, m in self.models.items()]}
        if self.tells_manifests and (match := PAGE.fullmatch(path)):
            model = self.models[match[1]]
            if match[2] == model.version:
                given = {"version": model.version, "manifest": model.manifest}
                return 200, {}, given
        return 404, {"Content-Type": "text/html"}, None

    def handler(self):
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # An answer is one packet, not two that wait for each other.
            wbufsize = -1

            def do_GET(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                content = json.loads(body) if body else None
                fake.asked.append((self.command, self.path, content))
                if fake.before:
                    answer = fake.before.pop(0)
                else:
                    answer = fake.answer(self.command, self.path, content)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, given = answer
                text = given if isinstance(given, bytes) else json.dumps(given).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *arguments):
                pass

        return Handler

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def error(status, text, **headers):
    return status, headers, {"error": text}


@contextlib.contextmanager
def nothing_listens():
    """A URL at which no server is."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port = server.server_port
    server.server_close()
    yield f"http://127.0.0.1:{port}"
