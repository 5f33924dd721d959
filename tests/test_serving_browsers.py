"""Which requests from browsers a server takes."""

import asyncio
import json

import pytest

from kerasnn.errors import InputError
from kerasnn.serving.app import make_app
from kerasnn.serving.http.browsers import browser_policy
from kerasnn.serving.inference.scheduler import Scheduler
from kerasnn.serving.metrics import Metrics
from kerasnn.serving.models.registry import ModelRegistry
from kerasnn.serving.options import Limits
from kerasnn.serving.service import Service


def refusal(policy, host, origin=None, method="POST"):
    headers = [] if host is None else [(b"host", host.encode())]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    return policy.refusal(method, headers)


HERE = browser_policy("127.0.0.1")
EVERYWHERE = browser_policy("0.0.0.0")


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8501", None),
        ("LOCALHOST:8501", "http://localhost:8501"),
        ("localhost.:8501", None),
        ("127.0.0.1:8501", "http://127.0.0.1:8501"),
        ("[::1]:8501", "http://[::1]:8501"),
        ("localhost", "https://localhost"),
        ("10.0.0.7:8501", None),  # an address cannot be given to another
        (None, None),  # HTTP/1.0
    ],
)
def test_programs_and_the_servers_own_page_may_ask(host, origin):
    assert refusal(HERE, host, origin) is None


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://localhost:3000",
        "http://localhost",
        "http://127.0.0.1:8501",
        "http://localhost:8501.evil.example",
        "http://localhost:8501@evil.example",
        "null",  # a file, or a frame in a sandbox
        "",
        "http://[::1",
        "http://localhost:99999999",
    ],
)
def test_pages_of_other_origins_may_not(origin):
    told = refusal(HERE, "localhost:8501", origin)
    assert f"--allow-origin {origin}" in told
    assert refusal(HERE, "localhost:8501", origin, method="GET") is None


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8501", "localhost.evil.example", "", "a@localhost"],
)
def test_a_site_that_points_its_name_at_this_machine_is_refused(host, method):
    assert "--allow-host" in refusal(HERE, host, f"http://{host}", method)
    assert "--allow-host" in refusal(HERE, host, None, method)


def test_a_server_for_all_answers_under_any_name_but_not_to_pages_of_other_names():
    assert refusal(EVERYWHERE, "shop.internal:8501") is None
    assert refusal(EVERYWHERE, "10.1.2.3:8501", "http://10.1.2.3:8501") is None
    assert "--allow-origin" in refusal(EVERYWHERE, "evil.example", "http://evil.example")


def test_options_add_names_and_origins():
    policy = browser_policy(
        "0.0.0.0", hosts=["Shop.example.com"], origins=["https://other.example.com"]
    )
    assert refusal(policy, "shop.example.com", "https://shop.example.com") is None
    assert refusal(policy, "127.0.0.1:8501", "https://other.example.com") is None
    assert "--allow-host evil.example" in refusal(policy, "evil.example")
    assert "--allow-origin" in refusal(policy, "shop.example.com", "https://evil.example")
    everyone = browser_policy("127.0.0.1", origins=["*"])
    assert refusal(everyone, "localhost:8501", "https://evil.example") is None
    assert "--allow-host" in refusal(everyone, "evil.example", "https://evil.example")


@pytest.mark.parametrize(
    "origin",
    ["shop.example.com", "https://shop.example.com/", "ftp://a", "https://", "http://["],
)
def test_an_origin_is_written_as_browsers_write_it(origin):
    with pytest.raises(InputError, match="--allow-origin must be"):
        browser_policy("127.0.0.1", origins=[origin])


def test_answers_may_be_read_by_pages_of_the_origins_that_are_allowed():
    policy = browser_policy("127.0.0.1", origins=["https://shop.example.com"])
    allowed = dict(policy.answer_headers([(b"origin", b"https://shop.example.com")]))
    assert allowed[b"access-control-allow-origin"] == b"https://shop.example.com"
    assert allowed[b"vary"] == b"Origin"
    other = policy.answer_headers([(b"origin", b"https://evil.example")])
    assert other == [(b"vary", b"Origin")]
    assert HERE.answer_headers([(b"origin", b"https://shop.example.com")]) == []


def test_the_application_refuses_before_anything_is_read():
    service = Service(ModelRegistry(dict), Scheduler(), Metrics(), Limits())
    app = make_app(service, stopping=lambda: False)
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        raise AssertionError("the body was read")

    for path in (b"/v1/models/m:predict", b"/metrics", b"/"):
        scope = {
            "type": "http",
            "method": "POST",
            "path": path.decode(),
            "raw_path": path,
            "query_string": b"",
            "headers": [(b"host", b"localhost:8501"), (b"origin", b"http://evil.example")],
        }
        asyncio.run(app(scope, receive, send))
        start, body = sent[-2:]
        assert start["status"] == 403
        assert "http://evil.example" in json.loads(body["body"])["error"]
