"""The gRPC services, over a real server: what TensorFlow Serving's own tests ask of them.

The cases are those of model_servers/tensorflow_model_server_test.py and of the tests in
servables/tensorflow, on models made here.
"""

import asyncio
import logging
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread

import grpc
import numpy as np
import pytest
import serving_models
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    input_pb2,
    model_management_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from kerasnn.serving.errors import Code
from kerasnn.serving.grpc.services import add_services
from kerasnn.serving.inference.scheduler import BatchingOptions, Scheduler
from kerasnn.serving.models.registry import ModelRegistry
from kerasnn.serving.models.sources import ModelSource
from kerasnn.serving.options import Limits
from kerasnn.serving.service import Service

TIMEOUT = 20.0
NAMES = ["half_plus_two", "classifier", "counter", "columns", "types", "slow", "dense"]
SIZES = [
    ("grpc.max_receive_message_length", 2**31 - 1),
    ("grpc.max_send_message_length", 2**31 - 1),
]


class Seen:
    """Metrics that keep what they were told."""

    def __init__(self):
        self.requests = []

    def observe_request(self, *, model, api, entrypoint, status, seconds):
        self.requests.append((model, api, entrypoint, status))

    def observe_runtime(self, **told):
        pass


class Server:
    """A server in the event loop of a thread of its own, and stubs to ask it."""

    def __init__(self, models, limits, *, waiting=100):
        self.models = models
        self.metrics = Seen()
        self._limits = limits
        self._waiting = waiting

    @contextmanager
    def running(self):
        started = Future()
        thread = Thread(target=lambda: asyncio.run(self._serve(started)))
        thread.start()
        port = started.result(TIMEOUT)
        with grpc.insecure_channel(f"127.0.0.1:{port}", SIZES) as channel:
            self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            self.model = model_service_pb2_grpc.ModelServiceStub(channel)
            self.health = health_pb2_grpc.HealthStub(channel)
            yield self
        self.do(self._set_stopping)
        thread.join()

    async def _serve(self, started):
        self.loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self.inference = Scheduler(batching=BatchingOptions(), waiting=self._waiting)
        self.inference.start()
        server = grpc.aio.server(options=SIZES)
        service = Service(self.models, self.inference, self.metrics, self._limits)
        self.servicer = add_services(server, service)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        started.set_result(port)
        await self._stopping.wait()
        await server.stop(None)
        await self.inference.stop()

    async def _set_stopping(self):
        self._stopping.set()

    def do(self, function):
        """What a coroutine function gives in the server's event loop."""
        return asyncio.run_coroutine_threadsafe(function(), self.loop).result(TIMEOUT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name in NAMES:
        getattr(serving_models, f"make_{name}")(folder / name)
    serving_models.make_half_plus_two(folder / "half_plus_two", 2, two=3.0)
    return folder


@pytest.fixture(scope="module")
def models(folder):
    sources = {name: ModelSource(folder / name, latest=2) for name in NAMES}
    sources["half_plus_two"] = ModelSource(
        folder / "half_plus_two", latest=2, labels={"old": 1}
    )
    models = ModelRegistry(sources)
    models.refresh()
    yield models
    models.stop()


@pytest.fixture(scope="module")
def server(models):
    with Server(models, Limits(rows=100_000)).running() as server:
        yield server


def error_of(call, request, **options):
    """The code and the text that a client gets."""
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=TIMEOUT, **options)
    return caught.value.code().name, caught.value.details()


def asking(name="half_plus_two", signature="", outputs=(), **inputs):
    """A PredictRequest; inputs are TensorProtos or values."""
    request = predict_pb2.PredictRequest(output_filter=outputs)
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    for alias, values in inputs.items():
        if not isinstance(values, tensor_pb2.TensorProto):
            values = tf.make_tensor_proto(values)
        request.inputs[alias].CopyFrom(values)
    return request


def scalar(value, dtype=tf.float32):
    """A TensorProto as C++ clients make it: no shape, one value."""
    return tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum, float_val=[value])


def spec(name="half_plus_two", signature="serving_default", version=2):
    answer = model_pb2.ModelSpec(name=name, signature_name=signature)
    answer.version.value = version
    return answer


