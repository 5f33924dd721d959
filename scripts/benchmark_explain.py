"""Measure `explain` beside the answer alone, as served: time of a row, size, export.

    python scripts/benchmark_explain.py --columns 30 --members 16
    python scripts/benchmark_explain.py --json > docs/measured/explain.json

The network has the default layers of a small table and was trained for one epoch on random
rows: times do not depend on what it learned. The process keeps to one core. CPU times are
those to compare on a machine that others use too.
"""

import argparse
import functools
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kerasnn import NetworkClassifier
from kerasnn.datasets import checked_table, raw_columns
from kerasnn.saving import export_table
from kerasnn.saving.session import session_model

HIDDEN_UNITS = (128, 128)


def trained(columns: int, members: int) -> tuple[NetworkClassifier, pd.DataFrame]:
    """Return a network of numeric columns, and its rows."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(400, columns)).round(3))
    table.columns = [f"column {i}" for i in range(columns)]
    settings: dict[str, Any] = {"members": members, "folds": 2, "epochs": 1}
    network = NetworkClassifier(hidden_units=HIDDEN_UNITS, random_state=0, **settings)
    return network.fit(table, table.iloc[:, 0] + table.iloc[:, 1] > 0), table


def measured(call: Callable[[], object], repeats: int = 60) -> tuple[float, float]:
    """Return the smallest wall-clock and CPU times of a call, in milliseconds."""
    call()
    times = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    wall, cpu = np.min(times, axis=0) * 1e3
    return float(wall), float(cpu)


def export(network: NetworkClassifier, folder: str, *, explain: bool) -> tuple[Path, float]:
    """Export with or without the signature; return the version and the CPU seconds."""
    began = time.process_time()
    signatures = {"explain": network._signatures()["explain"]} if explain else {}
    version = export_table(
        network.network_,
        network.preprocessor_,
        network.schema_,
        folder,
        answers=network._named_outputs,
        signatures=signatures,
    )
    return version, time.process_time() - began


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--columns", type=int, default=30)
    parser.add_argument("--members", type=int, default=16)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    network, table = trained(arguments.columns, arguments.members)
    assert network.trees_ is not None
    exports, calls = [], []
    with tempfile.TemporaryDirectory() as folder:
        for explain in (False, True):
            version, seconds = export(network, f"{folder}/{explain}", explain=explain)
            files = [file for file in version.rglob("*") if file.is_file()]
            size = sum(file.stat().st_size for file in files) / 1024
            exports.append({"explain": explain, "cpu_seconds": seconds, "kilobytes": size})
        with session_model(version) as served:
            for signature in ("serving_default", "explain"):
                for n_rows in (1, 16):
                    rows = raw_columns(checked_table(table[:n_rows], network.schema_))
                    inputs = {name.replace(" ", "_"): v for name, v in rows.items()}
                    call = functools.partial(served.answers, inputs, signature=signature)
                    wall, cpu = (ms / n_rows for ms in measured(call))
                    row = {"signature": signature, "rows": n_rows, "ms": wall}
                    calls.append({**row, "cpu_ms": cpu})
    if arguments.json:
        settings = {"columns": arguments.columns, "members": arguments.members}
        trees = len(network.trees_.forest.roots)
        print(json.dumps({**settings, "trees": trees, "exports": exports, "calls": calls}))
        return
    for one in exports:
        print(
            "explain={explain}: {cpu_seconds:.1f} s CPU, {kilobytes:,.0f} KB".format(**one)
        )
    for one in calls:
        line = "{signature:16} {rows:3} rows: {ms:7.3f} ms a row, {cpu_ms:7.3f} ms CPU"
        print(line.format(**one))


if __name__ == "__main__":
    main()
