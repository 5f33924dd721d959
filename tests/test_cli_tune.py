"""`kerasnn tune`: from a file to settings, and the command that trains with them."""

import json
import shlex

import numpy as np
import pandas as pd
import pytest

from kerasnn import saving

RNG = np.random.default_rng(0)
SHORT = ("--members", "2", "--folds", "2", "--epochs", "2", "--driver", "graph")


@pytest.fixture
def table(run):
    a, b = RNG.normal(size=(2, 90))
    rows = pd.DataFrame({"a": a, "b, c": b, "y": np.where(a + b > 0, "yes", "no")})
    rows.to_csv("my table.csv", index=False)
    return "my table.csv"


@pytest.mark.slow
def test_the_printed_command_trains_with_the_best_settings(table, run):
    code, out, _ = run(
        *("tune", table, "--target", "y", "--trials", "2", *SHORT, "--ignore", "b, c"),
        *("--seed", "3"),
    )
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "my table.csv: 90 rows; 72 to learn from, 18 kept for the test"
    assert sum(line.startswith(("1 of 2  ", "2 of 2  ")) for line in lines) == 2
    best = lines.index(
        "It is the best of several, so slightly optimistic. Train and test with"
    )
    told = dict(line.split() for line in lines[best - 6 : best])
    name, *words = shlex.split(lines[-1])
    assert name == "kerasnn"
    assert words[:4] == ["train", "my table.csv", "--target", "y"]
    assert words[words.index("--ignore") + 1] == "b, c"
    code, out, err = run(*words, "--name", "mine", "--json")
    assert code == 0, err
    settings = json.loads(out)["settings"]
    assert settings["seed"] == 3
    for setting, text in told.items():
        value = settings[setting]
        shown = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        assert shown == text
    assert saving.load("saved_models/mine") is not None


@pytest.mark.slow
def test_json_is_one_object_and_a_second_run_goes_on(table, run):
    words = ("tune", table, "--target", "y", *SHORT, "--storage", "trials", "--json")
    code, out, err = run(*words, "--trials", "1")
    assert code == 0
    first = json.loads(out)
    assert any(line.startswith("1 of 1  complete ") for line in err.splitlines())
    assert set(first) == {"best", "score", "command", "trials", "interrupted"}
    assert first["interrupted"] is False
    code, out, err = run(*words, "--trials", "2")
    second = json.loads(out)
    assert second["trials"][0] == first["trials"][0]
    assert [trial["number"] for trial in second["trials"]] == [0, 1]
    assert "1 of 2" not in err


def test_a_missing_target_is_asked_for(table, run):
    code, _, err = run("tune", table)
    assert code == 2
    assert err.splitlines()[-1] == (
        "Error: --target is missing: which column of my table.csv is to be predicted? It"
        " has a, b, c, y"
    )


def test_without_optuna_the_extra_is_named(table, run, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, err = run("tune", table, "--target", "y")
    assert code == 1
    assert err.startswith("Error: kerasnn tune needs Optuna.")
    assert err.endswith('python -m pip install ".[tune]"\n')
