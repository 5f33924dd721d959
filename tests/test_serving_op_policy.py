"""Which graphs are not served: what reaches files, other machines, or Python."""

import inspect
import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import serving_models
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from kerasnn.serving.errors import Code, ServingError
from kerasnn.serving.saved_model.graph import Graph
from kerasnn.serving.saved_model.op_policy import find_unsafe_ops
from kerasnn.serving.saved_model.signatures import INIT_SIGNATURE
from kerasnn.serving.saved_model.unsafe_ops import (
    RESTORE_OPS,
    SAVE_OPS,
    TABLE_OPS,
    UNSAFE_OPS,
)

ROOT = Path(__file__).parents[1]
ROWS = tf.TensorSpec([None], tf.float32, name="x")


def meta_graph_of(folder):
    content = (folder / "saved_model.pb").read_bytes()
    (meta_graph,) = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    return meta_graph


def refused_in(folder):
    """What is refused, without the numbers that TensorFlow gives to functions."""
    reasons = find_unsafe_ops(meta_graph_of(folder))
    return [re.sub(r"__inference_(\w+)_\d+", r"\1", reason) for reason in reasons]


def served(folder, function):
    """A SavedModel with a function of one float vector."""
    module = tf.Module()
    function = tf.function(function, input_signature=[ROWS])
    return serving_models.save(module, folder, 1, serving_default=function)


# --- what is served ---------------------------------------------------------------


@pytest.mark.parametrize("folder", sorted(ROOT.glob("saved_models/*/*/")), ids=str)
def test_what_kerasnn_exports_is_served(folder):
    if (folder / "saved_model.pb").exists():
        assert refused_in(folder) == []


@pytest.mark.parametrize(
    "make",
    [
        serving_models.make_half_plus_two,
        serving_models.make_counter,
        serving_models.make_classifier,
        serving_models.make_columns,
        serving_models.make_slow,
    ],
)
def test_the_saver_of_a_model_is_its_own(tmp_path, make):
    meta_graph = meta_graph_of(make(tmp_path))
    operations = {node.op for node in meta_graph.graph_def.node}
    for function in meta_graph.graph_def.library.function:
        operations |= {node.op for node in function.node_def}
    assert operations & (SAVE_OPS | RESTORE_OPS)
    assert find_unsafe_ops(meta_graph) == []


def vocabulary(folder):
    path = folder / "vocabulary.txt"
    path.write_text("red\ngreen\nblue\n")
    return path


def test_a_lookup_of_keras_with_its_vocabulary_is_served(tmp_path):
    lookup = keras.layers.StringLookup(vocabulary=str(vocabulary(tmp_path)))
    color = keras.Input([], dtype="string", name="color")
    model = keras.Model({"color": color}, {"index": lookup(color)})
    model.export(tmp_path / "1", verbose=False)
    assert refused_in(tmp_path / "1") == []
    (tmp_path / "vocabulary.txt").unlink()
    assert looked_up(tmp_path / "1") == [2, 0, 3]


class Colors(tf.Module):
    """A table that is read from a file when the model is loaded."""

    def __init__(self, path):
        super().__init__()
        self.path = tf.saved_model.Asset(str(path))
        initializer = tf.lookup.TextFileInitializer(
            self.path,
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        self.table = tf.lookup.StaticHashTable(initializer, -1)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="color")])
    def serve(self, color):
        return {"index": self.table.lookup(color)}


@pytest.fixture
def colors(tmp_path):
    """A SavedModel with a vocabulary among its assets."""
    module = Colors(vocabulary(tmp_path))
    folder = serving_models.save(module, tmp_path, 1, serving_default=module.serve)
    (tmp_path / "vocabulary.txt").unlink()
    return folder


def looked_up(folder):
    graph = Graph(folder)
    signature = graph.signatures.get("serving_default") or graph.signatures["serve"]
    color = np.array([b"green", b"black", b"blue"], object)
    index = graph.run(signature, {"color": color}, ("index",))["index"].tolist()
    graph.close()
    return index


def test_a_table_of_an_asset_is_served(colors):
    assert refused_in(colors) == []
    assert looked_up(colors) == [1, -1, 2]


# --- what is refused by its name --------------------------------------------------


def meta_graph_with(op, *, in_function=False, **attributes):
    """A MetaGraphDef with one node, to which nothing leads."""
    meta_graph = tf.compat.v1.MetaGraphDef()
    if in_function:
        function = meta_graph.graph_def.library.function.add()
        function.signature.name = "f"
        node = function.node_def.add(name="n", op=op)
    else:
        node = meta_graph.graph_def.node.add(name="n", op=op)
    for name, text in attributes.items():
        node.attr[name].s = text.encode()
    return meta_graph


@pytest.mark.parametrize(
    ("op", "reason"),
    sorted((op, reason) for reason, ops in UNSAFE_OPS.items() for op in ops),
)
def test_an_operation_is_refused_wherever_it_stands(op, reason):
    assert find_unsafe_ops(meta_graph_with(op)) == [f"{op} (n) {reason}"]
    assert find_unsafe_ops(meta_graph_with(op, in_function=True)) == [
        f"{op} (f/n) {reason}"
    ]


