"""Trainings started together on one checkpoint and one model, and killed at random.

python scripts/soak_trainings.py [--rounds 100] [--commands 3] [--seed 0]

In a round two, three or five trainings start together with the same checkpoint folder and
the same folder for the model; some are killed with SIGKILL or SIGTERM. Then one more runs
to its end. Checked after each round:

- every network that a training announced exists, and has the seed that it announced;
- a run of a checkpoint was exported once, with the rows and the seed of that run;
- no two trainings were in the checkpoint folder at the same time;
- nothing half-written and no lock is left.

`--rounds` are of processes that do what a training does with files (lock, prepared rows,
checkpoints, export) and no TensorFlow; `--commands` are of `kerasnn train`. The folder of a
round with a problem stays; the exit code is 1.
"""

import argparse
import csv
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from kerasnn.checkpoints import ROWS_FOLDER, CheckpointFolder
from kerasnn.datasets import open_shards, write_shards
from kerasnn.errors import InputError
from kerasnn.manifest import MANIFEST, manifest_text, read_manifest, versions
from kerasnn.saving.folders import new_version, publish, version_of_run
from kerasnn.system.folder_lock import LOCK

COUNTS = (2, 3, 5)
STEPS = 12  # checkpoints of a training
SECONDS = 8.0  # for which a training without the lock tries again
RESUME = ("--resume", "--checkpoint-every", "0.1")
OPTIONS = (
    *("--target", "y", "--output", "models", "--name", "net", "--stream", "--json"),
    *("--members", "2", "--epochs", "4", "--hidden-units", "8", "--no-importance"),
)
FORK = multiprocessing.get_context("fork")

Say = Callable[[dict[str, Any]], None]


def main() -> int:
    """Run the rounds; print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--commands", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="soak-neighbours-"))
    wrong = 0
    for start, rounds in (
        (start_worker, options.rounds),
        (start_command, options.commands),
    ):
        counts: Counter[str] = Counter()
        begun, bad = time.monotonic(), 0
        for number in range(rounds):
            folder = base / f"{start.__name__}-{number:03}"
            folder.mkdir()
            chance = random.Random(f"{options.seed}/{number}")
            count = COUNTS[number % len(COUNTS)]
            problems = run_round(start, folder, count, chance, counts)
            for problem in problems:
                print(f"{folder}: {problem}", flush=True)
            bad += bool(problems)
            if not problems:
                shutil.rmtree(folder)
        seconds = time.monotonic() - begun
        print(f"{start.__name__}: {rounds} rounds in {seconds:.0f} s, {bad} with problems")
        for what, times in sorted(counts.items()):
            print(f"  {times:5} {what}", flush=True)
        wrong += bad
    if not wrong:
        shutil.rmtree(base)
    return 1 if wrong else 0


def run_round(
    start: Callable[..., "Training"],
    folder: Path,
    count: int,
    chance: random.Random,
    counts: Counter[str],
) -> list[str]:
    """Start trainings together, kill some, let one more end; return what is wrong."""
    trainings = [start(folder, seed) for seed in range(1, count + 1)]
    window = trainings[0].window
    for training in chance.sample(trainings, chance.randint(1, count - 1)):
        time.sleep(chance.uniform(0.0, window / count))
        number = chance.choice((signal.SIGKILL, signal.SIGTERM))
        if training.kill(number):
            counts[f"killed with {number.name}"] += 1
    for training in trainings:
        training.wait()
    last = start(folder, count + 1 + count % 2)  # on the checkpoint
    last.wait()
    trainings.append(last)
    said = [word for training in trainings for word in training.said()]
    counts.update(word["what"] for word in said)
    problems = wrong_announcements(folder, said) + wrong_runs(folder) + left_behind(folder)
    if not any(word["what"] == "saved" for word in last.said()):
        problems.append("the last training saved nothing")
    return problems + [word["text"] for word in said if word["what"] == "problem"]


def wrong_announcements(folder: Path, said: list[dict[str, Any]]) -> list[str]:
    """Return the announced networks that are missing, or are another training's."""
    problems, owners = [], {}
    for word in said:
        if word["what"] not in ("saved", "found"):
            continue
        version = Path(word["version"])
        try:
            manifest = read_manifest(version)
        except InputError as error:
            problems.append(f"announced, but: {error}")
            continue
        if seed_of(manifest) != word["seed"]:
            problems.append(f"{version}: {word} was announced, {manifest} is there")
        first = owners.setdefault(version, word)
        # A run that is resumed after its export announces the same version again.
        if first is not word and "run" not in manifest:
            problems.append(f"{version}: was announced by two")
    return problems