class TestPredict:
    def test_a_scalar_is_answered_in_the_field_of_its_type(self, server):
        answer = server.prediction.Predict(asking(x=scalar(2.0)), TIMEOUT)
        want = predict_pb2.PredictResponse(model_spec=spec())
        want.outputs["y"].dtype = 1
        want.outputs["y"].float_val.append(4.0)
        want.outputs["y"].tensor_shape.SetInParent()
        assert answer == want

    def test_a_row_is_answered_with_its_shape(self, server):
        answer = server.prediction.Predict(asking(x=np.float32([2, 4])), TIMEOUT)
        want = predict_pb2.PredictResponse(model_spec=spec())
        want.outputs["y"].dtype = 1
        want.outputs["y"].float_val.extend([4.0, 5.0])
        want.outputs["y"].tensor_shape.dim.add().size = 2
        assert answer == want

    @pytest.mark.parametrize(
        "choice", [{"version": {"value": 1}}, {"version_label": "old"}]
    )
    def test_a_version_is_chosen_by_number_or_label(self, server, choice):
        request = asking(x=scalar(2.0))
        request.model_spec.MergeFrom(model_pb2.ModelSpec(**choice))
        answer = server.prediction.Predict(request, TIMEOUT)
        assert answer.model_spec == spec(version=1)
        assert list(answer.outputs["y"].float_val) == [3.0]

    @pytest.mark.parametrize(
        ("signature", "output"),
        [("regress_x2_to_y3", "outputs"), ("classify_x2_to_y3", "scores")],
    )
    def test_any_signature_will_do(self, server, signature, output):
        request = asking(signature=signature, inputs=np.float32([2]))
        answer = server.prediction.Predict(request, TIMEOUT)
        assert answer.model_spec == spec(signature=signature)
        assert list(answer.outputs[output].float_val) == [5.0]

    def test_a_signature_without_inputs_is_called(self, server):
        def count(signature, **inputs):
            request = asking("counter", signature, **inputs)
            answer = server.prediction.Predict(request, TIMEOUT)
            assert answer.model_spec == spec("counter", signature, 1)
            assert answer.outputs["output"].tensor_shape.dim == []
            return list(answer.outputs["output"].float_val)

        assert count("get_counter") == [0]
        assert count("incr_counter") == [1]
        assert count("reset_counter") == [0]
        assert count("incr_counter") == [1]
        assert count("incr_counter_by", delta=scalar(3.0)) == [4]

    @pytest.mark.parametrize("name", serving_models.DTYPES)
    @pytest.mark.parametrize("shape", [(), (3,), (2, 0)], ids=str)
    def test_every_type_comes_back(self, server, name, shape):
        dtype = serving_models.DTYPES[name]
        size = int(np.prod(shape))
        if dtype == tf.string:
            flat = np.array([b"\xff\x00", b"", b"a"][:size], object)
        else:
            flat = (np.arange(size) % 2).astype(dtype.as_numpy_dtype)
        answer = server.prediction.Predict(
            asking("types", name, x=tf.make_tensor_proto(flat, dtype, shape)), TIMEOUT
        )
        tensor = answer.outputs["y"]
        assert tensor.tensor_content == b""
        got = tf.make_ndarray(tensor)
        assert (tensor.dtype, got.shape) == (dtype.as_datatype_enum, shape)
        assert got.reshape(-1).tolist() == flat.tolist()

    def test_outputs_are_chosen(self, server):
        request = asking(
            "columns",
            outputs=["score", "raw_bytes"],
            age=np.float32([1]),
            city=[b"Oslo"],
            count=np.int64([3]),
        )
        answer = server.prediction.Predict(request, TIMEOUT)
        assert sorted(answer.outputs) == ["raw_bytes", "score"]
        assert list(answer.outputs["raw_bytes"].string_val) == [b"Oslo"]
        assert list(answer.outputs["score"].float_val) == [1.0, 3.0]

    def test_a_default_of_the_signature_is_used(self, server, models):
        request = asking("columns", age=np.float32([1]), count=np.int64([3]))
        with models.use("columns") as version:
            defaults = version.graph.signature_defs["serving_default"].defaults
        defaults["city"].CopyFrom(tf.make_tensor_proto([b"Rome"]))
        try:
            answer = server.prediction.Predict(request, TIMEOUT)
            del request.inputs["age"]
            missing = error_of(server.prediction.Predict, request)
            request.inputs["wrong"].CopyFrom(tf.make_tensor_proto([1.0]))
            request.inputs["age"].CopyFrom(tf.make_tensor_proto([1.0]))
            wrong = error_of(server.prediction.Predict, request)
        finally:
            defaults.clear()
        assert list(answer.outputs["label"].string_val) == [b"Rome 3"]
        assert missing == (
            "INVALID_ARGUMENT",
            "Signature input alias: age(feed name: serving_default_age:0) not found in"
            " request and no default value provided. Inputs expected to be in the request"
            " {count}, or default input alias set: city",
        )
        assert wrong == (
            "INVALID_ARGUMENT",
            "Inputs contains invalid name. Used request inputs: age,count, request input:"
            " age,count,wrong",
        )

    def test_a_message_may_be_larger_than_grpc_allows_by_default(self, server):
        rows = np.zeros((40_000, 64), np.float32)  # 10 MB
        answer = server.prediction.Predict(asking("dense", x=rows), TIMEOUT)
        assert len(answer.outputs["probabilities"].float_val) == 400_000

    @pytest.mark.parametrize(
        ("asked", "error"),
        [
            (predict_pb2.PredictRequest(), ("INVALID_ARGUMENT", "Missing ModelSpec")),
            (asking(""), ("INVALID_ARGUMENT", "ModelSpec has no name specified.")),
            (
                asking("test"),
                ("NOT_FOUND", "Servable not found for request: Latest(test)"),
            ),
            (
                predict_pb2.PredictRequest(model_spec=spec(version=9)),
                ("NOT_FOUND", "Servable not found for request: Specific(half_plus_two, 9)"),
            ),
            (
                predict_pb2.PredictRequest(
                    model_spec={"name": "half_plus_two", "version_label": "new"}
                ),
                ("INVALID_ARGUMENT", "Unrecognized servable version label: new"),
            ),
            (
                asking(signature="wrong", x=[1.0]),
                ("FAILED_PRECONDITION", 'Serving signature key "wrong" not found.'),
            ),
            (
                asking(),
                (
                    "INVALID_ARGUMENT",
                    "input size does not match signature: 0!=1 len({}) != len({x})."
                    " Sent extra: {}. Missing but required: {x}.",
                ),
            ),
            (
                asking(a=[1.0], b=[1.0]),
                (
                    "INVALID_ARGUMENT",
                    "input size does not match signature: 2!=1 len({a,b}) != len({x})."
                    " Sent extra: {a,b}. Missing but required: {x}.",
                ),
            ),
            (
                asking(key=[b"any_key"]),
                (
                    "INVALID_ARGUMENT",
                    "Signature input alias: x(feed name: x:0) not found in request and no"
                    " default value provided. Inputs expected to be in the request {key},"
                    " or default input alias set: ",
                ),
            ),
            (
                asking(x=[True]),
                ("INVALID_ARGUMENT", "Expects arg[0] to be float but bool is provided"),
            ),
            (
                asking(x=[b"any_key"], outputs=["y"]),
                ("INVALID_ARGUMENT", "Expects arg[0] to be float but string is provided"),
            ),
            (
                asking(x=[1.0], outputs=["output_filter"]),
                (
                    "INVALID_ARGUMENT",
                    "output tensor alias not found in signature: output_filter Outputs"
                    " expected to be in the set {y}.",
                ),
            ),
            (
                asking(x=[1.0], outputs=["y", "y"]),
                ("INVALID_ARGUMENT", "duplicate output tensor alias: y"),
            ),
            (
                asking(x=tensor_pb2.TensorProto(dtype=1, tensor_content=b"abc")),
                (
                    "INVALID_ARGUMENT",
                    "tensor parsing error: x: tensor_content must have 4 bytes for shape []"
                    " of float; got 3",
                ),
            ),
            (
                asking(x=np.zeros((100_001, 1), np.float32)),
                (
                    "INVALID_ARGUMENT",
                    "input x must have at most 100000 rows (--max-rows); got 100001;"
                    " send several requests",
                ),
            ),
        ],
    )
    def test_what_is_wrong_is_said_as_tensorflow_serving_does(self, server, asked, error):
        assert error_of(server.prediction.Predict, asked) == error

    def test_the_numbers_of_a_signal_are_no_rows(self, server):
        response = server.prediction.Predict(asking(x=np.zeros(100_001, np.float32)))
        assert len(response.outputs["y"].float_val) == 100_001

    def test_another_size_than_the_signatures_is_told(self, server):
        request = asking("dense", x=np.zeros((1, 63), np.float32))
        code, text = error_of(server.prediction.Predict, request)
        assert code == "INVALID_ARGUMENT"
        assert text == "input x must be [rows, 64]; got [1, 63]"

    def test_an_error_that_quotes_bytes_arrives(self, server):
        request = asking("classifier", "regress", inputs=[b"\xff\xfe"])
        code, text = error_of(server.prediction.Predict, request)
        assert code == "INVALID_ARGUMENT"
        assert text.startswith("Could not parse example input, value: '��'")

    def test_a_long_text_is_cut(self, server):
        request = asking(**{"x" * 2000: [1.0], "y": [1.0]})
        code, text = error_of(server.prediction.Predict, request)
        start = "input size does not match signature: 2!=1 len({"
        assert code == "INVALID_ARGUMENT"
        assert text == start + "x" * (1024 - len(start)) + "...TRUNCATED"


