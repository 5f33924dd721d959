"""The fuzz's own parts: what it asks is as it says, and what is wrong is seen."""

import gzip
import importlib
import io
import itertools
import json
import random
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture(scope="module")
def modules():
    names = ("fuzz_json", "fuzz_bytes", "fuzz_messages", "fuzz_models", "fuzz_answers")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        yield {name: importlib.import_module(name) for name in names}
        for name in names:
            sys.modules.pop(name)


@pytest.fixture(scope="module")
def bodies(modules):
    return modules["fuzz_models"].good_bodies()


@pytest.fixture(scope="module")
def messages(modules):
    return modules["fuzz_models"].good_messages()


def test_the_same_seed_makes_the_same_requests(modules, bodies, messages, monkeypatch):
    monkeypatch.setattr("time.time", itertools.count(1e9, 10).__next__)

    def made(seed):
        r = random.Random(seed)
        return (
            modules["fuzz_json"].request(r.choice(bodies), r),
            modules["fuzz_bytes"].request(r, bodies),
            modules["fuzz_messages"].request(messages, r),
        )

    assert [made(seed) for seed in range(50)] == [made(seed) for seed in range(50)]
    assert len({made(seed) for seed in range(50)}) == 50


def test_a_nearly_right_request_is_well_formed_http(modules, bodies):
    """Its length is its body's, and its head has no line of its own making."""
    for seed in range(500):
        r = random.Random(seed)
        data = modules["fuzz_json"].request(r.choice(bodies), r)
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        assert lines[0].endswith(b" HTTP/1.1")
        assert b"Content-Length: %d" % len(body) in lines
        assert len(lines) <= 4


def test_a_good_body_is_written_as_json_does(modules, bodies):
    for _, _, body in bodies:
        assert json.loads(modules["fuzz_json"].write(body)) == body


def test_most_documents_are_json_and_few_are_good(modules, bodies):
    good = broken = 0
    texts = [modules["fuzz_json"].write(body).encode() for _, _, body in bodies]
    for seed in range(1000):
        r = random.Random(seed)
        document = modules["fuzz_json"].document(r.choice(bodies)[2], r)
        good += document in texts
        try:
            json.loads(document)
        except (ValueError, RecursionError):
            broken += 1
    assert 100 < good < 300
    assert 100 < broken < 400


JSON = {"content-type": "application/json"}
ERROR = b'{"error": "x"}'


@pytest.mark.parametrize(
    ("status", "headers", "body", "problem"),
    [
        (200, JSON, b'{"predictions": [1.0]}', None),
        (200, JSON, b"[1.0]", "200 with JSON that is no object"),
        (400, JSON, ERROR, None),
        (400, JSON, b"{}", "400 without an error: b'{}'"),
        (400, {"content-type": "text/plain"}, b"x", "400 is no JSON: b'x'"),
        (404, {}, b"", "404 is no JSON: b''"),
        (500, JSON, ERROR, f"500 {ERROR!r}"),
        (501, JSON, ERROR, None),
        (503, JSON, ERROR, "503 without Retry-After"),
        (503, JSON | {"retry-after": "1"}, ERROR, None),
    ],
)
def test_what_is_wrong_with_an_answer_is_seen(modules, status, headers, body, problem):
    answers = modules["fuzz_answers"]
    answer = answers.Answer(status, headers, body)
    assert answers.judge(answer, "POST", "/v1/models/dense:predict") == problem


def test_errors_outside_the_api_need_no_json(modules):
    answers = modules["fuzz_answers"]
    page = answers.Answer(404, {"content-type": "text/html"}, b"<p>")
    assert answers.judge(page, "GET", "/nowhere") is None
    assert answers.judge(page, "HEAD", "/v1/models/dense") is None
    assert answers.judge(page, "GET", "/v1/models/dense") == "404 is no JSON: b'<p>'"
    empty = answers.Answer(400, {}, b"")
    path = "/v1/models/dense/versions/9223372036854775808:predict"
    assert answers.judge(empty, "POST", path) is None


def test_every_kind_of_message_and_every_method_comes_up(modules, messages):
    methods, broken = set(), 0
    types = {method: type(message) for method, message in messages}
    for seed in range(2000):
        method, data = modules["fuzz_messages"].request(messages, random.Random(seed))
        methods.add(method)
        if method in types:
            try:
                types[method].FromString(data)
            except Exception:  # DecodeError of whichever implementation is installed
                broken += 1
    assert methods == set(modules["fuzz_messages"].METHODS)
    assert 20 < broken < 400


def test_a_bomb_is_over_the_bound_only_when_unpacked(modules):
    fuzz_bytes = modules["fuzz_bytes"]
    assert len(fuzz_bytes.BOMB) < fuzz_bytes.BODY_LIMIT
    with gzip.open(io.BytesIO(fuzz_bytes.BOMB)) as unpacked:
        assert len(unpacked.read(fuzz_bytes.BODY_LIMIT + 1)) > fuzz_bytes.BODY_LIMIT
