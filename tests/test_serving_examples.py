"""Classify and Regress: which signatures are fit for them, and which answers.

The cases are those of TensorFlow Serving's classifier_test.cc and regressor_test.cc that
run a session of their own making; here the inference is one.
"""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from kerasnn.serving.errors import Code, ServingError
from kerasnn.serving.examples import classify, regress
from kerasnn.serving.options import Limits
from kerasnn.serving.saved_model.examples import find_examples_signature
from kerasnn.serving.saved_model.signatures import read_signatures

FLOAT, STRING = tf.float32, tf.string
LIMITS = Limits()


def definition(inputs, outputs, method="tensorflow/serving/predict"):
    """A SignatureDef, of dtypes by alias."""
    message = tf.compat.v1.MetaGraphDef().signature_def["s"]
    message.method_name = method
    for infos, side in ((inputs, message.inputs), (outputs, message.outputs)):
        for alias, dtype in infos.items():
            side[alias].name = f"{alias}:0"
            side[alias].dtype = dtype.as_datatype_enum
    return message


def version_of(**definitions):
    graph = SimpleNamespace(
        signature_defs=definitions,
        signatures=read_signatures(SimpleNamespace(signature_def=definitions)),
    )
    return SimpleNamespace(graph=graph, cell_counts=None)


CLASSES = {"classes": STRING, "scores": FLOAT}


class Answers:
    """An inference that gives what it was told, and keeps what it was asked."""

    def __init__(self, **arrays):
        self.arrays = arrays

    async def run(self, version, signature, inputs, outputs=None, *, deadline):
        self.asked = (signature.key, inputs, outputs, deadline)
        return {alias: self.arrays[alias] for alias in outputs}


def ask(function, outputs, answers=None, *, inputs=None, n=2, limits=LIMITS):
    """What classify or regress makes of examples."""
    message = definition({"inputs": STRING} if inputs is None else inputs, outputs)
    version = version_of(s=message)
    inference = answers or Answers()
    service = SimpleNamespace(inference=inference, limits=limits)
    examples = np.array([b"example"] * n, object)
    signature = version.graph.signatures["s"]
    return asyncio.run(function(service, version, signature, examples, deadline=7.0))


def error_of(function, outputs, answers=None, **others):
    with pytest.raises(ServingError) as caught:
        ask(function, outputs, answers, **others)
    assert caught.value.code == Code.INVALID_ARGUMENT
    return caught.value.message


LABELS = np.array([[b"dos", b"uno"], [b"cuatro", b"tres"]], object)
SCORES = np.float32([[2, 1], [4, 3]])


def test_both_outputs_are_the_classes():
    answers = Answers(classes=LABELS, scores=SCORES)
    classes = ask(classify, CLASSES, answers)
    assert classes.labels is LABELS
    assert classes.scores is SCORES
    key, inputs, outputs, deadline = answers.asked
    assert (key, outputs, deadline) == ("s", ["classes", "scores"], 7.0)
    assert inputs["inputs"].tolist() == [b"example", b"example"]


def test_labels_alone_are_the_classes():
    classes = ask(classify, {"classes": STRING}, Answers(classes=LABELS))
    assert (classes.labels is LABELS, classes.scores) == (True, None)


def test_scores_alone_are_the_classes():
    classes = ask(classify, {"scores": FLOAT}, Answers(scores=SCORES))
    assert (classes.labels, classes.scores is SCORES) == (None, True)


def test_an_output_that_no_classification_has_is_not_fetched():
    answers = Answers(scores=SCORES)
    ask(classify, {"scores": FLOAT, "logits": FLOAT}, answers)
    assert answers.asked[2] == ["scores"]


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ({}, CLASSES, "Expected one input Tensor."),
        ({"inputs": STRING, "more": FLOAT}, CLASSES, "Expected one input Tensor."),
        (None, {}, "Expected one or two output Tensors, found 0"),
        (None, {**CLASSES, "x": FLOAT}, "Expected one or two output Tensors, found 3"),
    ],
)
def test_a_classification_has_one_input_and_one_or_two_outputs(inputs, outputs, message):
    assert error_of(classify, outputs, inputs=inputs) == message


def test_a_classification_has_an_input_of_the_right_name():
    message = definition({"x": STRING}, CLASSES)
    assert error_of(classify, CLASSES, inputs={"x": STRING}) == (
        f"No classification inputs found in SignatureDef: {message}"
    )


