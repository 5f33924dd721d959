"""Change files that kerasnn reads, at random, and see that each lie is one clear error.

Usage: python scripts/fuzz_files.py [--tries 10000] [--seed 0]

The files are the manifests of two exports, checkpoints of a fit and of an ensemble, and the
description of prepared rows. Their JSON is changed in its structure, or any file in its
bytes; most checksums of checkpoints are made right again. All runs in this process. It
prints the tries, the refusals, the tracebacks, and the outputs in which a control character
was not escaped, and exits with 1 if there were any of the last two.
"""

import argparse
import contextlib
import hashlib
import io
import json
import random
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

import kerasnn
from kerasnn import saving, tables
from kerasnn.checkpoints import CheckpointFolder
from kerasnn.cli.console import echo_line
from kerasnn.cli.inspect import _print_manifest
from kerasnn.datasets import open_shards, write_shards
from kerasnn.ensembles.checkpoints import EnsembleSaver
from kerasnn.errors import UNSAFE_CHARACTERS, InputError
from kerasnn.manifest import MANIFEST, read_manifest
from kerasnn.saving import reader
from kerasnn.serving.page.model_facts import json_text
from kerasnn.training.checkpoints.run_checkpoints import RunCheckpoints
from kerasnn.training.checkpoints.saver import Saver

Random = random.Random
Try = Callable[[Random], None]
SMALL: dict[str, Any] = {"hidden_units": (4,), "driver": "graph", "random_state": 0}
DEEP = json.loads("[" * 150 + "]" * 150)
VALUES = (
    *(None, True, False, 0, -1, 1, 7, 2**31, 2**63, 10**400, 0.5, -0.0, 1e308),
    *(float("nan"), float("inf"), "", "x", "float32", "regression", "classification"),
    *("\x1b[31mred\x1b[0m", "a\nb", "\u202eabc", "x" * 200_000, "\ud800", "__class__"),
    *([], {}, [[]], [None], {"": None}, [1, 2], {"a": {"b": [1]}}, ["x"] * 1000, DEEP),
)


