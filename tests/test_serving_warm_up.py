"""Requests that a version answers before it is published."""

import keras
import numpy as np
import pytest
import serving_models
import tensorflow as tf
from google.protobuf import text_format
from serving_models import example, predict_log, write_warm_up
from tensorflow_serving.apis import prediction_log_pb2

from kerasnn.graphs.program import INIT_SIGNATURE
from kerasnn.serving.errors import Code, ServingError
from kerasnn.serving.models import warm_up as warm_up_module
from kerasnn.serving.models.warm_up import prepare, try_signatures, warm_up
from kerasnn.serving.saved_model.graph import Graph


@pytest.fixture
def loaded(tmp_path):
    """A function that loads a model: its folder, its graph, and the calls of its graph."""
    graphs = []

    def load(make):
        folder = make(tmp_path)
        graph = Graph(folder)
        graphs.append(graph)
        calls = []
        run_tensors = graph.run_tensors

        def listen(feeds, fetches, **limit):
            calls.append((sorted(feeds), list(fetches)))
            return run_tensors(feeds, fetches, **limit)

        graph.run_tensors = listen
        return folder, graph, calls

    yield load
    for graph in graphs:
        graph.close()


def error_of(graph, folder):
    with pytest.raises(ServingError) as caught:
        warm_up(graph, folder)
    return caught.value.code, caught.value.message.split("\n")[0]


def log_of(text):
    return text_format.Parse(text, prediction_log_pb2.PredictionLog())


def examples_log(kind, signature, *several, **attributes):
    """A Classify or Regress request of tf.Examples."""
    log = prediction_log_pb2.PredictionLog()
    request = getattr(log, kind).request
    request.model_spec.signature_name = signature
    for one in several:
        request.input.example_list.examples.append(tf.train.Example.FromString(one))
    return log


def multi_log(*signatures):
    log = prediction_log_pb2.PredictionLog()
    request = log.multi_inference_log.request
    for name in signatures:
        task = request.tasks.add(method_name=serving_models.REGRESS)
        task.model_spec.signature_name = name
    request.input.example_list.examples.append(tf.train.Example.FromString(example(x=1.0)))
    return log


# --- without a file ---------------------------------------------------------------


def test_without_a_file_nothing_is_run(loaded):
    folder, graph, calls = loaded(serving_models.make_counter)
    prepare(graph)
    assert warm_up(graph, folder) == 0
    assert calls == []
    (count,) = graph.run(graph.signatures["get_counter"], {}, ("output",)).values()
    assert count == 0.0


def test_what_is_prepared_need_not_be_made(loaded, monkeypatch):
    _, graph, _ = loaded(serving_models.make_half_plus_two)
    prepare(graph)
    monkeypatch.setattr("kerasnn.serving.saved_model.graph.make_call", None)
    for key, x in (
        ("serving_default", {"x": np.ones(1, np.float32)}),
        ("classify_x_to_y", {"inputs": np.array([example(x=1.0)], object)}),
    ):
        signature = graph.signatures[key]
        graph.run(signature, x, tuple(signature.outputs))


def test_a_signature_that_names_nothing_is_left_to_its_requests(tmp_path):
    folder = serving_models.make_half_plus_two(tmp_path)
    path = folder / "saved_model.pb"
    assert path.read_bytes().count(b"y3:0") == 1
    path.write_bytes(path.read_bytes().replace(b"y3:0", b"y9:0"))
    graph = Graph(folder)
    prepare(graph)
    with pytest.raises(ServingError) as caught:
        graph.prepare(graph.signatures["regress_x2_to_y3"])
    assert caught.value.code is Code.INVALID_ARGUMENT
    graph.close()


# --- made-up requests ---------------------------------------------------------------


def make_keras(folder, *layers):
    """A Keras model in the form that no runtime of SavedModels can use."""
    model = keras.Sequential([keras.Input((None, 2), name="x"), *layers])
    tf.saved_model.save(model, folder / "1")
    return folder / "1"


@pytest.fixture
def quiet():
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    yield
    logger.setLevel(level)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("kind", ["Dense", "SimpleRNN"])
def test_a_dead_keras_save_is_told_at_once_with_the_way_out(loaded, kind):
    _, graph, _ = loaded(lambda folder: make_keras(folder, getattr(keras.layers, kind)(3)))
    assert not graph.may_never_end
    with pytest.raises(ServingError) as caught:
        try_signatures(graph)
    assert caught.value.code is Code.FAILED_PRECONDITION
    assert caught.value.message.startswith(
        "the signature serving_default cannot work: Could not find variable "
    )
    assert caught.value.message.endswith("use model.export(folder)")


def test_each_signature_is_tried_once(loaded):
    _, graph, calls = loaded(serving_models.make_columns)
    try_signatures(graph)
    (only,) = calls
    assert sorted(only[0]) == [
        f"serving_default_{name}:0" for name in ("age", "city", "count")
    ]


def test_an_error_of_made_up_values_says_nothing(loaded):
    """An empty text is no tf.Example with the feature x."""
    _, graph, calls = loaded(serving_models.make_classifier)
    try_signatures(graph)
    assert len(calls) == len(graph.signatures) - (INIT_SIGNATURE in graph.signatures)


def test_what_changes_state_or_may_loop_is_not_run(loaded):
    _, graph, calls = loaded(serving_models.make_counter)
    assert graph.changing == {"incr_counter", "incr_counter_by", "reset_counter"}
    try_signatures(graph)
    assert len(calls) == 1  # get_counter
    (count,) = graph.run(graph.signatures["get_counter"], {}, ("output",)).values()
    assert count == 0.0


