"""Several workers on this machine: do they end as one does, and when are they faster?

python scripts/check_workers.py [equal] [killed] [tables] [speed]   (all by default)

equal   two and three workers against one process, after 200 steps
killed  one of two workers gets SIGKILL, all are started again: the same end?
tables  both for the ensembles of tables; what XLA makes of them beside it
speed   two workers of one core each against one process on one core, in turn
"""

import argparse
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ROUNDS = 3
STEPS = 200  # of the speed, in each round
# hidden units and rows a step: about 0.2, 1.5, 9, 33 and 70 ms a step on one core.
NETWORKS = {
    "small": ((64, 32), 256),
    "middle": ((256, 128), 1024),
    "large": ((512, 256), 2048),
    "wide": ((512, 512), 4096),
    "widest": ((512, 512), 8192),
}
# Ensembles of 4 members, 2 folds, 10 batches an epoch: the task, and what is set.
# A ReLU has a kink, and rounding decides on which side of it a row falls: then a member
# goes another way. XLA, which rounds otherwise, shows how often. SiLU has none.
TABLES = {
    "classes": ("classification", {}),
    "classes, SiLU": ("classification", {"activation": "silu"}),
    "numbers, SiLU": ("regression", {"activation": "silu", "learning_rate": 0.04}),
}


def main() -> None:
    """Start the workers, and print what was found."""
    parts = {"equal": equal, "killed": killed, "tables": tables, "speed": speed}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=list(parts))
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, Path(options.folder))
        return
    for part in options.parts:
        with tempfile.TemporaryDirectory(prefix="workers-") as folder:
            parts[part](Path(folder))


def equal(folder: Path) -> None:
    """The weights of two and three workers less those of one process."""
    one = run(folder / "1", "weights", workers=0)
    for workers in (2, 3):
        many = run(folder / str(workers), "weights", workers=workers)
        apart = difference(one["weights"], many["weights"])
        print(f"{workers} workers, {one['steps']} steps: weights within {apart:.1e}")


def tables(folder: Path) -> None:
    """Ensembles: two and three workers against one process, and one worker killed."""
    for name in TABLES:
        one = run(folder / name / "1", f"table:{name}:graph", workers=0)
        xla = run(folder / name / "xla", f"table:{name}:xla", workers=0)
        print(f"{name}, {one['steps']} steps: each of the members within")
        print(f"  {by_member(one, xla)}: one process, XLA against the graph", flush=True)
        for workers in (2, 3):
            here = folder / name / str(workers)
            many = run(here, f"table:{name}:graph", workers=workers)
            print(f"  {by_member(one, many)}: {workers} workers", flush=True)
    killed(folder, "table-long")


def killed(folder: Path, job: str = "long") -> None:
    """Each worker is killed once, at a random moment, seeded."""
    whole = run(folder / "whole", job, workers=2)
    chance = random.Random(0)
    for victim in (1, 0):
        here = folder / f"killed-{victim}"
        processes = start(here, job, workers=2)
        wait_for_checkpoint(here, processes)
        time.sleep(chance.uniform(0, 2))
        processes[victim].send_signal(signal.SIGKILL)
        since = time.monotonic()
        told = processes[1 - victim].communicate(timeout=300)[0].splitlines()
        processes[victim].communicate()
        code, seconds = processes[1 - victim].returncode, time.monotonic() - since
        print(f"worker {victim} killed: the other left after {seconds:.1f} s, code {code}:")
        print(f"  {told[-1]}")
        again = run(here, job, workers=2)
        same = again["weights"] == whole["weights"] and again["history"] == whole["history"]
        print(f"  started again: the same bits: {same}")


def speed(folder: Path) -> None:
    """Milliseconds a step for one core and two, rounds in turn."""
    for name, (hidden, rows) in NETWORKS.items():
        times: dict[str, list[float]] = {"one, graph": [], "one, XLA": [], "two": []}
        for turn in range(ROUNDS):
            for kind, found in times.items():
                here = folder / f"{name}-{turn}-{kind}"
                job = f"speed-{name}-{'xla' if 'XLA' in kind else 'graph'}"
                workers = 2 if kind == "two" else 0
                found.append(run(here, job, workers=workers)["milliseconds"])
        one, xla, two = (statistics.median(found) for found in times.values())
        pairs = [a / b for a, b in zip(times["one, graph"], times["two"], strict=True)]
        sizes = "-".join(map(str, (64, *hidden, 10)))
        print(f"{sizes}, {rows} rows a step: one core {one:.2f} ms", end=" ")
        print(f"({xla:.2f} with XLA), two workers of one core {two:.2f} ms:", end=" ")
        ratios = ", ".join(f"{pair:.2f}" for pair in pairs)
        print(f"{statistics.median(pairs):.2f} times as fast ({ratios})", flush=True)


def run(folder: Path, job: str, *, workers: int) -> dict:
    """What the chief, or the only process, has written."""
    for process in (processes := start(folder, job, workers=workers)):
        told, _ = process.communicate(timeout=900)
        if process.returncode:
            for other in processes:
                other.kill()
            sys.exit(told)
    return json.loads((folder / "found.json").read_text())


