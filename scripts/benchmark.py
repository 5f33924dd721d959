"""How long a training step takes, kerasnn beside its peers on the same work.

    python scripts/benchmark.py --work digits

Every round runs each contender once, so that all see the machine at its fast and slow
moments, and ratios are taken within a round. Timed is the whole run from the call to the
trained weights (shuffles, metrics, callbacks), after a first run that compiles. The
contenders are in `benchmark_peers.py`.
"""

import argparse
import gc
import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kerasnn.cli.console import quiet_tensorflow

with quiet_tensorflow():  # TF_CPP_MIN_LOG_LEVEL=3, unless it is set
    from benchmark_peers import CONTENDERS, WORKS, Contender, Peer, Work

BASELINE = "kerasnn-xla"
ENOUGH_ROUNDS = 5
DISTRIBUTIONS = ("kerasnn", "tensorflow", "keras", "numpy", "scikit-learn", "torch", "jax")


@dataclass
class Measurement:
    """What was seen of one contender.

    Attributes:
        contender: which one.
        epochs: of a timed run.
        first_seconds: to build it, compile, and train for the first time.
        us_a_step: microseconds a step, one for each round.
        accuracy: on the test rows, after a training of its own.
    """

    contender: Contender
    epochs: int
    first_seconds: float
    us_a_step: list[float] = field(default_factory=list)
    accuracy: float = 0.0


def measure(
    work: Work,
    contenders: Sequence[Contender],
    *,
    rounds: int,
    epochs: int | None,
    accuracy_epochs: int,
    seed: int,
) -> list[Measurement]:
    """Prepare all, time them in turns, then train each once more for its accuracy.

    Args:
        work: what is trained.
        contenders: who trains it.
        rounds: timed runs of each.
        epochs: of a timed run; None for the contender's own number.
        accuracy_epochs: of the training for the accuracy, the same for all.
        seed: of the weights, and of the row orders where a peer has one.
    """
    pairs = [prepare(contender, work, epochs, seed) for contender in contenders]
    for number in range(1, rounds + 1):
        tell(f"round {number} of {rounds}")
        for peer, measurement in pairs:
            seconds = timed_run(peer, measurement.epochs, seed)
            measurement.us_a_step.append(seconds / (measurement.epochs * work.steps) * 1e6)
    for peer, measurement in pairs:
        tell(f"accuracy: {measurement.contender.title}")
        timed_run(peer, accuracy_epochs, seed)
        measurement.accuracy = float((peer.classes(work.x_test) == work.y_test).mean())
    return [measurement for _, measurement in pairs]


def prepare(
    contender: Contender, work: Work, epochs: int | None, seed: int
) -> tuple[Peer, Measurement]:
    """The peer after its first run, which compiles."""
    tell(f"first run: {contender.title}")
    if contender.needs is not None:
        importlib.import_module(contender.needs)  # TensorFlow was loaded before as well
    epochs = epochs or contender.epochs
    started = time.perf_counter()
    peer = contender.make(work)
    peer.reset(seed)
    peer.run(epochs)
    return peer, Measurement(contender, epochs, time.perf_counter() - started)


def timed_run(peer: Peer, epochs: int, seed: int) -> float:
    """Seconds of one run from fresh weights, which are not timed."""
    peer.reset(seed)
    gc.collect()  # what one contender left behind is not collected in another's time
    started = time.perf_counter()
    peer.run(epochs)
    return time.perf_counter() - started


def median_ratio(times: Sequence[float], baseline: Sequence[float]) -> float:
    """Median of the ratios within each round: the machine's speed drifts between them."""
    return statistics.median(a / b for a, b in zip(times, baseline, strict=True))


def summarize(measurements: Sequence[Measurement]) -> list[dict[str, Any]]:
    """One object for each contender; "ratio" is None if the baseline did not run."""
    baseline = next(
        (m.us_a_step for m in measurements if m.contender.name == BASELINE), None
    )
    return [
        {
            "name": m.contender.name,
            "title": m.contender.title,
            "epochs": m.epochs,
            "us_a_step": m.us_a_step,
            "median": statistics.median(m.us_a_step),
            "min": min(m.us_a_step),
            "ratio": median_ratio(m.us_a_step, baseline) if baseline else None,
            "first_seconds": m.first_seconds,
            "accuracy": m.accuracy,
        }
        for m in measurements
    ]


