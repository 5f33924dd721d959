"""Requests in threads, and together: against a graph of Python that can be held up."""

import asyncio
import threading

import numpy as np
import pytest
import tensorflow as tf

from kerasnn.serving.errors import Code, ServingError, invalid
from kerasnn.serving.inference import scheduler
from kerasnn.serving.inference.join_proof import JoinProof
from kerasnn.serving.inference.latency import (
    FAST_CALLS_FOR_SLOW,
    MAX_SLOW_CALLS,
    MIN_SINGLE_CALLS,
    CallLatency,
)
from kerasnn.serving.inference.scheduler import BatchingOptions, Scheduler
from kerasnn.serving.saved_model.signatures import Signature, TensorInfo


def info(alias, shape):
    return TensorInfo(alias, f"{alias}:0", tf.float32, shape)


def signature(shape=(-1,)):
    inputs, outputs = {"x": info("x", shape)}, {"y": info("y", shape)}
    return Signature("serving_default", "", inputs, outputs)


class FakeGraph:
    """y = 2 x; counts its calls, and can be held up."""

    steady = frozenset()
    changing = frozenset()

    def __init__(self):
        self.calls = []
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()

    def run(self, signature, inputs, outputs, *, timeout_seconds=None):
        self.entered.set()
        assert self.open.wait(60)
        x = inputs["x"]
        self.calls.append(x.shape)
        if np.any(x < 0):
            raise invalid("x must not be negative")
        return {"y": 2 * x}


class OneForAll(FakeGraph):
    """Declared to give a row for each row, it gives one for all of them."""

    def run(self, signature, inputs, outputs, **limit):
        return {"y": super().run(signature, inputs, outputs)["y"].sum(keepdims=True)}


class OverSum(FakeGraph):
    """y = x / sum(x): every answer depends on the neighbours."""

    def run(self, signature, inputs, outputs, **limit):
        super().run(signature, inputs, outputs)
        return {"y": inputs["x"] / inputs["x"].sum()}


class FakeVersion:
    name, number, cell_counts = "m", 1, None

    def __init__(self, graph):
        self.graph = graph
        self.held = 0

    def hold(self):
        self.held += 1

    def release(self):
        self.held -= 1


@pytest.fixture(autouse=True)
def proved(monkeypatch):
    """Joining is proved; test_serving_join_proof shows what is before that."""
    monkeypatch.setattr(JoinProof, "rows", 1_000_000)


def answers(graph, requests, *, seconds=60.0, shape=(-1,), before=None, **options):
    """What each request came to, an array or an error, and the inference's last state."""
    version = FakeVersion(graph)

    async def ask(inference, x):
        deadline = asyncio.get_running_loop().time() + seconds
        inputs = {"x": np.asarray(x, np.float32)}
        given = await inference.run(version, signature(shape), inputs, deadline=deadline)
        return given["y"].tolist()

    async def main():
        inference = Scheduler(**options)
        inference.start()
        tasks = [asyncio.create_task(ask(inference, x)) for x in requests]
        if before is not None:
            await before(inference, tasks, ask)
        found = await asyncio.gather(*tasks, return_exceptions=True)
        graph.open.set()
        while inference.waiting:
            await asyncio.sleep(0.001)
        assert not any(q.waiting or q.offered for q in inference._queues.values())
        await inference.stop()
        return found

    found = asyncio.run(main())
    assert version.held == 0
    return found


def test_requests_of_one_turn_are_computed_in_one_call():
    graph = FakeGraph()
    found = answers(graph, [[1], [2, 3], [4]], batching=BatchingOptions())
    assert found == [[2], [4, 6], [8]]
    assert graph.calls == [(4,)]


def test_without_batching_each_request_is_a_call():
    graph = FakeGraph()
    found = answers(graph, [[1], [2, 3], [4]], batching=None)
    assert found == [[2], [4, 6], [8]]
    assert sorted(graph.calls) == [(1,), (1,), (2,)]


def test_a_batch_has_no_more_rows_than_allowed_unless_it_is_one_request():
    graph = FakeGraph()
    requests = [[1, 1], [2, 2], [3], [4, 4, 4, 4, 4]]
    found = answers(graph, requests, batching=BatchingOptions(rows=3), threads=1)
    assert found == [[2, 2], [4, 4], [6], [8, 8, 8, 8, 8]]
    assert graph.calls == [(2,), (3,), (5,)]


def test_a_request_may_have_no_more_rows_than_the_file_of_batching_says():
    batching = BatchingOptions(rows=8, request_rows=8)
    found = answers(FakeGraph(), [[1] * 8, [1] * 9], batching=batching)
    assert found[0] == [2] * 8
    assert (found[1].code, found[1].message) == (
        Code.INVALID_ARGUMENT,
        "Task size 9 is larger than maximum input batch size 8",
    )