def examples(*rows, context=None):
    """An Input of tf.Examples, each given as floats by feature."""
    parsed = [tf.train.Example.FromString(serving_models.example(**row)) for row in rows]
    if context is None:
        return input_pb2.Input(example_list={"examples": parsed})
    before = tf.train.Example.FromString(serving_models.example(**context))
    return input_pb2.Input(
        example_list_with_context={"examples": parsed, "context": before}
    )


def classification(name, signature, given):
    request = classification_pb2.ClassificationRequest(input=given)
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    return request


def regression(signature, given):
    request = regression_pb2.RegressionRequest(input=given)
    request.model_spec.name = "half_plus_two"
    request.model_spec.signature_name = signature
    return request


EMPTY = [
    input_pb2.Input(),
    input_pb2.Input(example_list={}),
    input_pb2.Input(example_list_with_context={"context": tf.train.Example()}),
]


class TestExamples:
    def test_classes_without_labels(self, server):
        request = classification("half_plus_two", "classify_x_to_y", examples({"x": 2.0}))
        answer = server.prediction.Classify(request, TIMEOUT)
        want = classification_pb2.ClassificationResponse(
            model_spec=spec(signature="classify_x_to_y"),
            result={"classifications": [{"classes": [{"score": 4.0}]}]},
        )
        assert answer == want

    def test_classes_with_labels_and_scores(self, server):
        request = classification(
            "classifier", "classify", examples({"x": [0.0, 0.0]}, {"x": [1.0, 0.0]})
        )
        answer = server.prediction.Classify(request, TIMEOUT)
        got = [
            [(one.label, round(one.score, 4)) for one in row.classes]
            for row in answer.result.classifications
        ]
        assert got == [[("low", 0.5), ("high", 0.5)], [("low", 0.7311), ("high", 0.2689)]]
        assert answer.model_spec == spec("classifier", "classify", 1)

    def test_labels_without_scores(self, server):
        request = classification("classifier", "classes_only", examples({"x": [0.0, 0.0]}))
        answer = server.prediction.Classify(request, TIMEOUT)
        assert answer.result == classification_pb2.ClassificationResult(
            classifications=[{"classes": [{"label": "low"}, {"label": "high"}]}]
        )

    def test_values(self, server):
        request = regression("regress_x_to_y", examples({"x": 2.0}, {"x": 4.0}))
        answer = server.prediction.Regress(request, TIMEOUT)
        assert answer == regression_pb2.RegressionResponse(
            model_spec=spec(signature="regress_x_to_y"),
            result={"regressions": [{"value": 4.0}, {"value": 5.0}]},
        )

    def test_a_context_goes_before_each_example(self, server):
        given = examples({}, {"x": 4.0}, context={"x": 2.0})
        answer = server.prediction.Regress(regression("regress_x_to_y", given), TIMEOUT)
        assert [one.value for one in answer.result.regressions] == [4.0, 5.0]

    @pytest.mark.parametrize("given", EMPTY, ids=["none", "list", "context"])
    def test_there_must_be_examples(self, server, given):
        error = ("INVALID_ARGUMENT", "Input is empty.")
        request = classification("half_plus_two", "classify_x_to_y", given)
        assert error_of(server.prediction.Classify, request) == error
        request = regression("regress_x_to_y", given)
        assert error_of(server.prediction.Regress, request) == error

    def test_the_signature_must_be_there_and_have_the_form(self, server):
        given = examples({"x": 2.0})
        assert error_of(server.prediction.Regress, regression("wrong", given)) == (
            "INVALID_ARGUMENT",
            "No signature was found with the name: wrong",
        )
        code, text = error_of(server.prediction.Regress, regression("", given))
        assert code == "INVALID_ARGUMENT"
        assert text.startswith("No regression inputs found in SignatureDef: inputs {")
        request = classification("half_plus_two", "", given)
        code, text = error_of(server.prediction.Classify, request)
        assert code == "INVALID_ARGUMENT"
        assert text.startswith("No classification inputs found in SignatureDef: inputs {")

    def test_a_model_must_be_named(self, server):
        missing = ("INVALID_ARGUMENT", "Missing ModelSpec")
        request = classification_pb2.ClassificationRequest()
        assert error_of(server.prediction.Classify, request) == missing
        request = regression_pb2.RegressionRequest()
        assert error_of(server.prediction.Regress, request) == missing

    def test_examples_that_lack_a_feature_are_the_clients_fault(self, server):
        request = regression("regress_x_to_y", examples({}))
        code, text = error_of(server.prediction.Regress, request)
        assert code == "INVALID_ARGUMENT"
        assert "Feature: x (data type: float) is required but could not be found." in text


