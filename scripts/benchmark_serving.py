"""How fast a network is served, `kerasnn serve` beside its peers on the same network.

    python scripts/benchmark_serving.py --peer-python peers/bin/python
    python scripts/benchmark_serving.py --rounds 1 --clients 8 --peers fastapi

One row of the digits network (64-30-10) for each request: over REST with 1, 8 and 64
clients, over gRPC with 8. Every round starts each server once, alone, asks it for an answer
that must be right, and loads it; so all see the machine at its fast and slow moments, and
ratios are taken within a round. The peers need an environment of their own:

    python -m venv peers
    peers/bin/pip install -c constraints.txt tensorflow tensorflow-serving-api grpcio \
        fastapi uvicorn uvloop httptools litserve bentoml

The servers are in `benchmark_serving_contenders.py`, what a round does in
`benchmark_serving_rounds.py`, the load in `benchmark_serving_load.py`.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark_serving_contenders import (
    CONTENDERS,
    NAME,
    OURS,
    Contender,
    left_out_line,
)
from benchmark_serving_load import find_wrk, write_wrk_script
from benchmark_serving_rounds import Bench, Measurement, make_question

ROOT = Path(__file__).parents[1]
DISTRIBUTIONS = ("kerasnn", "tensorflow", "uvicorn", "starlette", "grpcio", "orjson")
PEER_DISTRIBUTIONS = ("tensorflow", "fastapi", "uvicorn", "litserve", "bentoml", "grpcio")


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median of the ratios within each round."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def rates(measurement: Measurement, cell: str) -> list[float]:
    """Requests a second, one for each round."""
    return [figures["requests_per_second"] for figures in measurement.cells[cell]]


def summarize(measurements: Sequence[Measurement]) -> list[dict[str, Any]]:
    """One object for each cell of each contender, by cell; "ratio": ours to it."""
    ours = measurements[0]
    rows = []
    for cell in dict.fromkeys(cell for m in measurements for cell in m.cells):
        for m in measurements:
            if cell not in m.cells:
                continue
            figures = m.cells[cell]
            rows.append(
                {"cell": cell, "name": m.contender.name, "title": m.contender.title}
                | {
                    key: statistics.median(each[key] for each in figures)
                    for key in figures[0]
                    if key != "errors"
                }
                | {
                    "errors": sum(each["errors"] for each in figures),
                    "ratio": median_ratio(rates(ours, cell), rates(m, cell)),
                    "rounds": figures,
                }
            )
    return rows


def verdicts(measurements: Sequence[Measurement]) -> list[dict[str, Any]]:
    """For each cell, how many times the best peer ours is; the best of each round."""
    ours = measurements[0]
    peers = [m for m in measurements if not m.contender.ours]
    found = []
    for cell in ours.cells:
        beside = [m for m in peers if cell in m.cells]
        if not beside:
            continue
        best = [max(each) for each in zip(*(rates(m, cell) for m in beside), strict=True)]
        fastest = max(beside, key=lambda m: statistics.median(rates(m, cell)))
        ratio = median_ratio(rates(ours, cell), best)
        found.append({"cell": cell, "peer": fastest.contender.title, "ratio": ratio})
    return found


def starts(measurements: Sequence[Measurement]) -> list[dict[str, Any]]:
    """One object for each contender; "over_loading" in seconds, of ours alone."""
    return [
        {
            "name": m.contender.name,
            "title": m.contender.title,
            "start_seconds": statistics.median(m.start_seconds),
            "rss_megabytes": statistics.median(m.rss_megabytes),
            "over_loading": statistics.median(
                start - load
                for start, load in zip(m.start_seconds, m.loading_seconds, strict=True)
            )
            if m.loading_seconds
            else None,
        }
        for m in measurements
    ]


def versions(python: str, names: Sequence[str]) -> dict[str, str]:
    """Of the distributions that an environment has."""
    code = (
        "import importlib.metadata as m, json, sys\n"
        "have = {d.metadata['Name'].lower(): d.version for d in m.distributions()}\n"
        "print(json.dumps({n: have[n] for n in sys.argv[1:] if n in have}))"
    )
    done = subprocess.run(
        [python, "-c", code, *names], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def machine(peer_python: str) -> dict[str, Any]:
    """Versions, cores, and how busy the machine is before the benchmark."""
    return {
        "python": platform.python_version(),
        "versions": versions(sys.executable, DISTRIBUTIONS),
        "peer_versions": versions(peer_python, PEER_DISTRIBUTIONS),
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
    }


def notes(rounds: int, seconds: float) -> list[str]:
    """What must be known to read the numbers."""
    return [
        f"one row a request, closed loops of keep-alive clients; medians of {rounds}"
        f" rounds of {seconds:g} s; errors of all rounds",
        "per CPU-s: requests for each second of CPU of all the server's processes",
        "ratio: kerasnn serve's requests/s to this server's, median of the ratios within"
        " each round",
        "REST clients are wrk, one thread in C; gRPC clients are Python (grpc.aio), whose"
        " own CPU time competes with the server's",
        "start s: from the command to the first right answer; RSS MB: after the load, of"
        " all processes",
        "over loading: start s less those of a process that only imports TensorFlow and"
        " loads the model",
        "load: other programs slow everyone down; trust the ratio more than the rates",
    ]


def table(report: dict[str, Any]) -> list[str]:
    """The report as text."""
    lines = [
        f"{'':8} {'server':<30} {'requests/s':>10} {'p50 ms':>8} {'p99 ms':>8}"
        f" {'errors':>6} {'per CPU-s':>9} {'ratio':>6}"
    ]
    cell = None
    for row in report["cells"]:
        lines += [""] if cell not in (None, row["cell"]) else []
        cell = row["cell"]
        lines.append(
            f"{cell:8} {row['title']:<30} {row['requests_per_second']:>10.0f}"
            f" {row['p50_ms']:>8.2f} {row['p99_ms']:>8.1f} {row['errors']:>6.0f}"
            f" {row['requests_per_cpu_second']:>9.0f} {row['ratio']:>6.2f}"
        )
    lines += ["", f"{'server':<39} {'start s':>10} {'over loading':>12} {'RSS MB':>8}"]
    for row in report["starts"]:
        over = "-" if row["over_loading"] is None else f"{row['over_loading']:.2f}"
        lines.append(
            f"{row['title']:<39} {row['start_seconds']:>10.2f} {over:>12}"
            f" {row['rss_megabytes']:>8.0f}"
        )
    lines.append("")
    lines += [
        f"{v['cell']}: {v['ratio']:.2f} times the best peer ({v['peer']})"
        for v in report["verdicts"]
    ]
    return lines


def text(report: dict[str, Any]) -> str:
    """The table, and what must be known to read it."""
    listed = ", ".join(f"{name} {v}" for name, v in report["versions"].items())
    peers = ", ".join(f"{name} {v}" for name, v in report["peer_versions"].items())
    below = [
        *report["notes"],
        *report["left_out"],
        f"python {report['python']}, {listed}; peers: {peers}",
        f"{report['cores']} cores, load {report['load_before']:.2f} before",
    ]
    return "\n".join([*table(report), "", *below])


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
    names = [contender.name for contender in CONTENDERS if contender is not OURS]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=at_least_one, default=3)
    parser.add_argument(
        "--seconds", type=at_least_one, default=4, help="of one load of one server"
    )
    parser.add_argument(
        "--clients",
        type=at_least_one,
        nargs="+",
        default=[1, 8, 64],
        help="numbers of clients over REST",
    )
    parser.add_argument(
        "--peers",
        nargs="*",
        choices=names,
        default=names,
        metavar="NAME",
        help="beside kerasnn serve: " + ", ".join(names),
    )
    parser.add_argument(
        "--peer-python",
        default=sys.executable,
        metavar="FILE",
        help="the interpreter of the peers' environment",
    )
    parser.add_argument(
        "--model",
        type=Path,
        default=ROOT / "saved_models" / NAME / "1",
        metavar="FOLDER",
        help="the SavedModel of the digits network",
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object on standard output"
    )
    return parser.parse_args(argv)


def measure(
    arguments: argparse.Namespace, contenders: Sequence[Contender]
) -> list[Measurement]:
    """All rounds of all; ours is the first."""
    measurements = [Measurement(contender) for contender in contenders]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shutil.copytree(arguments.model, folder / "models" / NAME / "1")
        question = make_question(arguments.model)
        grpc_request = folder / "request.bin"
        grpc_request.write_bytes(question.message)
        bench = Bench(
            folder / "models",
            question,
            write_wrk_script(question.body, folder),
            grpc_request,
            arguments.peer_python,
            arguments.clients,
            arguments.seconds,
        )
        for number in range(1, arguments.rounds + 1):
            for measurement in measurements:
                title = measurement.contender.title
                tell(f"round {number} of {arguments.rounds}: {title}")
                bench.round(measurement)
    return measurements


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark and print it; the exit status, 1 if a request of ours failed."""
    arguments = parse(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        find_wrk()
    except RuntimeError as error:
        tell(str(error))
        return 2
    chosen = [c for c in CONTENDERS if c is OURS or c.name in arguments.peers]
    lacking = {c.name: c.lacks(arguments.peer_python) for c in chosen}
    left_out = [left_out_line(c, lacking[c.name]) for c in chosen if lacking[c.name]]
    for line in left_out:
        tell(line)
    about = machine(arguments.peer_python)
    measurements = measure(arguments, [c for c in chosen if not lacking[c.name]])
    report = about | {
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "cells": summarize(measurements),
        "starts": starts(measurements),
        "verdicts": verdicts(measurements),
        "notes": notes(arguments.rounds, arguments.seconds),
        "left_out": left_out,
    }
    print(json.dumps(report) if arguments.json else text(report))
    ours = [row for row in report["cells"] if row["name"] == OURS.name]
    return 1 if any(row["errors"] for row in ours) else 0


if __name__ == "__main__":
    sys.exit(main())