@pytest.mark.parametrize(
    ("op", "attributes", "reasons"),
    [
        ("PrintV2", {"output_stream": "stderr"}, []),
        ("PrintV2", {"output_stream": "file:///tmp/a"}, ["PrintV2 (n) writes files"]),
        ("FixedUnigramCandidateSampler", {"vocab_file": ""}, []),
        (
            "FixedUnigramCandidateSampler",
            {"vocab_file": "/tmp/a"},
            ["FixedUnigramCandidateSampler (n) reads files"],
        ),
        ("EncodeProto", {}, []),
        ("EncodeProto", {"descriptor_source": "local://"}, []),
        ("DecodeProtoV2", {"descriptor_source": "bytes://..."}, []),
        (
            "DecodeProtoV2",
            {"descriptor_source": "/tmp/a"},
            ["DecodeProtoV2 (n) reads files"],
        ),
    ],
)
def test_an_attribute_may_decide(op, attributes, reasons):
    assert find_unsafe_ops(meta_graph_with(op, **attributes)) == reasons


# They have no form in Python.
WITHOUT_PYTHON = {"CalibrationStatisticsSaver", "DTensorRestoreV2", "DumpTensor"}
WITHOUT_PYTHON |= {"RpcCall", "RpcClient", "RpcServer", "RpcServerRegister"}
WITHOUT_PYTHON |= {"RpcServerStart", "Skipgram"}
# Their names or arguments sound like files or other machines; they only compute.
HARMLESS = {
    "BoostedTreesExampleDebugOutputs",
    "CTCBeamSearchDecoder",  # top_paths: of its search
    "DebugGradientIdentity",
    "DebugGradientRefIdentity",
    "DecodeProtoV2",  # by its attribute
    "EncodeProto",  # by its attribute
    "ExperimentalSetStatsAggregatorDataset",
    "FixedUnigramCandidateSampler",  # by its attribute
    "ReaderReadUpTo",  # these do nothing without a reader, which is refused
    "SetStatsAggregatorDataset",
    "ShardedFilename",  # only makes a name
    "ShardedFilespec",
    "TensorSliceDataset",  # is_files: a hint for sharding
}
SUSPECT = re.compile(
    r"file|path(?!ological)|directory|(?<!re)address|url|prefix|descriptor_source"
    r"|memory_region"
)
SUSPECT_NAME = re.compile("File|PyFunc|Remote|Rpc|LMDB|Sql|TFRecord|Debug|Snapshot.*Data")


def test_no_operation_that_sounds_like_files_is_forgotten():
    known = {op for ops in UNSAFE_OPS.values() for op in ops}
    known |= SAVE_OPS | RESTORE_OPS | TABLE_OPS | HARMLESS
    names = [name for name in dir(tf.raw_ops) if name[0].isupper()]
    assert len(names) > 1400
    forgotten = []
    for name in names:
        arguments = inspect.signature(getattr(tf.raw_ops, name)).parameters
        sounds = any(SUSPECT.search(argument) for argument in arguments)
        if (sounds or SUSPECT_NAME.search(name)) and name not in known:
            forgotten.append(name)
    assert forgotten == []


def test_every_refused_operation_is_one_of_tensorflow():
    known = (
        {op for ops in UNSAFE_OPS.values() for op in ops}
        | SAVE_OPS
        | RESTORE_OPS
        | TABLE_OPS
    )
    assert {op for op in known if not hasattr(tf.raw_ops, op)} == WITHOUT_PYTHON


# --- real graphs ------------------------------------------------------------------


def test_a_file_that_is_written_is_found_with_its_place(tmp_path):
    assert refused_in(serving_models.make_writing(tmp_path)) == [
        "WriteFile (serve/WriteFile) writes files"
    ]


def test_python_is_found(tmp_path):
    def serve(x):
        return {"y": tf.numpy_function(lambda x: x, [x], tf.float32)}

    assert refused_in(served(tmp_path, serve)) == ["PyFunc (serve/PyFunc) runs Python"]


def test_a_dataset_of_files_is_found(tmp_path):
    def serve(x):
        total = tf.data.TextLineDataset("/etc/passwd").reduce("", lambda a, b: a + b)
        return {"y": x, "text": total}

    assert refused_in(served(tmp_path, serve)) == [
        "TextLineDataset (Dataset_flat_map_read_one_file/TextLineDataset) reads files"
    ]


def test_what_no_signature_leads_to_is_refused_too(tmp_path):
    module = tf.Module()
    module.read = tf.function(
        tf.io.read_file, input_signature=[tf.TensorSpec([], tf.string, name="path")]
    )
    module.serve = tf.function(lambda x: {"y": x + 1}, input_signature=[ROWS])
    folder = serving_models.save(module, tmp_path, 1, serving_default=module.serve)
    assert refused_in(folder) == ["ReadFile (read_file/ReadFile) reads files"]