def several(*tasks, given=None):
    """A MultiInferenceRequest of (signature, method) pairs, or triples with a model."""
    request = inference_pb2.MultiInferenceRequest(
        input=examples({"x": 2.0}) if given is None else given
    )
    for signature, method, *name in tasks:
        task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name = name[0] if name else "half_plus_two"
        task.model_spec.signature_name = signature
    return request


class TestMultiInference:
    def test_a_regression_and_a_classification(self, server):
        request = several(("regress_x_to_y", "regress"), ("classify_x_to_y", "classify"))
        answer = server.prediction.MultiInference(request, TIMEOUT)
        assert answer == inference_pb2.MultiInferenceResponse(
            results=[
                {
                    "model_spec": spec(signature="regress_x_to_y"),
                    "regression_result": {"regressions": [{"value": 4.0}]},
                },
                {
                    "model_spec": spec(signature="classify_x_to_y"),
                    "classification_result": {
                        "classifications": [{"classes": [{"score": 4.0}]}]
                    },
                },
            ]
        )

    def test_two_regressions_in_their_order(self, server):
        request = several(("regress_x_to_y2", "regress"), ("regress_x_to_y", "regress"))
        answer = server.prediction.MultiInference(request, TIMEOUT)
        values = [one.regression_result.regressions[0].value for one in answer.results]
        names = [one.model_spec.signature_name for one in answer.results]
        # Version 2 adds 3, so its other signature adds 4.
        assert dict(zip(names, values, strict=True)) == {
            "regress_x_to_y2": 5.0,
            "regress_x_to_y": 4.0,
        }
        assert names == ["regress_x_to_y2", "regress_x_to_y"]

    @pytest.mark.parametrize(
        ("asked", "error"),
        [
            (several(), ("INVALID_ARGUMENT", "ModelSpec has no name specified.")),
            (
                several(("regress_x_to_y", "regress"), given=input_pb2.Input()),
                ("INVALID_ARGUMENT", "Input is empty."),
            ),
            (
                several(("wrong", "regress")),
                ("INVALID_ARGUMENT", "Requested signature not found in model graph: wrong"),
            ),
            (
                several(("regress_x_to_y", "regress"), ("classify", "classify", "other")),
                (
                    "INVALID_ARGUMENT",
                    "All ModelSpecs in a MultiInferenceRequest must access the same model"
                    " name.",
                ),
            ),
            (
                several(("regress_x_to_y", "regress"), ("classify", "classify", "")),
                ("INVALID_ARGUMENT", "Found ModelSpec with an empty model name."),
            ),
            (
                several(("regress_x_to_y", "regress"), ("regress_x2_to_y3", "regress")),
                ("INVALID_ARGUMENT", "Expects arg[0] to be float but string is provided"),
            ),
            (
                several(("regress_x_to_y", "regress"), ("regress_x_to_y", "regress")),
                ("INVALID_ARGUMENT", "Duplicate evaluation of signature: regress_x_to_y"),
            ),
            (
                several(("serving_default", "predict")),
                (
                    "UNIMPLEMENTED",
                    "Unsupported signature method_name: tensorflow/serving/predict",
                ),
            ),
            (
                several(("regress_x_to_y", "regress", "test")),
                ("NOT_FOUND", "Servable not found for request: Latest(test)"),
            ),
        ],
    )
    def test_what_is_wrong_is_said_as_tensorflow_serving_does(self, server, asked, error):
        assert error_of(server.prediction.MultiInference, asked) == error


