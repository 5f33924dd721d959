"""What the page is told of the models, and which files a browser gets."""

import asyncio
import json
import re
import shutil
from pathlib import Path

import httpx
import pytest
import serving_models
from starlette.applications import Starlette

from kerasnn.manifest import manifest_text
from kerasnn.serving.inference.scheduler import Scheduler
from kerasnn.serving.metrics import Metrics
from kerasnn.serving.models.registry import ModelRegistry
from kerasnn.serving.models.sources import ModelSource
from kerasnn.serving.options import Limits
from kerasnn.serving.page import model_facts, page_routes
from kerasnn.serving.page.routes import PAGE_POLICY, REPORT_POLICY, STATIC
from kerasnn.serving.service import Service

ROOT = Path(__file__).parents[1]
ODD = "half / plus: two? <b>ü%2F"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """digits as it was trained, SavedModels of others, and one that does not load."""
    folder = tmp_path_factory.mktemp("models")
    for version in (1, 3):
        shutil.copytree(
            ROOT / "saved_models" / "digits" / "1", folder / "digits" / str(version)
        )
    (folder / "digits" / "3" / "assets.extra" / "notes.txt").write_text("not to be shown")
    secret = folder / "secret.png"
    secret.write_bytes(b"of somebody else")
    (folder / "digits" / "3" / "assets.extra" / "link.png").symlink_to(secret)
    serving_models.make_columns(folder / "columns")
    serving_models.make_counter(folder / "counter")
    serving_models.make_half_plus_two(folder / "odd", version=2**53 + 1)
    serving_models.make_broken(folder / "broken")
    return folder


@pytest.fixture(scope="module")
def get(folder):
    """GET of a path, as a browser sends it."""
    sources = {
        name: ModelSource(folder / name, latest=None)
        for name in ("digits", "columns", "counter", "broken")
    }
    sources[ODD] = ModelSource(folder / "odd")
    models = ModelRegistry(sources)
    models.refresh()
    service = Service(models, Scheduler(batching=None), Metrics(), Limits())
    transport = httpx.ASGITransport(Starlette(routes=page_routes(service)))

    async def asked(path, method):
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.request(method, path)

    yield lambda path, method="GET": asyncio.run(asked(path, method))
    models.stop()


def quoted(name):
    return "".join(f"%{byte:02X}" for byte in name.encode())


# --- the models ------------------------------------------------------------------------


def test_the_models_are_listed_with_the_states_of_their_versions(get, folder):
    def ready(version):
        return {"version": version, "state": "AVAILABLE", "code": "OK", "message": ""}

    told = get("/page/models").json()["models"]
    failed = {
        "version": "1",
        "state": "END",
        "code": "DATA_LOSS",
        "message": f"{folder}/broken/1/saved_model.pb cannot be read: Error parsing message"
        " with type 'tensorflow.SavedModel': Wire format was corrupt",
    }
    assert told == [
        {"name": "broken", "versions": [failed]},
        {"name": "columns", "versions": [ready("1")]},
        {"name": "counter", "versions": [ready("1")]},
        {"name": "digits", "versions": [ready("3"), ready("1")]},
        # As text: a browser would read the number as 9007199254740992.
        {"name": ODD, "versions": [ready("9007199254740993")]},
    ]


def test_the_newest_version_is_told_unless_one_is_named(get):
    assert get("/page/models/digits").json()["version"] == "3"
    assert get("/page/models/digits/1").json()["version"] == "1"


def test_a_version_tells_its_manifest_and_the_files_to_show(get, folder):
    told = get("/page/models/digits").json()
    extra = folder / "digits" / "3" / "assets.extra"
    assert told["manifest"] == json.loads((extra / "kerasnn.json").read_text())
    assert told["files"] == [
        "accuracy.png",
        "confusion.png",
        "loss.png",
        "report.html",
        "wrong.png",
    ]


