"""Open and profile every table below a folder, and print what is refused and why.

Run it with `python scripts/check_tables.py FOLDER`. Files of 1 MB and more are skipped.
"""

import argparse
import re
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
    arguments = parser.parse_args()
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