def metadata(name="half_plus_two", fields=("signature_def",)):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = name
    return request


class TestMetadata:
    def test_the_signatures_are_those_of_the_saved_model(self, server, models):
        answer = server.prediction.GetModelMetadata(metadata(), TIMEOUT)
        want = model_pb2.ModelSpec(name="half_plus_two")
        want.version.value = 2
        assert answer.model_spec == want
        assert list(answer.metadata) == ["signature_def"]
        signatures = get_model_metadata_pb2.SignatureDefMap()
        assert answer.metadata["signature_def"].Unpack(signatures)
        with models.use("half_plus_two") as version:
            assert dict(signatures.signature_def) == version.graph.signature_defs

    @pytest.mark.parametrize(
        ("asked", "error"),
        [
            (
                get_model_metadata_pb2.GetModelMetadataRequest(),
                ("INVALID_ARGUMENT", "Missing ModelSpec"),
            ),
            (
                metadata(fields=()),
                (
                    "INVALID_ARGUMENT",
                    "GetModelMetadataRequest must specify at least one metadata_field",
                ),
            ),
            (
                metadata(fields=["signature_def", "some_stuff"]),
                ("INVALID_ARGUMENT", "Metadata field some_stuff is not supported"),
            ),
            (metadata(""), ("INVALID_ARGUMENT", "ModelSpec has no name specified.")),
            (
                metadata("test"),
                ("NOT_FOUND", "Servable not found for request: Latest(test)"),
            ),
        ],
    )
    def test_what_is_wrong_is_said_as_tensorflow_serving_does(self, server, asked, error):
        assert error_of(server.prediction.GetModelMetadata, asked) == error


