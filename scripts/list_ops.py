"""Compare the list of operations with those that the installed TensorFlow registers.

Usage: python scripts/list_ops.py [--write]

Prints the operations that `kerasnn/graphs/ops.txt` lacks, each with its inputs and
attributes, and exits with 1 if there are any. Read what each of them does, and put it under
a heading of the file: `allowed` only if it cannot reach files, other machines, other
models, native code or Python, and holds no graph inside a text. --write adds them under the
heading `has not been looked through`, which is refused, and sorts the file.
"""

import argparse
import sys
import textwrap

from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session

from kerasnn.graphs.op_list import OPS_FILE, read_groups

NEW = "has not been looked through"


def registered_ops() -> dict[str, op_def_pb2.OpDef]:
    """Return the definitions of all operations of the installed TensorFlow, by name."""
    content = pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())
    return {op.name: op for op in op_def_pb2.OpList.FromString(content).op}


def described(op: op_def_pb2.OpDef) -> str:
    """Return an operation with its inputs and attributes, in a line."""
    inputs = ", ".join(argument.name for argument in op.input_arg)
    attributes = ", ".join(f"{attr.name}: {attr.type}" for attr in op.attr)
    return f"{op.name}({inputs}) [{attributes}]{' stateful' if op.is_stateful else ''}"


def write(groups: dict[str, frozenset[str]]) -> None:
    """Write the groups, each sorted, under the first lines of the file."""
    lines = OPS_FILE.read_text(encoding="utf-8").splitlines()
    blocks = ["\n".join(line for line in lines if line.startswith("#"))]
    for heading, ops in groups.items():
        text = textwrap.fill(" ".join(sorted(ops)), 100, break_on_hyphens=False)
        blocks.append(f"[{heading}]\n{text}")
    OPS_FILE.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


def main() -> int:
    """Print the new operations; return 1 if there are any."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="add them to the file")
    options = parser.parse_args()
    groups = read_groups()
    known = frozenset().union(*groups.values())
    new = {name: op for name, op in registered_ops().items() if name not in known}
    for op in new.values():
        print(described(op))
    if options.write:
        if new:
            groups[NEW] = groups.get(NEW, frozenset()) | new.keys()
        write(groups)
    return int(bool(new))


if __name__ == "__main__":
    sys.exit(main())
