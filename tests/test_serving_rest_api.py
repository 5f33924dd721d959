"""The REST interface, held to the cases of TensorFlow Serving's own tests."""

import asyncio
import base64
import gzip
import json
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnn.serving.errors import Code, ServingError
from kerasnn.serving.http.browsers import BrowserPolicy
from kerasnn.serving.inference.scheduler import BatchingOptions, Scheduler
from kerasnn.serving.metrics import Metrics
from kerasnn.serving.models.registry import ModelRegistry
from kerasnn.serving.models.sources import ModelSource
from kerasnn.serving.options import Limits
from kerasnn.serving.rest.api import RestApp
from kerasnn.serving.rest.paths import Route, parse_route
from kerasnn.serving.service import Service
from tests import serving_models

LIMITS = Limits(body_bytes=20_000, rows=50, nesting=10)


class Answer:
    """What a request came to."""

    def __init__(self, messages):
        start, *bodies = messages
        self.status = start["status"]
        self.headers = dict(start["headers"])
        self.body = b"".join(message["body"] for message in bodies)

    @property
    def json(self):
        return json.loads(self.body)


class Client:
    """Asks the ASGI application; each request in a loop of its own."""

    def __init__(self, models, *, browsers=None, limits=LIMITS, waiting=10, inference=None):
        self.models, self.limits = models, limits
        self.browsers = browsers or BrowserPolicy()
        self.waiting, self.inference = waiting, inference
        self.metrics = Metrics()

    def __call__(
        self, method, target, body=b"", headers=(), *, chunks=None, whole=False, facts=None
    ):
        path, _, query = target.partition("?")
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        scope = {
            "type": "http",
            "method": method,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": list(headers),
        }
        if facts is not None:
            scope["kerasnn.request"] = facts
        if chunks is None:
            chunks, whole = [body], True
        return asyncio.run(self._ask(scope, chunks, whole))

    async def _ask(self, scope, chunks, whole):
        running = Scheduler(threads=1, batching=BatchingOptions(), waiting=self.waiting)
        running.start()
        inference = self.inference or running
        app = RestApp(
            Service(self.models, inference, self.metrics, self.limits), self.browsers
        )
        waiting, sent = list(chunks), []

        async def receive():
            if not waiting:
                return {"type": "http.disconnect"}
            return {
                "type": "http.request",
                "body": waiting.pop(0),
                "more_body": bool(waiting) or not whole,
            }

        async def send(message):
            sent.append(message)

        await app(scope, receive, send)
        await running.stop()
        return Answer(sent) if sent else None


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    serving_models.make_half_plus_two(folder / "half", 123)
    serving_models.make_half_plus_two(folder / "two", 1)
    serving_models.make_half_plus_two(folder / "two", 2, two=3.0)
    for name in ("classifier", "columns", "counter", "dense", "types"):
        getattr(serving_models, f"make_{name}")(folder / name)
    serving_models.make_half_plus_two(folder / "a%b c", 1)
    serving_models.make_table(folder / "shop")
    sources = {path.name: ModelSource(path, latest=None) for path in folder.iterdir()}
    served = ModelRegistry(lambda: sources)
    served.refresh()
    labelled = ModelSource(folder / "two", latest=None, labels={"stable": 1})
    serving_models.make_broken(folder / "broken", 7)
    sources |= {"two": labelled, "broken": ModelSource(folder / "broken")}
    served.refresh()
    yield served
    served.stop()


@pytest.fixture(scope="module")
def ask(models):
    return Client(models)


HALF = "/v1/models/half:predict"


# ---------------------------------------------------------------------- predict


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"instances": [1.0, 2.0, 5]}, {"predictions": [2.5, 3.0, 4.5]}),
        ({"instances": [{"x": 1.0}, {"x": 2.0}]}, {"predictions": [2.5, 3.0]}),
        ({"inputs": [1.0, 2.0]}, {"outputs": [2.5, 3.0]}),
        ({"inputs": {"x": [1.0]}}, {"outputs": [2.5]}),
        ({"inputs": []}, {"outputs": []}),
        ({"inputs": {"x": [1.0], "extra": "ignored"}, "more": 1}, {"outputs": [2.5]}),
        ({"inputs": 4.0}, {"outputs": 4.0}),
    ],
)
def test_rows_and_columns_are_answered_in_their_form(ask, body, answer):
    given = ask("POST", HALF, body)
    assert (given.status, given.json) == (200, answer)
    assert given.headers[b"content-type"] == b"application/json"
    assert int(given.headers[b"content-length"]) == len(given.body)


