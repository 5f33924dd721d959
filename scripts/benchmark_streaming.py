"""Training from rows on disk beside the same training in memory: speed, and memory.

python scripts/benchmark_streaming.py [--rows 500000 1000000 2000000] [--folder F]

For each number of rows, 30 columns (24 numbers, 5 categories, a label) are made as Parquet,
seeded, and cut into shards, once. Then two processes, one with shards and one with arrays,
train the same network in turn, some epochs each; the order changes from round to round, and
ratios are of the two of a round. The ingest rate, without training, is measured beside
tf.data's CSV reader.

The bound of memory from shards is the most that three processes need which train the same
network on shards of few rows, and the groups and the one shard that larger ones add.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
NUMBERS, LEVELS = 24, (2, 10, 50, 100, 300)
BLOCK = 65_536  # rows that are made at a time
BATCH = 1024
EPOCHS = 3  # of a round: arrays are taken up once in it
CSV_ROWS = 65_536
FEW_ROWS = 5000  # small groups; with a short last batch, which is a program of its own
MODES = ("memory", "shards")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[500_000, 10**6, 2 * 10**6])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="for the rows; it stays")
    parser.add_argument("--train", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--ingest", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        train(options.train[0], Path(options.train[1]))
        return
    if options.ingest:
        ingest(options.ingest)
        return
    with tempfile.TemporaryDirectory(prefix="streaming-") as folder:
        measure(options.folder or Path(folder), options.rows, options.rounds)


def measure(folder: Path, sizes: list[int], rounds: int) -> None:
    """All figures, printed as they come."""
    make(folder, FEW_ROWS)
    low, _, few = spread([peak_of(folder / f"shards-{FEW_ROWS}") for _ in range(3)])
    print(f"{FEW_ROWS:9,} rows, shards: peak {low:,.0f} to {few:,.0f} MB, 3 processes")
    for rows in sizes:
        make(folder, rows)
        print(f"{rows:9,} rows, load average {os.getloadavg()[0]:.1f}", flush=True)
        told = in_turn(folder / f"shards-{rows}", rounds, MODES)
        for mode in MODES:
            low, mid, high = spread(told[mode]["rates"])
            print(
                f"  {mode:7} {mid / 1e3:5,.0f} thousand rows/s ({low / 1e3:,.0f} to"
                f" {high / 1e3:,.0f}), {statistics.median(told[mode]['cpu']):.2f} CPU s"
                f" a million, peak {told[mode]['peak']:,.0f} MB, before the data"
                f" {told[mode]['before']:,.0f} MB",
                flush=True,
            )
        groups, shard = told["shards"]["groups"], told["shards"]["shard"]
        print(
            f"  bound from shards: {few:,.0f} + groups {groups:,.0f} + shard"
            f" {shard:,.0f} = {few + groups + shard:,.0f} MB; the peak is"
            f" {told['shards']['peak']:,.0f} MB"
        )
        for name, what in (("rates", "rows/s"), ("cpu", "CPU s")):
            pairs = zip(told["shards"][name], told["memory"][name], strict=True)
            low, mid, high = spread([one / other for one, other in pairs])
            print(
                f"  shards/memory, {what}: {mid:.2f}, the median of {rounds} pairs"
                f" ({low:.2f} to {high:.2f})",
                flush=True,
            )
    make_csv(folder, sizes[0])
    command = [sys.executable, __file__, "--ingest", str(folder / f"shards-{sizes[0]}")]
    rates = json.loads(subprocess.run(command, env=env(), stdout=-1, check=True).stdout)
    for name, each in rates.items():
        low, mid, high = spread(each)
        print(f"  ingest of {name}: {mid:,.0f} rows/s ({low:,.0f} to {high:,.0f})")


def spread(figures: list[float]) -> tuple[float, float, float]:
    """Smallest, median, largest."""
    return min(figures), statistics.median(figures), max(figures)


def env() -> dict[str, str]:
    """Of the processes that measure."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


def table(rows: int) -> Iterator[dict[str, Any]]:
    """Columns of some rows at a time, the same for a row whatever comes after it."""
    for start in range(0, rows, BLOCK):
        rng = np.random.default_rng(start)
        n = min(BLOCK, rows - start)
        x = rng.normal(size=(BLOCK, NUMBERS)).astype(np.float32)[:n]
        codes = [rng.integers(0, levels, BLOCK, np.int32)[:n] for levels in LEVELS]
        noise = rng.normal(size=BLOCK)[:n]
        y = (x[:, 0] + x[:, 1] * x[:, 2] + codes[0] + codes[1] / 10 + noise > 1).astype(
            "f4"
        )
        columns = {f"x{i}": x[:, i] for i in range(NUMBERS)}
        yield columns | {f"c{i}": c for i, c in enumerate(codes)} | {"label": y}