def split_installed(
    contenders: Sequence[Contender],
) -> tuple[list[Contender], list[Contender]]:
    """Those that can run here, and those whose package is not installed."""
    here: list[Contender] = []
    missing: list[Contender] = []
    for contender in contenders:
        found = contender.needs is None or importlib.util.find_spec(contender.needs)
        (here if found else missing).append(contender)
    return here, missing


def left_out_line(contender: Contender) -> str:
    """Why a contender is not in the table, and the way out."""
    return f"{contender.title}: not installed, left out (pip install 'kerasnn[bench]')"


def machine() -> dict[str, Any]:
    """Versions, cores, and how busy the machine is before the benchmark."""
    versions = {"python": platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # left out, or installed under another name (tensorflow-cpu)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {"versions": versions, "cores": os.cpu_count(), "load_before": load}


def notes(work: Work, rounds: int, accuracy_epochs: int) -> list[str]:
    """What must be known to read the numbers."""
    lines = [
        f"us a step: all seconds of a run / (epochs x {work.steps} steps); median and min"
        f" of {rounds} rounds",
        f"ratio: to {BASELINE}, the median of the ratios within each round",
        "first s: to build, compile and run so many epochs for the first time",
        f"accuracy: on {len(work.y_test)} test rows, after {accuracy_epochs} epochs from"
        " the same weights; row orders differ",
        "load: other programs slow everyone down, those with several threads most;"
        " trust the ratio more than the times",
    ]
    if rounds < ENOUGH_ROUNDS:
        lines.append(f"fewer than {ENOUGH_ROUNDS} rounds: a look, not a measurement")
    return lines


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    lines = [
        f"{'contender':<37} {'epochs':>6} {'us a step':>10} {'min':>8} {'ratio':>7}"
        f" {'first s':>8} {'accuracy':>8}"
    ]
    for row in report["contenders"]:
        ratio = "-" if row["ratio"] is None else f"{row['ratio']:.2f}"
        lines.append(
            f"{row['title']:<37} {row['epochs']:>6} {row['median']:>10.1f}"
            f" {row['min']:>8.1f} {ratio:>7} {row['first_seconds']:>8.2f}"
            f" {row['accuracy']:>8.3f}"
        )
    load = report["load_before"]
    versions = ", ".join(f"{name} {v}" for name, v in report["versions"].items())
    lines += ["", *report["notes"], *report["left_out"], versions]
    lines.append(
        f"{report['cores']} cores"
        + (f", load {load:.2f} before" if load is not None else "")
    )
    return "\n".join(lines)


def tell(line: str) -> None:
    """Progress, on standard error."""
    print(line, file=sys.stderr, flush=True)


def at_least_one(text: str) -> int:
    """A whole number of at least 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"must be a whole number of at least 1; got {text!r}"
        )
    return int(text)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments of the command line."""
    names = [contender.name for contender in CONTENDERS]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", choices=sorted(WORKS), default="digits")
    parser.add_argument(
        "--rounds", type=at_least_one, default=ENOUGH_ROUNDS, help="timed runs of each"
    )
    parser.add_argument(
        "--epochs",
        type=at_least_one,
        help="of a timed run, instead of each one's own number",
    )
    parser.add_argument("--accuracy-epochs", type=at_least_one, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=names,
        default=names,
        metavar="NAME",
        help=", ".join(names),
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object on standard output"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print it; the exit status."""
    arguments = parse(argv)
    chosen = [c for c in CONTENDERS if c.name in arguments.only]
    here, missing = split_installed(chosen)
    left_out = [left_out_line(contender) for contender in missing]
    for line in left_out:
        tell(line)
    if not here:
        return 1
    work = WORKS[arguments.work]()
    report = {"work": arguments.work, "rounds": arguments.rounds, **machine()}
    measurements = measure(
        work,
        here,
        rounds=arguments.rounds,
        epochs=arguments.epochs,
        accuracy_epochs=arguments.accuracy_epochs,
        seed=arguments.seed,
    )
    report |= {
        "steps_per_epoch": work.steps,
        "accuracy_epochs": arguments.accuracy_epochs,
        "seed": arguments.seed,
        "contenders": summarize(measurements),
        "left_out": left_out,
        "notes": notes(work, arguments.rounds, arguments.accuracy_epochs),
    }
    print(json.dumps(report) if arguments.json else table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
