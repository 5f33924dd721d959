"""How long a training step takes, kerasnn beside its peers on the same work.

    python scripts/benchmark.py --work digits
    python scripts/benchmark.py --work cv
    python scripts/benchmark.py --work fit-small --cold

Every round runs each contender once, so that all see the machine at its fast and slow
moments, and ratios are taken within a round. Timed is the whole run from the call to the
trained weights (shuffles, metrics, callbacks), after a first run that compiles. With
`--cold` it is the first runs that are measured. The works are in `benchmark_works.py`,
the contenders in `benchmark_peers.py`.
"""

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark_cold import ColdStart, Start, cold_lines, cold_notes
from benchmark_peers import BASELINES, CONTENDERS, Contender
from benchmark_worker import Worker
from benchmark_works import WORKS, CrossValidation, Work

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
        score: accuracy or R2 on the test rows, after a training of its own.
    """

    contender: Contender
    epochs: int
    first_seconds: float
    us_a_step: list[float] = field(default_factory=list)
    score: float = 0.0


def measure(
    work: Work,
    contenders: Sequence[Contender],
    start: Start,
    *,
    rounds: int,
    epochs: int | None,
    score_epochs: int,
    seed: int,
) -> list[Measurement]:
    """Prepare all, time them in turns, then train each once more for its score.

    Args:
        work: what is trained.
        contenders: who trains it.
        start: puts a contender to work.
        rounds: timed runs of each.
        epochs: of a timed run; None for the contender's or the work's own number.
        score_epochs: of the training for the score, the same for all.
        seed: of the weights, and of the row orders where a peer has one.
    """
    measurements = []
    with contextlib.ExitStack() as stack:
        pairs = []
        for contender in contenders:
            tell(f"first run: {contender.title}")
            timed = stack.enter_context(start(contender))
            its_epochs = epochs or contender.epochs or work.epochs
            first_seconds = timed.first_run(its_epochs, seed)
            measurements.append(Measurement(contender, its_epochs, first_seconds))
            pairs.append((timed, measurements[-1]))
        for number in range(1, rounds + 1):
            tell(f"round {number} of {rounds}")
            for timed, measurement in pairs:
                seconds = timed.timed_run(measurement.epochs, seed)
                us_a_step = seconds / (measurement.epochs * work.steps) * 1e6
                measurement.us_a_step.append(us_a_step)
        for timed, measurement in pairs:
            tell(f"{work.score_name}: {measurement.contender.title}")
            measurement.score = timed.score(score_epochs, seed)
    return measurements


def measure_cold(
    contenders: Sequence[Contender],
    start: Start,
    *,
    rounds: int,
    limit_seconds: float,
    seed: int,
) -> list[ColdStart]:
    """Start each anew, in turns."""
    cold_starts = [ColdStart(contender) for contender in contenders]
    for number in range(1, rounds + 1):
        for cold_start in cold_starts:
            tell(f"cold start {number} of {rounds}: {cold_start.contender.title}")
            cold_start.measure(start, limit_seconds=limit_seconds, seed=seed)
    return cold_starts


def median_ratio(times: Sequence[float], baseline: Sequence[float]) -> float:
    """Median of the ratios within each round: the machine's speed drifts between them."""
    return statistics.median(a / b for a, b in zip(times, baseline, strict=True))


def summarize(
    measurements: Sequence[Measurement], baseline_name: str
) -> list[dict[str, Any]]:
    """One object for each contender; "ratio" is None if the baseline did not run."""
    baseline = next(
        (m.us_a_step for m in measurements if m.contender.name == baseline_name), None
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
            "score": m.score,
        }
        for m in measurements
    ]


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


def notes(work: Work, baseline: str, rounds: int, score_epochs: int) -> list[str]:
    """What must be known to read the numbers."""
    if isinstance(work, CrossValidation):
        score_line = (
            f"{work.score_name}: mean of {work.folds} folds after {score_epochs} epochs;"
            " weights, schedules and row orders are each one's own"
        )
    else:
        score_line = (
            f"{work.score_name}: on {len(work.y_test)} test rows, after {score_epochs}"
            " epochs from the same weights; row orders differ"
        )
    lines = [
        f"us a step: all seconds of a run / (epochs x {work.steps} steps); median and min"
        f" of {rounds} rounds",
        f"ratio: to {baseline}, the median of the ratios within each round",
        "first s: to build, compile and run so many epochs for the first time",
        score_line,
    ]
    if work.validate:
        lines.append(
            "validation after each epoch is timed too: in batches where a library makes"
            " them, at once where the loop is written by hand"
        )
    lines.append(
        "load: other programs slow everyone down, those with several threads most;"
        " trust the ratio more than the times"
    )
    if rounds < ENOUGH_ROUNDS:
        lines.append(f"fewer than {ENOUGH_ROUNDS} rounds: a look, not a measurement")
    return lines


