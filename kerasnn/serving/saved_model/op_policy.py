"""The policy of operations: graphs that reach files, other machines or Python are refused.

A SavedModel is a program. Loading it already runs a part of it, so its graph and functions
are checked before. Two things that reach files are allowed: the model's saver, if only
loading runs it, and lookup tables that loading fills from the model's assets.

Links are not checked: whoever can write into the folder decides what is read. An operation
of a custom library is unknown to TensorFlow and fails when the graph is loaded.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from kerasnn.serving.saved_model.graph_program import GraphProgram, node_name
from kerasnn.serving.saved_model.unsafe_ops import (
    RESTORE_OPS,
    SAVE_OPS,
    TABLE_OPS,
    UNSAFE_OPS,
)

_REASONS = {op: reason for reason, ops in UNSAFE_OPS.items() for op in ops}
_NO_ASSET = "reads a file that is no asset of the model"
_NOT_ITS_OWN = "reads files that are not the model's own variables"


def find_unsafe_ops(meta_graph: Any) -> list[str]:
    """Return the unsafe operations of a MetaGraphDef, each with the reason."""
    program = GraphProgram(meta_graph)
    found = {
        f"{node.op} ({_name(function, node)}) {reason}"
        for function, node, reason in (
            *_anywhere(program),
            *_of_requests(program),
            *_load_error(program, meta_graph),
        )
    }
    return sorted(found)


Found = Iterator[tuple[str | None, Any, str]]  # function, node, reason


def _anywhere(program: GraphProgram) -> Found:
    """Yield the operations that are always unsafe."""
    for function, node in program.places():
        reason = _REASONS.get(node.op) or _reason_of_attributes(node)
        if reason is not None:
            yield function, node, reason


def _reason_of_attributes(node: Any) -> str | None:
    if node.op == "PrintV2" and _text(node, "output_stream").startswith("file:"):
        return "writes files"
    if node.op == "FixedUnigramCandidateSampler" and _text(node, "vocab_file"):
        return "reads files"
    if node.op in ("DecodeProtoV2", "EncodeProto"):
        source = _text(node, "descriptor_source")
        # The descriptions that are built in, and those in the attribute itself.
        if source and not source.startswith(("local://", "bytes://")):
            return "reads files"
    return None


def _of_requests(program: GraphProgram) -> Found:
    """Yield the operations that loading may run, and a request may not."""
    for function, node in program.reached(program.request_ends()):
        if node.op in SAVE_OPS:
            yield function, node, "writes files, and a signature leads to it"
        elif node.op in RESTORE_OPS | TABLE_OPS:
            # Only loading gives such a table the present path of its asset.
            yield function, node, "reads files, and a signature leads to it"


def _load_error(program: GraphProgram, meta_graph: Any) -> Found:
    """Yield the operations that loading may not run, and tables not filled from assets."""
    fed = program.fed_by_requests()
    assets = {node_name(a.tensor_info.name) for a in meta_graph.asset_file_def if _stays(a)}
    variables = {node_name(meta_graph.saver_def.filename_tensor_name)}
    for function, node in program.reached(program.load_ends()):
        if node.op in SAVE_OPS:
            yield function, node, "writes files when the model is loaded"
        elif node.op in RESTORE_OPS and not _from(
            program, function, node, 0, variables - fed
        ):
            yield function, node, _NOT_ITS_OWN
    for function, node in program.places():
        if node.op in TABLE_OPS and not _from(program, function, node, 1, assets - fed):
            yield function, node, _NO_ASSET


def _from(
    program: GraphProgram, function: str | None, node: Any, place: int, allowed: set[str]
) -> bool:
    """Return whether an input of a node comes only from allowed nodes of the graph."""
    if place >= len(node.input):
        return False
    return program.origins(function, node.input[place]) <= allowed


def _stays(asset: Any) -> bool:
    """Return whether an asset is inside the folder of assets."""
    path = PurePosixPath(asset.filename)
    return not path.is_absolute() and ".." not in path.parts


def _name(function: str | None, node: Any) -> str:
    return node.name if function is None else f"{function}/{node.name}"


def _text(node: Any, attribute: str) -> str:
    return node.attr[attribute].s.decode("utf-8", "replace")
