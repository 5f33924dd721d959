"""Trainings killed with SIGKILL at random moments, and resumed: do they end the same?

python scripts/kill_and_resume.py [--runs 50] [--seed 0] [--work WORK|all]

digits  kerasnn train digits
table   kerasnn train on a CSV file that is made here
stream  kerasnn train --stream on a folder of Parquet files, its rows on disk in training
shards  a Keras network fitted on rows from disk, with dropout and callbacks

Each run is killed once or twice, then resumed until it is done, and compared with one that
was never interrupted: all Variables bit for bit, the history, the manifest, one version
folder, nothing half-written. The folder of a run that differs stays; the exit code is 1.
"""

import argparse
import csv
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
WORKS = ("digits", "table", "shards", "stream")
# What a kill waits for once its moment has come, and for how many seconds after that.
AIMS = {"any": 0.0, "checkpoint": 0.004, "export": 1.5}
EVERY = "0.1"  # seconds between two checkpoints
SMALL = ("--members", "2", "--epochs", "30")
STREAM = [
    "--stream",
    "--members",
    "2",
    "--epochs",
    "4",
    "--hidden-units",
    "32",
    "--test-size",
    "0.01",
]
TIMEOUT = 180


def main() -> int:
    """Kill and resume; what was found is printed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", choices=[*WORKS, "all"], default="all")
    parser.add_argument("--fit-shards", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fit_shards:
        fit_shards(options.fit_shards)
        return 0
    works = WORKS if options.work == "all" else (options.work,)
    folder = Path(tempfile.mkdtemp(prefix="kill-and-resume-"))
    wrong = check(works, options.runs, options.seed, folder)
    if not wrong:
        shutil.rmtree(folder)
    return 1 if wrong else 0


def check(works: tuple[str, ...], runs: int, seed: int, folder: Path) -> int:
    """How many runs ended otherwise than the one that was not interrupted."""
    prepare(folder)
    whole, seconds = {}, {}
    for work in works:
        begun = time.monotonic()
        run_to_end(work, folder, folder / f"{work}-whole")
        seconds[work] = time.monotonic() - begun
        whole[work] = outcome(work, folder / f"{work}-whole")
        print(f"{work}: {seconds[work]:.1f} s without interruption", flush=True)
    kills: Counter[str] = Counter()
    wrong = 0
    for number in range(runs):
        work = works[number % len(works)]
        here = folder / f"{number:03}-{work}"
        chance = random.Random(f"{seed}/{number}")
        phases = kill_some(work, folder, here, chance, seconds[work])
        run_to_end(work, folder, here)
        problems = differences(whole[work], outcome(work, here)) + left_behind(here)
        kills.update(phases)
        told = f"{number:3} {work}: killed {', '.join(phases) or 'never'}: "
        print(
            told + ("; ".join([*problems, str(here)]) if problems else "same"), flush=True
        )
        wrong += bool(problems)
        if not problems:
            shutil.rmtree(here)
    print(f"{runs} runs, {kills.total()} kills, {runs - wrong} ended the same")
    for phase, count in kills.most_common():
        print(f"  {count:3} {phase}")
    return wrong


def prepare(folder: Path) -> None:
    """The rows of the table and of the shards."""
    chance = random.Random(0)
    with (folder / "small.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "c", "level", "answer"])
        for _ in range(1500):
            a, b, c = (round(chance.gauss(0, 1), 4) for _ in range(3))
            level = chance.choice("xyz")
            score = a + b * c + (level == "x") + chance.gauss(0, 0.5)
            writer.writerow([a, b, c, level, "yes" if score > 0 else "no"])

    import numpy as np
    import pandas as pd

    from kerasnn import datasets

    rng = np.random.default_rng(0)
    x = rng.normal(size=(40_000, 8)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] * x[:, 2] > 0).astype(np.float32)
    datasets.write_shards([{"x": x, "y": y}], folder / "shards", rows_per_shard=2048)
    (folder / "rows").mkdir()
    for part in range(4):
        columns = {f"x{i}": rng.normal(size=50_000) for i in range(6)}
        columns["level"] = rng.choice(list("abcdefghijkl"), 50_000)
        columns["y"] = columns["x0"] * columns["x1"] + (columns["level"] < "d") > 0
        pd.DataFrame(columns).to_parquet(folder / "rows" / f"{part}.parquet")


def command(work: str, folder: Path, here: Path) -> list[str]:
    """Begins a run, or goes on with it."""
    if work == "shards":
        return [sys.executable, str(Path(__file__)), "--fit-shards", str(here)]
    saves = ["--checkpoint", str(here / "checkpoints"), "--checkpoint-every", EVERY]
    sources = {
        "digits": ["digits", "--epochs", "3000"],
        "table": [str(folder / "small.csv"), "--target", "answer", *SMALL],
        "stream": [str(folder / "rows"), "--target", "y", *STREAM],
    }
    models = ["--output", str(here / "models"), "--name", "model"]
    train = [sys.executable, "-m", "kerasnn", "train"]
    return [*train, *sources[work], *models, *saves, "--resume", "--json"]


def start(work: str, folder: Path, here: Path) -> subprocess.Popen[str]:
    """A process of a run, with its own log."""
    here.mkdir(exist_ok=True)
    with (here / "log.txt").open("a") as log, (here / "answer.json").open("w") as answer:
        return subprocess.Popen(
            command(work, folder, here),
            env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
            text=True,
            stdout=answer,
            stderr=log,
        )


def run_to_end(work: str, folder: Path, here: Path) -> None:
    """Go on with a run until it is done.

    Raises:
        RuntimeError: it failed.
    """
    with start(work, folder, here) as process:
        code = process.wait(TIMEOUT)
    if code != 0:
        log = (here / "log.txt").read_text()[-2000:]
        raise RuntimeError(f"{here}: {work} left with {code}: {log}")


def kill_some(
    work: str, folder: Path, here: Path, chance: random.Random, seconds: float
) -> list[str]:
    """Start a run, once or twice, and kill it; in which phases that was."""
    phases: list[str] = []
    times = chance.choice((1, 1, 2))
    while times > 0 or not phases:
        aim = chance.choice(["any", "any", "checkpoint", "export"])
        if work == "shards" and aim == "export":
            aim = "checkpoint"  # it exports nothing
        # What is aimed at an export waits for it anyway.
        moment = chance.uniform(0, seconds) if aim != "export" else 0.0
        with start(work, folder, here) as process:
            wait_for_moment(process, here, aim, moment, chance.uniform(0, AIMS[aim]))
            over = process.poll() is not None
            process.kill()
            process.wait()
        times -= 1
        if not over:
            phases.append(phase(here))
        elif not phases:  # it was over before its moment came
            shutil.rmtree(here)
            seconds *= 0.9
    return phases


def wait_for_moment(
    process: subprocess.Popen[str], here: Path, aim: str, moment: float, after: float
) -> None:
    """Until the moment, then for what is aimed at, then a little; or the process's end."""
    begun = time.monotonic()
    nap = 0.0005 if aim == "checkpoint" else 0.005
    while process.poll() is None and time.monotonic() - begun < moment:
        time.sleep(0.005)
    wanted: Mapping[str, Callable[[], object]] = {
        "any": lambda: True,
        "checkpoint": lambda: half_written(here / "checkpoints"),
        "export": lambda: half_written(here / "models" / "model"),
    }
    while process.poll() is None and not wanted[aim]():
        time.sleep(nap)
    time.sleep(after)