def test_joined_calls_are_filled_up_to_sizes_of_the_file_of_batching():
    graph = FakeGraph()
    batching = BatchingOptions(rows=8, sizes=(4, 8))
    found = answers(graph, [[1], [2, 3]], batching=batching)
    assert found == [[2], [4, 6]]
    assert graph.calls == [(4,)]


def test_after_joined_answers_differed_requests_are_not_joined(monkeypatch):
    monkeypatch.setattr(JoinProof, "rows", 1)
    graph = OverSum()
    found = answers(graph, [[1], [2], [3]], batching=BatchingOptions())
    assert found == [[1], [1], [1]]
    assert (3,) in graph.calls
    graph.calls.clear()

    async def ask_again(inference, tasks, ask):
        await asyncio.gather(*tasks)
        graph.calls.clear()
        tasks += [asyncio.create_task(ask(inference, [x])) for x in (4, 5, 6)]

    found = answers(graph, [[1], [2]], before=ask_again, batching=BatchingOptions())
    assert found == [[1]] * 5
    assert graph.calls == [(1,)] * 3


def test_rows_of_another_shape_are_computed_apart():
    graph = FakeGraph()
    found = answers(
        graph, [[[1]], [[2, 3]], [[4]]], shape=(-1, -1), batching=BatchingOptions()
    )
    assert found == [[[2]], [[4, 6]], [[8]]]
    assert sorted(graph.calls) == [(1, 2), (2, 1)]


@pytest.mark.parametrize("shape", [None, (), (3,)])
def test_a_signature_without_declared_rows_is_never_joined(shape):
    graph = FakeGraph()
    found = answers(graph, [[1, 1, 1], [2, 2, 2]], shape=shape, batching=BatchingOptions())
    assert found == [[2, 2, 2], [4, 4, 4]]
    assert graph.calls == [(3,), (3,)]


def test_a_signature_that_changes_state_is_never_joined():
    graph = FakeGraph()
    graph.changing = {"serving_default"}
    assert answers(graph, [[1], [2]], batching=BatchingOptions()) == [[2], [4]]
    assert graph.calls == [(1,), (1,)]


def test_the_fault_of_one_request_is_not_that_of_its_neighbours():
    found = answers(FakeGraph(), [[1], [-1], [3]], batching=BatchingOptions())
    assert [found[0], found[2]] == [[2], [6]]
    assert isinstance(found[1], ServingError)
    assert (found[1].code, found[1].message) == (
        Code.INVALID_ARGUMENT,
        "x must not be negative",
    )


def test_a_model_that_gives_another_number_of_rows_answers_each_by_itself():
    found = answers(OneForAll(), [[1, 2], [3]], batching=BatchingOptions())
    assert found == [[6], [6]]


def test_what_waits_while_the_graph_is_busy_is_computed_together():
    graph = FakeGraph()
    graph.open.clear()

    async def come_later(inference, tasks, ask):
        while not graph.entered.is_set():
            await asyncio.sleep(0.001)
        for x in ([2], [3], [4, 5]):
            tasks.append(asyncio.create_task(ask(inference, x)))
            await asyncio.sleep(0.002)
        graph.open.set()

    found = answers(graph, [[1]], before=come_later, threads=1, batching=BatchingOptions())
    assert found == [[2], [4], [6], [8, 10]]
    assert graph.calls == [(1,), (4,)]


def test_over_the_bound_a_request_is_turned_away_and_told_when_to_come_again():
    graph = FakeGraph()
    graph.open.clear()

    async def let_go(inference, tasks, ask):
        while not graph.entered.is_set():
            await asyncio.sleep(0.001)
        graph.open.set()

    found = answers(graph, [[1], [2], [3]], before=let_go, waiting=2, threads=1)
    assert found[:2] == [[2], [4]]
    assert found[2].code == Code.RESOURCE_EXHAUSTED
    assert found[2].retry_after_seconds == 1
    assert found[2].message == (
        "2 requests wait already, the most that --max-waiting allows; try again"
    )


def test_a_deadline_ends_the_waiting_of_the_running_and_the_queued():
    graph = FakeGraph()
    graph.open.clear()
    found = answers(graph, [[1], [2]], seconds=0.5, threads=1)
    assert [error.code for error in found] == [Code.DEADLINE_EXCEEDED] * 2
    assert str(found[0]) == "the time for this request is over (timeout)"
    assert graph.calls == [(1,)]  # the second was given up before it began


