"""The lessons' scripts run from beginning to end and keep what they trained."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import kerasnn

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "lines"),
    [
        (
            "train_iris.py",
            [
                "NumPy, gradients by hand: the last loss is 0.8889049031629646",
                "Epoch [1/200], Loss: [1.2723]",
                "Epoch [100/200], Loss: [0.9051]",
                "Epoch [200/200], Loss: [0.8889]",
            ],
        ),
        ("train_digits.py", ["softmax([-1.3, 2.6, -0.9]) = [0.02 0.95 0.03]"]),
        ("train_digits_minibatch.py", ["22 batches an epoch, of 65 or 66 rows"]),
    ],
)
def test_a_lesson_runs(script, lines, tmp_path, monkeypatch, capsys):
    epochs = "200" if script == "train_iris.py" else "3"
    arguments = ["--epochs", epochs, "--output", str(tmp_path / "net")]
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    runpy.run_path(str(SCRIPTS / script), run_name="__main__")
    printed = capsys.readouterr().out.splitlines()
    for line in lines:
        assert line in printed
    assert printed[-1] == f"Saved {tmp_path / 'net' / '1'}"
    assert kerasnn.load(tmp_path / "net").manifest["metrics"]["loss"] > 0


@pytest.mark.slow
def test_a_lesson_prints_nothing_but_its_own_lines(tmp_path):
    ended = subprocess.run(
        [sys.executable, SCRIPTS / "train_digits.py", "--epochs", "1"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=240,
        check=False,
    )
    assert ended.stderr == ""
    assert ended.stdout.startswith("label 3 is [0 0 0 1 0 0 0 0 0 0]\n")


def test_check_tables_prints_what_is_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "a.csv").write_text("# one\nn,t\n" + "1,x\n2,y\n" * 10)
    (tmp_path / "b.csv").write_text("n,t\n1,x\n2\n")
    (tmp_path / "notes.md").write_text("no table")
    monkeypatch.setattr(sys, "argv", ["check_tables.py", str(tmp_path)])
    runpy.run_path(str(SCRIPTS / "check_tables.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert printed.startswith("2 files; 1 opened and profiled; ")
    assert "1 refused (50.0%)" in printed
    assert f"{tmp_path / 'b.csv'}: not opened: line 3 has 1 value where" in printed
    assert "1  comment-lines" in printed


def test_drift_alarms_counts_alarms_and_detections(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    town = rng.choice(["Rome", "Oslo"], 600)
    heat = np.where(town == "Rome", 25.0, 5.0) + rng.normal(0, 6, 600)
    table = pd.DataFrame({"heat": heat, "town": town, "target": heat})
    table.to_csv(tmp_path / "towns.csv.gz", index=False)
    described = {"numeric": ["heat"], "categorical": ["town"]}
    (tmp_path / "towns.json").write_text(json.dumps(described))
    monkeypatch.setattr(sys, "argv", ["drift_alarms.py", str(tmp_path), "--repeats", "3"])
    runpy.run_path(str(SCRIPTS / "drift_alarms.py"), run_name="__main__")
    _, line = capsys.readouterr().out.splitlines()
    name, rows, columns, alarms, shifts, others, ordinary, shuffled = line.split()
    assert (name, rows, columns, alarms) == ("towns", "600", "2", "0/3")
    assert (shifts, others) == ("100%", "0.00")
    assert float(ordinary.rstrip("%")) < 5 < 20 < float(shuffled.rstrip("%"))


@pytest.mark.slow
def test_soak_trainings_finds_nothing_wrong_in_a_round():
    command = [sys.executable, SCRIPTS / "soak_trainings.py", "--rounds", "1"]
    ended = subprocess.run(
        [*command, "--commands", "0"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "start_worker: 1 rounds in " in ended.stdout
    assert ", 0 with problems" in ended.stdout
    assert "start_command: 0 rounds in 0 s, 0 with problems" in ended.stdout
