"""`kerasnn learn` without a browser: trainings, breaks, tables, requests."""

import asyncio
import base64
import contextlib
import functools
import io
import json
import re
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest

from kerasnn.errors import InputError
from kerasnn.learn import LearnRows, LearnSession, LearnSettings, csv_rows
from kerasnn.learn import sessions as sessions_module
from kerasnn.learn.app import make_learn_app
from kerasnn.learn.frames import Frames, packed
from kerasnn.learn.program import program
from kerasnn.learn.rows import lesson_rows
from kerasnn.learn.sessions import FullError, LostError, Sessions
from kerasnn.learn.settings import BREAKS, DEFAULTS, learn_settings

STATIC = Path(sessions_module.__file__).parent / "static"
EPOCHS = 3
JSON = {"Content-Type": "application/json"}


def printed_losses(code):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "page.py", "exec"), {})
    return [float(number) for number in re.findall(r"[\d.]+(?:e-\d+)?", out.getvalue())]


class Trained:
    """Losses of the epochs of a training, and what is then shown of it."""

    def __init__(self, session, frames, epochs=EPOCHS):
        self.settings, self.rows = session.settings, session.rows
        session.advance(3)
        frames.frame()  # looking at a training does not change it
        session.advance(epochs * session.steps - 3)
        self.losses = [logs["loss"] for logs in session.history]
        self.frame = frames.frame()


# --- the page and the program train the same -------------------------------------------


@pytest.fixture(scope="module")
def broken():
    """Each break after some epochs, and the same training without it."""
    sessions, runs = Sessions(), {}

    def run(settings):  # one after another, so that a compiled step serves several
        key, one = sessions.open(settings, {})
        done = Trained(one.session, one.frames)
        sessions.close(key)
        return done

    sound = functools.cache(run)
    for name, settings in BREAKS.items():
        mended = LearnSettings() if name == "high-rate" else replace(settings, broken="")
        runs[name] = run(settings), sound(mended)
    return runs


@pytest.mark.slow_cases
@pytest.mark.parametrize("name", BREAKS)
def test_the_program_of_a_break_prints_the_losses_of_the_page(broken, name):
    done, _ = broken[name]
    # One epoch of the loop that is not compiled, which is slow and adds in another order.
    forgets = name == "new-adam"
    losses = done.losses[:1] if forgets else done.losses
    found = printed_losses(program(done.settings, done.rows, epochs=len(losses)))
    assert found == (pytest.approx(losses, rel=1e-5) if forgets else losses)


def table(path, target):
    rng = np.random.default_rng(0)
    size, kind = rng.normal(50, 20, 60).round(1), rng.choice(["a", "b", "c"], 60)
    values = {
        "class": np.where(size + 9 * (kind == "a") > 50, "yes", "no"),
        "price": (3 * size + 20 * (kind == "b")).round(2),
    }[target]
    lines = [f"{s},{k},{v}" for s, k, v in zip(size, kind, values, strict=True)]
    path.write_text("\n".join([f"size,kind,{target}", *lines]))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "broken", "task"),
    [("class", "", "classification"), ("price", "no-scaling", "regression")],
)
def test_the_program_of_a_table_prints_the_losses_of_the_page(
    tmp_path, target, broken, task
):
    file = table(tmp_path / "it's {mine}.csv", target)
    rows = csv_rows(file, target=target, scaled=not broken)
    assert rows.task == task
    settings = replace(DEFAULTS["csv"], broken=broken, learning_rate=0.001)
    session = LearnSession(settings, rows)
    done = Trained(session, Frames(session))
    code = program(settings, rows, epochs=EPOCHS, file=str(file), target=target)
    assert printed_losses(code) == done.losses
    assert done.frame["score"] <= 1


def test_the_page_of_the_docs_shows_the_program():
    page = (Path(__file__).parents[1] / "docs" / "learn.md").read_text()
    (code,) = re.findall("```python\n(.*?)\n```", page, re.DOTALL)
    shown = program(DEFAULTS["digits"], lesson_rows(DEFAULTS["digits"]), epochs=3)
    assert code.replace("\n\n", "\n") == shown