def test_a_client_that_leaves_takes_its_request_along():
    graph = FakeGraph()
    graph.open.clear()

    async def leave(inference, tasks, ask):
        while not graph.entered.is_set():
            await asyncio.sleep(0.001)
        tasks[1].cancel()
        await asyncio.sleep(0)
        assert inference.waiting == 1
        graph.open.set()

    found = answers(graph, [[1], [2]], before=leave, threads=1)
    assert found[0] == [2]
    assert isinstance(found[1], asyncio.CancelledError)
    assert graph.calls == [(1,)]


def test_a_wait_joins_what_comes_within_it():
    graph = FakeGraph()

    async def come_later(inference, tasks, ask):
        await asyncio.sleep(0.005)
        tasks.append(asyncio.create_task(ask(inference, [5])))

    batching = BatchingOptions(wait_microseconds=1_000_000)
    found = answers(graph, [[1]], before=come_later, batching=batching)
    assert found == [[2], [10]]
    assert graph.calls == [(2,)]


def test_a_call_of_its_own_runs_in_a_thread():
    version = FakeVersion(FakeGraph())

    async def main():
        inference = Scheduler(threads=1)
        inference.start()
        deadline = asyncio.get_running_loop().time() + 10
        name = await inference.run_blocking(
            version, lambda seconds: threading.current_thread().name, deadline=deadline
        )
        with pytest.raises(ServingError, match="ValueError: no") as raised:
            await inference.run_blocking(version, fail, deadline=deadline)
        await inference.stop()
        return name, raised.value.code

    def fail(seconds):
        raise ValueError("no")

    assert asyncio.run(main()) == ("kerasnn-graph-0", Code.INTERNAL)


# ---------------------------------------------------------------------- stuck models


class Clock:
    """The time of the event loop, moved on by the test."""

    def __init__(self, monkeypatch):
        self.ahead = 0.0
        time = asyncio.BaseEventLoop.time
        monkeypatch.setattr(
            asyncio.BaseEventLoop, "time", lambda loop: time(loop) + self.ahead
        )


def test_a_model_whose_calls_hang_neither_holds_up_nor_takes_requests(monkeypatch):
    clock = Clock(monkeypatch)
    hanging, good = FakeVersion(FakeGraph()), FakeVersion(FakeGraph())
    hanging.name = "hanging"
    hanging.graph.open.clear()

    async def main():
        inference = Scheduler(threads=2, timeout_seconds=30.0)
        inference.start()

        async def ask(version, seconds=10.0):
            deadline = asyncio.get_running_loop().time() + seconds
            x = np.ones(1, np.float32)
            return await inference.run(version, signature(), {"x": x}, deadline=deadline)

        calls = [asyncio.create_task(ask(hanging)) for _ in range(4)]
        while len(hanging.graph.calls) + hanging.held < 2:
            await asyncio.sleep(0.001)
        assert (await ask(good))["y"].tolist() == [2]
        clock.ahead = 11.0
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert [error.code for error in found] == [Code.DEADLINE_EXCEEDED] * 4
        # A call that has not run long may only have had an impatient client.
        assert inference.stuck() == []
        clock.ahead = 40.0
        assert inference.overdue() == {"hanging": 2}
        with pytest.raises(ServingError, match="model hanging is stuck: 2 calls") as error:
            await ask(hanging)
        assert (error.value.code, error.value.retry_after_seconds) == (
            Code.UNAVAILABLE,
            10,
        )
        assert [(m.name, round(m.seconds)) for m in inference.stuck()] == [("hanging", 40)]
        assert (await ask(good))["y"].tolist() == [2]
        hanging.graph.open.set()
        while inference.overdue():
            await asyncio.sleep(0.001)
        assert (await ask(hanging))["y"].tolist() == [2]
        assert inference.stuck() == []
        await inference.stop()

    asyncio.run(main())


def test_the_requests_of_one_model_do_not_use_up_the_room_of_another():
    busy, good = FakeVersion(FakeGraph()), FakeVersion(FakeGraph())
    busy.name = "busy"
    busy.graph.open.clear()

    async def main():
        inference = Scheduler(threads=1, waiting=2)
        inference.start()

        async def ask(version):
            deadline = asyncio.get_running_loop().time() + 10
            x = np.ones(1, np.float32)
            return await inference.run(version, signature(), {"x": x}, deadline=deadline)

        calls = [asyncio.create_task(ask(busy)) for _ in range(3)]
        await asyncio.sleep(0.01)
        assert inference.waiting == 2
        assert (await ask(good))["y"].tolist() == [2]
        busy.graph.open.set()
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert [getattr(each, "code", None) for each in found] == [
            *(None, None, Code.RESOURCE_EXHAUSTED)
        ]
        await inference.stop()

    asyncio.run(main())


