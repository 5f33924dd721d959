"""Open and profile every table below a folder, and print what is refused and why.

    python scripts/check_tables.py FOLDER
    python scripts/check_tables.py FOLDER --train

With `--train`, the command `train` learns the last column of each table for an epoch, and
`predict` predicts its rows with reasons: what ends by another way than an error message is
a fault. Files of 1 MB and more are skipped.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from kerasnn.datasets import ReadOptions, infer_schema, read_table
from kerasnn.datasets.files.formats import ending_format
from kerasnn.errors import InputError

MAX_BYTES = 1_000_000
EXAMPLES = 3  # of each kind of refusal


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", action="store_true", help="train, save and predict, too")
    arguments = parser.parse_args()
    if arguments.train:
        print_faults(arguments.folder)
        return
    started = time.perf_counter()
    opened, refused, notices = 0, {}, Counter()
    for path in tables_below(arguments.folder):
        try:
            read = read_table(path)
            notices.update({notice.code for notice in read.notices})
        except InputError as error:
            refused[path] = f"not opened: {error}"
            continue
        try:
            schema = infer_schema(read.table, reading=ReadOptions())
            notices.update({notice.code for notice in schema.notices})
            opened += 1
        except InputError as error:
            refused[path] = f"not profiled: {error}"
    seconds = time.perf_counter() - started
    files = opened + len(refused)
    print(f"{files:,} files; {opened:,} opened and profiled; {seconds:.1f} s")
    print(f"{len(refused):,} refused ({len(refused) / max(files, 1):.1%})")
    print_refused(refused)
    print("Notices, by the number of files")
    for code, count in notices.most_common():
        print(f"{count:7,}  {code}")


def print_faults(folder: Path) -> None:
    """Train with the default settings but for the epochs, and print what went wrong."""
    counts: Counter[str] = Counter()
    for path in tables_below(folder):
        with tempfile.TemporaryDirectory() as models:
            try:
                target = str(read_table(path).table.columns[-1])
            except InputError:
                continue
            train = ("train", path, "--target", target, "--epochs", "1")
            network, answers = Path(models) / "it", Path(models) / "answers.csv"
            predict = ("predict", network, path, "--explain", "--check", "-o", answers)
            for command in ((*train, "--output", models, "--name", "it"), predict):
                ended = ended_by(command)
                if ended:
                    break
        counts[ended or "trained and explained"] += 1
        if ended not in ("", "refused"):
            print(f"{path}, {target}: {command[0]}: {ended}", flush=True)
    for ended, count in counts.most_common():
        print(f"{count:7,}  {ended}")


def ended_by(command: tuple[object, ...]) -> str:
    """Run a command; return "" if it succeeded, "refused", or its fault."""
    words = [sys.executable, "-m", "kerasnn", *map(str, command)]
    run = subprocess.run(words, capture_output=True, text=True)
    if run.returncode == 0:
        return ""
    if run.returncode == 1 and "Traceback" not in run.stderr:
        return "refused"
    lines = run.stderr.strip().splitlines() or [""]
    return f"exit code {run.returncode}: {lines[-1][:150]}"


def tables_below(folder: Path) -> Iterator[Path]:
    """Yield the files whose names say that they hold a table."""
    for path in sorted(folder.rglob("*")):
        small = path.is_file() and path.stat().st_size < MAX_BYTES
        if small and ending_format(path) is not None:
            yield path


def print_refused(refused: dict[Path, str]) -> None:
    """Print the reasons, those of one kind together."""
    by_kind: dict[str, list[str]] = {}
    for path, reason in refused.items():
        bare = reason.replace(f"{path}: ", "")
        kind = re.sub(r"'[^']*'|\"[^\"]*\"|[0-9][0-9,.]*", "_", bare)[:60]
        by_kind.setdefault(kind, []).append(f"{path}: {bare}")
    for kind, found in sorted(by_kind.items(), key=lambda item: -len(item[1])):
        print(f"{len(found):7,}  {kind}")
        for line in found[:EXAMPLES]:
            print(f"           {line[:300]}")


if __name__ == "__main__":
    main()