# --- the breaks do what their explanations say -----------------------------------------


def test_a_new_adam_at_each_step_keeps_the_loss_high(broken):
    done, sound = broken["new-adam"]
    assert done.losses[-1] > 1.5 * sound.losses[-1]


def test_signed_labels_keep_the_loss_above_a_third_and_no_output_negative(broken):
    done, sound = broken["signed-labels"]
    assert done.losses[-1] > 1 / 3 > sound.losses[-1]
    assert done.frame["score"] == pytest.approx(100 / 150)


def test_raw_pixels_kill_units_that_scaled_ones_do_not(broken):
    done, sound = broken["no-scaling"]
    assert done.losses[-1] > sound.losses[-1]
    assert len(sound.frame["dead"]) < 3 < len(done.frame["dead"])


def test_dead_units_have_no_gradient_and_stay_dead(broken):
    done, sound = broken["dead-relu"]
    assert done.frame["dead"] == list(range(30))
    assert done.frame["layers"][0]["gradient"] == 0
    assert done.losses[-1] == pytest.approx(np.log(10), abs=0.01)
    assert sound.frame["layers"][0]["gradient"] > 0


def test_a_leak_helps_only_while_it_is_there(broken):
    done, sound = broken["leak"]
    assert done.frame["score"] > done.frame["later"] + 0.1
    assert "later" not in sound.frame


def test_a_high_rate_leaps_and_then_guesses(broken):
    done, sound = broken["high-rate"]
    assert done.losses[0] > 10
    assert len(done.frame["dead"]) > 20
    assert done.frame["score"] < 0.3 < sound.frame["score"]


def test_a_loss_that_is_not_finite_ends_the_training():
    x = np.linspace(-1, 1, 40, dtype=np.float32)[:, np.newaxis]
    rows = LearnRows(x, x, x, x, ("x",), (), "regression")
    settings = LearnSettings("csv", 100, 4, 10, "sgd")
    session = LearnSession(settings, rows)
    session.advance(100)
    frame = Frames(session).frame()
    assert session.state == "diverged"
    json.dumps(frame, allow_nan=False)
    assert frame["loss"] is None
    assert session.step() == {}


