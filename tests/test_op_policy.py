"""Which graphs are not served: what reaches files, other machines, or Python."""

import inspect
import os
import re
import runpy
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import serving_models
import tensorflow as tf
from tensorflow.core.framework import attr_value_pb2, types_pb2
from tensorflow.core.protobuf import saved_model_pb2

from kerasnn.graphs.files import fingerprint, read_graph
from kerasnn.graphs.op_list import ALLOWED, FILLS_TABLES, GROUPS, RESTORES, SAVES
from kerasnn.graphs.policy import find_unsafe_ops
from kerasnn.graphs.program import INIT_SIGNATURE
from kerasnn.serving.errors import Code, ServingError
from kerasnn.serving.saved_model.graph import Graph

ROOT = Path(__file__).parents[1]
ROWS = tf.TensorSpec([None], tf.float32, name="x")


def meta_graph_of(folder):
    content = (folder / "saved_model.pb").read_bytes()
    (meta_graph,) = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    return meta_graph


def refused_in(folder):
    """What is refused, without the numbers that TensorFlow gives to functions."""
    reasons = find_unsafe_ops(meta_graph_of(folder))
    return [re.sub(r"__inference_(\w+)_\d+", r"\1", str(reason)) for reason in reasons]


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
    assert operations & (GROUPS[SAVES] | GROUPS[RESTORES])
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


def texts(meta_graph, **options):
    return [str(unsafe) for unsafe in find_unsafe_ops(meta_graph, **options)]


REFUSED = {
    op: reason
    for reason, ops in GROUPS.items()
    if reason not in (ALLOWED, SAVES, RESTORES, FILLS_TABLES)
    for op in ops
}


def test_an_operation_is_refused_wherever_it_stands():
    for op, reason in REFUSED.items():
        assert texts(meta_graph_with(op)) == [f"{op} (n) {reason}"]
        assert texts(meta_graph_with(op, in_function=True)) == [f"{op} (f/n) {reason}"]


def test_an_operation_that_nobody_knows_is_refused():
    assert texts(meta_graph_with("Addons>Secret")) == [
        "Addons>Secret (n) is an operation that kerasnn does not know"
    ]


def test_an_operation_can_be_allowed():
    assert texts(meta_graph_with("ReadFile"), allow=("ReadFile",)) == []
    assert texts(meta_graph_with("Addons>Secret"), allow=("Addons>Secret",)) == []
    assert len(texts(meta_graph_with("WriteFile"), allow=("ReadFile",))) == 1


def test_a_graph_is_not_changed_by_the_policy(tmp_path):
    meta_graph = meta_graph_of(serving_models.make_half_plus_two(tmp_path))
    before = meta_graph.SerializeToString(deterministic=True)
    find_unsafe_ops(meta_graph)
    assert meta_graph.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize(
    ("op", "attribute", "safe", "unsafe", "reason"),
    [
        ("PrintV2", "output_stream", ["stderr", "log(info)"], "file:///a", "writes files"),
        ("FixedUnigramCandidateSampler", "vocab_file", [""], "/tmp/a", "reads files"),
        ("EncodeProto", "descriptor_source", ["local://"], "/tmp/a", "reads files"),
        ("DecodeProtoV2", "descriptor_source", ["bytes://..."], "/tmp/a", "reads files"),
    ],
)
def test_an_attribute_may_decide(op, attribute, safe, unsafe, reason):
    assert texts(meta_graph_with(op)) == []
    for text in safe:
        assert texts(meta_graph_with(op, **{attribute: text})) == []
    assert texts(meta_graph_with(op, **{attribute: unsafe})) == [f"{op} (n) {reason}"]
    left_open = meta_graph_with(op, in_function=True)
    (function,) = left_open.graph_def.library.function
    function.node_def[0].attr[attribute].placeholder = "from_the_call"
    assert texts(left_open) == [
        f"{op} (f/n) {reason}, if a call makes its {attribute} a file's name"
    ]


def test_every_operation_of_tensorflow_is_allowed_or_refused_on_purpose():
    listing = runpy.run_path(str(ROOT / "scripts/list_ops.py"))
    known = [op for ops in GROUPS.values() for op in ops]
    assert len(known) == len(set(known))
    assert listing["NEW"] not in GROUPS
    registered = listing["registered_ops"]()
    assert len(registered) > 1400
    assert registered.keys() - set(known) == set()