def test_a_form_type_is_not_looked_at(ask):
    headers = [(b"content-type", b"application/x-www-form-urlencoded")]
    assert ask("POST", HALF, {"inputs": [1]}, headers).json == {"outputs": [2.5]}


def test_what_stands_after_the_document_is_not_read(ask):
    assert ask("POST", HALF, b' {"inputs": [1]} and more').json == {"outputs": [2.5]}


def test_nan_and_infinity_go_in_and_come_out_bare(ask):
    given = ask("POST", HALF, b'{"instances": [NaN, Infinity, -Infinity, 1e39, 0.1]}')
    assert given.status == 200
    assert given.body == b'{"predictions":[NaN,Infinity,-Infinity,Infinity,2.05]}'


def test_floats_are_as_short_as_they_read_back(ask):
    given = ask("POST", HALF, {"instances": [0.2, 1e10, 2.0]})
    assert given.body == b'{"predictions":[2.1,5000000000.0,3.0]}'
    types = ask(
        "POST",
        "/v1/models/types:predict",
        {"signature_name": "double"} | {"inputs": [0.1, 1 / 3, 1e300]},
    )
    assert types.body == b'{"outputs":[0.1,0.3333333333333333,1e+300]}'


def test_several_inputs_and_outputs_have_their_names(ask):
    rows = [{"age": 1.5, "city": "Köln", "count": 2}, {"age": 2, "city": "", "count": 3}]
    given = ask("POST", "/v1/models/columns:predict", {"instances": rows})
    assert given.json == {
        "predictions": [
            {
                "label": "Köln 2",
                "score": [1.5, 2.0],
                "raw_bytes": {"b64": base64.b64encode("Köln".encode()).decode()},
            },
            {"label": " 3", "score": [2.0, 3.0], "raw_bytes": {"b64": ""}},
        ]
    }
    columns = {"age": [1.5], "city": [{"b64": "YQ"}], "count": [2]}
    given = ask("POST", "/v1/models/columns:predict", {"inputs": columns})
    assert given.json["outputs"]["label"] == ["a 2"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("bool", [True, False]),
        ("int8", [-128, 127]),
        ("int16", [-32768, 32767]),
        ("int32", [-(2**31), 2**31 - 1]),
        ("int64", [-(2**63), 2**63 - 1]),
        ("uint8", [0, 255]),
        ("uint32", [0, 2**32 - 1]),
        ("uint64", [0, 2**64 - 1]),
        ("float", [[1.5], [2.5]]),
        ("double", [[[0.1]]]),
        ("string", ["a", "ß"]),
    ],
)
def test_each_type_comes_back_as_it_was_sent(ask, name, values):
    body = {"signature_name": name, "inputs": values}
    assert ask("POST", "/v1/models/types:predict", body).json == {"outputs": values}


def test_an_integer_too_large_for_8_bits_wraps_around(ask):
    body = {"signature_name": "uint8", "inputs": [300]}
    assert ask("POST", "/v1/models/types:predict", body).json == {"outputs": [44]}


def test_text_that_is_no_utf8_is_written_readably(ask):
    body = {"signature_name": "string", "inputs": [{"b64": "/w=="}]}
    assert ask("POST", "/v1/models/types:predict", body).json == {"outputs": ["\ufffd"]}