def status(**model_spec):
    return get_model_status_pb2.GetModelStatusRequest(model_spec=model_spec)


class TestModelService:
    def test_all_versions_the_newest_first(self, server):
        want = get_model_status_pb2.GetModelStatusResponse(
            model_version_status=[
                {"version": 2, "state": "AVAILABLE", "status": {}},
                {"version": 1, "state": "AVAILABLE", "status": {}},
            ]
        )
        request = status(name="half_plus_two")
        assert server.model.GetModelStatus(request, TIMEOUT) == want
        request = status(name="half_plus_two", version_label="old")
        assert server.model.GetModelStatus(request, TIMEOUT) == want

    def test_one_version(self, server):
        request = status(name="half_plus_two", version={"value": 1})
        answer = server.model.GetModelStatus(request, TIMEOUT)
        assert [one.version for one in answer.model_version_status] == [1]

    @pytest.mark.parametrize(
        ("asked", "error"),
        [
            (
                get_model_status_pb2.GetModelStatusRequest(),
                ("INVALID_ARGUMENT", "Missing ModelSpec"),
            ),
            (
                status(name="test"),
                ("NOT_FOUND", "Could not find any versions of model test"),
            ),
            (
                status(name="half_plus_two", version={"value": 9}),
                ("NOT_FOUND", "Could not find version 9 of model half_plus_two"),
            ),
        ],
    )
    def test_what_is_wrong_is_said_as_tensorflow_serving_does(self, server, asked, error):
        assert error_of(server.model.GetModelStatus, asked) == error


def config(*models):
    """A ReloadConfigRequest."""
    return model_management_pb2.ReloadConfigRequest(
        config={
            "model_config_list": {
                "config": [{"model_platform": "tensorflow", **model} for model in models]
            }
        },
        metric_names=["/some/metric"],
    )