def test_a_classification_has_an_output_of_a_right_name():
    message = definition({"inputs": STRING}, {"y": FLOAT})
    assert error_of(classify, {"y": FLOAT}) == (
        "Expected classification signature outputs to contain at least one of"
        f' "classes" or "scores". Signature was: {message}'
    )


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"classes": LABELS.reshape(-1), "scores": SCORES},
            "Expected Tensor shape: [batch_size num_classes] but got [4]",
        ),
        (
            {"classes": LABELS, "scores": SCORES.reshape(2, 2, 1)},
            "Expected Tensor shape: [batch_size num_classes] but got [2,2,1]",
        ),
        (
            {"classes": SCORES, "scores": SCORES},
            "Expected classes Tensor of DT_STRING. Got: DT_FLOAT",
        ),
        (
            {"classes": LABELS, "scores": SCORES.astype(np.float64)},
            "Expected scores Tensor of DT_FLOAT. Got: DT_DOUBLE",
        ),
        (
            {"classes": LABELS[:1], "scores": SCORES},
            "Expected classes output batch size of 2. Got: 1",
        ),
        (
            {"classes": LABELS, "scores": SCORES[:1]},
            "Expected scores output batch size of 2. Got: 1",
        ),
        (
            {"classes": LABELS, "scores": np.zeros((2, 3), np.float32)},
            "Tensors class and score should match in dim_size(1). Got 2 vs. 3",
        ),
    ],
)
def test_answers_that_are_no_classes_are_refused(arrays, message):
    assert error_of(classify, CLASSES, Answers(**arrays)) == message


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_a_regression_gives_one_value_for_each_example(shape):
    values = np.float32([3, 4]).reshape(shape)
    got = ask(regress, {"outputs": FLOAT}, Answers(outputs=values))
    assert (got.tolist(), got.shape) == ([3.0, 4.0], (2,))


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ({}, {"outputs": FLOAT}, "Expected one input Tensor."),
        (None, {}, "Expected one output Tensor."),
        (None, {"outputs": FLOAT, "more": FLOAT}, "Expected one output Tensor."),
    ],
)
def test_a_regression_has_one_input_and_one_output(inputs, outputs, message):
    assert error_of(regress, outputs, inputs=inputs) == message


@pytest.mark.parametrize(
    ("inputs", "outputs", "side"),
    [("x", "outputs", "inputs"), ("inputs", "y", "outputs")],
)
def test_a_regression_has_an_input_and_an_output_of_the_right_name(inputs, outputs, side):
    message = definition({inputs: STRING}, {outputs: FLOAT})
    assert error_of(regress, {outputs: FLOAT}, inputs={inputs: STRING}) == (
        f"No regression {side} found in SignatureDef: {message}"
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            np.zeros((2, 2), np.float32),
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1]"
            " but got [2,2]",
        ),
        (
            np.zeros((), np.float32),
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1]"
            " but got []",
        ),
        (
            np.zeros(3, np.float32),
            "Input batch size did not match output batch size: 2 vs. 3",
        ),
        (np.zeros(2, int), "Expected output Tensor of DT_FLOAT.  Got: DT_INT64"),
    ],
)
def test_answers_that_are_no_values_are_refused(values, message):
    assert error_of(regress, {"outputs": FLOAT}, Answers(outputs=values)) == message


@pytest.mark.parametrize(
    ("function", "outputs"), [(classify, CLASSES), (regress, {"outputs": FLOAT})]
)
def test_there_must_be_examples_and_not_too_many(function, outputs):
    assert error_of(function, outputs, n=0) == "Input is empty."
    assert error_of(function, outputs, limits=Limits(rows=1)) == (
        "a request must have at most 1 examples (--max-rows); got 2; send several requests"
    )


@pytest.mark.parametrize(
    ("function", "outputs"), [(classify, CLASSES), (regress, {"outputs": FLOAT})]
)
def test_a_signature_that_takes_no_strings_is_refused(function, outputs):
    assert error_of(function, outputs, inputs={"inputs": FLOAT}) == (
        "Expects arg[0] to be float but string is provided"
    )


def test_a_signature_is_found_by_name_and_by_default():
    version = version_of(
        serving_default=definition({"a": FLOAT}, {}), other=definition({"b": FLOAT}, {})
    )
    assert find_examples_signature(version.graph, "").key == "serving_default"
    assert find_examples_signature(version.graph, "other").key == "other"
    with pytest.raises(ServingError) as caught:
        find_examples_signature(version.graph, "wrong")
    assert caught.value.code == Code.INVALID_ARGUMENT
    assert caught.value.message == "No signature was found with the name: wrong"