IN_ROW = "Failed to process element: {} of 'instances' list. Error: INVALID_ARGUMENT: "


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b"[1]", "JSON Value: [1] Is not object"),
        (b'"x"', 'JSON Value: "x" Is not object'),
        ({}, "Missing 'inputs' or 'instances' key"),
        (
            {"signature_name": 5, "inputs": [1]},
            'JSON Value: {\n    "signature_name": 5,\n    "inputs": [1]\n} not formatted'
            " correctly. 'signature_name' key must be a string value.",
        ),
        (
            {"signature_name": "none", "inputs": [1]},
            'Serving signature name: "none" not found in signature def',
        ),
        (
            {"instances": [1], "inputs": [1]},
            'JSON Value: {\n    "instances": [1],\n    "inputs": [1]\n} Not formatted'
            " correctly expecting only one of 'inputs' or 'instances' keys to exist ",
        ),
        (
            {"instances": 1},
            'JSON Value: {\n    "instances": 1\n} Expecting'
            " 'instances' to be an list/array",
        ),
        (
            {"instances": []},
            "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array",
        ),
        (
            {"instances": ["x"]},
            IN_ROW.format(0)
            + 'JSON Value: "x" Type: String is not of expected type: float',
        ),
        (
            {"instances": [1.0, True]},
            IN_ROW.format(1) + "JSON Value: true Type: True is not of expected type: float",
        ),
        (
            {"instances": [1.0, None]},
            IN_ROW.format(1) + "JSON Value: null Type: Null is not of expected type: float",
        ),
        (
            {"instances": [[1, 2], [1, 2, 3]]},
            IN_ROW.format(1) + "Expecting tensor size: 2 but got: 3",
        ),
        (
            {"instances": [[1, 2], [[1, 2]]]},
            IN_ROW.format(1) + "Expecting shape [2] but got: [1,2]",
        ),
        (
            {"instances": [[[1], [2, 3]]]},
            IN_ROW.format(0)
            + "Encountered list at unexpected size: 2 at level: 1 expected size: 1",
        ),
        (
            {"instances": [[1, [2]]]},
            IN_ROW.format(0) + "Encountered list at unexpected level: 1 expected < 1",
        ),
        (
            {"instances": [[[1], 2]]},
            IN_ROW.format(0) + "JSON Value: 2 found at incorrect level: 2 in the JSON DOM."
            " Expected at level: 2",
        ),
        (
            {"instances": [{"x": 1}, 2]},
            "Expecting object but got list at item 1 of input list",
        ),
        (
            {"instances": [2, {"x": 1}]},
            "Expecting value/list but got object at item 1 of input list",
        ),
        (
            {"instances": [{"z": 1}]},
            IN_ROW.format("0 key: z") + "JSON object: does not have named input: z",
        ),
        (
            {"instances": [{}]},
            "Failed to process element: 0 of 'instances' list. JSON object: {} keys must be"
            " equal to: x",
        ),
        (
            {"inputs": ["x"]},
            'JSON Value: "x" Type: String is not of expected type: float',
        ),
        ({"inputs": {"z": [1]}}, "Missing named input: x in 'inputs' object."),
        (
            {"inputs": [[1, 2], [3]]},
            "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
        ),
        (
            {"inputs": [{"b64": "YQ=="}]},
            'JSON Value: {\n    "b64": "YQ=="\n} Type: Object is not of expected type:'
            " float",
        ),
    ],
)
def test_what_is_wrong_with_a_request_is_said_in_servings_words(ask, body, message):
    given = ask("POST", HALF, body)
    assert (given.status, given.json) == (400, {"error": message})


@pytest.mark.parametrize(
    ("name", "value", "shown", "kind"),
    [
        ("int32", 1.0, "1.0", "Number"),
        ("int32", 2**31, "2147483648", "Number"),
        ("int64", 2**63, "9223372036854775808", "Number"),
        ("uint32", -1, "-1", "Number"),
        ("bool", 1, "1", "Number"),
        ("string", 1, "1", "Number"),
    ],
)
def test_nothing_is_converted_silently(ask, name, value, shown, kind):
    body = {"signature_name": name, "inputs": [value]}
    given = ask("POST", "/v1/models/types:predict", body)
    assert given.status == 400
    assert given.json["error"] == (
        f"JSON Value: {shown} Type: {kind} is not of expected type: {name}"
    )


def test_base64_that_is_none_is_refused(ask):
    body = {"signature_name": "string", "inputs": [{"b64": "*"}]}
    given = ask("POST", "/v1/models/types:predict", body)
    assert (given.status, given.json) == (400, {"error": "Unable to base64 decode"})
    body["inputs"] = [{"b65": "YQ=="}]
    given = ask("POST", "/v1/models/types:predict", body)
    assert given.json["error"] == (
        'JSON Value: {\n    "b65": "YQ=="\n} not formatted correctly for base64 data'
    )


def test_a_type_without_a_form_in_json_is_unimplemented(ask):
    body = {"signature_name": "complex64", "inputs": [1]}
    given = ask("POST", "/v1/models/types:predict", body)
    assert given.status == 501
    assert given.json["error"] == "Conversion of JSON Value: 1 to type: complex64"


