"""Operations whose time and memory depend only on the sizes of what they are given.

A graph of such operations takes the same time for every request of the same shape. What
is not listed may take any time: loops, operations on text, outputs as large as a value.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from kerasnn.graphs.program import INIT_SIGNATURE, GraphProgram, node_name


def _ops(names: str) -> frozenset[str]:
    return frozenset(names.split())


# The value of each element depends on one element of each input; shapes are broadcast.
ELEMENTWISE = _ops(
    """
    Abs Acos Acosh Add AddN AddV2 Asin Asinh Atan Atan2 Atanh Cast Ceil Complex ComplexAbs
    Conj Cos Cosh Div DivNoNan Elu Equal Erf Erfc Erfinv Exp Expm1 Floor FloorDiv FloorMod
    Greater GreaterEqual Identity IdentityN Imag IsFinite IsInf IsNan LeakyRelu Less
    LessEqual Lgamma Log Log1p LogicalAnd LogicalNot LogicalOr Maximum Minimum Mod Mul
    MulNoNan Neg NextAfter NotEqual OnesLike Pow Real RealDiv Reciprocal Relu Relu6 Rint
    Round Rsqrt Select SelectV2 Selu Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Square
    SquaredDifference StopGradient Sub Tan Tanh TruncateDiv TruncateMod Xdivy Xlog1py Xlogy
    ZerosLike
    """
)
# They hold values, or call functions, whose operations are looked through as well.
_STRUCTURE = _ops(
    """
    Assert Const EnsureShape HashTableV2 NoOp PartitionedCall Placeholder
    PlaceholderWithDefault PreventGradient ReadVariableOp StatefulPartitionedCall
    VarHandleOp Variable VariableV2
    """
)
_SHAPES = frozenset(("Rank", "Shape", "ShapeN", "Size"))
_SIZED = _ops(
    """
    All Angle Any ArgMax ArgMin AvgPool AvgPool3D BatchMatMul BatchMatMulV2 BatchMatMulV3
    BiasAdd BitwiseAnd BitwiseOr BitwiseXor BroadcastArgs Bucketize Cholesky ClipByValue
    ConcatV2 ConcatOffset Concat Conv2D Conv3D Cross Cumprod Cumsum DepthToSpace
    DepthwiseConv2dNative Digamma Dilation2D Einsum EuclideanNorm ExpandDims
    ExtractImagePatches FFT FFT2D FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars
    FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 Gather GatherNd GatherV2 IFFT IFFT2D
    InTopKV2 InvertPermutation L2Loss LRN LeftShift LogSoftmax
    LookupTableFindV2 LookupTableSizeV2 LowerBound MatMul MatrixBandPart
    MatrixDeterminant MatrixDiagPart MatrixDiagPartV3 MatrixInverse MatrixSetDiag
    MatrixSetDiagV3 MatrixSolve MatrixTriangularSolve Max MaxPool MaxPool3D MaxPoolV2
    MaxPoolWithArgmax Mean Min Pack Prod Quantize QuantizeAndDequantizeV2
    QuantizeAndDequantizeV4 ResourceGather ResourceGatherNd Reshape Reverse ReverseSequence
    ReverseV2 RightShift Roll Slice Softmax SpaceToDepth Split SplitV Squeeze StridedSlice
    Sum TensorScatterAdd TensorScatterUpdate Transpose Unpack UpperBound
    """
)
# Their outputs are as large as the values of these inputs say.
_SIZE_INPUTS: dict[str, tuple[int, ...]] = {
    "BatchToSpaceND": (1, 2),
    "Bincount": (1,),
    "BroadcastTo": (1,),
    "Conv2DBackpropInput": (0,),
    "Conv3DBackpropInputV2": (0,),
    "CropAndResize": (3,),
    "DenseBincount": (1,),
    "Fill": (0,),
    "IRFFT": (1,),
    "LinSpace": (2,),
    "MatrixDiag": (),
    "MatrixDiagV3": (1, 2, 3),
    "MirrorPad": (1,),
    "Multinomial": (1,),
    "OneHot": (1,),
    "Pad": (1,),
    "PadV2": (1,),
    "RFFT": (1,),
    "RandomStandardNormal": (0,),
    "RandomUniform": (0,),
    "RandomUniformInt": (0,),
    "Range": (0, 1, 2),
    "ResizeArea": (1,),
    "ResizeBicubic": (1,),
    "ResizeBilinear": (1,),
    "ResizeNearestNeighbor": (1,),
    "ScatterNd": (2,),
    "SpaceToBatchND": (1, 2),
    "StatelessRandomNormalV2": (0,),
    "StatelessRandomUniformV2": (0,),
    "Tile": (1,),
    "TopK": (),
    "TopKV2": (),
    "TruncatedNormal": (0,),
    "UnsortedSegmentMax": (2,),
    "UnsortedSegmentMean": (2,),
    "UnsortedSegmentMin": (2,),
    "UnsortedSegmentProd": (2,),
    "UnsortedSegmentSum": (2,),
}
# Operations on text take as long as the text: allowed only on text of the model's own.
_TEXT = _ops(
    """
    AsString StaticRegexFullMatch StaticRegexReplace StringJoin StringLength StringLower
    StringStrip StringToNumber StringUpper
    """
)
_KNOWN = ELEMENTWISE | _SIZED | _STRUCTURE | _SHAPES


def steady_signatures(meta_graph: Any) -> frozenset[str]:
    """Return the signatures whose time depends only on the sizes of their inputs."""
    return _signatures_of(meta_graph, _is_steady)


def elementwise_signatures(meta_graph: Any) -> frozenset[str]:
    """Return the signatures that only combine elements, so that any shape will do."""
    return _signatures_of(meta_graph, _is_elementwise)


def _signatures_of(meta_graph: Any, holds: Any) -> frozenset[str]:
    values = Values(meta_graph)
    return frozenset(
        key
        for key, signature in meta_graph.signature_def.items()
        if key != INIT_SIGNATURE
        and all(holds(values, *place) for place in values.places(signature))
    )


def _is_elementwise(values: "Values", function: str | None, node: Any) -> bool:
    return node.op in ELEMENTWISE or node.op in _STRUCTURE


def _is_steady(values: "Values", function: str | None, node: Any) -> bool:
    if node.op in _KNOWN or node.op in values.program.functions:
        return True
    if node.op in _SIZE_INPUTS:
        deciding: Iterable[str] = [node.input[i] for i in _SIZE_INPUTS[node.op]]
    elif node.op in _TEXT:
        deciding = node.input
    else:
        return False
    return not any(values.may_be_sent(function, tensor) for tensor in deciding)


class Values:
    """Which tensors of a graph have values that a request can change.

    Values that follow from constants and from the sizes of tensors are the same for all
    requests of a shape.

    Args:
        meta_graph: the MetaGraphDef.

    Attributes:
        program: its nodes and functions.
    """

    def __init__(self, meta_graph: Any) -> None:
        self.program = GraphProgram(meta_graph)
        self._named: dict[str | None, dict[str, Any]] = {None: self.program.nodes}
        self._fixed: set[tuple[str | None, str]] = set()

    def places(self, signature: Any) -> Iterator[tuple[str | None, Any]]:
        """Yield each node that the outputs of a signature depend on."""
        return self.program.reached(info.name for info in signature.outputs.values())

    def may_be_sent(self, function: str | None, tensor: str) -> bool:
        """Return whether the values of a tensor may depend on those of a request."""
        waiting, seen = [(function, node_name(tensor))], set(self._fixed)
        while waiting:
            place = waiting.pop()
            if place in seen:
                continue
            seen.add(place)
            sources = self._sources(*place)
            if sources is None:
                return True
            waiting += sources
        self._fixed = seen
        return False

    def _sources(
        self, function: str | None, name: str
    ) -> list[tuple[str | None, str]] | None:
        """Return what the values of a node or argument follow from; None: not known."""
        if function is not None and name in self.program.arguments(function):
            return list(self.program.callers(function, name))
        node = self.nodes(function).get(name)
        if node is None:
            return None
        if node.op == "Const" or node.op in _SHAPES:
            return []
        known = node.op in ELEMENTWISE | _SIZED or node.op in _SIZE_INPUTS
        if not (known or node.op in _TEXT) or node.op.startswith(("Random", "Stateless")):
            return None
        return [(function, node_name(i)) for i in node.input if not i.startswith("^")]

    def nodes(self, function: str | None) -> dict[str, Any]:
        """Return the nodes of a function by name; None: the graph's."""
        nodes = self._named.get(function)
        if nodes is None:
            inner = self.program.functions[str(function)].node_def
            nodes = self._named[function] = {node.name: node for node in inner}
        return nodes
