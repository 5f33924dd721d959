"""Joined calls are compared with the same requests alone, before they answer anybody."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kerasnn.serving.errors import invalid
from kerasnn.serving.inference.batch_queue import BatchQueue, Request
from kerasnn.serving.inference.join_proof import (
    MAX_PARTS,
    PROOFS,
    JoinProof,
    JoinProofs,
    find_difference,
)
from kerasnn.serving.models.model_version import ModelVersion

BFLOAT16 = tf.bfloat16.as_numpy_dtype


class Client:
    """Sends requests of a column x to a model, and notes its calls."""

    def __init__(self, model, *, max_rows=1000, sizes=()):
        self.model, self.calls = model, []
        self.proof = JoinProof("model m version 1, serving_default")
        self.queue = BatchQueue(
            None, self._run, max_rows=max_rows, sizes=sizes, proof=self.proof
        )

    def _run(self, inputs):
        self.calls.append(len(inputs["x"]))
        return {"y": self.model(inputs["x"])}

    def ask(self, *requests):
        """The answers of requests that wait together."""
        waiting = [Request({"x": np.asarray(x)}, None, 0.0) for x in requests]
        for request in waiting:
            self.queue.add(request)
        answers = {}
        while self.queue.waiting:
            batch = self.queue.take()
            answers |= zip(batch.requests, batch.results(self._run), strict=True)
        return [answers[request]["y"].tolist() for request in waiting]


def rows_of(count, *, seed=0, rows=1):
    return list(np.random.default_rng(seed).normal(size=(count, rows)).astype("f4") + 3)


def doubled(x):
    return 2 * x


def normalized(x):
    """BatchNormalization in training mode."""
    return (x - x.mean()) / np.sqrt(x.var() + 1e-3) + x


def is_among_the_first_five(x):
    return x >= np.sort(x)[-5:][0]


def smoothed(x):
    """One-dimensional audio: the input's length is no number of rows."""
    return np.convolve(x, np.ones(5, "f4") / 5, mode="same")


