"""Which graphs are not served: those that reach files, other machines, or Python.

A SavedModel is a program. Before it is loaded, which already runs a part of it, its graph
and functions are looked through. Its own saver reads and writes files: that is allowed
where no signature, and nothing that loading runs, leads to it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

# Everywhere in a graph, whether anything leads there or not.
REFUSED = {
    "runs Python": {"PyFunc", "PyFuncStateless", "EagerPyFunc"},
    "reads files": {
        "ReadFile",
        "MatchingFiles",
        "ImmutableConst",
        "GenerateVocabRemapping",
        "LoadAndRemapMatrix",
        "RecordInput",
        "FixedLengthRecordReader",
        "FixedLengthRecordReaderV2",
        "LMDBReader",
        "TextLineReader",
        "TextLineReaderV2",
        "TFRecordReader",
        "TFRecordReaderV2",
        "WholeFileReader",
        "WholeFileReaderV2",
        "CSVDataset",
        "CSVDatasetV2",
        "ExperimentalCSVDataset",
        "ExperimentalLMDBDataset",
        "ExperimentalMatchingFilesDataset",
        "ExperimentalSqlDataset",
        "FixedLengthRecordDataset",
        "FixedLengthRecordDatasetV2",
        "LMDBDataset",
        "ListSnapshotChunksDataset",
        "LoadDataset",
        "MatchingFilesDataset",
        "SnapshotChunkDataset",
        "SnapshotDatasetReader",
        "SnapshotNestedDatasetReader",
        "SqlDataset",
        "TFRecordDataset",
        "TFRecordDatasetV2",
        "TextLineDataset",
    },
    "writes files": {
        "WriteFile",
        "CacheDataset",
        "CacheDatasetV2",
        "CreateSummaryDbWriter",
        "CreateSummaryFileWriter",
        "DatasetToTFRecord",
        "DistributedSave",
        "ExperimentalDatasetToTFRecord",
        "FileSystemSetConfiguration",
        "SaveDataset",
        "SaveDatasetV2",
        "SnapshotDataset",
        "SnapshotDatasetV2",
        "DebugIdentity",
        "DebugIdentityV2",
        "DebugIdentityV3",
        "DebugNanCount",
        "DebugNumericSummary",
        "DebugNumericSummaryV2",
    },
    "reaches other machines": {
        "DataServiceDataset",
        "DataServiceDatasetV2",
        "DataServiceDatasetV3",
        "DataServiceDatasetV4",
        "RegisterDataset",
        "RegisterDatasetV2",
        "RemoteCall",
        "RpcCall",
        "RpcClient",
        "RpcServer",
    },
}
# The saver's: only where neither signatures nor loading lead.
SAVES = {"Save", "SaveSlices", "SaveV2", "MergeV2Checkpoints"}
RESTORES = {"Restore", "RestoreSlice", "RestoreV2"}
_REASONS = {op: reason for reason, ops in REFUSED.items() for op in ops}
_TABLES = {"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"}
_INIT_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")
_INIT_SIGNATURE = "__saved_model_init_op"


def refused_operations(meta_graph: Any) -> list[str]:
    """Why a MetaGraphDef may not be served: its operations, each with the reason."""
    program = _Program(meta_graph)
    found = [
        f"{node.op} ({name}) {reason}"
        for name, node in program.everything()
        if (reason := _reason(node)) is not None
    ]
    found += _of_the_saver(program)
    found += _of_tables(program)
    return sorted(set(found))


@dataclass
class _Program:
    """A graph with its functions.

    Attributes:
        meta_graph: the MetaGraphDef.
        nodes: of the graph, by name.
        functions: of its library, by name.
    """

    meta_graph: Any
    nodes: dict[str, Any] = field(init=False)
    functions: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        graph = self.meta_graph.graph_def
        self.nodes = {node.name: node for node in graph.node}
        self.functions = {f.signature.name: f for f in graph.library.function}

    def everything(self) -> Iterator[tuple[str, Any]]:
        """Each node, by its name, or "function/name"."""
        yield from self.nodes.items()
        for name, function in self.functions.items():
            for node in function.node_def:
                yield f"{name}/{node.name}", node

    def signature_ends(self) -> Iterator[str]:
        """The tensors that requests can ask for, and what loading runs."""
        for key, signature in self.meta_graph.signature_def.items():
            for info in signature.outputs.values():
                yield info.name
            if key == _INIT_SIGNATURE:
                yield from (info.name for info in signature.inputs.values())
        for name in _INIT_COLLECTIONS:
            yield from self.meta_graph.collection_def[name].node_list.value

    def restore_ends(self) -> Iterator[str]:
        """What loading runs to fill the variables."""
        if self.meta_graph.saver_def.restore_op_name:
            yield self.meta_graph.saver_def.restore_op_name

    def reached(self, ends: Iterable[str]) -> Iterator[tuple[str, Any]]:
        """Each node that leads to these tensors, also in the functions that it calls."""
        waiting, seen = list(ends), set()
        functions: set[str] = set()
        while waiting:
            name = waiting.pop().lstrip("^").split(":")[0]
            if name in seen or name not in self.nodes:
                continue
            seen.add(name)
            node = self.nodes[name]
            yield name, node
            waiting += node.input
            yield from self._called(node, functions)

    def _called(self, node: Any, seen: set[str]) -> Iterator[tuple[str, Any]]:
        for name in _functions_of(node):
            if name in seen or name not in self.functions:
                continue
            seen.add(name)
            for inner in self.functions[name].node_def:
                yield f"{name}/{inner.name}", inner
                yield from self._called(inner, seen)


def _reason(node: Any) -> str | None:
    """Why an operation is refused wherever it stands."""
    if node.op in _REASONS:
        return _REASONS[node.op]
    if node.op == "PrintV2" and _text(node, "output_stream").startswith("file:"):
        return "writes files"
    if node.op == "FixedUnigramCandidateSampler" and _text(node, "vocab_file"):
        return "reads files"
    if node.op in ("DecodeProtoV2", "EncodeProto") and not _text(
        node, "descriptor_source"
    ).startswith(("local://", "bytes://")):
        return "reads files"
    return None


def _of_the_saver(program: _Program) -> list[str]:
    """Operations of a saver to which a signature leads, or loading where it only reads."""
    found = []
    for name, node in program.reached(program.signature_ends()):
        if node.op in SAVES | RESTORES:
            does = "writes" if node.op in SAVES else "reads"
            found.append(f"{node.op} ({name}) {does} files, and a signature leads to it")
    for name, node in program.reached(program.restore_ends()):
        if node.op in SAVES:
            found.append(f"{node.op} ({name}) writes files when the model is loaded")
    return found


def _of_tables(program: _Program) -> list[str]:
    """Lookup tables read from files that are not the SavedModel's own assets."""
    assets = program.meta_graph.asset_file_def
    own = {a.tensor_info.name.split(":")[0] for a in assets if _stays(a.filename)}
    found = []
    for name, node in program.nodes.items():
        if node.op in _TABLES and not _leads_to(program.nodes, node.input[1], own):
            found.append(f"{node.op} ({name}) reads a file that is no asset of the model")
    for name, function in program.functions.items():
        found += [
            f"{node.op} ({name}/{node.name}) reads a file that is no asset of the model"
            for node in function.node_def
            if node.op in _TABLES and not _given_assets(program, function, node, own)
        ]
    return found


