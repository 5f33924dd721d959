import asyncio

import httpx
import pytest
import serving_models

from kerasnn.serving.app import METRICS_TYPE, make_app
from kerasnn.serving.inference.model_calls import StuckModel
from kerasnn.serving.inference.scheduler import Scheduler
from kerasnn.serving.metrics import Metrics
from kerasnn.serving.models.registry import ModelRegistry
from kerasnn.serving.models.sources import ModelSource
from kerasnn.serving.options import Limits
from kerasnn.serving.service import Service


class Log:
    """Takes the place of an access log."""

    def __init__(self):
        self.lines = []

    def write(self, line):
        self.lines.append(line)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    serving_models.make_half_plus_two(folder / "half")
    serving_models.make_broken(folder / "broken")
    (folder / "empty").mkdir()
    names = ("half", "broken", "empty")
    return {name: ModelSource(folder / name) for name in names}


@pytest.fixture
def ask(sources):
    """Ask an application for these models once: the response.

    Its state is in `ask.stopping`, `ask.log` and `ask.metrics`.
    """

    def ask(method, path, *, names=("half",), looked=True, **request):
        return asyncio.run(answer(method, path, names, looked, request))

    async def answer(method, path, names, looked, request):
        models = ModelRegistry({name: sources[name] for name in names}, metrics=ask.metrics)
        if looked:
            models.refresh()
        inference = Scheduler(threads=1, metrics=ask.metrics)
        inference.start()
        service = Service(models, inference, ask.metrics, Limits())
        app = make_app(service, stopping=lambda: ask.stopping, access_log=ask.log)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost"
        ) as client:
            response = await client.request(method, path, **request)
        await inference.stop()
        models.stop()
        return response

    ask.stopping, ask.log, ask.metrics = False, None, Metrics()
    return ask


def test_paths_under_v1_go_to_the_models(ask):
    response = ask("POST", "/v1/models/half:predict", json={"instances": [2.0, 4.0]})
    assert response.json() == {"predictions": [3.0, 4.0]}


@pytest.mark.parametrize("path", ["/V1/models/half", "/v1/MODELS/half"])
def test_v1_is_v1_in_any_case(ask, path):
    assert ask("GET", path).json()["model_version_status"][0]["state"] == "AVAILABLE"


@pytest.mark.parametrize(
    "path", ["/nothing", "/v1", "/%761/models/half", "/v2/models/half"]
)
def test_other_paths_are_not_found_in_html(ask, path):
    response = ask("GET", path)
    assert response.status_code == 404
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "There is nothing here." in response.text


def test_the_page_is_at_the_root(ask):
    response = ask("GET", "/")
    assert (response.status_code, "<!doctype html>" in response.text.lower()) == (200, True)


@pytest.mark.parametrize("path", ["/metrics", "/monitoring/prometheus/metrics"])
def test_the_metrics_are_at_both_paths(ask, path):
    ask("POST", "/v1/models/half:predict", json={"instances": [2.0]})
    response = ask("GET", path)
    assert response.headers["content-type"] == METRICS_TYPE
    count = ':tensorflow:serving:request_count{model_name="half",status="OK"} 1'
    assert count in response.text.splitlines()


def test_names_that_clients_make_up_do_not_get_into_the_metrics(ask):
    ask("POST", "/v1/models/made-up:predict", json={"instances": [2.0]})
    text = ask("GET", "/metrics").text
    count = ':tensorflow:serving:request_count{model_name="",status="NOT_FOUND"} 1'
    assert count in text.splitlines()
    assert "made-up" not in text


@pytest.mark.parametrize(
    ("names", "status", "word"),
    [(("half",), 503, "not ready"), (("half", "broken"), 200, "ready")],
)
def test_a_stuck_model_is_named_and_takes_no_other_away(
    ask, monkeypatch, names, status, word
):
    stuck = [StuckModel("half", 41.4)]
    monkeypatch.setattr(Scheduler, "stuck", lambda inference: stuck)
    response = ask("GET", "/readyz", names=names)
    assert (response.status_code, response.text) == (
        status,
        f"{word}; models that are stuck: half (for 41 s)\n",
    )


def test_the_process_is_alive_while_it_is_not_ready(ask):
    response = ask("GET", "/healthz", looked=False)
    assert (response.status_code, response.text) == (200, "alive\n")


def test_a_server_that_is_ready_says_so(ask):
    response = ask("GET", "/readyz")
    assert (response.status_code, response.text) == (200, "ready\n")


def test_models_that_are_not_ready_are_named(ask):
    response = ask("GET", "/readyz", names=("half", "broken", "empty"))
    told = "not ready; models that are not ready: empty\n"
    assert (response.status_code, response.text) == (503, told)
    assert response.headers["retry-after"] == "1"


def test_a_server_that_stops_is_not_ready(ask):
    ask.stopping = True
    response = ask("GET", "/readyz")
    assert (response.status_code, response.text) == (503, "not ready; stopping\n")


def test_every_request_is_logged_if_there_is_a_log(ask):
    ask.log = Log()
    ask("POST", "/v1/models/half:predict", json={"instances": [2.0, 4.0]})
    ask("GET", "/nothing?a=%0a")
    told = [
        {
            key: line.get(key)
            for key in ("path", "status", "model", "version", "code", "rows")
        }
        for line in ask.log.lines
    ]
    assert told == [
        {
            "path": "/v1/models/half:predict",
            "status": 200,
            "model": "half",
            "version": 1,
            "code": "OK",
            "rows": 2,
        },
        {
            "path": "/nothing?a=%0a",
            "status": 404,
            "model": None,
            "version": None,
            "code": None,
            "rows": None,
        },
    ]