def test_several_inputs_need_names(ask):
    target = "/v1/models/columns:predict"
    needed = "as multiple input tensors required as per tensorinfo_map"
    assert ask("POST", target, {"instances": [1]}).json["error"] == (
        f"instances is a plain list, but expecting list of objects {needed}"
    )
    assert ask("POST", target, {"inputs": [1]}).json["error"] == (
        f"inputs is a plain value/list, but expecting an object {needed}"
    )
    row = {"age": 1, "city": "a"}
    assert ask("POST", target, {"instances": [row]}).json["error"] == (
        "Failed to process element: 0 of 'instances' list. JSON object: "
        + json.dumps(row, indent=4)
        + " keys must be equal to: age,city,count"
    )


def test_a_scalar_has_no_row_form(ask):
    body = {"signature_name": "incr_counter_by", "instances": [1.0]}
    assert ask("POST", "/v1/models/counter:predict", body).status == 400
    body = {"signature_name": "incr_counter_by", "inputs": 2.5}
    assert ask("POST", "/v1/models/counter:predict", body).json == {"outputs": 2.5}
    body = {"signature_name": "get_counter", "inputs": {}}
    assert ask("POST", "/v1/models/counter:predict", body).json == {
        "error": "Failed to get input map for signature: get_counter"
    }


@pytest.mark.parametrize(
    ("value", "given"), [([[1.0, 2.0]], "[1, 2]"), ([[]], "[1, 0]"), ([1.0], "[1]")]
)
def test_another_rank_or_size_than_the_signatures_is_told(ask, value, given):
    answer = ask("POST", "/v1/models/dense:predict", {"instances": value})
    assert answer.status == 400
    assert answer.json == {"error": f"input x must be [rows, 64]; got {given}"}


def test_a_parse_error_comes_before_an_unknown_model(ask):
    assert ask("POST", "/v1/models/none:predict", b"{").status == 400
    assert ask("POST", "/v1/models/none:predict", {"inputs": [1]}).status == 404


def test_an_unknown_signature_comes_before_the_form(ask):
    for body in ({}, {"instances": 1, "inputs": 1}):
        given = ask("POST", HALF, {"signature_name": "none"} | body)
        assert given.json["error"] == (
            'Serving signature name: "none" not found in signature def'
        )
    given = ask("POST", "/v1/models/counter:predict", {"signature_name": "get_counter"})
    assert given.json["error"] == "Failed to get input map for signature: get_counter"


def test_what_is_no_json_is_a_parse_error(ask):
    given = ask("POST", HALF, b"instances = [1, 2]")
    assert (given.status, given.json) == (
        400,
        {"error": "JSON Parse error: Invalid value. at offset: 0"},
    )


@pytest.mark.parametrize("depth", [100, 5_000, 9_000])
def test_deep_nesting_is_a_clean_refusal(ask, depth):
    body = b'{"inputs": ' + b"[" * depth + b"]" * depth + b"}"
    given = ask("POST", HALF, body)
    assert given.status == 400
    assert "nested" in given.json["error"]


# ---------------------------------------------------------------------- bounds


def test_too_many_rows_are_refused(ask):
    assert ask("POST", HALF, {"instances": [1] * 50}).status == 200
    for body in ({"instances": [1] * 51}, {"inputs": [[1]] * 51}):
        given = ask("POST", HALF, body)
        assert (given.status, given.json) == (
            400,
            {"error": "a request may have at most 50 rows (--max-rows); got 51"},
        )


TOO_LARGE = {"error": "a body may have at most 20000 bytes (--max-body-bytes)"}


def test_a_large_body_is_refused_before_it_is_read(ask):
    length = [(b"content-length", b"20001")]
    given = ask("POST", HALF, b"", length)
    assert (given.status, given.json) == (413, TOO_LARGE)
    assert given.headers[b"connection"] == b"close"


def test_a_length_that_nobody_can_mean_is_too_large(ask):
    given = ask("POST", HALF, b"", [(b"content-length", b"9" * 5000)])
    assert (given.status, given.json) == (413, TOO_LARGE)


def test_a_body_may_come_in_parts(ask):
    chunks = [b'{"instances"', b"", b": [1.0, 2", b".0]}"]
    given = ask("POST", HALF, chunks=chunks, whole=True)
    assert given.json == {"predictions": [2.5, 3.0]}