@pytest.mark.parametrize("kind", ["slow", "types"], ids=["a loop", "inputs of any rank"])
def test_what_may_not_end_well_is_not_run(loaded, kind):
    _, graph, calls = loaded(getattr(serving_models, f"make_{kind}"))
    try_signatures(graph)
    assert calls == []


def test_a_model_with_a_good_signature_stays(loaded, monkeypatch, caplog):
    _, graph, _ = loaded(serving_models.make_half_plus_two)
    run = graph.run

    def fail(signature, inputs, outputs):
        if signature.key == "regress_x_to_y":
            raise ServingError(Code.FAILED_PRECONDITION, "Table not initialized.\n[[node]]")
        return run(signature, inputs, outputs)

    monkeypatch.setattr(graph, "run", fail)
    try_signatures(graph)
    assert caplog.messages == [
        "the signature regress_x_to_y cannot work: Table not initialized."
    ]


# --- a file -----------------------------------------------------------------------


def test_requests_of_each_kind_are_played_in_order(loaded):
    folder, graph, calls = loaded(serving_models.make_half_plus_two)
    write_warm_up(
        folder,
        predict_log("half_plus_two", x=np.array([1.0, 2.0], np.float32)),
        predict_log("", "regress_x2_to_y3", inputs=np.array([1.0], np.float32)),
        examples_log("classify_log", "classify_x_to_y", example(x=1.0), example(x=2.0)),
        examples_log("regress_log", "regress_x_to_y2", example(x=1.0)),
        multi_log("regress_x_to_y", "regress_x_to_y2"),
        prediction_log_pb2.PredictionLog(),
    )
    assert warm_up(graph, folder) == 6
    assert calls == [
        (["x:0"], ["add:0"]),
        (["x2:0"], ["y3:0"]),
        (["examples:0"], ["y_of_examples:0"]),
        (["examples:0"], ["y2:0"]),
        (["examples:0"], ["y2:0", "y_of_examples:0"]),
    ]


def test_the_default_signature_needs_no_name(loaded):
    folder, graph, calls = loaded(serving_models.make_dense)
    write_warm_up(folder, predict_log("any name", x=np.zeros((2, 64), np.float32)))
    assert warm_up(graph, folder) == 1
    assert len(calls) == 1


def test_a_thousand_requests_are_played_and_no_more(loaded, monkeypatch):
    assert warm_up_module.MAX_RECORDS == 1000
    monkeypatch.setattr(warm_up_module, "MAX_RECORDS", 3)
    folder, graph, _ = loaded(serving_models.make_half_plus_two)
    log = predict_log("half_plus_two", x=np.array([1.0], np.float32))
    write_warm_up(folder, *[log] * 3)
    assert warm_up(graph, folder) == 3
    path = write_warm_up(folder, *[log] * 4)
    assert error_of(graph, folder) == (
        Code.INVALID_ARGUMENT,
        f"Number of warmup records exceeds the maximum (3) at {path}",
    )


@pytest.mark.parametrize(
    ("log", "code", "message"),
    [
        (
            predict_log("", x=[1.0], a=[1.0]),
            Code.INVALID_ARGUMENT,
            "the inputs of the signature serving_default are {x}; got {a,x}",
        ),
        (
            predict_log("", "serve", x=[1.0]),
            Code.INVALID_ARGUMENT,
            'Serving signature name: "serve" not found in signature def',
        ),
        (
            predict_log("", x=["text"]),
            Code.INVALID_ARGUMENT,
            "Type mismatch: actual string vs. expect float",
        ),
        (
            examples_log("classify_log", "serving_default", example(x=1.0)),
            Code.INVALID_ARGUMENT,
            "the signature serving_default must have the one input inputs to take"
            " tf.Examples; got {x}",
        ),
        (
            log_of("session_run_log {}"),
            Code.UNIMPLEMENTED,
            "Unsupported log_type for warmup: session_run_log",
        ),
        (
            log_of("predict_streamed_log {}"),
            Code.UNIMPLEMENTED,
            "Unsupported log_type for warmup: predict_streamed_log",
        ),
    ],
    ids=["inputs", "signature", "type", "no examples", "session run", "streamed"],
)
def test_a_request_that_fails_is_told_with_its_place(loaded, log, code, message):
    folder, graph, _ = loaded(serving_models.make_half_plus_two)
    good = predict_log("", x=np.array([1.0], np.float32))
    path = write_warm_up(folder, good, log)
    assert error_of(graph, folder) == (code, f"warmup record 2 of {path}: {message}")


def test_a_record_that_is_no_request_is_told(loaded):
    folder, graph, _ = loaded(serving_models.make_half_plus_two)
    path = write_warm_up(folder)
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"\xff\xff")
    assert error_of(graph, folder) == (
        Code.INVALID_ARGUMENT,
        f"Failed to parse warmup record 1 from {path}",
    )


@pytest.mark.parametrize("damage", ["cut off", "overwritten"])
def test_a_file_that_is_damaged_is_told(loaded, damage):
    folder, graph, _ = loaded(serving_models.make_half_plus_two)
    path = write_warm_up(folder, predict_log("", x=np.array([1.0], np.float32)))
    content = path.read_bytes()
    path.write_bytes(content[:-3] if damage == "cut off" else b"x" * len(content))
    code, message = error_of(graph, folder)
    assert code is Code.DATA_LOSS
    assert message.startswith(f"{path} cannot be read: ")
