"""`kerasnn train --checkpoint`: stopped and killed in processes of its own, and resumed."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import kerasnn
from kerasnn import saving
from kerasnn.checkpoints import CheckpointFolder
from kerasnn.system import partial_folders

pytestmark = pytest.mark.slow

TRAIN = ("train", "digits", "--epochs", "1500")
PATIENCE = 240  # seconds


def command(folder, *options):
    return [*TRAIN, "--output", folder / "m", "--checkpoint", folder / "ck", *options]


def wait_until(condition, process):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end, f"it did not come to that in {PATIENCE} s"
        time.sleep(0.05)


def test_a_killed_and_a_stopped_training_end_as_one_that_was_not(tmp_path, run):
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    checkpoints = CheckpointFolder(tmp_path / "ck")
    often = ("--checkpoint-every", "0.2")
    for number, more in ((signal.SIGKILL, 1), (signal.SIGTERM, 2)):
        before = max(checkpoints.numbers(), default=0)
        resume = ("--resume",) if checkpoints.numbers() else ()
        with subprocess.Popen(
            [sys.executable, "-m", "kerasnn", *command(tmp_path, *often, *resume)],
            env=env,
            text=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as process:
            wait_until(lambda n=before + more: checkpoints.numbers()[-1:] >= [n], process)
            process.send_signal(number)
            _, told = process.communicate(timeout=PATIENCE)
        if number == signal.SIGTERM:
            assert process.returncode == 128 + signal.SIGTERM
            epochs = checkpoints.newest().description["position"][0]
            assert told.splitlines()[-1].startswith(
                f"SIGTERM: the training was stopped after {epochs} epochs"
            )
            assert told.rstrip().endswith("; the same command with --resume resumes it")
        assert not (tmp_path / "m").exists() or saving_is_whole(tmp_path / "m")
    resumed = run(*command(tmp_path, "--resume", "--json"))
    (tmp_path / "whole").mkdir()
    whole = run(*TRAIN, "--output", tmp_path / "whole", "--json")
    assert (resumed[0], whole[0]) == (0, 0), resumed[2] + whole[2]
    one, other = (json.loads(output) for _, output, _ in (resumed, whole))
    assert one["metrics"] == other["metrics"]
    x = np.random.default_rng(0).random((20, 64)).astype(np.float32) * 16
    answers = [kerasnn.load(run["folder"]).predict(x) for run in (one, other)]
    np.testing.assert_array_equal(*(a["probabilities"] for a in answers))


def saving_is_whole(folder):
    return all(not path.name.startswith(".partial") for path in folder.rglob("*"))


def test_what_was_exported_of_a_run_is_not_exported_again(tmp_path):
    network = kerasnn.models.SigmoidNetwork()
    folder = kerasnn.export(network, tmp_path, metadata={"run": "a"})
    kerasnn.export(network, tmp_path, metadata={"run": "b"})
    assert saving.version_of_run(tmp_path, "a") == folder
    assert saving.version_of_run(tmp_path, "c") is None


def test_what_a_killed_process_left_half_written_goes(tmp_path):
    mine = partial_folders.name_prefix(os.getpid())
    gone = partial_folders.name_prefix(2**22 + 1)  # more than there can be
    for name in (mine, gone, ".partial-elsewhere-1-"):
        (tmp_path / f"{name}x").mkdir()
    kerasnn.export(kerasnn.models.SigmoidNetwork(), tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted(["1", f"{mine}x", ".partial-elsewhere-1-x"])


@pytest.mark.parametrize("option", [["--resume"], ["--checkpoint-every", "5"]])
def test_an_option_without_its_folder_is_wrong_use(option, run):
    code, _, told = run(*TRAIN, *option)
    assert code == 2
    assert told.splitlines()[-1] == f"Error: {option[0]} needs --checkpoint, the folder"
