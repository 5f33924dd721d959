"""A SavedModel's graph as a program: data flow, also through its functions."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from tensorflow.core.framework import types_pb2

from kerasnn.serving.saved_model.signatures import INIT_SIGNATURE

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


class GraphProgram:
    """The nodes of a graph and of the functions in its library.

    Args:
        meta_graph: the MetaGraphDef.

    Attributes:
        nodes: of the graph, by name.
        functions: FunctionDefs by name.
    """

    def __init__(self, meta_graph: Any) -> None:
        self._meta_graph = meta_graph
        graph = meta_graph.graph_def
        self.nodes = {node.name: node for node in graph.node}
        self.functions = {f.signature.name: f for f in graph.library.function}

    def places(self) -> Iterator[tuple[str | None, Any]]:
        """Yield every node, with the name of its function; None for the graph's nodes."""
        for node in self.nodes.values():
            yield None, node
        for name, function in self.functions.items():
            for node in function.node_def:
                yield name, node

    def request_ends(self) -> Iterator[str]:
        """Yield the tensors that a request can fetch."""
        for key, signature in self._meta_graph.signature_def.items():
            if key != INIT_SIGNATURE:
                yield from (info.name for info in signature.outputs.values())

    def load_ends(self) -> Iterator[str]:
        """Yield the operations that loading runs: the saver's and the initialization's."""
        if self._meta_graph.saver_def.restore_op_name:
            yield self._meta_graph.saver_def.restore_op_name
        for name in _INIT_COLLECTIONS:
            yield from self._meta_graph.collection_def[name].node_list.value
        if INIT_SIGNATURE in self._meta_graph.signature_def:
            signature = self._meta_graph.signature_def[INIT_SIGNATURE]
            yield from (info.name for info in signature.outputs.values())

    def fed_by_requests(self) -> set[str]:
        """Return the nodes whose values a request can set."""
        signatures = self._meta_graph.signature_def.values()
        return {node_name(i.name) for s in signatures for i in s.inputs.values()}

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
            return [(function, node_name(node.input[0]))]
        if node is not None and node.op == "ReadVariableOp" and _is_text(node):
            return self._written(self.origins(function, node.input[0]))
        return None

    def _written(self, handles: set[str]) -> list[tuple[str | None, str]]:
        """Return all sources that are written into variables of strings."""
        variables = {self._variable(handle) for handle in handles}
        if "" in variables:
            return []
        written = []
        for function, node in self.places():
            if node.op == "AssignVariableOp" and _is_text(node):
                into = {self._variable(h) for h in self.origins(function, node.input[0])}
                if into & (variables | {""}):  # an unknown variable may be this one
                    written.append((function, node_name(node.input[1])))
        return written

    def _variable(self, handle: str) -> str:
        """Return a variable's identity: two handles can refer to the same one."""
        node = self.nodes.get(handle)
        if node is None or node.op != "VarHandleOp":
            return ""
        shared = node.attr["shared_name"].s.decode("utf-8", "replace")
        return shared or handle

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
        place = self.arguments(function).index(argument)
        for where, node in self._calls.get(function, ()):
            own = 0 if node.op == function else _OWN_INPUTS.get(node.op)
            if own is None or own + place >= len(node.input):
                yield None, ""  # unknown
            else:
                yield where, node_name(node.input[own + place])

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


def _is_text(node: Any) -> bool:
    return bool(node.attr["dtype"].type == types_pb2.DT_STRING)


def node_name(tensor: str) -> str:
    """Return the name of the node of a tensor, or of a control input "^name"."""
    return tensor.removeprefix("^").split(":")[0]
