"""The examples of README and docs run."""

import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def test_ci_runs_the_readmes_test_command():
    commands = "".join(blocks(ROOT / "README.md", "sh")).splitlines()
    (command,) = [line for line in commands if line.endswith("python -m pytest")]
    assert command in (ROOT / ".ci" / "run").read_text().splitlines()


def test_the_readmes_keras_model_learns():
    code = "".join(blocks(ROOT / "README.md", "python"))
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["history"].history["val_accuracy"][-1] > 0.95


def test_the_readme_is_a_screen_and_a_half():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 115


def test_the_example_of_resume_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "".join(blocks(ROOT / "docs" / "resume.md", "python"))
    exec(compile(code, "resume.md", "exec"), {})
    assert len(list((tmp_path / "runs" / "mine").iterdir())) == 1


@pytest.mark.slow
def test_the_example_of_faster_fit_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = "".join(blocks(ROOT / "docs" / "faster-fit.md", "python"))
    names = {}
    exec(compile(code, "faster-fit.md", "exec"), names)
    assert (
        names["history"].history["val_loss"][-1] < names["history"].history["val_loss"][0]
    )


def test_the_example_of_larger_than_memory_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    code = "".join(blocks(ROOT / "docs" / "larger-than-memory.md", "python"))
    names = {}
    exec(compile(code, "larger-than-memory.md", "exec"), names)
    assert names["history"].history["val_loss"][-1] < 1
    assert names["prices"].shape == (1000, 1)
    assert (tmp_path / "runs" / "price" / "rows" / "validation").is_dir()


def test_the_examples_of_tables_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = "".join(blocks(ROOT / "docs" / "tables.md", "python"))
    names = {}
    exec(compile(code, "tables.md", "exec"), names)
    assert names["answers"]["probabilities"].shape == (2, 2)
    assert names["scores"]["test_score"].mean() > 0.6
    # The answers that docs/serving.md shows for the same rows; digits differ by machine.
    shown = json.loads(blocks(ROOT / "docs" / "serving.md", "json")[1])["outputs"]
    assert names["answers"]["class"].tolist() == shown["class"]
    probabilities = names["answers"]["probabilities"]
    assert np.allclose(probabilities, shown["probabilities"], atol=0.05)


@pytest.mark.slow
def test_the_example_of_validation_runs(capsys):
    code = "".join(blocks(ROOT / "docs" / "validation.md", "python"))
    names = {}
    exec(compile(code, "validation.md", "exec"), names)
    assert "150\n" in capsys.readouterr().out
    assert names["scores"]["test_score"].mean() > 0.5


@pytest.mark.slow
def test_the_examples_of_tune_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = "".join(blocks(ROOT / "docs" / "tune.md", "python"))
    names = {}
    exec(compile(code, "tune.md", "exec"), names)
    assert len(names["found"].trials) == 3
    assert names["deep"].trials["state"][0] == "complete"
    assert (tmp_path / "trials.journal").exists()


def test_the_constraints_name_versions_and_no_addresses():
    lines = (ROOT / "constraints.txt").read_text().splitlines()[1:]
    assert len(lines) > 40
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.]+", line), line