def half_written(folder: Path) -> list[Path]:
    """What is being written beside its place in a folder, or was when a process died."""
    return sorted(folder.glob(".partial-*")) if folder.is_dir() else []


def phase(here: Path) -> str:
    """What a process was at when it was killed, by what it left."""
    if half_written(here / "checkpoints"):
        return "in a checkpoint"
    if half_written(here / "models" / "model"):
        return "in the export"
    if (here / "models" / "model" / "1").exists():
        return "after the export"
    newest = newest_checkpoint(here)
    if newest is None:
        return "before the first checkpoint"
    return (
        "between training and export"
        if newest.description["position"][-1]
        else "in training"
    )


def newest_checkpoint(here: Path) -> Any:
    """The newest of a run; None if there is none.

    Raises:
        DamagedCheckpointWarning: any of them is damaged.
    """
    from kerasnn.checkpoints import CheckpointFolder

    folder = CheckpointFolder(here / "checkpoints")
    found = [folder.load(number) for number in folder.numbers()]
    return found[-1] if found else None


def outcome(work: str, here: Path) -> dict[str, str]:
    """What two runs must have in common, as hashes and texts by name."""
    checkpoint = newest_checkpoint(here)
    described = checkpoint.description
    found = {
        "position": str(described["position"]),
        "Variables of the checkpoint": hashed(checkpoint.arrays),
        "history": json.dumps(described.get("history", described.get("results"))),
    }
    if work == "shards":
        return found | {"answer": (here / "answer.json").read_text()}
    versions = sorted(path.name for path in (here / "models" / "model").iterdir())
    version = here / "models" / "model" / "1"
    return found | {
        "versions": str(versions),
        "Variables of the SavedModel": hashed(saved_variables(version)),
        "manifest": manifest_of(version),
    }


def saved_variables(version: Path) -> dict[str, Any]:
    """The numbers of a SavedModel, by name."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(version / "variables" / "variables"))
    types = reader.get_variable_to_dtype_map()
    return {n: reader.get_tensor(n) for n in types if types[n] != tf.string}


def manifest_of(version: Path) -> str:
    """Without what two runs may not have in common: their names and times."""
    manifest = json.loads((version / "assets.extra" / "kerasnn.json").read_text())
    for name in ("run", "created"):
        manifest.pop(name)
    manifest.get("training", {}).pop("seconds", None)
    return json.dumps(manifest)


def hashed(arrays: Mapping[str, Any]) -> str:
    """Of the bits, types, shapes and names of arrays."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """The names of what is not the same."""
    return [f"another {name}" for name in one if one[name] != other.get(name)]


def left_behind(here: Path) -> list[str]:
    """What is half-written anywhere in the folder of a run that is done."""
    return [f"{path} is left" for path in sorted(here.rglob(".partial-*"))]


def fit_shards(here: Path) -> None:
    """Begin the fit on shards, or go on with it; prints weights and history."""
    import keras

    import kerasnn
    from kerasnn import datasets

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(32, "relu"),
            keras.layers.Dropout(0.1, seed=1),
            keras.layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    rows = datasets.ShuffledShards(datasets.open_shards(here.parent / "shards"), seed=3)
    history = kerasnn.fit(
        model,
        rows,
        batch_size=128,
        epochs=40,
        verbose=0,
        callbacks=[keras.callbacks.ReduceLROnPlateau("loss", patience=2, min_delta=0.003)],
        checkpoint=here / "checkpoints",
        checkpoint_every=float(EVERY),
        resume=True,
    )
    weights = hashed({str(i): array for i, array in enumerate(model.get_weights())})
    print(json.dumps({"weights": weights, "history": history.history}, default=float))


if __name__ == "__main__":
    sys.exit(main())
