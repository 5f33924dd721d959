"""The lessons' scripts run from beginning to end and keep what they trained."""

import runpy
import sys
from pathlib import Path

import pytest

import kerasnn

SCRIPTS = Path(__file__).parents[1] / "scripts"


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