def save_to_never(x):
    tf.raw_ops.SaveV2(
        prefix="/tmp/never", tensor_names=["x"], shape_and_slices=[""], tensors=[x]
    )


def test_a_signature_must_not_lead_to_a_saver(tmp_path):
    def serve(x):
        save_to_never(x)
        return {"y": tf.identity(x)}

    assert refused_in(served(tmp_path, serve)) == [
        "SaveV2 (serve/SaveV2) writes files, and a signature leads to it"
    ]


def test_a_signature_must_not_restore(tmp_path):
    def serve(x):
        (other,) = tf.raw_ops.RestoreV2(
            prefix="/other/model/variables/variables",
            tensor_names=["kernel"],
            shape_and_slices=[""],
            dtypes=[tf.float32],
        )
        return {"y": x + other[0]}

    assert refused_in(served(tmp_path, serve)) == [
        "RestoreV2 (serve/RestoreV2) reads files, and a signature leads to it"
    ]


def test_a_branch_leads_to_what_it_calls(tmp_path):
    @tf.function
    def write(x):
        save_to_never(x)
        return x

    def serve(x):
        return {"y": tf.cond(tf.reduce_sum(x) > 1, lambda: write(x), lambda: x)}

    assert refused_in(served(tmp_path, serve)) == [
        "SaveV2 (write/SaveV2) writes files, and a signature leads to it"
    ]


# --- loading ----------------------------------------------------------------------


def edited(folder, edit):
    """The MetaGraphDef of a SavedModel, changed."""
    meta_graph = meta_graph_of(folder)
    edit(meta_graph)
    return re.sub(r"__inference_(\w+?)_\d+", r"\1", "\n".join(find_unsafe_ops(meta_graph)))


def test_an_asset_outside_of_the_assets_is_none(colors):
    for name in ("../../secret.txt", "/etc/passwd"):

        def rename(meta_graph, name=name):
            (asset,) = meta_graph.asset_file_def
            asset.filename = name

        assert re.fullmatch(
            r"InitializeTableFromTextFileV2 \(\S+\) reads a file that is no asset of the"
            " model",
            edited(colors, rename),
        )


def test_a_table_of_another_file_is_refused(colors):
    def forget(meta_graph):
        del meta_graph.asset_file_def[:]

    assert "reads a file that is no asset of the model" in edited(colors, forget)


def test_an_asset_must_be_all_that_is_written_into_its_variable(colors):
    def write_another(meta_graph):
        graph = meta_graph.graph_def
        (asset,) = meta_graph.asset_file_def
        own = asset.tensor_info.name.split(":")[0]
        assign = next(
            node
            for node in graph.node
            if node.op == "AssignVariableOp" and own in node.input
        )
        again = graph.node.add()
        again.CopyFrom(assign)
        again.name, again.input[1] = "again", "other"
        graph.node.add(name="other", op="Const")

    assert "reads a file that is no asset of the model" in edited(colors, write_another)


def test_a_request_must_not_name_the_file_of_a_table(colors):
    def feed(meta_graph):
        (asset,) = meta_graph.asset_file_def
        signature = meta_graph.signature_def["serving_default"]
        signature.inputs["path"].CopyFrom(asset.tensor_info)

    assert "reads a file that is no asset of the model" in edited(colors, feed)


def test_a_request_must_not_read_a_table_again(colors):
    # Only loading puts the asset's path in place of what the graph holds.
    def ask_for_the_init(meta_graph):
        init = meta_graph.signature_def[INIT_SIGNATURE]
        meta_graph.signature_def["again"].CopyFrom(init)

    assert "reads files, and a signature leads to it" in edited(colors, ask_for_the_init)


def restoring(meta_graph):
    """The node that restores, in the graph or in a function."""
    for function in meta_graph.graph_def.library.function:
        for node in function.node_def:
            if node.op == "RestoreV2":
                return node
    return next(node for node in meta_graph.graph_def.node if node.op == "RestoreV2")


@pytest.mark.parametrize(
    "make", [serving_models.make_dense, serving_models.make_half_plus_two]
)
def test_variables_come_from_the_models_own_file(tmp_path, make):
    def restore_others(meta_graph):
        node = restoring(meta_graph)
        node.input[0] = node.input[1]  # a constant

    found = edited(make(tmp_path), restore_others)
    assert re.fullmatch(
        r"RestoreV2 \(\S+\) reads files that are not the model's own variables", found
    )


def test_loading_must_not_save(tmp_path):
    def restore_by_saving(meta_graph):
        saver = meta_graph.saver_def
        saver.restore_op_name = saver.save_tensor_name.split(":")[0]

    found = edited(serving_models.make_half_plus_two(tmp_path), restore_by_saving)
    assert "SaveV2 (save/SaveV2) writes files when the model is loaded" in found


def test_a_refused_model_is_not_even_loaded(tmp_path):
    folder = serving_models.make_writing(tmp_path)
    shutil.rmtree(folder / "variables")  # would fail otherwise
    with pytest.raises(ServingError) as caught:
        Graph(folder)
    assert caught.value.code is Code.PERMISSION_DENIED