def test_a_body_that_grows_too_large_is_not_read_on(ask):
    given = ask("POST", HALF, chunks=[b" " * 15_000, b" " * 15_000, b"never read"])
    assert (given.status, given.json) == (413, TOO_LARGE)


def test_gzip_is_unpacked_within_the_bound(ask):
    packed = [(b"content-encoding", b"gzip")]
    body = gzip.compress(b'{"instances": [1.0]}')
    assert ask("POST", HALF, body, packed).json == {"predictions": [2.5]}
    bomb = gzip.compress(b" " * 10_000_000)
    assert len(bomb) < 20_000
    tracemalloc.start()
    assert ask("POST", HALF, bomb, packed).status == 413
    assert tracemalloc.get_traced_memory()[1] < 1_000_000  # the rest is never unpacked
    tracemalloc.stop()
    for damaged in (b"no gzip", body[:-9], body[:-3] + b"abc", body + body):
        given = ask("POST", HALF, damaged, packed)
        assert given.status == 400
        assert "gzip" in given.json["error"]


def test_a_client_that_leaves_gets_no_answer(ask):
    assert ask("POST", HALF, chunks=[]) is None
    assert ask("POST", HALF, chunks=[b'{"instances"']) is None


def test_what_is_packed_otherwise_is_read_as_it_is(ask):
    for encoding in (b"identity", b"br"):
        headers = [(b"content-encoding", encoding)]
        assert ask("POST", HALF, {"inputs": [1.0]}, headers).json == {"outputs": [2.5]}
    given = ask("POST", HALF, zlib.compress(b"{}"), [(b"content-encoding", b"deflate")])
    assert given.status == 400
    assert given.json == {
        "error": "a body may be packed with gzip, or not at all; got the content-encoding"
        " 'deflate'"
    }


def test_head_is_answered_like_get(ask):
    given = ask("GET", "/v1/models/half")
    assert ask("HEAD", "/v1/models/half").headers == given.headers
    assert ask("HEAD", "/v1/models/none").status == 404


def test_who_comes_when_too_many_wait_is_told_when_to_come_again(models):
    given = Client(models, waiting=0)("POST", HALF, {"inputs": [1.0]})
    assert given.status == 429
    assert given.headers[b"retry-after"] == b"1"
    assert given.json == {
        "error": "0 requests wait already, the most that --max-waiting allows; try again"
    }


def test_a_request_has_its_time(models):
    limits = Limits(timeout_seconds=0.0)
    given = Client(models, limits=limits)("POST", HALF, {"inputs": [1.0]})
    assert (given.status, given.json) == (
        504,
        {"error": "the time for this request is over (timeout)"},
    )


class Failing:
    """An inference in which something goes wrong."""

    def __init__(self, error):
        self.error = error

    async def run(self, *args, **kwargs):
        raise self.error


def test_a_server_that_cannot_now_says_when_it_can(models):
    error = ServingError(Code.UNAVAILABLE, "stopping", retry_after_seconds=5)
    given = Client(models, inference=Failing(error))("POST", HALF, {"inputs": [1.0]})
    assert (given.status, given.json) == (503, {"error": "stopping"})
    assert given.headers[b"retry-after"] == b"5"


def test_what_nobody_expected_is_logged_and_answered(models, caplog):
    client = Client(models, inference=Failing(ZeroDivisionError("by zero")))
    given = client("POST", HALF, {"inputs": [1.0]})
    assert (given.status, given.json) == (500, {"error": "ZeroDivisionError: by zero"})
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("kerasnn.serving", "ERROR")
    assert record.exc_info[0] is ZeroDivisionError
    assert 'status="INTERNAL"} 1' in client.metrics.text()


# ---------------------------------------------------------------------- classify, regress


def test_classify_gives_labels_with_their_scores(ask):
    target = "/v1/models/classifier:classify"
    body = {
        "signature_name": "classify",
        "examples": [{"x": [0.0, 0.0]}, {"x": [5.0, 0.0]}],
    }
    first, second = ask("POST", target, body).json["results"]
    assert first == [["low", 0.5], ["high", 0.5]]
    assert second[0] == ["low", pytest.approx(0.9933, abs=1e-4)]
    body["signature_name"] = "classes_only"
    assert ask("POST", target, body).json["results"][0] == [["low", 0.0], ["high", 0.0]]
    body["signature_name"] = "scores_only"
    assert ask("POST", target, body).json["results"][0] == [["", 0.5], ["", 0.5]]


