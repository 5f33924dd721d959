"""Ranks that a graph needs, for inputs whose signature does not tell them.

Some operations crash the process on an input of another rank. If such an operation gets an
input as it was sent, or after elementwise operations, the input needs that rank.
"""

from typing import Any

from kerasnn.graphs.program import node_name
from kerasnn.serving.saved_model.op_costs import ELEMENTWISE, Values

RANKS = {
    "AvgPool": 4,
    "AvgPool3D": 5,
    "Conv2D": 4,
    "Conv3D": 5,
    "DepthwiseConv2dNative": 4,
    "FusedBatchNormV3": 4,
    "MaxPool": 4,
    "MaxPool3D": 5,
}


def needed_ranks(meta_graph: Any) -> dict[str, int]:
    """Return the ranks that nodes of the graph must have, by the names of the nodes."""
    values = Values(meta_graph)
    ranks: dict[str, int] = {}
    for function, node in values.program.reached(values.program.request_ends()):
        if node.op in RANKS:
            for name in _origins(values, function, node.input[0]):
                ranks[name] = RANKS[node.op]
    return ranks


def _origins(values: Values, function: str | None, tensor: str) -> set[str]:
    """Return the nodes of the graph whose shape a tensor has."""
    waiting, seen, found = [(function, node_name(tensor))], set(), set()
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        function, name = place
        if function is not None and name in values.program.arguments(function):
            waiting += values.program.callers(function, name)
            continue
        node = values.nodes(function).get(name)
        if node is not None and node.op in ELEMENTWISE:
            waiting += [(function, node_name(tensor)) for tensor in node.input]
        elif node is not None and function is None:
            found.add(name)
    return found