# Their names or arguments sound like files or other machines; they only compute, or an
# attribute decides, or a rule of the policy does.
HARMLESS = {
    "CTCBeamSearchDecoder",  # top_paths: of its search
    "BoostedTreesExampleDebugOutputs",
    "DebugGradientIdentity",
    "DebugGradientRefIdentity",
    "DecodeProtoV2",
    "EncodeProto",
    "FixedUnigramCandidateSampler",
    "ShardedFilename",  # only makes a name
    "ShardedFilespec",
}
SUSPECT = re.compile(
    r"file|path(?!ological)|directory|(?<!re)address|url|prefix|descriptor_source"
    r"|memory_region|graph|program|module"
)
SUSPECT_NAME = re.compile(
    "File|PyFunc|Remote|Rpc|LMDB|Sql|TFRecord|Debug|Dataset|Iterator|Collective|Custom"
)


def test_no_allowed_operation_sounds_like_files_or_other_programs():
    names = [name for name in dir(tf.raw_ops) if name in GROUPS[ALLOWED]]
    assert len(names) > 1000
    forgotten = []
    for name in names:
        arguments = inspect.signature(getattr(tf.raw_ops, name)).parameters
        sounds = any(SUSPECT.search(argument) for argument in arguments)
        if sounds or SUSPECT_NAME.search(name):
            forgotten.append(name)
    assert set(forgotten) - HARMLESS == set()


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

    assert (
        "TextLineDataset (Dataset_flat_map_read_one_file/TextLineDataset) reads files"
        in refused_in(served(tmp_path, serve))
    )


def test_a_graph_inside_a_text_is_found(tmp_path):
    dataset = tf.data.TextLineDataset("/etc/passwd")
    graph = dataset._as_serialized_graph().numpy()

    def serve(x):
        hidden = tf.raw_ops.DatasetFromGraph(graph_def=graph)
        return {
            "y": x,
            "text": tf.raw_ops.DatasetToSingleElement(
                dataset=hidden, output_types=[tf.string], output_shapes=[[]]
            )[0],
        }

    assert (
        "DatasetFromGraph (serve/DatasetFromGraph) belongs to a tf.data pipeline, which"
        " can read files" in refused_in(served(tmp_path, serve))
    )


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
    return re.sub(r"__inference_(\w+?)_\d+", r"\1", "\n".join(texts(meta_graph)))


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


@pytest.mark.parametrize("dtype", [{"type": types_pb2.DT_STRING}, {"placeholder": "T"}])
def test_an_asset_s_variable_must_not_be_written_in_part(colors, dtype):
    def write_a_slice(meta_graph):
        function = meta_graph.graph_def.library.function.add()
        function.signature.name = "evil"
        function.signature.input_arg.add(name="path", type=types_pb2.DT_RESOURCE)
        write = function.node_def.add(name="w", op="ResourceStridedSliceAssign")
        write.input.append("path")
        write.attr["T"].CopyFrom(attr_value_pb2.AttrValue(**dtype))

    assert "reads a file that is no asset of the model" in edited(colors, write_a_slice)


def test_variables_without_a_name_are_one(colors):
    def write_its_twin(meta_graph):
        nodes = {node.name: node for node in meta_graph.graph_def.node}
        (asset,) = meta_graph.asset_file_def
        own = asset.tensor_info.name.split(":")[0]
        assign = next(
            node
            for node in nodes.values()
            if node.op == "AssignVariableOp" and own in node.input
        )
        handle = nodes[assign.input[0]]
        handle.attr["shared_name"].s = b""
        twin, again = meta_graph.graph_def.node.add(), meta_graph.graph_def.node.add()
        twin.CopyFrom(handle)
        again.CopyFrom(assign)
        twin.name, again.name = "twin", "again"
        again.input[0], again.input[1] = "twin", "other"
        meta_graph.graph_def.node.add(name="other", op="Const")

    assert "reads a file that is no asset of the model" in edited(colors, write_its_twin)


def test_a_list_of_arguments_hides_no_file(colors):
    def call_with_a_list(meta_graph):
        # a list of two tensors and the path: the third input of the call
        function = meta_graph.graph_def.library.function.add()
        function.signature.name = "fill"
        function.signature.input_arg.add(name="list", number_attr="N")
        function.signature.input_arg.add(name="path", type=types_pb2.DT_STRING)
        table = function.node_def.add(name="t", op="InitializeTableFromTextFileV2")
        table.input.extend(["list", "path"])
        (asset,) = meta_graph.asset_file_def
        own = asset.tensor_info.name.split(":")[0]
        call = meta_graph.graph_def.node.add(name="call", op="fill")
        call.input.extend(["other", own, "other"])
        meta_graph.graph_def.node.add(name="other", op="Const")

    assert "(fill/t) reads a file that is no asset of the model" in edited(
        colors, call_with_a_list
    )


