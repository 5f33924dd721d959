"""A SavedModel's graph as a program: data flow, also through its functions."""

import contextlib
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from google.protobuf.message import DecodeError
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2

INIT_SIGNATURE = "__saved_model_init_op"  # run by loading, not by requests

# Number of inputs before those that a node passes on to its functions. While is missing:
# its body makes the arguments of its next iteration.
_OWN_INPUTS = {
    "PartitionedCall": 0,
    "StatefulPartitionedCall": 0,
    "If": 1,
    "StatelessIf": 1,
    "Case": 1,
    "StatelessCase": 1,
}
# Parts of the names of operations that change variables, tables or queues.
_CHANGING = (
    *("Assign", "ResourceScatter", "ResourceApply", "ResourceSparseApply", "CountUpTo"),
    *("TableInsert", "TableRemove", "TableImport", "Enqueue", "Dequeue", "StackP"),
)
_INIT_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")
_ASSETS_COLLECTION = "saved_model_assets"  # of TensorFlow 1
# Operations beside AssignVariableOp that write into a variable. Those that compute with
# numbers cannot write a text.
_PARTIAL_WRITE = re.compile(r"ResourceStridedSlice|ResourceScatter|Assign\w*Variable\w+")


class GraphProgram:
    """The nodes of a graph and of the functions in its library.

    Args:
        meta_graph: the MetaGraphDef.

    Attributes:
        nodes: of the graph, by name.
        library: all FunctionDefs.
        functions: FunctionDefs by name.
    """

    def __init__(self, meta_graph: Any) -> None:
        self._meta_graph = meta_graph
        graph = meta_graph.graph_def
        self.nodes = {node.name: node for node in graph.node}
        self.library = list(graph.library.function)
        self.functions = {f.signature.name: f for f in self.library}

    def places(self) -> Iterator[tuple[str | None, Any]]:
        """Yield every node, with the name of its function; None for the graph's nodes."""
        for node in self._meta_graph.graph_def.node:
            yield None, node
        for function in self.library:
            for node in function.node_def:
                yield function.signature.name, node

    def request_ends(self) -> Iterator[str]:
        """Yield the tensors that a request can fetch."""
        for key, signature in self._meta_graph.signature_def.items():
            for info in signature.outputs.values():
                # The init op's own output is no tensor; others beside it can be fetched.
                if key != INIT_SIGNATURE or info.dtype:
                    yield from _tensors(info)

    def restore_ends(self) -> Iterator[str]:
        """Yield the operation that restores the variables while loading."""
        if self._meta_graph.saver_def.restore_op_name:
            yield self._meta_graph.saver_def.restore_op_name

    def init_ends(self) -> Iterator[str]:
        """Yield the operation that initializes while loading, after the restoring."""
        signatures = self._meta_graph.signature_def
        if INIT_SIGNATURE in signatures:
            outputs = signatures[INIT_SIGNATURE].outputs
            if INIT_SIGNATURE in outputs:
                yield outputs[INIT_SIGNATURE].name
                return
        collections = self._meta_graph.collection_def
        for name in _INIT_COLLECTIONS:
            if name in collections:
                yield from collections[name].node_list.value
                return

    def assets(self) -> dict[str, str]:
        """Return the tensors that get an asset's path while initializing, with its name."""
        assets = list(self._meta_graph.asset_file_def)
        collections = self._meta_graph.collection_def
        if not assets and _ASSETS_COLLECTION in collections:
            packed = collections[_ASSETS_COLLECTION].any_list.value
            with contextlib.suppress(DecodeError):  # then tables have no assets
                assets += [
                    meta_graph_pb2.AssetFileDef.FromString(each.value) for each in packed
                ]
        return {asset.tensor_info.name: asset.filename for asset in assets}

    @property
    def variables_file(self) -> str:
        """The tensor that gets the path of the variables while restoring."""
        return str(self._meta_graph.saver_def.filename_tensor_name)

    def fed_by_requests(self) -> set[str]:
        """Return the nodes whose values a request can set."""
        signatures = self._meta_graph.signature_def.values()
        infos = (info for s in signatures for info in s.inputs.values())
        return {node_name(tensor) for info in infos for tensor in _tensors(info)}

    def reached(self, ends: Iterable[str]) -> Iterator[tuple[str | None, Any]]:
        """Yield each node that these tensors depend on, as in `places`.

        All nodes of a called function count.
        """
        waiting = [node_name(name) for name in ends]
        seen: set[str] = set()
        called: list[str] = []
        while waiting:
            name = waiting.pop()
            if name in seen or name not in self.nodes:
                continue
            seen.add(name)
            node = self.nodes[name]
            yield None, node
            waiting += [node_name(tensor) for tensor in node.input]
            called += functions_of(node)
        yield from self._called(called)

    def _called(self, waiting: list[str]) -> Iterator[tuple[str | None, Any]]:
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in seen or name not in self.functions:
                continue
            seen.add(name)
            for node in self.functions[name].node_def:
                yield name, node
                waiting += functions_of(node)

    def origins(self, function: str | None, tensor: str) -> set[str]:
        """Return the nodes of the graph that make the values of a tensor.

        The search follows identities, arguments of functions to every call, and variables
        of strings to everything that is ever written into them: an asset's path takes
        that way.

        Args:
            function: in which the tensor is; None: the graph.
            tensor: such as "Const:0", in a function "argument" or "node:output:0".

        Returns:
            Names of nodes; a name that is no node's, such as "", for unknown origins.
        """
        found: set[str] = set()
        waiting, seen = [(function, node_name(tensor))], set()
        while waiting:
            place = waiting.pop()
            if place in seen:
                continue
            seen.add(place)
            before = self._before(*place)
            if before is None:
                found.add(place[1] if place[0] is None else "")
            elif not before:
                found.add("")
            waiting += before or ()
        return found

    def _before(
        self, function: str | None, name: str
    ) -> list[tuple[str | None, str]] | None:
        """Return the sources of a node or argument; None: it makes its own value."""
        if function is not None and name in self.arguments(function):
            return list(self.callers(function, name))
        node = self._named(function, name)
        if node is not None and node.op == "Identity":
            return [(function, node_name(tensor)) for tensor in node.input[:1]]
        if node is not None and node.op == "ReadVariableOp" and _may_be_text(node):
            return self._written(self.origins(function, node.input[0]))
        return None

    def _written(self, handles: set[str]) -> list[tuple[str | None, str]]:
        """Return all sources that are written into variables of strings; [] if unknown."""
        variables = {self._variable(handle) for handle in handles}
        if "" in variables or self._has_partial_writes:
            return []
        written = []
        for function, node in self.places():
            if node.op == "AssignVariableOp" and _may_be_text(node):
                into = {self._variable(h) for h in self.origins(function, node.input[0])}
                if into & (variables | {""}):  # an unknown variable may be this one
                    written.append((function, node_name(node.input[1])))
        return written

    @cached_property
    def _has_partial_writes(self) -> bool:
        """True if something else than AssignVariableOp writes texts into variables."""
        return any(
            _PARTIAL_WRITE.match(node.op)
            and node.op != "AssignVariableOp"
            and _may_be_text(node)
            for _, node in self.places()
        )

    def _variable(self, handle: str) -> str:
        """Return a variable's identity, "" if unknown: two handles can be of one."""
        node = self.nodes.get(handle)
        if node is None or node.op != "VarHandleOp":
            return ""
        # Handles without a shared name share one, that is empty.
        return f"variable {attribute_text(node, 'shared_name') or ''}"

    def _named(self, function: str | None, name: str) -> Any:
        if function is None:
            return self.nodes.get(name)
        inner = self.functions[function].node_def
        return next((node for node in inner if node.name == name), None)

    def arguments(self, function: str) -> list[str]:
        """Return the names of a function's arguments."""
        return [arg.name for arg in self.functions[function].signature.input_arg]

    def callers(self, function: str, argument: str) -> Iterator[tuple[str | None, str]]:
        """Yield the source of an argument in each call of a function.

        A name that is no node's, such as "", stands for an unknown source.
        """
        arguments = self.functions[function].signature.input_arg
        place = self.arguments(function).index(argument)
        # A list of tensors takes several inputs of a call.
        is_single = not any(a.number_attr or a.type_list_attr for a in arguments)
        for where, node in self._calls.get(function, ()):
            own = 0 if node.op == function else _OWN_INPUTS.get(node.op)
            if is_single and own is not None and own + place < len(node.input):
                yield where, node_name(node.input[own + place])
            else:
                yield None, ""

    @cached_property
    def _calls(self) -> dict[str, list[tuple[str | None, Any]]]:
        """Nodes that call each function, as in `places`."""
        calls: dict[str, list[tuple[str | None, Any]]] = {}
        for where, node in self.places():
            for name in functions_of(node):
                if name in self.functions:
                    calls.setdefault(name, []).append((where, node))
        return calls