# ---------------------------------------------------------------------- where calls run


class Steady(FakeGraph):
    """Tells in which thread it ran."""

    steady = frozenset(("serving_default",))

    def __init__(self):
        super().__init__()
        self.threads = []

    def run(self, signature, inputs, outputs, **limit):
        self.threads.append(threading.current_thread() is threading.main_thread())
        return super().run(signature, inputs, outputs)


def one_by_one(graph, requests, **options):
    """Whether each of the requests, one after the other, was computed in the loop."""
    version = FakeVersion(graph)

    async def main():
        inference = Scheduler(threads=1, batching=BatchingOptions(), **options)
        inference.start()
        for x in requests:
            deadline = asyncio.get_running_loop().time() + 10
            inputs = {"x": np.asarray(x, np.float32)}
            given = await inference.run(version, signature(), inputs, deadline=deadline)
            np.testing.assert_array_equal(given["y"], 2 * inputs["x"])
        assert inference.waiting == 0
        await inference.stop()

    asyncio.run(main())
    return graph.threads


def test_what_is_known_to_be_quick_runs_in_the_event_loop(monkeypatch):
    monkeypatch.setattr("kerasnn.serving.inference.latency.FAST_SECONDS", 60.0)
    monkeypatch.setattr("kerasnn.serving.inference.latency.MIN_SINGLE_CALLS", 1)
    # The first call shows that one row is quick, the third that three are.
    assert one_by_one(Steady(), [[1], [2], [1, 2, 3], [1, 2], [4, 5, 6]]) == [
        *(False, True, False, True, True)
    ]


def test_only_where_requests_come_one_at_a_time(monkeypatch):
    monkeypatch.setattr("kerasnn.serving.inference.latency.FAST_SECONDS", 60.0)
    assert one_by_one(Steady(), [[1]] * 18) == [False] * 16 + [True] * 2


def test_what_may_loop_or_wait_never_runs_in_the_event_loop(monkeypatch):
    monkeypatch.setattr("kerasnn.serving.inference.latency.FAST_SECONDS", 60.0)
    monkeypatch.setattr("kerasnn.serving.inference.latency.MIN_SINGLE_CALLS", 0)
    graph = Steady()
    graph.steady = frozenset()
    assert one_by_one(graph, [[1], [2], [3]]) == [False] * 3


def test_what_is_slow_runs_in_a_thread(monkeypatch):
    monkeypatch.setattr("kerasnn.serving.inference.latency.FAST_SECONDS", 0.0)
    assert one_by_one(Steady(), [[1], [2], [3]]) == [False] * 3


def test_an_error_in_the_event_loop_is_that_of_the_request():
    graph = Steady()
    one_by_one(graph, [[1]])
    found = answers(graph, [[-1]], batching=BatchingOptions())
    assert isinstance(found[0], ServingError)


def test_three_slow_calls_are_too_many():
    latency = CallLatency()
    for _ in range(16):
        latency.observe(4, 100e-6)
    assert [latency.is_fast(rows) for rows in (0, 1, 4, 5)] == [False, True, True, False]
    for _ in range(2):
        latency.observe(4, 0.03)
    assert latency.is_fast(4)
    latency.observe(4, 0.03)
    assert not latency.is_fast(1)


def test_slow_calls_are_forgotten_after_many_fast_ones():
    latency = CallLatency()
    for _ in range(MIN_SINGLE_CALLS):
        latency.observe(1, 1e-5)
    for _ in range(MAX_SLOW_CALLS):
        latency.observe(1, 1.0)
    assert not latency.is_fast(1)
    for _ in range(FAST_CALLS_FOR_SLOW - 1):
        latency.observe(1, 1e-5)
    assert not latency.is_fast(1)
    latency.observe(1, 1e-5)
    assert latency.is_fast(1)


def test_two_requests_in_one_call_are_two_clients():
    latency = CallLatency()
    for _ in range(20):
        latency.observe(4, 100e-6)
    assert latency.is_fast(1)
    latency.observe(2, 100e-6, requests=2)
    assert not latency.is_fast(1)


def test_queues_are_few_and_those_that_are_dropped_still_answer(monkeypatch):
    monkeypatch.setattr(scheduler, "MAX_QUEUES", 3)
    kept = []

    async def count(inference, tasks, ask):
        await asyncio.gather(*tasks)
        kept.append(len(inference._queues))

    rows = [[[1.0] * width] for width in range(1, 6)]  # each width is a kind
    batching = BatchingOptions()
    found = answers(FakeGraph(), rows, shape=(-1, -1), batching=batching, before=count)
    assert found == [[[2.0] * width] for width in range(1, 6)]
    assert kept == [3]