def test_regress_gives_a_value_for_each_example(ask):
    body = {"signature_name": "regress_x_to_y", "examples": [{"x": 2.0}, {"x": [4.0]}]}
    given = ask("POST", "/v1/models/half:regress", body)
    assert (given.status, given.json) == (200, {"results": [3.0, 4.0]})


def test_a_context_fills_what_an_example_leaves_out(ask):
    body = {
        "signature_name": "regress_x_to_y",
        "context": {"x": 10.0},
        "examples": [{}, {"x": 2.0}],
    }
    assert ask("POST", "/v1/models/half:regress", body).json == {"results": [7.0, 3.0]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {},
            "JSON Value: {} When method is classify, key 'examples' is expected and was"
            " not found",
        ),
        (
            {"examples": 1},
            "JSON Value: {\n    \"examples\": 1\n} Expecting 'examples' value to be an"
            " list/array",
        ),
        (
            {"examples": []},
            "JSON Value: {\n    \"examples\": []\n} 'examples' value is an empty array",
        ),
        ({"examples": [1]}, "Example must be JSON object but got JSON Number"),
        (
            {"examples": [{"x": None}]},
            "Feature: x has element with unexpected JSON type: Null",
        ),
        (
            {"examples": [{"x": [[1]]}]},
            "Feature: x has element with unexpected JSON type: Array",
        ),
        (
            {"examples": [{"x": {"a": 1}}]},
            "Feature: x has element with unexpected JSON type: Object",
        ),
        (
            {"examples": [{"x": [1, 2.0]}]},
            "Unexpected element type in feature: x expecting type: int64",
        ),
        (
            {"examples": [{"x": ["a", True]}]},
            "Unexpected element type in feature: x expecting type: bytes",
        ),
        (
            {"examples": [{"x": 2**63}]},
            "Feature: x has uint64_t element. Only int64_t is supported.",
        ),
        ({"examples": [{"x": {"b64": "*"}}]}, "Unable to base64 decode"),
        (
            {"context": [], "examples": [{}]},
            "Example must be JSON object but got JSON Array",
        ),
        (
            {"signature_name": "none", "examples": [{}]},
            "No signature was found with the name: none",
        ),
    ],
)
def test_what_is_wrong_with_examples_is_said_in_servings_words(ask, body, message):
    given = ask("POST", "/v1/models/half:classify", body)
    assert (given.status, given.json) == (400, {"error": message})


def test_an_integer_is_no_float_feature(ask):
    body = {"signature_name": "regress_x_to_y", "examples": [{"x": 6}]}
    given = ask("POST", "/v1/models/half:regress", body)
    assert given.status == 400
    assert "Data types don't match" in given.json["error"]


# ---------------------------------------------------------------------- versions, paths


def test_versions_and_labels_choose(ask):
    body = {"instances": [2.0]}
    for which, value in (
        ("", 4.0),
        ("/versions/1", 3.0),
        ("/versions/01", 3.0),
        ("/versions/2", 4.0),
        ("/labels/stable", 3.0),
    ):
        given = ask("POST", f"/v1/models/two{which}:predict", body)
        assert given.json == {"predictions": [value]}


NO_MODEL = "Servable not found for request: Latest(no)"


@pytest.mark.parametrize(
    ("method", "target", "status", "message"),
    [
        (
            "POST",
            "/v1/models/no:predict",
            404,
            NO_MODEL,
        ),
        (
            "POST",
            "/v1/models/two/versions/9:predict",
            404,
            "Servable not found for request: Specific(two, 9)",
        ),
        (
            "POST",
            "/v1/models/two/labels/no:predict",
            400,
            "Unrecognized servable version label: no",
        ),
        ("GET", "/v1/models/no", 404, "Could not find any versions of model no"),
        ("GET", "/v1/models/two/versions/9", 404, "Could not find version 9 of model two"),
        (
            "GET",
            "/v1/models/no/metadata",
            404,
            NO_MODEL,
        ),
        ("PUT", "/v1/models/two", 400, "Malformed request: PUT /v1/models/two"),
        ("POST", "/v1/models/two", 400, "Malformed request: POST /v1/models/two"),
        ("GET", "/v1/", 400, "Malformed request: GET /v1/"),
        (
            "POST",
            "/v1/models/two:predict?a=1",
            400,
            "Malformed request: POST /v1/models/two:predict?a=1",
        ),
        (
            "POST",
            "/v1/models/two/versions/1/labels/stable:predict",
            400,
            "Malformed request: POST /v1/models/two/versions/1/labels/stable:predict",
        ),
    ],
)
def test_who_is_not_there_is_said_in_servings_words(ask, method, target, status, message):
    given = ask(method, target, {"inputs": [1.0]})
    assert (given.status, given.json) == (status, {"error": message})