def seed_of(manifest: dict[str, Any]) -> Any:
    """Return the seed with which a network was trained."""
    return manifest["seed"] if "seed" in manifest else manifest["settings"]["seed"]


def wrong_runs(folder: Path) -> list[str]:
    """Return the runs that were exported twice."""
    model = folder / "models" / "net"
    found = [read_manifest(model / str(number)).get("run") for number in versions(model)]
    runs = Counter(run for run in found if run)
    return [f"run {run} was exported {n} times" for run, n in runs.items() if n > 1]


def left_behind(folder: Path) -> list[str]:
    """Return what is half-written, and locks."""
    found = [*folder.rglob(".partial-*"), *folder.rglob(LOCK)]
    return [f"{path} is left" for path in found]


class Training(ABC):
    """A training in another process.

    Attributes:
        window: seconds in which it may be killed.
    """

    window: float
    process: Any

    def kill(self, number: signal.Signals) -> bool:
        """Send a signal; return whether it ran."""
        if not self.running():
            return False
        os.kill(self.process.pid, number)
        return True

    @abstractmethod
    def running(self) -> bool:
        """Return whether it runs."""

    @abstractmethod
    def wait(self) -> None:
        """Wait for its end."""

    @abstractmethod
    def said(self) -> list[dict[str, Any]]:
        """Return what it announced."""


class WorkerTraining(Training):
    """`train_files` in a forked process."""

    window = 0.5

    def __init__(self, folder: Path, seed: int) -> None:
        self.output = folder / f"said-{seed}-{uuid4().hex}"
        self.process = FORK.Process(target=self._run, args=(folder, seed))
        self.process.start()

    def _run(self, folder: Path, seed: int) -> None:
        with self.output.open("a", buffering=1) as file:

            def say(word: dict[str, Any]) -> None:
                file.write(json.dumps(word) + "\n")

            try:
                train_files(folder, seed, say)
            except Exception as error:
                say({"what": "problem", "text": f"training {seed}: {error!r}"})

    def running(self) -> bool:
        """See `Training`."""
        return self.process.is_alive()

    def wait(self) -> None:
        """See `Training`."""
        self.process.join()

    def said(self) -> list[dict[str, Any]]:
        """See `Training`."""
        lines = self.output.read_text().splitlines() if self.output.exists() else []
        return [json.loads(line) for line in lines]


class CommandTraining(Training):
    """`kerasnn train` on a small table, read from disk."""

    window = 40.0

    def __init__(self, folder: Path, seed: int) -> None:
        table = folder / "rows.csv"
        if not table.exists():
            write_table(table)
        self.folder = folder
        # Every second one has no checkpoint, and adds a version to the same model.
        alone = seed % 2 == 0
        self.seed = seed if alone else 1
        place = [] if alone else ["--checkpoint", "runs", *RESUME]
        command = [sys.executable, "-m", "kerasnn", "train", "rows.csv", *OPTIONS]
        self.process = subprocess.Popen(
            [*command, "--seed", str(self.seed), *place],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.printed: tuple[str, str] = "", ""

    def running(self) -> bool:
        """See `Training`."""
        return self.process.poll() is None

    def wait(self) -> None:
        """See `Training`."""
        if not any(self.printed):
            self.printed = self.process.communicate()

    def said(self) -> list[dict[str, Any]]:
        """See `Training`."""
        output, errors = self.printed
        if self.process.returncode == 0:
            version = str(self.folder / json.loads(output)["folder"])
            return [{"what": "saved", "version": version, "seed": self.seed}]
        if "is in use by another training: process" in errors:
            return [{"what": "refused"}]
        if self.process.returncode < 0 or "the training was stopped" in errors:
            return [{"what": "ended by a signal"}]
        return [{"what": "problem", "text": errors[-2000:]}]


def start_worker(folder: Path, seed: int) -> Training:
    """Start a process without TensorFlow."""
    return WorkerTraining(folder, seed)


def start_command(folder: Path, seed: int) -> Training:
    """Start `kerasnn train`."""
    return CommandTraining(folder, seed)


def write_table(path: Path) -> None:
    """Write a table of 2,000 rows."""
    chance = random.Random(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "y"])
        for _ in range(2000):
            a, b = chance.gauss(0, 1), chance.gauss(0, 1)
            writer.writerow([round(a, 4), round(b, 4), "yes" if a > b * b else "no"])