def _given_assets(program: _Program, function: Any, table: Any, own: set[str]) -> bool:
    """Whether every call of a function gives an asset as the file of a table in it."""
    arguments = [argument.name for argument in function.signature.input_arg]
    if table.input[1] not in arguments:
        return False
    place = arguments.index(table.input[1])
    name = function.signature.name
    inner = (n for f in program.functions.values() for n in f.node_def)
    if any(name in _functions_of(node) for node in inner):
        return False  # by another function: that deep nobody exports
    calls = [node for node in program.nodes.values() if name in _functions_of(node)]
    return all(_leads_to(program.nodes, call.input[place], own) for call in calls)


def _leads_to(nodes: Mapping[str, Any], tensor: str, own: set[str]) -> bool:
    """Whether a tensor is one of the assets' names, perhaps through identities."""
    name = tensor.split(":")[0]
    while name in nodes and nodes[name].op == "Identity" and name not in own:
        name = nodes[name].input[0].split(":")[0]
    return name in own


def _stays(filename: str) -> bool:
    """Whether an asset lies in the folder of assets."""
    path = PurePosixPath(filename)
    return not path.is_absolute() and ".." not in path.parts


def _functions_of(node: Any) -> list[str]:
    """The functions that a node calls."""
    names = [node.op]
    for attribute in node.attr.values():
        if attribute.func.name:
            names.append(attribute.func.name)
        names += [function.name for function in attribute.list.func]
    return names


def _text(node: Any, attribute: str) -> str:
    return node.attr[attribute].s.decode("utf-8", "replace")