def test_a_function_must_not_be_called_like_an_operation(colors):
    def replace_identity(meta_graph):
        function = meta_graph.graph_def.library.function.add()
        function.signature.name = "Identity"

    assert edited(colors, replace_identity) == (
        "Identity (Identity) is a function with the name of an operation"
    )


def test_a_name_must_stand_for_one_thing(colors):
    def double(meta_graph):
        library = meta_graph.graph_def.library.function
        library.add().CopyFrom(library[0])
        meta_graph.graph_def.node.add().CopyFrom(meta_graph.graph_def.node[0])

    first, second = edited(colors, double).splitlines()
    assert first.endswith("is the name of 2 nodes")
    assert second.endswith("is the name of 2 functions")


def test_a_function_that_is_passed_on_is_found_too():
    meta_graph = meta_graph_with("StatefulPartitionedCall")
    meta_graph.graph_def.node[0].attr["f"].func.name = "WriteFile"
    assert texts(meta_graph) == ["WriteFile (n) writes files"]


def test_tensors_beside_the_init_op_are_a_requests(colors):
    # TensorFlow Serving has it among the signatures: a request can fetch from it.
    def add_an_output(meta_graph):
        init = meta_graph.signature_def[INIT_SIGNATURE]
        own = init.outputs[INIT_SIGNATURE].name
        init.outputs["again"].name = own
        init.outputs["again"].dtype = types_pb2.DT_STRING

    assert "reads files, and a signature leads to it" in edited(colors, add_an_output)


def test_parts_of_a_sparse_output_are_a_requests(colors):
    def fetch_sparsely(meta_graph):
        init = meta_graph.signature_def[INIT_SIGNATURE].outputs[INIT_SIGNATURE].name
        output = meta_graph.signature_def["serving_default"].outputs["index"]
        output.coo_sparse.indices_tensor_name = init

    assert "reads files, and a signature leads to it" in edited(colors, fetch_sparsely)


def test_only_restoring_gets_the_path_of_the_variables(tmp_path):
    def restore_again(meta_graph):
        init = meta_graph.signature_def[INIT_SIGNATURE].outputs[INIT_SIGNATURE]
        init.name = meta_graph.saver_def.restore_op_name

    folder = serving_models.make_half_plus_two(tmp_path)
    assert "reads files after the variables are restored" in edited(folder, restore_again)


def test_only_initializing_gets_the_paths_of_assets(colors):
    def fill_while_restoring(meta_graph):
        init = meta_graph.signature_def[INIT_SIGNATURE].outputs[INIT_SIGNATURE].name
        meta_graph.saver_def.restore_op_name = init

    assert "reads a file before the assets are known" in edited(
        colors, fill_while_restoring
    )


WARM_UP = "assets.extra/tf_serving_warmup_requests"


@pytest.mark.parametrize(
    "place", ["saved_model.pb", "assets", "assets/a", "variables/b", WARM_UP]
)
def test_a_link_out_of_the_folder_is_refused(colors, tmp_path, place):
    path, outside = colors / place, tmp_path / "outside"
    if path.exists():
        shutil.move(path, outside)
    else:
        outside.write_text("secret")
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(outside)
    with pytest.raises(ServingError) as caught:
        Graph(colors)
    assert caught.value.code is Code.PERMISSION_DENIED
    assert caught.value.message == (
        f"{path} is a link that leads out of the folder of its version, to {outside}; put"
        " the file itself there"
    )


@pytest.mark.parametrize("place", ["saved_model.pb", "assets/a", WARM_UP])
def test_a_pipe_is_refused_and_not_opened(colors, place):
    path = colors / place
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    assert fingerprint(colors) == ""
    with pytest.raises(ServingError, match=f"{path} is no regular file") as caught:
        Graph(colors)
    assert caught.value.code is Code.PERMISSION_DENIED


def test_links_to_the_folder_and_inside_it_are_followed(colors, tmp_path):
    (colors / "saved_model.pb").rename(colors / "graph")
    (colors / "saved_model.pb").symlink_to("graph")
    (tmp_path / "link").symlink_to(colors)
    assert looked_up(tmp_path / "link") == [1, -1, 2]


def test_what_was_checked_is_what_is_loaded(colors, tmp_path):
    saved = read_graph(colors)
    shutil.copy(serving_models.make_writing(tmp_path / "w") / "saved_model.pb", colors)
    graph = Graph(saved)
    assert list(graph.signatures["serving_default"].inputs) == ["color"]
    graph.close()


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
