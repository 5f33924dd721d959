"""TensorFlow Serving's file of batching parameters: carried out, or refused by name."""

import pytest

from kerasnn.errors import InputError
from kerasnn.serving.batching_file import (
    BatchingParameters,
    parse_batching_parameters,
    read_batching_file,
)


def test_each_parameter_arrives():
    text = """
        max_batch_size { value: 128 }
        batch_timeout_micros { value: 0 }
        max_enqueued_batches { value: 100 }
        num_batch_threads { value: 8 }
        thread_pool_name { value: "batches" }
        allowed_batch_sizes: 32
        allowed_batch_sizes: [64, 128]
        pad_variable_length_inputs: false
    """
    assert parse_batching_parameters(text) == BatchingParameters(
        batch_rows=128,
        request_rows=128,
        batch_sizes=(32, 64, 128),
        wait_microseconds=0,
        threads=8,
        waiting=12_800,
    )


def test_an_empty_file_has_the_defaults_of_tensorflow_serving():
    assert parse_batching_parameters("") == BatchingParameters(1000, 1000)


def test_with_splitting_a_request_may_have_more_rows_than_a_batch():
    text = """
        max_batch_size: { value: 100 } max_execution_batch_size: { value: 10 }
        enable_large_batch_splitting: { value: true }
    """
    assert parse_batching_parameters(text) == BatchingParameters(10, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "pad_variable_length_inputs: true",
            "pad_variable_length_inputs must not be true: only requests of equal shapes are"
            " joined, since padding may change an answer; leave it out",
        ),
        ("max_batch_size { value: 0 }", "max_batch_size must be at least 1; got 0"),
        (
            "max_execution_batch_size { value: 8 }",
            "max_execution_batch_size needs enable_large_batch_splitting { value: true }",
        ),
        (
            "max_batch_size { value: 4 } allowed_batch_sizes: [2, 8]",
            "allowed_batch_sizes must rise, and end with the size of the largest batch, 4;"
            " got 2, 8",
        ),
        (
            "max_batch_size { value: 4 } max_execution_batch_size { value: 8 }"
            " enable_large_batch_splitting { value: true }",
            "max_execution_batch_size must be at most max_batch_size, 4; got 8",
        ),
    ],
)
def test_what_cannot_be_carried_out_is_refused_by_name(text, message):
    with pytest.raises(InputError) as caught:
        parse_batching_parameters(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["max_batch_size 8", "mixed_priority_batching_policy: 1"])
def test_what_is_no_such_message_is_told_with_the_file(tmp_path, text):
    path = tmp_path / "batching.config"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_batching_file(path)
    assert str(caught.value).startswith(
        f"--batching-parameters-file {path}: Error parsing text-format"
        " tensorflow.serving.BatchingParameters: 1:"
    )


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InputError, match=r"no\.config: No such file or directory$"):
        read_batching_file(tmp_path / "no.config")