def test_a_model_of_others_tells_its_signatures_only(get):
    rows = [None]
    assert get("/page/models/columns").json() == {
        "name": "columns",
        "version": "1",
        "signatures": [
            {
                "key": "serving_default",
                "method_name": "tensorflow/serving/predict",
                "inputs": [
                    {"name": "age", "dtype": "float32", "shape": rows},
                    {"name": "city", "dtype": "string", "shape": rows},
                    {"name": "count", "dtype": "int64", "shape": rows},
                ],
                "outputs": [
                    {"name": "label", "dtype": "string", "shape": rows},
                    {"name": "raw_bytes", "dtype": "string", "shape": rows},
                    {"name": "score", "dtype": "float32", "shape": [None, 2]},
                ],
            }
        ],
        "manifest": None,
        "files": [],
    }


def test_signatures_come_in_order_with_the_default_one_first(get):
    told = get(f"/page/models/{quoted(ODD)}").json()
    assert [signature["key"] for signature in told["signatures"]] == [
        "serving_default",
        "classify_x2_to_y3",
        "classify_x_to_y",
        "regress_x2_to_y3",
        "regress_x_to_y",
        "regress_x_to_y2",
    ]
    counter = get("/page/models/counter").json()["signatures"]
    assert counter[0]["key"] == "get_counter"
    assert counter[0]["inputs"] == []


def test_a_name_may_hold_any_letter_when_it_is_encoded(get):
    assert get(f"/page/models/{quoted(ODD)}").json()["name"] == ODD
    assert get(f"/page/models/{quoted(ODD)}/9007199254740993").json()["name"] == ODD


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("nobody", "Servable not found for request: Latest(nobody)"),
        ("digits/2", "Servable not found for request: Specific(digits, 2)"),
        ("broken", "Servable not found for request: Latest(broken)"),
        ("broken/1", "Servable not found for request: Specific(broken, 1)"),
        ("..%2Fdigits", "Servable not found for request: Latest(../digits)"),
        ("", "Servable not found for request: Latest()"),
        ("digits/latest", "There is no such page"),
        ("digits/" + "9" * 5000, "There is no such page"),
        ("digits/٣", "There is no such page"),
        ("%FF", "There is no such page"),
    ],
    ids=lambda text: text[:20],
)
def test_what_is_not_served_is_not_found(get, path, error):
    answer = get(f"/page/models/{path}")
    assert answer.status_code == 404
    assert answer.json() == {"error": error}


def test_numbers_that_are_not_finite_become_null(tmp_path):
    described = {
        **{"created": "", "versions": {}, "task": ""},
        "network": {"class": "", "weights": 0},
        "inputs": {},
        "outputs": {},
    }
    (tmp_path / "assets.extra").mkdir()
    text = manifest_text({**described, "metrics": {"auc": float("nan"), "loss": [1e400]}})
    (tmp_path / "assets.extra" / "kerasnn.json").write_text(text)
    manifest = model_facts.manifest_of(tmp_path)
    told = json.loads(model_facts.json_text(manifest))
    assert told["metrics"] == {"auc": None, "loss": [None]}


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"format": 2}', "[" * 100_000, '{"format": 1, "inputs": []}'],
    ids=["cut", "list", "other format", "deep", "damaged"],
)
def test_a_manifest_that_cannot_be_read_is_none(tmp_path, text):
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra" / "kerasnn.json").write_text(text)
    assert model_facts.manifest_of(tmp_path) is None


def test_a_manifest_whose_inputs_have_no_names_is_none(tmp_path):
    described = dict.fromkeys(
        ("created", "versions", "task", "network", "inputs", "outputs")
    )
    (tmp_path / "assets.extra").mkdir()
    path = tmp_path / "assets.extra" / "kerasnn.json"
    path.write_text(manifest_text(described))
    assert model_facts.manifest_of(tmp_path) is None