def train_files(folder: Path, seed: int, say: Say) -> None:
    """Do what a training does with files: alone first, then on the checkpoint."""
    export(folder, {"seed": seed}, say)
    checkpoints = CheckpointFolder(folder / "runs")
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            with checkpoints.locked():
                train_locked(folder, checkpoints, seed, say)
            return
        except InputError as error:
            if "is in use by another training" not in str(error):
                raise
            if time.monotonic() > deadline:
                say({"what": "refused"})
                return
            time.sleep(0.01)


def train_locked(folder: Path, checkpoints: CheckpointFolder, seed: int, say: Say) -> None:
    """Begin a run, or resume the one that was killed; export it, and remove its rows."""
    with exclusive(folder / "inside", say):
        found = checkpoints.newest()
        run = found.description if found else {"run": uuid4().hex, "seed": seed}
        rows = prepared_rows(checkpoints.folder / ROWS_FOLDER, run, resumed=bool(found))
        for number in range(found.number if found else 0, STEPS):
            weights = np.full(20_000, run["seed"], np.float32) + rows
            checkpoints.save(number + 1, {"weights": weights}, run)
        saved = checkpoints.newest()
        if saved is None or saved.arrays["weights"][0] != 2 * run["seed"]:
            say({"what": "problem", "text": f"the checkpoint is not that of {run}"})
        made = version_of_run(folder / "models" / "net", run["run"])
        if made is not None:
            say({"what": "found", "version": str(made), "seed": run["seed"]})
        else:
            export(folder, {"seed": run["seed"], "run": run["run"]}, say)
        shutil.rmtree(checkpoints.folder / ROWS_FOLDER, ignore_errors=True)


def prepared_rows(folder: Path, run: dict[str, Any], *, resumed: bool) -> float:
    """Write the rows of a run, or open those of the killed one; return their value."""
    value = float(run["seed"])
    if folder.exists() and not resumed:  # killed before its first checkpoint
        shutil.rmtree(folder)
    if not folder.exists():
        blocks = ({"x": np.full([500, 4], value, np.float32)} for _ in range(4))
        write_shards(blocks, folder, rows_per_shard=500, notes={"run": run["run"]})
    shards = open_shards(folder)
    if shards.notes["run"] != run["run"]:
        raise InputError(f"{folder}: holds the rows of {shards.notes}, not of {run}")
    return float(shards.shard(3)["x"][-1, -1])


class exclusive:  # noqa: N801 - a context manager
    """Reports a second process inside at the same time, unless the first was killed."""

    def __init__(self, path: Path, say: Say) -> None:
        self.path = path
        self.say = say

    def __enter__(self) -> None:
        if self.path.exists():
            process = int(self.path.read_text() or 0)
            if process and Path(f"/proc/{process}").exists() and not _is_zombie(process):
                self.say({"what": "problem", "text": f"{process} is inside too"})
        self.path.write_text(str(os.getpid()))

    def __exit__(self, *error: object) -> None:
        self.path.unlink()


def _is_zombie(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return True
    return status.rpartition(")")[2].split()[0] == "Z"


def export(folder: Path, entries: dict[str, Any], say: Say) -> None:
    """Publish a version with these entries in its manifest, and announce it."""
    described = {
        **{"created": "now", "versions": {}, "task": "regression"},
        **{"network": {"class": "none", "weights": 0}, "inputs": {}, "outputs": {}},
    }
    with new_version(folder / "models" / "net") as temporary:
        (temporary / "saved_model.pb").write_bytes(b"network")
        (temporary / MANIFEST.parent).mkdir()
        text = manifest_text({**described, **entries})
        (temporary / MANIFEST).write_text(text, encoding="utf-8")
        version = publish(temporary)
    say({"what": "saved", "version": str(version), "seed": entries["seed"]})


if __name__ == "__main__":
    sys.exit(main())