def test_a_version_beyond_int64_is_the_one_error_without_a_body(ask):
    for digits in (str(2**63), "9" * 5000):
        given = ask("GET", f"/v1/models/two/versions/{digits}")
        assert (given.status, given.body) == (400, b"")


def test_names_are_decoded_after_the_match(ask):
    given = ask("POST", "/V1/Models/a%25b%20c:PREDICT", {"instances": [2.0]})
    assert given.json == {"predictions": [3.0]}
    assert parse_route("GET", b"/v1/models/a%2Fb") == Route("status", "a/b")
    assert parse_route("GET", b"/v1/models/%2e%2e/metadata") == Route("metadata", "..")
    long = "a" * 1000  # more than is kept
    assert parse_route("GET", f"/v1/models/{long}".encode()) == Route("status", long)
    reserved = b"%21%23%24%25%26%27%28%29%2A%2B%2C%2F%3A%3B%3D%3F%40%5B%5D"
    target = b"/v1/models/m%s/labels/l%s" % (reserved, reserved)
    name = "!#$%&'()*+,/:;=?@[]"
    expected = Route("predict", f"m{name}", label=f"l{name}")
    assert parse_route("POST", target + b":predict") == expected
    assert parse_route("GET", target + b"/metadata") == expected._replace(what="metadata")
    assert ask("GET", "/v1/models/..%2F..").status == 404


def test_the_status_tells_of_every_version_and_what_failed(ask):
    def version(number, state, code="OK", message=""):
        status = {"error_code": code, "error_message": message}
        return {"version": number, "state": state, "status": status}

    listed = [version("2", "AVAILABLE"), version("1", "AVAILABLE")]
    for target in ("/v1/models/two", "/v1/models/two/labels/stable"):
        assert ask("GET", target).json == {"model_version_status": listed}
    assert ask("GET", "/v1/models/two/versions/1").json == {
        "model_version_status": [listed[1]]
    }
    (failed,) = ask("GET", "/v1/models/broken").json["model_version_status"]
    assert failed["state"] == "END"
    assert failed["status"]["error_code"] != "OK"
    assert failed["status"]["error_message"]


def test_all_models_are_listed(ask):
    listed = {
        m["name"]: m["model_version_status"]
        for m in ask("GET", "/v1/models").json["models"]
    }
    assert list(listed) == sorted(listed)
    assert listed["two"] == ask("GET", "/v1/models/two").json["model_version_status"]
    assert listed["broken"][0]["state"] == "END"


def test_a_tables_network_takes_rows_as_people_write_them(ask):
    def predicted(**row):
        answer = ask("POST", "/v1/models/shop:predict", {"instances": [row]})
        return answer.json.get("predictions", answer.json)

    usual = {"age": 30.0, "city": "Lyon", "member": "True"}
    as_it_is = predicted(**usual)
    assert as_it_is[0].keys() == {"class", "probabilities"}
    assert predicted(age="30", city="Lyon", member=True) == as_it_is
    assert predicted(age=None, city="Lyon", member="1") != as_it_is
    assert (
        "column 'age', row 0: 'old' is not a number"
        in predicted(**usual | {"age": "old"})["error"]
    )
    many = {"instances": [usual | {"age": "1"}] * 51}
    assert "--max-rows" in ask("POST", "/v1/models/shop:predict", many).json["error"]