def make(folder: Path, rows: int) -> None:
    """The rows as Parquet, then as shards, if not there."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from kerasnn import datasets

    folder.mkdir(parents=True, exist_ok=True)
    parquet, shards = folder / f"rows-{rows}.parquet", folder / f"shards-{rows}"
    if not parquet.exists():
        beside = parquet.with_suffix(".partial")
        schema = pa.table(next(table(1))).schema
        with pq.ParquetWriter(beside, schema) as writer:
            for columns in table(rows):
                writer.write_table(pa.table(columns))
        beside.rename(parquet)
    if not shards.exists():
        begun = time.perf_counter()
        datasets.write_shards(blocks(parquet), shards)
        rate = rows / (time.perf_counter() - begun)
        print(f"{rows:9,} rows from Parquet to shards: {rate:,.0f} rows/s", flush=True)


def make_csv(folder: Path, rows: int) -> None:
    """The first rows of so many as CSV, if not there."""
    import pyarrow.parquet as pq

    if not (csv := folder / "rows.csv").exists():
        parquet = pq.ParquetFile(folder / f"rows-{rows}.parquet")
        few = next(iter(parquet.iter_batches(min(rows, CSV_ROWS))))
        few.to_pandas().to_csv(csv, index=False)


def blocks(parquet: Path) -> Iterator[dict[str, Any]]:
    """Arrays of some rows at a time; one embedding holds the levels of all categories."""
    import pyarrow.parquet as pq

    begins = np.cumsum([0, *LEVELS[:-1]]).astype(np.int32)
    for batch in pq.ParquetFile(parquet).iter_batches(BLOCK):
        columns = {name: batch[name].to_numpy() for name in batch.schema.names}
        codes = np.stack([columns[f"c{i}"] for i in range(len(LEVELS))], axis=1)
        yield {
            "x": np.stack([columns[f"x{i}"] for i in range(NUMBERS)], axis=1),
            "codes": codes + begins,
            "y": columns["label"],
        }


def in_turn(shards: Path, rounds: int, modes: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """What processes that take turns say of each round: rows a second and the like."""
    workers = {
        mode: subprocess.Popen(
            [sys.executable, __file__, "--train", mode, str(shards)],
            env=env(),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for mode in modes
    }
    told: dict[str, dict[str, Any]] = {mode: {"rates": [], "cpu": []} for mode in modes}
    for number in range(rounds + 1):
        for mode in modes if number % 2 else modes[::-1]:
            answer = ask(workers[mode])
            if number:  # the first one compiles
                told[mode]["rates"].append(answer["rate"])
                told[mode]["cpu"].append(answer["cpu"])
            told[mode] |= {k: v for k, v in answer.items() if k not in ("rate", "cpu")}
    for worker in workers.values():
        worker.communicate()
    return told


def peak_of(shards: Path) -> float:
    """Megabytes of a process that trains on these shards alone."""
    return in_turn(shards, 1, ("shards",))["shards"]["peak"]


def ask(worker: subprocess.Popen[str]) -> dict[str, float]:
    """Have a process train for a round."""
    if worker.stdin is None or worker.stdout is None:
        raise ValueError("the process needs pipes")
    worker.stdin.write("train\n")
    worker.stdin.flush()
    return json.loads(worker.stdout.readline())


def train(mode: str, folder: Path) -> None:
    """Train for a round for each line that comes, and answer with figures."""
    import kerasnn
    from kerasnn import datasets
    from kerasnn.training.feeds.shard_feed import ShardFeed

    rows = datasets.ShuffledShards(datasets.open_shards(folder))
    feed = ShardFeed(rows, BATCH, shuffle=True)
    shard = sum(array.nbytes for array in rows.shards.shard(0).values())
    model = network()
    before = peak_megabytes()
    data: tuple[Any, ...] = (rows,) if mode == "shards" else arrays(rows)
    trained = EPOCHS * rows.n_rows
    for _ in sys.stdin:
        begun, busy = time.perf_counter(), time.process_time()
        kerasnn.fit(model, *data, batch_size=BATCH, epochs=EPOCHS, verbose=0)
        answer = {
            "rate": trained / (time.perf_counter() - begun),
            # Of all threads: what others do on the machine changes it less.
            "cpu": (time.process_time() - busy) / trained * 1e6,
            "peak": peak_megabytes(),
            "before": before,
            "groups": feed.max_bytes / 1e6,
            "shard": shard / 1e6,
        }
        print(json.dumps(answer), flush=True)


def network() -> Any:
    """An embedding of the categories, beside the numbers, and two hidden layers."""
    import keras

    x = keras.Input((NUMBERS,), name="x")
    codes = keras.Input((len(LEVELS),), dtype="int32", name="codes")
    embedded = keras.layers.Flatten()(keras.layers.Embedding(sum(LEVELS), 8)(codes))
    hidden = keras.layers.Concatenate()([x, embedded])
    for _ in range(2):
        hidden = keras.layers.Dense(64, "relu")(hidden)
    y = keras.layers.Dense(1, "sigmoid")(hidden)
    model = keras.Model({"x": x, "codes": codes}, y)
    model.compile("adam", "binary_crossentropy", jit_compile=True)
    return model


def arrays(rows: Any) -> tuple[dict[str, Any], Any]:
    """All rows in memory, as `fit` takes them."""
    parts = [rows.shards.shard(number) for number in rows.numbers]
    joined = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    return {"x": joined["x"], "codes": joined["codes"]}, joined["y"]


def peak_megabytes() -> float:
    """The most that this process has had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def ingest(folder: Path) -> None:
    """Rows a second that come as calls of the compiled loop, and as batches of a CSV."""
    import tensorflow as tf

    from kerasnn import datasets
    from kerasnn.training.feeds.shard_feed import ShardFeed

    rows = datasets.ShuffledShards(datasets.open_shards(folder))
    feed = ShardFeed(rows, BATCH, shuffle=True)
    csv = tf.data.experimental.make_csv_dataset(
        str(folder.parent / "rows.csv"), BATCH, label_name="label", num_epochs=1
    )
    rates: dict[str, list[float]] = {"shards": [], "CSV by tf.data": []}
    for epoch in range(3):
        begun = time.perf_counter()
        steps = sum(c.stop - c.first for c in feed.chunks(epoch, lambda: 1))
        rates["shards"].append(rows.n_rows / (time.perf_counter() - begun))
        begun = time.perf_counter()
        batches = sum(1 for _ in csv)
        rates["CSV by tf.data"].append(batches * BATCH / (time.perf_counter() - begun))
        if steps != feed.steps:
            raise RuntimeError(f"an epoch must have {feed.steps} steps; it had {steps}")
    print(json.dumps(rates))


if __name__ == "__main__":
    main()
