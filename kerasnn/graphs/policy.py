"""The policy of operations: a graph may have those that are known to be safe.

A SavedModel is a program. Loading it already runs a part of it, so its graph and functions
are checked before. Everything that is not allowed in `ops.txt` is refused: files, other
machines, Python, native code, graphs inside texts, and operations that are unknown. Two
things that reach files are allowed: the model's saver, if only loading runs it, and lookup
tables that loading fills from the model's assets.

`files` checks that assets and variables are in the folder. The policy is about what a graph
can reach, not about how long it runs or how much memory it takes.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from kerasnn.graphs.op_list import (
    FILLS_TABLES,
    GROUPS,
    KNOWN_OPS,
    RESTORES,
    SAVES,
    reason_to_refuse,
)
from kerasnn.graphs.program import (
    GraphProgram,
    attribute_text,
    functions_of,
    node_name,
)

_FILES_OPS = GROUPS[SAVES] | GROUPS[RESTORES] | GROUPS[FILLS_TABLES]
_STREAMS = ("stdout", "stderr", "log(info)", "log(warning)", "log(error)")


def _is_own_description(source: str) -> bool:
    """Return whether a protobuf's description is built in, or in the attribute itself."""
    return not source or source.startswith(("local://", "bytes://"))


# Attributes that can name files: the operation's, what is safe, what it does otherwise.
_ATTRIBUTES: dict[str, tuple[str, Callable[[str], bool], str]] = {
    "PrintV2": ("output_stream", ("", *_STREAMS).__contains__, "writes files"),
    "FixedUnigramCandidateSampler": ("vocab_file", "".__eq__, "reads files"),
    "DecodeProtoV2": ("descriptor_source", _is_own_description, "reads files"),
    "EncodeProto": ("descriptor_source", _is_own_description, "reads files"),
}


@dataclass(frozen=True, order=True)
class UnsafeOp:
    """An operation that is refused.

    Attributes:
        op: its type.
        place: its node, after the function that it is in.
        reason: why, as the rest of a sentence.
    """

    op: str
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.op} ({self.place}) {self.reason}"


def find_unsafe_ops(meta_graph: Any, allow: Collection[str] = ()) -> list[UnsafeOp]:
    """Return the unsafe operations of a MetaGraphDef, sorted.

    Args:
        meta_graph: is not changed.
        allow: types of operations that the user allows.
    """
    program = GraphProgram(meta_graph)
    found = {
        UnsafeOp(op, node.name if function is None else f"{function}/{node.name}", reason)
        for function, node, op, reason in (
            *_anywhere(program),
            *_of_requests(program),
            *_of_loading(program),
            *_of_tables(program),
        )
    }
    found.update(_misnamed(program))
    return sorted(unsafe for unsafe in found if unsafe.op not in allow)


Found = Iterator[tuple[str | None, Any, str, str]]  # function, node, operation, reason


def _anywhere(program: GraphProgram) -> Found:
    """Yield the operations that are always unsafe, and calls of what is not there."""
    for function, node in program.places():
        for name in functions_of(node):
            if name not in program.functions:
                reason = reason_to_refuse(name)
                if reason is not None:
                    yield function, node, name, reason
        reason = _reason_of_attribute(node)
        if reason is not None:
            yield function, node, node.op, reason


def _reason_of_attribute(node: Any) -> str | None:
    if node.op not in _ATTRIBUTES:
        return None
    name, is_safe, reason = _ATTRIBUTES[node.op]
    text = attribute_text(node, name)
    if text is None:
        return f"{reason}, if a call makes its {name} a file's name"
    return None if is_safe(text) else reason


def _misnamed(program: GraphProgram) -> Iterator[UnsafeOp]:
    """Yield functions with the name of an operation, and names that stand for two things.

    The policy would judge another function than TensorFlow runs.
    """
    functions = Counter(f.signature.name for f in program.library)
    nodes = Counter(node.name for function, node in program.places() if function is None)
    for name, count in functions.items():
        if name in KNOWN_OPS:
            yield UnsafeOp(name, name, "is a function with the name of an operation")
        elif count > 1:
            yield UnsafeOp(name, name, f"is the name of {count} functions")
    for name, count in nodes.items():
        if count > 1:
            yield UnsafeOp(program.nodes[name].op, name, f"is the name of {count} nodes")


def _of_requests(program: GraphProgram) -> Found:
    """Yield the operations that loading may run, and a request may not."""
    for function, node in program.reached(program.request_ends()):
        if node.op in _FILES_OPS:
            # Only loading gives a table the present path of its asset.
            does = "writes" if KNOWN_OPS[node.op] == SAVES else "reads"
            yield function, node, node.op, f"{does} files, and a signature leads to it"


def _of_loading(program: GraphProgram) -> Found:
    """Yield the operations that loading may not run."""
    own = {node_name(program.variables_file)} - program.fed_by_requests()
    for function, node in program.reached(program.restore_ends()):
        group = KNOWN_OPS.get(node.op)
        if group == FILLS_TABLES:
            yield function, node, node.op, "reads a file before the assets are known"
        elif group == RESTORES and not _from(program, function, node, 0, own):
            yield (
                function,
                node,
                node.op,
                "reads files that are not the model's own variables",
            )
        elif group == SAVES:
            yield function, node, node.op, "writes files when the model is loaded"
    for function, node in program.reached(program.init_ends()):
        group = KNOWN_OPS.get(node.op)
        if group == RESTORES:
            yield function, node, node.op, "reads files after the variables are restored"
        elif group == SAVES:
            yield function, node, node.op, "writes files when the model is loaded"


def _of_tables(program: GraphProgram) -> Found:
    """Yield the tables that are not filled from the model's assets."""
    paths = program.assets().items()
    assets = {node_name(tensor) for tensor, path in paths if _stays(path)}
    assets -= program.fed_by_requests()
    for function, node in program.places():
        if node.op in GROUPS[FILLS_TABLES] and not _from(
            program, function, node, 1, assets
        ):
            yield function, node, node.op, "reads a file that is no asset of the model"


def _from(
    program: GraphProgram, function: str | None, node: Any, place: int, allowed: set[str]
) -> bool:
    """Return whether an input of a node comes only from allowed nodes of the graph."""
    if place >= len(node.input):
        return False
    return program.origins(function, node.input[place]) <= allowed


def _stays(asset: str) -> bool:
    """Return whether an asset is inside the folder of assets."""
    path = PurePosixPath(asset)
    return not path.is_absolute() and ".." not in path.parts