# --- what cannot be used ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"learning_rate": 0}, "learning_rate must be above 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0"),
        ({"learning_rate": "fast"}, "must be a number; got 'fast'"),
        ({"width": 257}, "width must be at most 256; got 257"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1; got 0"),
        ({"seed": 1.5}, "seed must be a whole number"),
        ({"optimizer": "adma"}, "did you mean 'adam'?"),
        ({"optimizer": []}, "optimizer must be one of"),
        ({"data": "mnist"}, "data must be one of 'iris', 'digits', 'csv'"),
        ({"widht": 3}, "there is no setting 'widht'; did you mean 'width'?"),
        ({"broken": "leak", "data": "iris"}, "needs data digits"),
        ({"broken": "new-adam", "optimizer": "sgd"}, "needs adam; got 'sgd'"),
    ],
    ids=str,
)
def test_settings_out_of_range_are_named(given, words):
    with pytest.raises(InputError, match=re.escape(words)):
        learn_settings(given)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"a,b\n1,x\n2,y\n", "b"),  # one row of each class
        (b"a,b\n" + b"1,x\n" * 20, "b"),  # a constant target
        (b"a,b\n" + b"1,x\n2,y\n" * 4, "from 10 to"),
        (b"a,c\n" + b"1,x\n2,y\n" * 9, "'b'"),
        (b"b\n" + b"x\ny\n" * 9, "no column beside the target"),
        (b"a,b\n" + b"".join(b"%d,w%d\n" % (i, i // 2) for i in range(60)), "30 classes"),
        (b"\x1f\x8b" + bytes(30), "save it as CSV"),
        (b"PAR1" + bytes(30), "save it as CSV"),
        (b"," * 600, "600 separators"),
    ],
    ids=range(10),
)
def test_a_table_that_cannot_be_learned_from_is_refused_by_its_name(content, words):
    sessions = Sessions()

    def brought():
        key = sessions.add_table("my rows.csv", content)["table"]
        sessions.open(DEFAULTS["csv"], {"table": key, "target": "b"})

    with pytest.raises(InputError, match=words) as refused:
        brought()
    assert "/tmp" not in str(refused.value)


def test_the_least_used_training_makes_room_unless_all_run(monkeypatch):
    monkeypatch.setattr(sessions_module, "MAX_SESSIONS", 2)
    made = SimpleNamespace(lock=threading.Lock(), restart=lambda *_: None)
    monkeypatch.setattr(sessions_module, "LearnSession", lambda *_: made)
    monkeypatch.setattr(sessions_module, "Frames", lambda _: made)
    sessions, settings = Sessions(), DEFAULTS["iris"]
    (first, _), (second, _) = (sessions.open(settings, {}) for _ in range(2))
    sessions.use(first).stream = object()
    third, newest = sessions.open(settings, {})
    with pytest.raises(LostError):
        sessions.use(second)
    newest.stream = object()
    with pytest.raises(FullError):
        sessions.open(settings, {})
    sessions.close(third)
    sessions.open(settings, {})


# --- requests --------------------------------------------------------------------------


class Client:
    def __init__(self, app):
        self.transport = httpx.ASGITransport(app)

    async def asked(self, *what, **more):
        base = "http://127.0.0.1:8502"
        async with httpx.AsyncClient(transport=self.transport, base_url=base) as client:
            return await client.request(*what, timeout=60, **more)

    def request(self, *what, **more):
        return asyncio.run(self.asked(*what, **more))

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, **more):
        return self.request("POST", path, **more)


@pytest.fixture(scope="module")
def client():
    """A client of an application whose streams end after three frames."""
    ticks = count()
    app = make_learn_app(stopping=lambda: next(ticks) % 4 == 3)
    return Client(app)


def opened(client, **settings):
    return client.post("/learn/sessions", json={"settings": {"data": "iris", **settings}})


def test_steps_epochs_and_a_stream_train_on(client):
    facts = opened(client, width=3).json()
    path = f"/learn/sessions/{facts['key']}"
    assert (facts["steps"], facts["sizes"], facts["view"]) == (15, [2, 3, 1], "plane")
    assert client.post(f"{path}/step", json={"steps": 2}).json()["frame"]["done"] == 2
    stepped = client.post(f"{path}/step", json={"epochs": 2}).json()
    assert (stepped["frame"]["epoch"], stepped["frame"]["done"]) == (2, 0)
    answer = client.get(f"{path}/events?steps=7")
    assert answer.headers["content-type"].startswith("text/event-stream")
    frames = [json.loads(line[6:]) for line in answer.text.splitlines() if line]
    assert [(f["epoch"], f["done"]) for f in frames] == [(2, 7), (2, 14), (3, 6)]
    summary = client.get(path).json()
    assert summary["history"][:2] == stepped["history"]
    assert "epochs=3," in summary["program"]
    client.post(f"{path}/close")
    assert client.get(path).json()["code"] == "lost"


def test_a_request_ends_a_stream_and_a_similar_training_takes_the_step_over():
    sessions, settings = Sessions(), replace(DEFAULTS["iris"], width=1)
    key, one = sessions.open(settings, {})
    one.stream = mine = object()
    assert one.advance(1, stream=mine)["done"] == 1
    assert one.advance(1)["done"] == 2
    assert one.advance(1, stream=mine) is None
    assert one.shown()["done"] == 2
    sessions.close(key)
    with pytest.raises(LostError):
        one.advance(1)
    _, other = sessions.open(replace(settings, seed=5, broken="signed-labels"), {})
    assert other.session is one.session
    assert other.shown()["done"] == 0