class TestReload:
    @pytest.fixture
    def own(self, tmp_path):
        """A server whose models may be changed."""
        serving_models.make_half_plus_two(tmp_path / "a")
        serving_models.make_half_plus_two(tmp_path / "b", 7)
        models = ModelRegistry({"a": ModelSource(tmp_path / "a")})
        models.refresh()
        with Server(models, Limits()).running() as server:
            yield server
        models.stop()

    def test_the_models_of_the_list_are_served_and_no_others(self, own, tmp_path):
        request = config({"name": "b", "base_path": str(tmp_path / "b")})
        answer = own.model.HandleReloadConfigRequest(request, TIMEOUT)
        assert answer == model_management_pb2.ReloadConfigResponse(
            status={}, metric=[{"name": "/some/metric", "int64_value_increase": 0}]
        )
        answer = own.prediction.Predict(asking("b", x=scalar(2.0)), TIMEOUT)
        assert answer.model_spec == spec("b", version=7)
        assert error_of(own.prediction.Predict, asking("a", x=scalar(2.0))) == (
            "NOT_FOUND",
            "Servable not found for request: Latest(a)",
        )

    def test_a_label_to_an_available_version_is_taken(self, own, tmp_path):
        model = {"name": "a", "base_path": str(tmp_path / "a")}
        request = config({**model, "version_labels": {"stable": 1}})
        own.model.HandleReloadConfigRequest(request, TIMEOUT)
        asked = asking("a", x=scalar(2.0))
        asked.model_spec.version_label = "stable"
        assert own.prediction.Predict(asked, TIMEOUT).model_spec == spec("a", version=1)
        request = config({**model, "version_labels": {"canary": 9}})
        code, _ = error_of(own.model.HandleReloadConfigRequest, request)
        assert code == "FAILED_PRECONDITION"
        assert own.prediction.Predict(asked, TIMEOUT).model_spec == spec("a", version=1)

    @pytest.mark.parametrize(
        ("asked", "text"),
        [
            (
                model_management_pb2.ReloadConfigRequest(),
                "ServerModelConfig type not supported by HandleReloadConfigRequest. Only"
                " ModelConfigList is currently supported",
            ),
            (
                config({"name": "a", "base_path": "/a"}, {"name": "a", "base_path": "/b"}),
                "Illegal to list model a multiple times in config list",
            ),
            (
                config({"name": "a", "base_path": "a"}),
                "Expected model a to have an absolute path or URI; got base_path()=a",
            ),
            (
                config({"name": "a", "base_path": "/a", "model_platform": ""}),
                "Illegal setting neither ModelServerConfig::model_type (deprecated) nor"
                " ModelServerConfig::model_platform, model name is a",
            ),
        ],
    )
    def test_a_wrong_list_changes_nothing(self, own, asked, text):
        got = error_of(own.model.HandleReloadConfigRequest, asked)
        assert got == ("INVALID_ARGUMENT", text)
        asked = asking("a", x=scalar(2.0))
        assert own.prediction.Predict(asked, TIMEOUT).model_spec == spec("a", version=1)


def health(service):
    return health_pb2.HealthCheckRequest(service=service)


class TestHealth:
    def test_the_server_and_each_model_are_serving(self, server):
        for name in ("", "half_plus_two"):
            answer = server.health.Check(health(name), timeout=TIMEOUT)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING

    def test_what_is_not_there_is_not_found(self, server):
        assert error_of(server.health.Check, health("test"))[0] == "NOT_FOUND"

    def test_who_watches_is_told_when_the_server_leaves(self, models):
        states = health_pb2.HealthCheckResponse
        with Server(models, Limits()).running() as own:
            server_, unknown = (
                own.health.Watch(health(name), timeout=TIMEOUT) for name in ("", "test")
            )
            assert next(server_).status == states.SERVING
            assert next(unknown).status == states.SERVICE_UNKNOWN
            own.do(own.servicer.enter_graceful_shutdown)
            assert next(server_).status == states.NOT_SERVING
            answer = own.health.Check(health("half_plus_two"), timeout=TIMEOUT)
            assert answer.status == states.NOT_SERVING
            server_.cancel()
            unknown.cancel()

    def test_a_model_without_an_available_version_is_not_serving(self, tmp_path):
        serving_models.make_broken(tmp_path / "bad")
        models = ModelRegistry({"bad": ModelSource(tmp_path / "bad")})
        models.refresh()
        with Server(models, Limits()).running() as own:
            answer = own.health.Check(health("bad"), timeout=TIMEOUT)
            assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING


