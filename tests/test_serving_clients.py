"""Clients of a running `kerasnn serve`: the examples of docs/serving.md, and `predict`."""

import io
import json
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kerasnn import NetworkClassifier, NetworkRegressor, datasets, lessons
from kerasnn.cli import main
from kerasnn.serving.client import RemoteModel

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGE = (ROOT / "docs" / "serving.md").read_text()
SHORT = {"members": 2, "folds": 2, "epochs": 3, "hidden_units": (8,), "driver": "graph"}


def shop_table(n_rows=200, seed=0):
    """As in docs/tables.md."""
    rng = np.random.default_rng(seed)
    days = pd.to_timedelta(rng.integers(0, 1500, n_rows), "D")
    table = pd.DataFrame(
        {
            "age": rng.integers(18, 80, n_rows).astype(float),
            "city": rng.choice(["Bonn", "Lyon", "Turin"], n_rows),
            "since": (pd.Timestamp("2020-01-01") + days).strftime("%Y-%m-%d"),
        }
    )
    table.loc[::17, "age"] = np.nan
    return table


def odd_table(n_rows=200, seed=1):
    """Every kind of column, names that TensorFlow does not take, missing values."""
    rng = np.random.default_rng(seed)
    table = shop_table(n_rows, seed).set_axis(["A", "größte stadt", "class"], axis=1)
    table["a"] = np.where(rng.random(n_rows) < 0.1, None, rng.normal(size=n_rows) * 1e-3)
    table["hours-per-week"] = np.round(rng.normal(40, 9, n_rows), 1)
    table["smoker"] = rng.choice(["yes", "no", None], n_rows)
    table.loc[::13, "größte stadt"] = None
    table.loc[::19, "class"] = ""
    return table


@pytest.fixture(scope="module")
def saved_models(tmp_path_factory):
    """shop, price, odd, iris and digits, each trained for a moment."""
    folder = tmp_path_factory.mktemp("served") / "saved_models"
    table, odd = shop_table(), odd_table()
    bought = np.where((table.age > 45) ^ (table.city == "Lyon"), "yes", "no")
    classifier = NetworkClassifier(random_state=0, **SHORT)
    classifier.fit(table, bought).export(folder / "shop")
    labels = np.array(["low", "so-so", 'a, "high" one'])[np.arange(len(odd)) % 3]
    classifier.fit(odd, labels).export(folder / "odd")
    regressor = NetworkRegressor(random_state=0, **SHORT)
    prices = table.age.fillna(40) + 20 * (table.city == "Lyon")
    regressor.fit(table, prices).export(folder / "price")
    for lesson in lessons.LESSONS.values():
        settings = replace(lesson.settings, epochs=3, driver="graph")
        lessons.save(lessons.train(lesson, settings), folder / lesson.name)
    return folder