@pytest.fixture(scope="module")
def key(client):
    return opened(client, width=3).json()["key"]


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("sessions", b"{", "must be a JSON object"),
        ("sessions", b"[" * 5000, "must be a JSON object"),
        ("sessions", b'{"settings": {"data": "csv"}, "table": []}', "the table is gone"),
        ("sessions", b'{"settings": 3}', "settings must be a JSON object"),
        ("sessions", b'{"settings": {"width": 1e9}}', "width must be"),
        ("sessions", b" " * 70_000, "at most 65,536 bytes"),
        ("tables", b"1" * (4 * 2**20 + 1), "at most 4,194,304 bytes"),
        ("sessions/KEY/step", b'{"steps": -1}', "steps must be a whole number"),
        ("sessions/KEY/step", b'{"epochs": 9999}', "at most 20,000 steps"),
        ("sessions/KEY/events?steps=2000", None, "from 1 to 1000"),
        ("sessions/KEY/drawn", b'{"row": [1]}', "row must be 2 finite numbers"),
        ("sessions/KEY/drawn", b'{"row": {"a": 1}}', "row must be 2 finite numbers"),
        ("sessions/KEY/drawn", b'{"row": [1, NaN]}', "row must be 2 finite numbers"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else None,
)
def test_a_bad_request_is_answered(client, key, path, body, words):
    method, path = "GET" if body is None else "POST", path.replace("KEY", key)
    answer = client.request(method, f"/learn/{path}", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "input")
    assert words in answer.json()["error"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_hosts_and_origins_are_refused(client, method):
    other = {"Host": "evil.example"}
    assert client.request(method, "/learn/sessions", headers=other).status_code == 403
    answer = client.post(
        "/learn/sessions", json={}, headers={"Origin": "http://evil.example"}
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "refused")


def test_the_page_loads_nothing_from_elsewhere(client):
    answer = client.get("/")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "DENY"
    for file in STATIC.iterdir():
        assert "//" not in re.sub(r"(?m)^\s*//.*| // .*", "", file.read_text()), file
    for path in re.findall(r'(?:src|href)="(learn/[^"]+)"', answer.text):
        assert client.get(f"/{path}").status_code == 200


def test_both_languages_say_the_same_things():
    en, zh = (json.loads((STATIC / f"{code}.json").read_text()) for code in ("en", "zh"))
    assert en.keys() == zh.keys()
    for key, text in en.items():
        names = set(re.findall(r"\{(\w+)\}", text))
        assert set(re.findall(r"\{(\w+)\}", zh[key])) == names, key
    page = (STATIC / "index.html").read_text()
    asked = set(re.findall(r'data-(?:text|label)="([^"]+)"', page))
    asked |= {f"{name}{part}" for name in BREAKS for part in ("", "-question", "-measured")}
    assert asked - en.keys() == set()


def test_packed_numbers_are_near_the_numbers():
    values = np.array([-3.0, 0.0, 1.5, np.nan], np.float32)
    found = packed(values)
    codes = np.frombuffer(base64.b64decode(found["data"]), np.int8)
    np.testing.assert_allclose(codes * found["scale"] / 127, [-3, 0, 1.5, 0], atol=0.02)


@pytest.mark.slow
def test_the_command_serves_the_page_until_it_is_told_to_stop():
    command = [sys.executable, "-m", "kerasnn", "learn", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        told = json.loads(server.stdout.readline())
        assert told["host"] == "127.0.0.1"
        url = f"http://127.0.0.1:{told['port']}"
        facts = httpx.post(
            f"{url}/learn/sessions", json={"settings": {"data": "iris"}}, timeout=60
        ).json()
        events = f"{url}/learn/sessions/{facts['key']}/events?steps=1"
        with httpx.stream("GET", events, timeout=60) as answer:
            lines = answer.iter_lines()
            assert next(lines).startswith("data: {")
            server.send_signal(signal.SIGTERM)
            assert list(lines)[-1] == ""  # the end of an event, not of a connection
        assert server.wait(30) == 0