class TestBounds:
    def test_a_request_without_a_deadline_has_the_servers(self, models):
        with Server(models, Limits(timeout_seconds=0.02)).running() as own:
            request = asking("slow", steps=np.int32([100_000]), x=[1.0])
            with pytest.raises(grpc.RpcError) as caught:
                own.prediction.Predict(request)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert caught.value.details() == "the time for this request is over (timeout)"

    def test_a_request_has_the_deadline_that_its_client_gave(self, server, monkeypatch):
        left = []

        async def run(*args, deadline):
            left.append(deadline - server.loop.time())
            return {"y": np.float32(0)}

        monkeypatch.setattr(server.inference, "run", run)
        server.prediction.Predict(asking(x=scalar(2.0)), timeout=300)
        server.prediction.Predict(asking(x=scalar(2.0)))
        assert left[0] == pytest.approx(300, abs=20)
        assert left[1] == pytest.approx(30, abs=20)

    def test_too_many_that_wait_are_turned_away(self, models):
        with Server(models, Limits(), waiting=0).running() as own:
            error = error_of(own.prediction.Predict, asking(x=scalar(2.0)))
        assert error == (
            "RESOURCE_EXHAUSTED",
            "0 requests wait already, the most that --max-waiting allows; try again",
        )

    def test_an_error_of_our_own_is_internal_and_logged(self, server, monkeypatch, caplog):
        async def run(*args, **options):
            raise ZeroDivisionError("that should not be")

        monkeypatch.setattr(server.inference, "run", run)
        with caplog.at_level(logging.ERROR, "kerasnn.serving"):
            error = error_of(server.prediction.Predict, asking(x=scalar(2.0)))
        assert error == ("INTERNAL", "ZeroDivisionError: that should not be")
        assert [record.message for record in caplog.records] == ["Predict failed"]
        assert caplog.records[0].exc_info[0] is ZeroDivisionError

    def test_every_call_is_counted_and_unknown_names_are_not(self, server):
        server.metrics.requests.clear()
        server.prediction.Predict(asking(x=scalar(2.0)), TIMEOUT)
        error_of(server.prediction.Predict, asking(x=[True]))
        error_of(server.prediction.Predict, asking("no such model"))
        server.prediction.GetModelMetadata(metadata(), TIMEOUT)
        request = several(("regress_x_to_y", "regress"))
        server.prediction.MultiInference(request, TIMEOUT)
        server.model.GetModelStatus(status(name="half_plus_two"), TIMEOUT)
        model = "half_plus_two"
        assert server.metrics.requests == [
            (model, "Predict", "GRPC", Code.OK),
            (model, "Predict", "GRPC", Code.INVALID_ARGUMENT),
            ("", "Predict", "GRPC", Code.NOT_FOUND),
            (model, "GetModelMetadata", "GRPC", Code.OK),
            (model, "MultiInference", "GRPC", Code.OK),
            (model, "GetModelStatus", "GRPC", Code.OK),
        ]


SIZE = st.one_of(st.integers(-2, 4), st.sampled_from([2**31, 2**40, 2**62]))
TENSORS = st.builds(
    tensor_pb2.TensorProto,
    dtype=st.integers(0, 30) | st.just(101),
    tensor_shape=st.builds(
        dict,
        dim=st.lists(st.builds(dict, size=SIZE), max_size=3),
        unknown_rank=st.booleans(),
    ),
    tensor_content=st.binary(max_size=30),
    float_val=st.lists(st.floats(width=32), max_size=3),
    string_val=st.lists(st.binary(max_size=10), max_size=3),
)


@settings(derandomize=True, max_examples=150, deadline=None, database=None)
@given(
    st.sampled_from(
        [("half_plus_two", "x"), ("classifier", "x"), ("types", "x"), ("columns", "age")]
    ),
    TENSORS,
)
def test_any_tensor_is_answered_or_the_clients_fault(server, where, tensor):
    name, alias = where
    try:
        server.prediction.Predict(asking(name, **{alias: tensor}), TIMEOUT)
    except grpc.RpcError as error:
        told = error.code()
    else:
        told = grpc.StatusCode.OK
    # ABORTED is what softmax says of a scalar where oneDNN computes it.
    clients_fault = ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "ABORTED")
    assert told.name in ("OK", *clients_fault)