def step_lines(rows: Sequence[dict[str, Any]], score_name: str) -> list[str]:
    """The table as text."""
    lines = [
        f"{'contender':<37} {'epochs':>6} {'us a step':>10} {'min':>8} {'ratio':>7}"
        f" {'first s':>8} {score_name:>8}"
    ]
    for row in rows:
        ratio = "-" if row["ratio"] is None else f"{row['ratio']:.2f}"
        lines.append(
            f"{row['title']:<37} {row['epochs']:>6} {row['median']:>10.1f}"
            f" {row['min']:>8.1f} {ratio:>7} {row['first_seconds']:>8.2f}"
            f" {row['score']:>8.3f}"
        )
    return lines


def text(lines: Sequence[str], report: dict[str, Any]) -> str:
    """The report: the lines of its table, and what must be known to read them."""
    load = report["load_before"]
    versions = ", ".join(f"{name} {v}" for name, v in report["versions"].items())
    cores = f"{report['cores']} cores"
    machine_line = cores if load is None else f"{cores}, load {load:.2f} before"
    below = [*report["notes"], *report["left_out"], versions, machine_line]
    return "\n".join([*lines, "", *below])


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
    parser.add_argument("--work", choices=list(WORKS), default="digits")
    parser.add_argument(
        "--rounds",
        type=at_least_one,
        help=f"timed runs of each ({ENOUGH_ROUNDS}), or cold starts (1)",
    )
    parser.add_argument(
        "--epochs",
        type=at_least_one,
        help="of a timed run, instead of the work's own number",
    )
    parser.add_argument(
        "--score-epochs",
        type=at_least_one,
        help="of the training for the score, instead of the work's own number",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=names,
        default=names,
        metavar="NAME",
        help="of those that take part in the work: " + ", ".join(names),
    )
    parser.add_argument(
        "--cold",
        action="store_true",
        help="compile time, seconds to the end of 10 and 100 epochs, and memory",
    )
    parser.add_argument(
        "--cold-limit",
        type=at_least_one,
        default=60,
        metavar="SECONDS",
        help="100 epochs that would take longer are estimated",
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object on standard output"
    )
    arguments = parser.parse_args(argv)
    if arguments.rounds is None:
        arguments.rounds = 1 if arguments.cold else ENOUGH_ROUNDS
    return arguments


def step_report(
    arguments: argparse.Namespace, contenders: Sequence[Contender], start: Start
) -> tuple[dict[str, Any], list[str]]:
    """Measure steps: what is reported, and the lines of its table."""
    work, baseline = WORKS[arguments.work](), BASELINES[arguments.work]
    score_epochs = arguments.score_epochs or work.score_epochs
    measurements = measure(
        work,
        contenders,
        start,
        rounds=arguments.rounds,
        epochs=arguments.epochs,
        score_epochs=score_epochs,
        seed=arguments.seed,
    )
    rows = summarize(measurements, baseline)
    report = {
        "steps_per_epoch": work.steps,
        "score_name": work.score_name,
        "score_epochs": score_epochs,
        "contenders": rows,
        "notes": notes(work, baseline, arguments.rounds, score_epochs),
    }
    return report, step_lines(rows, work.score_name)


def cold_report(
    arguments: argparse.Namespace, contenders: Sequence[Contender], start: Start
) -> tuple[dict[str, Any], list[str]]:
    """Measure cold starts: what is reported, and the lines of its table."""
    cold_starts = measure_cold(
        contenders,
        start,
        rounds=arguments.rounds,
        limit_seconds=arguments.cold_limit,
        seed=arguments.seed,
    )
    rows = [cold_start.summary() for cold_start in cold_starts]
    report = {
        "contenders": rows,
        "notes": cold_notes(arguments.rounds, arguments.cold_limit),
    }
    return report, cold_lines(rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print it; the exit status."""
    arguments = parse(argv)
    chosen = [
        contender
        for contender in CONTENDERS
        if contender.name in arguments.only and arguments.work in contender.works
    ]
    left_out = [c.left_out_line for c in chosen if not c.installed]
    here = [c for c in chosen if c.installed]
    for line in left_out:
        tell(line)
    if not here:
        tell(f"{arguments.work}: nobody to measure")
        return 1

    def start(contender: Contender) -> Worker:
        return Worker(contender, arguments.work)

    about = {
        name: getattr(arguments, name) for name in ("work", "rounds", "seed", "cold")
    } | machine()
    measured = cold_report if arguments.cold else step_report
    report, lines = measured(arguments, here, start)
    report = about | report | {"left_out": left_out}
    print(json.dumps(report) if arguments.json else text(lines, report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
