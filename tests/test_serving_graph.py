"""A loaded SavedModel: what it answers, and how it fails."""

import gc
import logging
import shutil
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import serving_models
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf import saved_model_pb2

from kerasnn.serving.errors import Code, ServingError
from kerasnn.serving.models.warm_up import prepare, try_signatures
from kerasnn.serving.saved_model import graph as graph_module
from kerasnn.serving.saved_model.graph import Graph, make_call
from kerasnn.serving.saved_model.signatures import CLASSIFY, PREDICT, REGRESS, TensorInfo


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A function that makes a model once, and loads it once."""
    folder = tmp_path_factory.mktemp("models")
    graphs = {}

    def make(name):
        if name not in graphs:
            graphs[name] = Graph(getattr(serving_models, f"make_{name}")(folder / name))
        return graphs[name]

    yield make
    for graph in graphs.values():
        graph.close()


def run(graph, key="serving_default", outputs=None, **inputs):
    signature = graph.signatures[key]
    return graph.run(signature, inputs, outputs or tuple(signature.outputs))


def floats(*values):
    return np.array(values, np.float32)


def error_of(call, *args, **kwargs):
    """Code, and the first line of the message: TensorFlow adds where it was."""
    with pytest.raises(ServingError) as caught:
        call(*args, **kwargs)
    return caught.value.code, caught.value.message.split("\n")[0]


# --- answers ----------------------------------------------------------------------


def test_half_plus_two_is_half_plus_two(made):
    graph = made("half_plus_two")
    y = run(graph, x=floats(1, 2, 5))["y"]
    assert y.tolist() == [2.5, 3.0, 4.5]
    assert y.dtype == np.float32


@pytest.mark.parametrize(
    ("key", "output", "values"),
    [
        ("regress_x_to_y", "outputs", [[3.0], [12.0]]),
        ("regress_x_to_y2", "outputs", [[4.0], [13.0]]),
        ("classify_x_to_y", "scores", [[3.0], [12.0]]),
    ],
)
def test_examples_are_parsed_in_the_graph(made, key, output, values):
    examples = [serving_models.example(x=x) for x in (2.0, 20.0)]
    outputs = run(made("half_plus_two"), key, inputs=np.array(examples, object))
    assert {name: array.tolist() for name, array in outputs.items()} == {output: values}


def test_the_signatures_are_those_of_the_file(made):
    graph = made("half_plus_two")
    methods = {key: one.method_name for key, one in graph.signatures.items()}
    assert methods == {
        "serving_default": PREDICT,
        "regress_x_to_y": REGRESS,
        "regress_x_to_y2": REGRESS,
        "regress_x2_to_y3": REGRESS,
        "classify_x_to_y": CLASSIFY,
        "classify_x2_to_y3": CLASSIFY,
    }
    assert graph.signature_defs.keys() == graph.signatures.keys()
    x = graph.signatures["serving_default"].inputs["x"]
    assert (x.alias, x.tensor, x.dtype, x.shape) == ("x", "x:0", tf.float32, (-1,))
    assert graph.signature_defs["serving_default"].inputs["x"].name == "x:0"


@pytest.mark.parametrize("name", serving_models.DTYPES)
@pytest.mark.parametrize("shape", [(), (2,), (0,), (2, 3)], ids=str)
def test_every_type_comes_back_as_it_went(made, name, shape):
    dtype = serving_models.DTYPES[name].as_numpy_dtype
    x = np.arange(int(np.prod(shape))).reshape(shape)
    x = x.astype("S1").astype(object) if name == "string" else x.astype(dtype)
    y = run(made("types"), name, x=x)["y"]
    assert isinstance(y, np.ndarray)
    assert (y.dtype, y.shape, y.tolist()) == (x.dtype, x.shape, x.tolist())


def test_strings_are_bytes_of_any_kind(made):
    several = [b"", b"\xff\x00\xfe", "Zürich".encode(), b"tail\x00"]
    x = np.array([*several, None], object)[:-1]
    assert run(made("types"), "string", x=x)["y"].tolist() == several


def test_a_model_without_inputs_counts(tmp_path):
    graph = Graph(serving_models.make_counter(tmp_path))
    counts = [
        run(graph, "incr_counter")["output"],
        run(graph, "incr_counter")["output"],
        run(graph, "incr_counter_by", delta=np.float32(3))["output"],
        run(graph, "get_counter")["output"],
        run(graph, "reset_counter")["output"],
    ]
    assert [(count.shape, float(count)) for count in counts] == [
        ((), value) for value in (1.0, 2.0, 5.0, 5.0, 0.0)
    ]
    graph.close()


def test_only_the_wanted_outputs_are_given(made):
    inputs = {
        "count": np.array([3, 4]),
        "city": np.array([b"Oslo", b"Rome"], object),
        "age": floats(1, 2),
    }
    graph = made("columns")
    assert run(graph, **inputs).keys() == {"label", "score", "raw_bytes"}
    some = run(graph, outputs=("score", "label"), **inputs)
    assert {name: array.tolist() for name, array in some.items()} == {
        "label": [b"Oslo 3", b"Rome 4"],
        "score": [[1.0, 3.0], [2.0, 4.0]],
    }


@pytest.mark.parametrize(
    "x",
    [
        np.broadcast_to(np.float32(1), (3, 64)),
        np.ones((64, 6), np.float32).T[::2],
        np.ones((3, 64), np.float32, order="F"),
    ],
    ids=["one value repeated", "every second column", "by columns"],
)
def test_an_array_need_not_lie_in_one_piece(made, x):
    graph = made("dense")
    assert np.array_equal(
        run(graph, x=x)["probabilities"],
        run(graph, x=np.ones((3, 64), np.float32))["probabilities"],
    )


def test_no_rows_are_answered_with_no_rows(made):
    y = run(made("dense"), x=np.zeros((0, 64), np.float32))["probabilities"]
    assert y.shape == (0, 10)


def test_threads_may_call_at_the_same_time(made):
    graph = made("dense")
    x = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    alone = [run(graph, x=x[i : i + 1])["probabilities"] for i in range(64)]
    with ThreadPoolExecutor(8) as threads:
        together = threads.map(lambda i: run(graph, x=x[i : i + 1]), range(64))
        for one, other in zip(alone, together, strict=True):
            assert np.array_equal(one, other["probabilities"])


@pytest.mark.slow
def test_other_threads_run_meanwhile(made):
    graph = made("slow")
    steps = np.array([200_000], np.int32)
    thread = threading.Thread(target=lambda: run(graph, steps=steps, x=floats(0)))
    thread.start()
    turns = 0
    while thread.is_alive():
        turns += 1
    assert turns > 1000  # of Python's, while the graph was computed


def test_several_signatures_are_computed_in_one_call(made):
    graph = made("half_plus_two")
    one, two = (graph.signatures[key] for key in ("regress_x_to_y", "classify_x_to_y"))
    example = np.array([serving_models.example(x=2.0)], object)
    y, same = graph.run_tensors(
        {one.inputs["inputs"].tensor: example},
        [one.outputs["outputs"].tensor, two.outputs["scores"].tensor],
    )
    assert y.tolist() == same.tolist() == [[3.0]]


# --- calls ------------------------------------------------------------------------


class SessionWithoutCallables:
    """As TensorFlow may be one day."""

    def __init__(self, session):
        self.run = session.run


def test_without_callables_the_session_answers_the_same(made, monkeypatch):
    graph = made("columns")
    signature = graph.signatures["serving_default"]
    feeds = [info.tensor for info in signature.inputs.values()]
    fetches = [info.tensor for info in signature.outputs.values()]
    arrays = {
        "age": floats(1, 2),
        "city": np.array([b"Oslo", b"\xff"], object),
        "count": np.array([3, 4]),
    }
    values = [arrays[alias] for alias in signature.inputs]
    fast = make_call(graph._session, feeds, fetches)
    slow = make_call(SessionWithoutCallables(graph._session), feeds, fetches)
    for one, other in zip(fast(*values), slow(*values), strict=True):
        assert (one.dtype, one.tolist()) == (other.dtype, other.tolist())


@pytest.fixture
def calls(monkeypatch):
    """The calls that are made, by what they fetch."""
    made = []

    def make(session, feeds, fetches, **limit):
        made.append(fetches)
        return make_call(session, feeds, fetches)

    monkeypatch.setattr(graph_module, "make_call", make)
    return made


def test_whatever_the_order_of_a_client_there_is_one_call(tmp_path, calls):
    graph = Graph(serving_models.make_columns(tmp_path))
    graph.prepare(graph.signatures["serving_default"])
    age, city, count = floats(1), np.array([b"a"], object), np.array([1])
    for inputs in (
        {"age": age, "city": city, "count": count},
        {"count": count, "age": age, "city": city},
    ):
        for outputs in (("label", "score", "raw_bytes"), ("score", "raw_bytes", "label")):
            run(graph, outputs=outputs, **inputs)
    assert len(calls) == 1
    graph.close()


def test_no_more_than_a_number_of_calls_are_kept(tmp_path, calls, monkeypatch):
    monkeypatch.setattr(graph_module, "_MAX_CALLS", 2)
    graph = Graph(serving_models.make_columns(tmp_path))
    inputs = {"age": floats(1), "city": np.array([b"a"], object), "count": np.array([1])}
    for output in ("label", "score", "raw_bytes", "raw_bytes", "label"):
        run(graph, outputs=(output,), **inputs)
    assert len(calls) == 4  # the first had to go
    assert len(graph._calls) == 2
    graph.close()


# --- errors -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 64)), "Type mismatch: actual double vs. expect float"),
        (np.zeros((1, 64), np.int32), "Type mismatch: actual int32 vs. expect float"),
        (
            np.array([[b"a"] * 64], object),
            "Type mismatch: actual string vs. expect float",
        ),
    ],
    ids=["double", "int32", "string"],
)
def test_what_does_not_fit_is_told_by_the_operation(made, x, message):
    assert error_of(run, made("dense"), x=x) == (Code.INVALID_ARGUMENT, message)


@pytest.mark.parametrize(
    ("shape", "given"),
    [
        ((), "[]"),
        ((64,), "[64]"),
        ((1, 63), "[1, 63]"),
        ((1, 0), "[1, 0]"),
        ((0, 63), "[0, 63]"),
        ((1, 1, 64), "[1, 1, 64]"),
    ],
)
def test_another_rank_or_size_never_reaches_the_graph(made, monkeypatch, shape, given):
    graph = made("dense")
    monkeypatch.setattr(graph, "run_tensors", None)
    assert error_of(run, graph, x=np.zeros(shape, np.float32)) == (
        Code.INVALID_ARGUMENT,
        f"input x must be [rows, 64]; got {given}",
    )


def test_no_rows_are_rows(made):
    y = run(made("dense"), x=np.zeros((0, 64), np.float32))["probabilities"]
    assert y.shape == (0, 10)


@pytest.mark.parametrize("shape", [(), (3, 1), (2, 0, 2)])
def test_a_graph_that_only_combines_elements_takes_any_shape(made, shape):
    # TensorFlow Serving's first example sends [3] for [-1, 1].
    y = run(made("half_plus_two"), x=np.full(shape, 2, np.float32))["y"]
    assert (y.shape, set(y.reshape(-1).tolist())) == (shape, {3.0} if y.size else set())


def test_the_error_of_a_shape_names_what_is_open():
    info = TensorInfo("image", "image:0", tf.float32, (-1, 32, -1, 3))
    told = "input image must be [rows, 32, any, 3]; got [1, 0]"
    assert info.shape_error((1, 0)).message == told
    info = TensorInfo("pair", "pair:0", tf.float32, (2, 3))
    assert info.shape_error(()).message == "input pair must be [2, 3]; got []"


def test_an_input_that_is_not_given_is_told(made):
    assert error_of(run, made("dense")) == (
        Code.INVALID_ARGUMENT,
        "You must feed a value for placeholder tensor 'serving_default_x' with dtype float"
        " and shape [?,64]",
    )


def test_names_that_are_not_of_the_signature_are_told(made):
    graph, x = made("dense"), np.zeros((1, 64), np.float32)
    assert error_of(run, graph, x=x, b=x, a=x) == (
        Code.INVALID_ARGUMENT,
        "the inputs of the signature serving_default are {x}; got {a,b}",
    )
    assert error_of(run, graph, outputs=("y", "probabilities"), x=x) == (
        Code.INVALID_ARGUMENT,
        "the outputs of the signature serving_default are {probabilities}; got {y}",
    )


def test_an_example_that_is_none_is_the_clients_fault(made):
    wrong = np.array([b"\xff\xff no example"], object)
    code, message = error_of(run, made("classifier"), "classify", inputs=wrong)
    assert code is Code.INVALID_ARGUMENT
    assert message == "Could not parse example input, value: '\ufffd\ufffd no example'"


def test_a_closed_graph_says_so(tmp_path):
    graph = Graph(serving_models.make_half_plus_two(tmp_path))
    graph.close()
    graph.close()
    assert error_of(run, graph, x=floats(1)) == (
        Code.CANCELLED,
        "Session has been closed.",
    )


def test_closing_cancels_what_runs(tmp_path):
    graph = Graph(serving_models.make_slow(tmp_path))
    graph.prepare(graph.signatures["serving_default"])
    with ThreadPoolExecutor(1) as threads:
        steps = np.array([2**31 - 1], np.int32)  # over an hour
        running = threads.submit(run, graph, steps=steps, x=floats(0))
        time.sleep(0.2)
        graph.close()
        assert error_of(running.result)[0] is Code.CANCELLED


# --- loading ----------------------------------------------------------------------


def test_a_folder_without_a_saved_model_is_not_found(tmp_path):
    assert error_of(Graph, tmp_path) == (
        Code.NOT_FOUND,
        "Could not find SavedModel .pb or .pbtxt at supplied export directory path:"
        f" {tmp_path}",
    )


def test_half_a_file_is_damaged(tmp_path):
    folder = serving_models.make_broken(tmp_path)
    code, message = error_of(Graph, folder)
    assert code is Code.DATA_LOSS
    assert message.startswith(f"{folder}/saved_model.pb cannot be read: ")


def test_an_empty_file_has_no_graph_for_serving(tmp_path):
    (tmp_path / "saved_model.pb").touch()
    assert error_of(Graph, tmp_path) == (
        Code.NOT_FOUND,
        "Could not find meta graph def matching supplied tags: { serve }. To inspect"
        " available tag-sets in the SavedModel, please use the SavedModel CLI:"
        f" `saved_model_cli`; in {tmp_path}/saved_model.pb",
    )


def test_a_saved_model_without_its_variables_does_not_load(tmp_path):
    folder = serving_models.make_dense(tmp_path)
    shutil.rmtree(folder / "variables")
    code, message = error_of(Graph, folder)
    assert code is Code.DATA_LOSS
    assert message.startswith("the SavedModel cannot be loaded: ")


def test_variables_that_were_cut_off_do_not_load(tmp_path):
    folder = serving_models.make_dense(tmp_path)
    (data,) = (folder / "variables").glob("*.data*")
    data.write_bytes(data.read_bytes()[:100])
    assert error_of(Graph, folder)[0] in (Code.OUT_OF_RANGE, Code.DATA_LOSS)


def test_a_saved_model_as_text_is_loaded_too(tmp_path):
    folder = serving_models.make_half_plus_two(tmp_path)
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    (folder / "saved_model.pbtxt").write_text(text_format.MessageToString(saved))
    (folder / "saved_model.pb").unlink()
    graph = Graph(folder)
    assert run(graph, x=floats(1))["y"].tolist() == [2.5]
    graph.close()
    (folder / "saved_model.pbtxt").write_text("meta_graphs {")
    code, message = error_of(Graph, folder)
    assert code is Code.DATA_LOSS
    assert message.startswith(f"{folder}/saved_model.pbtxt cannot be read: ")


def test_operations_that_write_are_refused_unless_trusted(tmp_path):
    target = tmp_path / "written"
    folder = serving_models.make_writing(tmp_path, target=str(target))
    with pytest.raises(ServingError) as caught:
        Graph(folder)
    assert caught.value.code is Code.PERMISSION_DENIED
    function = caught.value.message.split("(")[1].split("/")[0]
    assert caught.value.message == (
        "the graph holds operations that are not run: WriteFile"
        f" ({function}/WriteFile) writes files; if you trust the model,"
        " allow=('WriteFile',) allows them"
    )
    graph = Graph(folder, allow=("WriteFile",))
    assert not target.exists()
    assert run(graph, x=floats(1))["y"].tolist() == [1.0]
    assert target.read_text() == "written"
    graph.close()


def test_loading_logs_nothing(tmp_path, caplog):
    caplog.set_level(logging.DEBUG, "tensorflow")
    level = tf.get_logger().level
    Graph(serving_models.make_counter(tmp_path)).close()
    assert caplog.records == []
    assert tf.get_logger().level == level


def test_a_closed_graph_leaves_no_memory(tmp_path):
    graph = Graph(serving_models.make_half_plus_two(tmp_path))
    run(graph, x=floats(1))
    left = [weakref.ref(graph._graph), weakref.ref(graph._session)]
    graph.close()
    del graph
    gc.collect()
    assert [one() for one in left] == [None, None]


def test_a_convolution_says_the_rank_that_the_signature_does_not(tmp_path):
    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, name="image")])
        def serve(self, image):
            kernel = tf.ones([2, 2, 3, 1])
            return {
                "y": tf.nn.conv2d(tf.cast(image, tf.float32) / 255.0, kernel, 1, "SAME")
            }

    module = Module()
    graph = Graph(serving_models.save(module, tmp_path, 1, serving_default=module.serve))
    assert run(graph, image=np.ones((1, 4, 4, 3), np.float32))["y"].shape == (1, 4, 4, 1)
    for shape, given in (((), "[]"), ((1, 0), "[1, 0]"), ((1,) * 5, "[1, 1, 1, 1, 1]")):
        assert error_of(run, graph, image=np.ones(shape, np.float32)) == (
            Code.INVALID_ARGUMENT,
            f"input image must be [rows, any, any, any]; got {given}",
        )
    graph.close()


def test_outputs_that_are_no_tensors_of_values_are_named(tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None], name="x")
        table = tf.raw_ops.EmptyTensorList(
            element_shape=tf.constant([], tf.int32),
            max_num_elements=3,
            element_dtype=tf.float32,
        )
        outputs = {
            "ragged": tf.RaggedTensor.from_row_lengths(x, tf.shape(x)),
            "sparse": tf.sparse.from_dense(x),
            "variant": table,
            "y": x + 1.0,
        }
        signatures = {"serving_default": (serving_models.PREDICT, {"x": x}, outputs)}
        graph = Graph(serving_models._build(session, tmp_path, 1, signatures))
    prepare(graph)
    try_signatures(graph)
    signature = graph.signatures["serving_default"]
    inputs = {"x": np.ones(2, np.float32)}
    for name, kind in (
        ("ragged", "a composite tensor, such as a ragged one"),
        ("sparse", "a sparse tensor"),
        ("variant", "a variant"),
    ):
        with pytest.raises(ServingError) as caught:
            graph.run(signature, inputs, [name])
        assert caught.value.code is Code.INVALID_ARGUMENT
        assert caught.value.message == (
            f"the output {name} of the signature serving_default is {kind}, for which"
            " requests and answers have no form; ask another signature"
        )
    assert graph.run(signature, inputs, ["y"])["y"].tolist() == [2.0, 2.0]
    graph.close()