def test_a_manifest_elsewhere_is_not_read(tmp_path):
    elsewhere = ROOT / "saved_models" / "digits" / "1" / "assets.extra" / "kerasnn.json"
    (tmp_path / "1" / "assets.extra").mkdir(parents=True)
    (tmp_path / "1" / "assets.extra" / "kerasnn.json").symlink_to(elsewhere)
    assert model_facts.manifest_of(tmp_path / "1") is None


# --- files of a model ------------------------------------------------------------------


def test_the_report_is_shown_in_a_sandbox(get, folder):
    answer = get("/page/models/digits/3/report.html")
    report = folder / "digits" / "3" / "assets.extra" / "report.html"
    assert answer.content == report.read_bytes()
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"] == REPORT_POLICY
    assert REPORT_POLICY.startswith("sandbox; default-src 'none';")
    assert "X-Frame-Options" not in answer.headers


def test_a_figure_is_shown(get, folder):
    answer = get("/page/models/digits/3/loss.png")
    figure = folder / "digits" / "3" / "assets.extra" / "loss.png"
    assert answer.content == figure.read_bytes()
    assert answer.headers["Content-Type"] == "image/png"


@pytest.mark.parametrize(
    "file",
    [
        "kerasnn.json",
        "notes.txt",
        "link.png",  # leads out of the version's folder
        "",
        "%2e%2e",
        "..%2Fsaved_model.pb",
        "..%2F..%2F..%2Fsecret.png",
        "%2Fetc%2Fpasswd",
        "report.html%00",
        "report.html/",
        "assets.extra/report.html",
    ],
)
def test_no_other_file_is_found(get, file):
    answer = get(f"/page/models/digits/3/{file}")
    assert answer.status_code == 404
    assert answer.json() == {"error": "There is no such page"}


# --- the page itself -------------------------------------------------------------------

FILES = sorted(path.name for path in STATIC.iterdir())
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}


@pytest.mark.parametrize("name", FILES)
def test_every_file_of_the_page_is_served(get, name):
    answer = get(f"/page/{name}")
    assert answer.content == (STATIC / name).read_bytes()
    expected = TYPES.get(name.split(".")[-1])
    assert answer.headers["Content-Type"] == (
        f"{expected}; charset=utf-8" if expected else "image/svg+xml"
    )


def test_the_page_is_at_the_root(get):
    answer = get("/")
    assert answer.content == (STATIC / "index.html").read_bytes()


@pytest.mark.parametrize("path", ["/page/", "/page/..%2Froutes.py", "/page/static/page.js"])
def test_nothing_beside_these_files_is_served(get, path):
    assert get(path).status_code == 404


@pytest.mark.parametrize("path", ["/", "/page/page.js", "/page/models", "/page/models/x"])
def test_the_browser_is_told_to_trust_nothing_else(get, path):
    headers = get(path).headers
    assert headers["Content-Security-Policy"] == PAGE_POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_the_policy_allows_no_inline_script_and_no_frame_around_the_page():
    assert PAGE_POLICY.startswith("default-src 'self';")
    assert "frame-ancestors 'none'" in PAGE_POLICY
    assert "unsafe" not in PAGE_POLICY


def test_the_page_is_only_read(get):
    for path in ("/", "/page/page.js", "/page/models", "/page/models/digits"):
        assert get(path, "POST").status_code == 405


def test_everything_the_page_loads_is_a_file_of_it():
    loaded = re.findall(r'(?:src|href)="page/([^"]+)"', (STATIC / "index.html").read_text())
    loaded = set(loaded) | {"index.html"}
    for path in STATIC.glob("*.js"):
        loaded |= set(re.findall(r'^import .* from "\./([^"]+)";$', path.read_text(), re.M))
    assert loaded == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_loaded_from_elsewhere_and_no_data_is_read_as_html(name):
    text = (STATIC / name).read_text()
    text = text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?://|@import|\burl\(", text)
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|\beval\b", text)
    assert not re.search(r"\bon[a-z]+=\"|style=\"|<script>|<style", text)