# --- changes ------------------------------------------------------------------------------


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every (container, key) of a JSON value."""
    keys = value if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


def changed(content: Any, r: Random) -> Any:
    """Return JSON with one to three changes of its structure."""
    content = json.loads(json.dumps(content))
    for _ in range(r.choice((1, 1, 1, 2, 3))):
        found = list(places(content))
        if not found or r.random() < 0.01:
            return r.choice(VALUES)
        container, key = r.choice(found)
        kind = r.randrange(5)
        if kind == 0:
            del container[key]
        elif kind == 1 and isinstance(container, dict):
            container[r.choice(("", "x", "\x1b[1m", "format", "name"))] = container.pop(key)
        elif kind == 2:
            other, its_key = r.choice(found)
            container[key] = other.get(its_key) if isinstance(other, dict) else other
        else:
            container[key] = r.choice(VALUES)
        if isinstance(container, list) and kind == 3:
            r.shuffle(container)
        try:
            content = json.loads(json.dumps(content))  # no value stands in two places
        except (ValueError, RecursionError):  # it holds itself
            return r.choice(VALUES)
    return content


def changed_bytes(content: bytes, r: Random) -> bytes:
    """Return bytes with some of them changed, put in, left out, doubled, or cut off."""
    data = bytearray(content)
    for _ in range(r.choice((1, 1, 2, 5, 20))):
        place, count = r.randrange(len(data) + 1), r.choice((1, 1, 2, 8, 100))
        kind = r.randrange(6)
        if kind == 0:
            data[place:place] = r.randbytes(count)
        elif kind == 1:
            del data[place : place + count]
        elif kind == 2:
            data[place:place] = data[place : place + count]
        elif kind == 3 and r.random() < 0.2:
            del data[place:]
        elif place < len(data):
            data[place] = r.choice((0, 255, 34, 91, 123, 0x1B, r.randrange(256)))
    return bytes(data)


def as_bytes(content: Any, r: Random) -> bytes:
    """Return JSON as a file has it, sometimes changed in its bytes as well."""
    data = json.dumps(content, ensure_ascii=r.random() < 0.5).encode(
        "utf-8", "surrogatepass"
    )
    return changed_bytes(data, r) if r.random() < 0.3 else data


# --- manifests ----------------------------------------------------------------------------


def manifest_tries(work: Path) -> list[Try]:
    """Return tries of inspect, load, predict, evaluate and the page with manifests."""
    table = people()
    rows = work / "people.csv"
    table.to_csv(rows, index=False)
    estimator = kerasnn.NetworkClassifier(members=1, folds=0, epochs=1, **SMALL)
    estimator.fit(table.drop(columns="rich"), table["rich"])
    exported = Path(estimator.export(work / "people"))
    network = kerasnn.models.DigitsNetwork(seed=0)
    plain = Path(kerasnn.export(network, work / "plain"))
    models = {folder: saving.load(folder)._model for folder in (exported, plain)}
    reader._loaded = lambda folder, allow: models[folder]  # a graph is loaded once

    def of(folder: Path) -> Try:
        good = json.loads((folder / MANIFEST).read_bytes())

        def attempt(r: Random) -> None:
            (folder / MANIFEST).write_bytes(as_bytes(changed(good, r), r))
            # Where the first refuses, the others would too.
            manifest = read_manifest(folder)
            _print_manifest(folder, manifest)
            json_text(manifest)
            loaded = saving.load(folder)
            if isinstance(loaded, saving.SavedTable):
                loaded.answer_rows(table.head(3))
                if r.random() < 0.05:
                    tables.evaluate(loaded, rows)
            else:
                loaded.predict(np.ones((2, 64), np.float32))

        return attempt

    return [of(exported), of(exported), of(plain)]


def people() -> pd.DataFrame:
    """Return a table with every kind of column."""
    r = np.random.default_rng(0)
    n = 60
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(r.integers(0, 999, n), unit="D")
    return pd.DataFrame(
        {
            "age": r.integers(18, 80, n).astype(float),
            "job": r.choice(["clerk", "cook", "smith"], n),
            "since": days.strftime("%Y-%m-%d"),
            "smoker": r.choice(["yes", "no"], n),
            "rich": r.choice(["rich", "poor"], n),
        }
    )


# --- checkpoints --------------------------------------------------------------------------


def checkpoint_tries(work: Path) -> list[Try]:
    """Return tries of resuming with checkpoints, of a fit and of an ensemble."""
    kept: dict[str, Any] = {}
    begin, restore = Saver.on_fit_begin, EnsembleSaver.restore

    def keep_fit(saver: Saver, fit: Any) -> None:
        kept["fit"] = saver, fit
        begin(saver, fit)

    def keep_ensemble(saver: EnsembleSaver) -> None:
        kept["ensemble"] = saver
        restore(saver)

    with patched(Saver, "on_fit_begin", keep_fit):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        model.compile("adam", "mse")
        stop = keras.callbacks.EarlyStopping("loss", restore_best_weights=True)
        x, y = np.ones((8, 4), np.float32), np.ones((8, 2), np.float32)
        kerasnn.fit(
            model, x, y, epochs=2, verbose=0, callbacks=[stop], checkpoint=work / "fit"
        )
    with patched(EnsembleSaver, "restore", keep_ensemble):
        estimator = kerasnn.NetworkRegressor(
            members=2, folds=2, epochs=1, checkpoint=work / "ensemble", **SMALL
        )
        estimator.fit(np.random.default_rng(0).normal(size=(32, 4)), np.arange(32.0))

    def resume_fit(folder: Path) -> None:
        saver, fit = kept["fit"]
        again = Saver(RunCheckpoints(folder, resume=True), saver._settings)
        again.on_fit_begin(fit)

    def resume_ensemble(folder: Path) -> None:
        saver = kept["ensemble"]
        saver._checkpoints = RunCheckpoints(folder, resume=True)
        saver.restore()

    return [
        checkpoint_try(work / "fit", resume_fit),
        checkpoint_try(work / "ensemble", resume_ensemble),
    ]


def checkpoint_try(folder: Path, resume: Callable[[Path], None]) -> Try:
    """Return a try with changes of the newest checkpoint of a folder."""
    files = CheckpointFolder(folder)
    number = files.numbers()[-1]
    path = files.path(number)
    good, content = files.load(number), path.read_bytes()
    beside = folder.with_name(f"{folder.name}-changed")
    beside.mkdir()

    def attempt(r: Random) -> None:
        kind = r.randrange(4)
        target = beside / path.name
        if kind == 0:
            target.write_bytes(changed_bytes(content, r))
        elif kind == 1:
            whole = changed_bytes(content[:-32], r)
            target.write_bytes(whole + hashlib.sha256(whole).digest())
        else:
            description = changed(good.description, r)
            arrays = changed_arrays(good.arrays, r) if kind == 2 else good.arrays
            write_checkpoint(target, description, arrays)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            resume(beside)

    return attempt


def write_checkpoint(path: Path, description: Any, arrays: dict[str, Any]) -> None:
    """Write a checkpoint with a right checksum."""
    whole = io.BytesIO()
    text = json.dumps(description).encode()
    given = {"checkpoint.json": np.frombuffer(text, np.uint8), **arrays}
    np.savez(whole, **given)  # with pickle where an array holds objects
    content = whole.getvalue()
    path.write_bytes(content + hashlib.sha256(content).digest())


def changed_arrays(arrays: dict[str, Any], r: Random) -> dict[str, Any]:
    """Return arrays of which one is missing, renamed, of another shape or type."""
    arrays = dict(arrays)
    name = r.choice(list(arrays))
    array = arrays.pop(name)
    kind = r.randrange(6)
    if kind == 1:
        arrays[r.choice(("x", "result/0/held_out", "callback/0/x/y", "variable/-1"))] = (
            array
        )
    elif kind == 2:
        arrays[name] = array[None]
    elif kind == 3:
        with np.errstate(all="ignore"):
            arrays[name] = array.astype(r.choice(("complex64", "S3", "bool", "float16")))
    elif kind == 4:
        arrays[name] = np.array([{"an": "object"}], object)
    elif kind == 5:
        arrays[name] = np.zeros(r.choice(((0,), (), (1000, 3))), np.float32)
    return arrays


# --- prepared rows ------------------------------------------------------------------------


def shard_try(work: Path) -> Try:
    """Return a try with changes of the description, or of a file, of prepared rows."""
    folder = work / "rows"
    block = {"x": np.ones((6, 2), np.float32), "y": np.arange(6)}
    write_shards([block], folder, rows_per_shard=3, notes={"ranges": {"a": [0, 1]}})
    contents = {path: path.read_bytes() for path in folder.iterdir()}

    def attempt(r: Random) -> None:
        path = r.choice(list(contents))
        is_json = path.suffix == ".json" and r.random() < 0.8
        good = contents[path]
        path.write_bytes(
            as_bytes(changed(json.loads(good), r), r) if is_json else changed_bytes(good, r)
        )
        try:
            opened = open_shards(folder)
            for number in range(min(len(opened.sizes), 9)):
                opened.shard(number)
        finally:
            path.write_bytes(good)

    return attempt


# --- the run ------------------------------------------------------------------------------


@contextlib.contextmanager
def patched(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Replace an attribute inside this."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def run(tries: int, seed: int, work: Path, report: Callable[[str], None]) -> Counter[str]:
    """Run the tries; return counts of "tries", "accepted", "refused" and what is wrong."""
    attempts = [*manifest_tries(work), *checkpoint_tries(work), shard_try(work)]
    counts: Counter[str] = Counter()
    for number in range(tries):
        r = Random(f"{seed}/{number}")
        outcome, shown = tried(r.choice(attempts), r)
        counts.update(["tries", outcome])
        if outcome == "tracebacks":
            report(f"try {number}: {shown}")
        elif any(map(UNSAFE_CHARACTERS.search, shown.split("\n"))):
            counts["raw"] += 1
            report(f"try {number}: not escaped: {shown!r:.300}")
    return counts


def tried(attempt: Try, r: Random) -> tuple[str, str]:
    """Return what a try led to, and what it printed."""
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            attempt(r)
    except InputError as error:
        with contextlib.redirect_stdout(out):
            echo_line(f"Error: {error}")
        return "refused", out.getvalue()
    except Exception:
        return "tracebacks", traceback.format_exc()[-1500:]
    return "accepted", out.getvalue()


def main() -> int:
    """Run the tries and print the counts; return 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tries", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counts = run(options.tries, options.seed, Path(folder), print)
    print(
        f"{counts['tries']:,} tries: {counts['refused']:,} refused, {counts['accepted']:,}"
        f" accepted, {counts['tracebacks']:,} tracebacks, {counts['raw']:,} not escaped"
    )
    return int(bool(counts["tracebacks"] or counts["raw"]))


if __name__ == "__main__":
    sys.exit(main())