MIXING = {
    "x / sum": lambda x: x / x.sum(),
    "x - mean": lambda x: x - x.mean(),
    "normalized": normalized,
    "sorted": np.sort,
    "cumulated": np.cumsum,
    "top five": is_among_the_first_five,
    "rank": lambda x: np.argsort(np.argsort(x)),
    "another length": lambda x: x[: max(len(x) // 2, 1)],
    "number of rows": lambda x: np.full(len(x), len(x)),
    "fails on several": lambda x: x if len(x) == 1 else 1 / 0,
    "differs from twelve rows on": lambda x: x if len(x) < 12 else x - x.mean(),
}


# --- what is joined ---------------------------------------------------------------------


def test_what_does_not_mix_rows_is_joined_after_the_proof():
    client = Client(doubled)
    for seed in range(PROOFS):
        client.ask(*rows_of(4, seed=seed))
    assert client.calls == [1, 1, 1, 1, 4, 4] * PROOFS
    client.calls.clear()
    client.ask(*rows_of(4, seed=9))
    assert client.calls == [4]


def test_larger_calls_are_proved_against_those_that_are_proved():
    client = Client(doubled)
    for seed in range(12):
        client.ask(*rows_of(64, seed=seed))
    assert client.proof.rows == 64
    assert max(client.calls) == 64
    assert client.calls.count(1) <= PROOFS * MAX_PARTS
    client.calls.clear()
    client.ask(*rows_of(64, seed=99))
    assert client.calls == [64]


def test_a_proof_has_few_calls_however_many_wait():
    client = Client(doubled)
    client.ask(*rows_of(1000))
    assert len(client.calls) < 100


def test_equal_requests_prove_only_themselves():
    client = Client(np.sort)
    for _ in range(PROOFS):
        client.ask([2.0], [2.0], [2.0])
    client.calls.clear()
    assert client.ask([2.0], [2.0], [2.0]) == [[2.0]] * 3
    assert client.calls == [3]
    assert client.ask([3.0], [2.0], [1.0]) == [[3.0], [2.0], [1.0]]
    assert client.proof.given_up


def test_the_cost_vanishes_and_rare_checks_stay():
    client = Client(doubled)
    for seed in range(1000):
        client.ask(*rows_of(8, seed=seed))
    assert len(client.calls) < 1100


def test_a_model_that_differs_later_is_found_then(caplog):
    client = Client(lambda x: x if x.max() < 100 else x - x.mean())
    for seed in range(63):
        client.ask(*rows_of(8, seed=seed))
    assert not client.proof.given_up
    for _ in range(200):
        client.ask([1000.0], [2000.0], [3000.0], [4000.0])
    assert client.proof.given_up


def test_a_joined_call_that_fails_without_a_bad_request_is_the_last(caplog):
    most = [64]

    def model(x):
        if len(x) > most[0]:
            raise MemoryError(f"{len(x)} rows are too many")
        return 2 * x

    client = Client(model)
    for seed in range(12):
        client.ask(*rows_of(32, seed=seed))
    assert client.proof.rows == 32
    most[0] = 16
    requests = rows_of(32)
    assert client.ask(*requests) == [(2 * x).tolist() for x in requests]
    assert client.proof.given_up
    assert "(it fails: 32 rows are too many)" in caplog.text


def test_a_bad_request_does_not_end_the_proof():
    def model(x):
        if x.min() < 0:
            raise invalid("x must not be negative")
        return 2 * x

    client = Client(model)
    batches = [[Request({"x": np.float32([v])}, None, 0.0) for v in (1, -1, 3)]] * PROOFS
    for batch in batches:
        for request in batch:
            client.queue.add(request)
        first, second, third = client.queue.take().results(client._run)
        assert (first["y"], third["y"]) == ([2], [6])
        assert str(second) == "x must not be negative"
    assert client.proof.rows == 2


# --- what is not ------------------------------------------------------------------------


@pytest.mark.parametrize("name", MIXING)
def test_no_answer_depends_on_other_requests(name, caplog):
    model = MIXING[name]
    client = Client(model)
    requests = rows_of(400)
    sizes = itertools.cycle((2, 3, 4, 8, 7, 16, 32))
    while requests:
        size = next(sizes)
        now, requests = requests[:size], requests[size:]
        assert client.ask(*now) == [model(x).tolist() for x in now]
    assert client.proof.given_up
    (line,) = caplog.messages
    assert line.startswith(
        "model m version 1, serving_default: a joined call does not answer as each request"
        " alone does ("
    )


def test_audio_of_equal_and_different_lengths_is_left_alone():
    client = Client(smoothed)
    waves = [np.sin(np.arange(n) / n).astype("f4") for n in (200, 200, 150, 170)]
    for _ in range(5):
        assert client.ask(*waves) == [smoothed(wave).tolist() for wave in waves]
    assert client.proof.given_up


def test_the_line_names_the_output_and_both_answers(caplog):
    client = Client(lambda x: x / x.sum())
    client.ask([1.0], [3.0])
    assert "(y: 0.25, alone 1.0)" in caplog.text


# --- rounding ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "same", "other"),
    [
        (np.float16, 1e-2, 1e-1),
        (BFLOAT16, 5e-2, 5e-1),
        (np.float32, 5e-5, 5e-4),
        (np.float64, 5e-10, 5e-9),
        (np.complex64, 5e-5, 5e-4),
    ],
)
def test_floats_are_equal_up_to_rounding(dtype, same, other):
    one = [{"y": np.array([1, 2], dtype)}]
    assert find_difference(one, [{"y": np.array([1 + same, 2], dtype)}]) is None
    assert find_difference(one, [{"y": np.array([1 + other, 2], dtype)}]) is not None


def test_not_a_number_equals_itself_and_infinity_too():
    one = [{"y": np.float32([np.nan, np.inf, -np.inf, 1])}]
    assert find_difference(one, one) is None
    assert find_difference(one, [{"y": np.float32([0, np.inf, -np.inf, 1])}]) is not None


@pytest.mark.parametrize(
    ("value", "other"), [(b"a", b"b"), (1, 2), (True, False)], ids=["text", "int", "bool"]
)
def test_texts_and_whole_numbers_must_be_equal(value, other):
    dtype = object if isinstance(value, bytes) else None
    one = [{"y": np.array([value, value], dtype)}]
    assert find_difference(one, one) is None
    found = find_difference(one, [{"y": np.array([value, other], dtype)}])
    assert found == f"y: {other}, alone {value}"


def test_a_value_near_zero_may_be_rounded_as_the_largest():
    one = [{"y": np.float32([1e-9, 10])}]
    assert find_difference(one, [{"y": np.float32([1e-7, 10])}]) is None


def test_no_more_proofs_are_kept_than_a_thousand():
    proofs = JoinProofs()
    version = ModelVersion("m", 1, Path("m"))
    first = proofs.of(version, "0", ("y", "z"))
    assert proofs.of(version, "0", ("z", "y")) is first
    for key in range(1, 1001):
        proofs.of(version, str(key), ())
    assert proofs.of(version, "0", ("y", "z")) is not first