def start(folder: Path, job: str, *, workers: int) -> list[subprocess.Popen]:
    """The processes of a job, each on a core of its own as far as there are so many."""
    folder.mkdir(parents=True, exist_ok=True)
    ports = free_ports(workers)
    cores = sorted(os.sched_getaffinity(0))
    processes = []
    for worker in range(max(1, workers)):
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "TF_NUM_INTRAOP_THREADS": "1",
            "CHECK_WORKERS_CORE": str(cores[worker % len(cores)]),
        }
        if workers:
            cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
            task = {"type": "worker", "index": worker}
            environment["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
        command = [sys.executable, __file__, "--work", job, "--folder", str(folder)]
        processes.append(
            subprocess.Popen(
                command,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    return processes


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_for_checkpoint(folder: Path, processes: list[subprocess.Popen]) -> None:
    """Until there is one."""
    while not list((folder / "checkpoints").glob("checkpoint-*")):
        if any(process.poll() is not None for process in processes):
            sys.exit("\n".join(process.communicate()[0] for process in processes))
        time.sleep(0.05)


def difference(ones: list, others: list) -> float:
    """The largest between two lists of weights."""
    pairs = zip(ones, others, strict=True)
    return max(abs(a - b) for a, b in pairs)


def by_member(one: dict, other: dict) -> str:
    """How far each member of an ensemble is from that of another."""
    pairs = zip(one["weights"], other["weights"], strict=True)
    return ", ".join(f"{difference(*pair):.1e}" for pair in pairs)


def work(job: str, folder: Path) -> None:
    """One worker."""
    os.sched_setaffinity(0, {int(os.environ["CHECK_WORKERS_CORE"])})
    import contextlib

    import keras
    import numpy as np
    import tensorflow as tf

    import kerasnn
    from kerasnn import models, training

    strategy = None
    if "TF_CONFIG" in os.environ:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    if job.startswith("table"):
        work_on_table(job, folder, strategy)
        return
    scope = strategy.scope() if strategy else contextlib.nullcontext()
    rng = np.random.default_rng(0)
    hidden, rows, options = (30,), 64, {"driver": "graph"}
    epochs = 10
    n_rows = 20 * rows - 5  # the last batch is short
    if job == "long":
        epochs = 400
        options |= {"checkpoint": folder / "checkpoints", "checkpoint_every": 0.2}
        options["resume"] = True
    elif job.startswith("speed"):
        _, name, driver = job.split("-")
        (hidden, rows), options["driver"] = NETWORKS[name], driver
        n_rows, epochs = 10 * rows, STEPS // 10
    x = rng.normal(size=(n_rows, 64)).astype(np.float32)
    y = (x @ rng.normal(size=(64, 10))).argmax(axis=1)
    with scope:
        network = models.DigitsNetwork(n_in=64, hidden_units=hidden, n_out=10, seed=0)
        optimizer = keras.optimizers.Adam(0.001)
    history = kerasnn.fit(
        network,
        x,
        y,
        batch_size=rows,
        epochs=epochs,
        seed=0,
        verbose=0,
        optimizer=optimizer,
        **options,
    )
    if strategy and not training.is_chief(strategy):
        return
    calls = list(zip(history.seconds, history.steps_per_call, strict=True))
    later = calls[len(calls) // 3 :]  # the first ones trace, and warm up
    steps = sum(count for _, count in later)
    weights = np.concatenate([v.numpy().ravel() for v in network.variables])
    found = {
        "steps": sum(count for _, count in calls),
        "weights": [] if job.startswith("speed") else weights.tolist(),
        "history": history.history,
        "milliseconds": 1000 * sum(seconds for seconds, _ in later) / max(1, steps),
    }
    (folder / "found.json").write_text(json.dumps(found))


def work_on_table(job: str, folder: Path, strategy: Any) -> None:
    """One worker, on an ensemble for a table."""
    import numpy as np
    import pandas as pd

    import kerasnn
    from kerasnn import training

    rng = np.random.default_rng(0)
    table = pd.DataFrame({f"n{i}": rng.normal(size=1000) for i in range(6)})
    table["c"] = rng.choice(["x", "y", "z"], len(table))
    numbers = table["n0"] * table["n1"] + np.sin(3 * table["n2"]) + (table["c"] == "x")
    task, settings = "classification", {"epochs": 800}
    if job == "table-long":
        settings |= {"checkpoint": folder / "checkpoints", "checkpoint_every": 0.2}
        settings |= {"resume": True, "driver": "graph"}
    else:
        _, name, driver = job.split(":")
        task, wishes = TABLES[name]
        settings = {"epochs": 20, "driver": driver, **wishes}
    kind = {
        "classification": kerasnn.NetworkClassifier,
        "regression": kerasnn.NetworkRegressor,
    }[task]
    estimator = kind(members=4, folds=2, batch_size=50, random_state=0, **settings)
    estimator.fit(
        table, numbers > 0.3 if task == "classification" else numbers, strategy=strategy
    )
    if strategy and not training.is_chief(strategy):
        return
    # The best epoch is chosen among looks whose scores differ by rounding: see that too.
    learned = [v.numpy().reshape(4, -1) for v in estimator.network_.learned]
    best = np.full((4, 1), estimator.best_epoch_)
    found = {
        "steps": 10 * estimator.n_epochs_,
        "weights": np.concatenate([best, *learned], axis=1).tolist(),
        "history": estimator.history_,
    }
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
