"""Loops of a graph, and whether the sizes of the inputs bound them.

Recurrent Keras layers loop over time steps, and a request cannot make such a loop longer
than its array. Other loops may never end: their calls need a time limit.
"""

from typing import Any

from kerasnn.graphs.program import node_name
from kerasnn.serving.saved_model.op_costs import Values

_WHILE = ("While", "StatelessWhile")
# Parts of the names of operations that loop in TensorFlow 1's way, or wait.
_UNBOUNDED = (
    *("NextIteration", "Sleep", "Send", "Recv", "Collective", "Rpc", "Queue", "Barrier"),
    *("Stage", "Mutex", "Accumulator", "Iterator", "Dataset", "PyFunc", "MapDefun"),
)


def may_never_end(meta_graph: Any) -> bool:
    """Return whether a request may lead to a loop without a bound, or to waiting."""
    values = Values(meta_graph)
    return any(
        any(part in node.op for part in _UNBOUNDED)
        or (node.op in _WHILE and not _is_bounded(values, function, node))
        for function, node in values.program.reached(values.program.request_ends())
    )


def _is_bounded(values: Values, function: str | None, loop: Any) -> bool:
    """Return whether a loop counts up to a number that follows from sizes.

    `tf.while_loop` passes a counter and the maximum of iterations as the first two
    arguments of the loop, and compares them in its condition.
    """
    if len(loop.input) < 2 or values.may_be_sent(function, loop.input[1]):
        return False
    condition = _Body(values, loop.attr["cond"].func.name)
    body = _Body(values, loop.attr["body"].func.name)
    return condition.compares_first_two() and body.counts_up()


class _Body:
    """A function of a loop, in which results are traced to what makes them."""

    def __init__(self, values: Values, name: str) -> None:
        self._function = values.program.functions[name]
        self._nodes = values.nodes(name)
        self._arguments = values.program.arguments(name)

    def compares_first_two(self) -> bool:
        """Return whether the result is false once the counter reaches the maximum."""
        waiting = [self._result(0)]
        while waiting:
            node = self._nodes.get(waiting.pop())
            if node is None:
                continue
            inputs = [self._source(tensor) for tensor in node.input]
            if node.op == "Less" and inputs == self._arguments[:2]:
                return True
            if node.op == "LogicalAnd":
                waiting += inputs
        return False

    def counts_up(self) -> bool:
        """Return whether the counter grows, and the maximum stays."""
        if self._result(1) != self._arguments[1]:
            return False
        node = self._nodes.get(self._result(0))
        if node is None or node.op not in ("Add", "AddV2"):
            return False
        counter, step = (self._source(tensor) for tensor in node.input[:2])
        one = self._nodes.get(step)
        return (
            counter == self._arguments[0]
            and one is not None
            and one.op == "Const"
            and list(one.attr["value"].tensor.int_val) == [1]
        )

    def _result(self, place: int) -> str:
        output = self._function.signature.output_arg[place].name
        return self._source(self._function.ret[output])

    def _source(self, tensor: str) -> str:
        """Return the node or argument that makes a tensor, behind all identities."""
        name = node_name(tensor)
        node = self._nodes.get(name)
        while node is not None and node.op == "Identity":
            name = node_name(node.input[0])
            node = self._nodes.get(name)
        return name
