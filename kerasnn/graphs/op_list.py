"""TensorFlow's operations, by what a graph may do with them; read from `ops.txt`.

The file has a heading for each group. Headings other than the four below are the reasons
for which an operation is refused. `scripts/list_ops.py` compares the file with an installed
TensorFlow.
"""

from collections.abc import Mapping
from pathlib import Path

OPS_FILE = Path(__file__).with_name("ops.txt")
ALLOWED = "allowed"
# Every SavedModel's saver has the first two: only loading may run them. The third reads a
# file, which must be one of the SavedModel's assets.
SAVES = "saves variables"
RESTORES = "restores variables"
FILLS_TABLES = "fills tables"


def read_groups(path: Path = OPS_FILE) -> dict[str, frozenset[str]]:
    """Return the operations of each group, by its heading."""
    groups: dict[str, list[str]] = {}
    words: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            words = groups.setdefault(line[1:-1], [])
        elif not line.startswith("#"):
            words += line.split()
    return {heading: frozenset(ops) for heading, ops in groups.items()}


GROUPS: Mapping[str, frozenset[str]] = read_groups()
KNOWN_OPS: Mapping[str, str] = {op: group for group, ops in GROUPS.items() for op in ops}


def reason_to_refuse(op: str) -> str | None:
    """Return why an operation is refused wherever it stands; None if it is not."""
    group = KNOWN_OPS.get(op, "is an operation that kerasnn does not know")
    return None if group in (ALLOWED, SAVES, RESTORES, FILLS_TABLES) else group