@pytest.fixture(scope="module")
def ports(saved_models):
    """REST and gRPC of one `kerasnn serve` for all tests here."""
    command = [sys.executable, "-m", "kerasnn", "serve", saved_models, "--json"]
    with subprocess.Popen(
        [*command, "--rest-port", "0", "--grpc-port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        ready = server.stdout.readline()
        assert ready, server.stderr.read()
        told = json.loads(ready)
        yield told["rest_port"], told["grpc_port"]
        server.send_signal(signal.SIGTERM)
        _, errors = server.communicate(timeout=240)
    assert server.returncode == 0, errors


def with_ports(code, ports):
    return code.replace(":8501", f":{ports[0]}").replace(":8500", f":{ports[1]}")


# --- docs/serving.md --------------------------------------------------------------


def form(value):
    """What a JSON value is made of: keys, lengths and types, but not which numbers."""
    if isinstance(value, dict):
        return {key: form(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [form(inner) for inner in value]
    return "number" if isinstance(value, (int, float)) else type(value).__name__


CURLS = re.findall(r"```sh\n(curl .*?)\n```\n(?:\n```json\n(.*?)\n```\n)?", PAGE, re.DOTALL)


def test_every_block_of_the_page_is_known():
    assert len(CURLS) == PAGE.count("```sh") == 7
    assert len(re.findall("^```json", PAGE, re.MULTILINE)) == 6


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not there")
@pytest.mark.parametrize(
    ("command", "shown"),
    [
        pytest.param(
            *(command, shown),
            id=command.rsplit("/models/", 1)[1],
        )
        for command, shown in CURLS
    ],
)
def test_the_curl_lines_are_answered_as_shown(command, shown, ports):
    done = subprocess.run(
        ["sh", "-c", with_ports(command, ports)], capture_output=True, text=True, check=True
    )
    answer = json.loads(done.stdout)
    if not shown:
        signatures = answer["metadata"]["signature_def"]["signature_def"]
        assert signatures.keys() >= {"classify", "serving_default"}
        assert sorted(signatures["serving_default"]["inputs"]) == ["age", "city", "since"]
        return
    assert form(answer) == form(json.loads(shown))
    if "error" in answer:
        assert answer == json.loads(shown)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not there")
def test_the_curl_line_of_the_readme_is_answered(ports):
    (command,) = re.findall(r"^\$ (curl .*)$", README, re.MULTILINE)
    done = subprocess.run(
        ["sh", "-c", with_ports(command, ports)], capture_output=True, text=True, check=True
    )
    assert form(json.loads(done.stdout)) == {"predictions": [["number"]] * 2}


def test_the_examples_in_python_run(ports, saved_models, monkeypatch, capsys):
    rest, grpc_example = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    exec(compile(with_ports(rest, ports), "serving.md", "exec"), names)
    assert [sorted(one) for one in names["predictions"]] == [["class", "probabilities"]] * 2
    names = {}
    exec(compile(with_ports(grpc_example, ports), "serving.md", "exec"), names)
    assert names["probabilities"].shape == (2, 2)
    assert names["answer"].model_spec.version.value == 1


def test_the_config_file_for_several_models_can_be_read():
    from kerasnn.serving.models.sources import parse_config

    (text,) = re.findall(r"```proto\n(.*?)```", PAGE, re.DOTALL)
    sources = parse_config(text)
    assert {name: str(source.folder) for name, source in sources.items()} == {
        "digits": "/models/digits",
        "shop": "/models/shop",
    }


def test_every_option_of_the_page_is_one_of_the_command():
    help_text = subprocess.run(
        [sys.executable, "-m", "kerasnn", "serve", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    page = PAGE.replace("`--enable_batching`", "")
    named = set(re.findall(r"--[a-z][a-z-]+[a-z]", page))
    others = {"--mount", "--rows-per-request", "--ca-cert", "--server"}
    others |= {"--model"}  # --model_config_file, of TensorFlow Serving
    assert sorted(o for o in named - others if o not in help_text) == []


# --- kerasnn predict --server -----------------------------------------------------


@pytest.fixture
def run(monkeypatch, capfd, tmp_path):
    """Run the command in an empty folder; its standard output."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["kerasnn", *map(str, arguments)])
        main()
        captured = capfd.readouterr()
        assert captured.err == ""
        return captured.out

    return run


def write(name):
    """A file of rows for the model of this name, with what may be odd in it."""
    if name == "digits":
        (x, _), _ = datasets.digits(scaled=False)
        table = pd.DataFrame(x[:300], columns=list(datasets.DIGITS_COLUMNS))
        table = table[table.columns[::-1]]
    elif name == "iris":
        x, _ = datasets.iris_perceptron()
        table = pd.DataFrame(np.asarray(x), columns=list(datasets.IRIS_COLUMNS))
        table["more"] = "ignored"
    else:
        table = (odd_table if name == "odd" else shop_table)(300, seed=7)
        table.iloc[5, 1] = "never seen"
        table = table[table.columns[::-1]].assign(more=1)
    table.to_csv("rows.csv", index=False)


@pytest.mark.parametrize("output", [[], ["--json"]], ids=["csv", "json"])
@pytest.mark.parametrize("name", ["odd", "shop", "price", "digits", "iris"])
def test_a_server_answers_a_file_as_the_folder_does(run, saved_models, ports, name, output):
    write(name)
    here = run("predict", saved_models / name, "rows.csv", *output)
    there = run(
        *("predict", name, "rows.csv", *output),
        *("--server", f"http://127.0.0.1:{ports[0]}"),
    )
    assert there == here


def test_requests_of_other_sizes_answer_the_same_but_for_rounding(run, saved_models, ports):
    write("odd")
    here = run("predict", saved_models / "odd", "rows.csv")
    url = f"http://127.0.0.1:{ports[0]}"
    there = run("predict", "odd/1", "rows.csv", "--server", url, "--rows-per-request", "7")
    here, there = (pd.read_csv(io.StringIO(text)) for text in (here, there))
    pd.testing.assert_frame_equal(there, here, rtol=1e-5)


@pytest.mark.parametrize("name", ["odd", "price"])
def test_without_a_manifest_the_answers_are_the_same(
    run, saved_models, ports, name, monkeypatch
):
    """As from TensorFlow Serving, which has none."""
    monkeypatch.setattr(RemoteModel, "_told_manifest", lambda self: None)
    write(name)
    here = run("predict", saved_models / name, "rows.csv")
    url = f"http://127.0.0.1:{ports[0]}"
    assert run("predict", name, "rows.csv", "--server", url) == here