def changes_state(nodes: Iterable[Any]) -> bool:
    """Return whether one of these nodes changes what later requests read."""
    return any(
        any(part in node.op for part in _CHANGING)
        or (node.op.startswith("Scatter") and node.op != "ScatterNd")
        for node in nodes
    )


def functions_of(node: Any) -> list[str]:
    """Return the functions that a node calls, by name or in its attributes."""
    names = [node.op]
    waiting = list(node.attr.values())
    while waiting:
        attribute = waiting.pop()
        for function in (attribute.func, *attribute.list.func):
            if function.name:
                names.append(function.name)
                waiting += function.attr.values()
    return names


def attribute_text(node: Any, name: str) -> str | None:
    """Return the text of an attribute, "" without it; None if calls decide it."""
    if name not in node.attr:
        return ""
    value = node.attr[name]
    return value.s.decode("utf-8", "replace") if value.WhichOneof("value") == "s" else None


def _may_be_text(node: Any) -> bool:
    """Return whether a type of a node is that of texts, or decided by calls."""
    return any(
        attribute.type == types_pb2.DT_STRING or attribute.placeholder
        for attribute in node.attr.values()
    )


def _tensors(info: Any) -> tuple[str, ...]:
    """Return the tensors of an input or output of a signature."""
    if info.WhichOneof("encoding") == "coo_sparse":
        sparse = info.coo_sparse
        return (
            sparse.values_tensor_name,
            sparse.indices_tensor_name,
            sparse.dense_shape_tensor_name,
        )
    if info.WhichOneof("encoding") == "composite_tensor":
        return tuple(t for part in info.composite_tensor.components for t in _tensors(part))
    return (info.name,)


def node_name(tensor: str) -> str:
    """Return the name of the node of a tensor, or of a control input "^name"."""
    return tensor.removeprefix("^").split(":")[0]