def test_the_metadata_are_those_of_the_signatures(ask):
    given = ask("GET", "/v1/models/half/metadata").json
    assert given["model_spec"] == {"name": "half", "signature_name": "", "version": "123"}
    signature = given["metadata"]["signature_def"]["signature_def"]["serving_default"]
    shape = {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["defaults"] == {}
    assert signature["inputs"] == {
        "x": {"name": "x:0", "dtype": "DT_FLOAT", "tensor_shape": shape}
    }


def test_a_browser_may_ask_where_that_is_allowed(ask, models):
    origin = [(b"origin", b"http://page")]
    allowed = Client(models, browsers=BrowserPolicy(origins=frozenset("*")))
    given = allowed("OPTIONS", HALF, headers=origin)
    assert (given.status, given.body) == (200, b"")
    assert given.headers[b"access-control-allow-origin"] == b"*"
    assert b"access-control-allow-origin" in allowed("GET", "/v1/models/no").headers
    given = ask("OPTIONS", HALF, headers=origin)
    assert given.status == 200
    assert b"access-control-allow-origin" not in given.headers
    given = ask("OPTIONS", HALF)
    assert (given.status, given.json) == (
        400,
        {"error": "Origin header is missing in CORS preflight"},
    )


def test_a_request_is_counted_and_its_facts_are_told(models):
    client, facts = Client(models), {}
    client("POST", HALF, {"instances": [1.0, 2.0]}, facts=facts)
    assert facts == {"model": "half", "version": 123, "rows": 2, "code": "OK"}
    client("POST", "/v1/models/made-up:predict", {"inputs": [1.0]})
    text = client.metrics.text()
    assert ':tensorflow:serving:request_count{model_name="half",status="OK"} 1' in text
    assert ':tensorflow:serving:request_count{model_name="",status="NOT_FOUND"} 1' in text
    assert "made-up" not in text


# ---------------------------------------------------------------------- anything


@pytest.fixture(scope="module")
def lenient(models):
    return Client(models)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["x", "b64", "age", "é"]), inner, max_size=3)
    ),
    max_leaves=12,
)
BODIES = st.binary(max_size=60) | st.builds(
    lambda key, value, more: json.dumps({key: value, **more}).encode(),
    st.sampled_from(["instances", "inputs", "examples", "context", "signature_name"]),
    JSON,
    st.dictionaries(st.sampled_from(["instances", "signature_name", "examples"]), JSON),
)


@pytest.mark.slow
@given(
    body=BODIES,
    model=st.sampled_from(["half", "columns", "types", "classifier"]),
    what=st.sampled_from(["predict", "classify", "regress"]),
)
@settings(max_examples=250, deadline=None, derandomize=True)
def test_whatever_is_sent_the_answer_is_json(lenient, body, model, what):
    given = lenient("POST", f"/v1/models/{model}:{what}", body)
    assert given.status in (200, 400, 501)
    content = json.loads(given.body)
    assert isinstance(content, dict)
    assert ("error" in content) == (given.status != 200)


def test_a_large_body_is_not_read_leniently(models):
    client = Client(models, limits=Limits(rows=10**7))
    body = b'{"inputs": [NaN' + b",0.25" * 2**20 + b"]}"
    given = client("POST", HALF, body)
    assert given.status == 400
    assert given.json["error"].startswith("JSON Parse error: ")
    assert (
        "Beyond 4194304 bytes only standard JSON is read, without NaN"
        in (given.json["error"])
    )
    assert client("POST", HALF, body.replace(b"NaN", b"0")).status == 200


def test_beyond_the_bytes_in_flight_a_large_body_is_unavailable(models):
    client = Client(models, limits=Limits(bytes_in_flight=80_000))
    given = client("POST", HALF, {"instances": [1.5] * 30_000})
    assert given.status == 503
    assert "(--max-bytes-in-flight)" in given.json["error"]
    assert (given.headers[b"retry-after"], given.headers[b"connection"]) == (b"1", b"close")
    assert client("POST", HALF, {"instances": [1.0]}).json == {"predictions": [2.5]}


@pytest.mark.parametrize("form", ["instances", "inputs"])
def test_a_large_body_is_answered_as_a_small_one_is(models, form):
    client = Client(models, limits=Limits())
    given = client("POST", HALF, {form: list(range(100_000)), "more": "text"})
    key = {"instances": "predictions", "inputs": "outputs"}[form]
    assert given.json == {key: [n / 2 + 2 for n in range(100_000)]}
    wrong = client("POST", HALF, {form: [[1.0, "a"]] * 50_000})
    assert wrong.status == 400
    assert (
        'JSON Value: "a" Type: String is not of expected type: float' in wrong.json["error"]
    )
