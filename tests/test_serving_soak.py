"""Half a minute under load with a version every 1.5 seconds, and what it is made of.

It begins with the first test of this file and is judged by the last; the short fuzz and
the tests of the soak's own parts use the time in between.
"""

import importlib
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parents[1] / "scripts"
MODULES = (
    *("serving_process", "soak_versions", "soak_clients", "soak_serving"),
    *("fuzz_json", "fuzz_bytes", "fuzz_messages", "fuzz_answers", "fuzz_models"),
    "fuzz_serving",
)


@pytest.fixture(scope="module")
def soak_process():
    """Light: it leaves the cores to the other tests."""
    options = ("--minutes", "0.5", "--every-seconds", "1.5", "--requests-per-second", "20")
    command = [sys.executable, SCRIPTS / "soak_serving.py", "--json", *options]
    with subprocess.Popen(
        [*command, "--poll-seconds", "0.25"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


@pytest.fixture(scope="module")
def modules():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        yield {name: importlib.import_module(name) for name in MODULES}
        for name in MODULES:
            sys.modules.pop(name)


def test_the_half_minute_begins(soak_process):
    assert soak_process.poll() is None


def test_no_malformed_request_breaks_the_server(modules, tmp_path):
    fuzz = modules["fuzz_serving"]
    options = ("--requests", "1000", "--seed", "1", "--workers", "4")
    arguments = fuzz.parse([*options, "--output", str(tmp_path / "violations")])
    report = fuzz.run(arguments, tmp_path / "models")
    assert report["violations"] == []
    assert report["exit_status"] == 0
    assert {"REST 200", "REST 400", "REST 501", "gRPC OK", "gRPC INVALID_ARGUMENT"} <= (
        report["outcomes"].keys()
    )


# The soak's own parts: what it allows, and what it sees.


class Clock:
    """time.perf_counter as the test says."""

    def __init__(self, monkeypatch, module):
        self.now = 0.0
        monkeypatch.setattr(module.time, "perf_counter", lambda: self.now)


@pytest.fixture
def clock(monkeypatch, modules):
    return Clock(monkeypatch, modules["soak_clients"])


def test_a_version_may_answer_from_its_due_time_until_the_next_was_seen(modules, clock):
    reigns = modules["soak_clients"].Reigns(1)
    clock.now = 10.0
    reigns.due(2)
    assert not reigns.has_begun
    assert reigns.allow(1, 11.0, 12.0)  # the old one, while the new one is not seen
    assert reigns.allow(2, 9.0, 11.0)  # sent before, answered after it was due
    assert not reigns.allow(2, 8.0, 9.0)  # not yet due
    reigns.seen(2, 13.0)
    reigns.seen(2, 14.0)
    assert reigns.has_begun
    assert reigns.took_seconds == [3.0]
    assert reigns.allow(1, 12.0, 20.0)  # sent before the new one was seen
    assert not reigns.allow(1, 13.5, 14.0)  # sent after
    assert reigns.allow(2, 100.0, 101.0)


def test_a_version_may_reign_again(modules, clock):
    reigns = modules["soak_clients"].Reigns(1)
    for now, number in ((10.0, 2), (20.0, 1)):
        clock.now = now
        reigns.due(number)
        reigns.seen(number, now + 1)
    assert not reigns.allow(1, 12.0, 13.0)
    assert reigns.allow(1, 22.0, 23.0)
    assert not reigns.allow(2, 22.0, 23.0)


class Client:
    """Answers as a test says."""

    kind = "REST"

    def __init__(self, answer, asked):
        self.answer, self.asked = answer, asked

    def ask(self, x):
        self.asked.set()
        return self.answer(x)

    def close(self):
        pass


def fails(x):
    raise ValueError("503 b'{}'")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (lambda x: ([2 * value + 1 for value in x], None), None),
        (lambda x: ([2 * value + 1 for value in x], 1), None),
        (lambda x: ([2 * value + 1 for value in x], 2), "REST: 2 answered 1's numbers"),
        (
            lambda x: ([2 * value + 3 for value in x], None),
            "REST: 3 answered when [1] were",
        ),
        (lambda x: ([1.0] * 9, None), "ValueError: zip() argument"),
        (fails, "ValueError: 503 b'{}'"),
    ],
    ids=["right", "right-version", "other-version", "not-due", "too-many", "failed"],
)
def test_a_wrong_answer_or_none_is_a_violation(modules, answer, problem):
    clients = modules["soak_clients"]
    violations, asked = clients.Violations(), threading.Event()
    load = clients.Load(
        [lambda: Client(answer, asked)],
        clients.Reigns(1),
        violations,
        requests_per_second=1000,
        seed=0,
    )
    assert asked.wait(30)
    load.stop()
    assert (load.counts["REST"] > 0) == (problem is None)
    assert (violations.count == 0) == (problem is None)
    assert all(problem in line for line in violations.texts)


def test_a_version_says_its_number_and_a_broken_one_does_not_load(modules, tmp_path):
    import tensorflow as tf

    soak_versions = modules["soak_versions"]
    versions = soak_versions.Versions(tmp_path / "sum")
    for number, broken in ((7, None), (8, "half a saved_model.pb"), (9, "no variables")):
        versions.write(number, broken)
        versions.publish(number)
    assert versions.numbers() == [9, 8, 7]
    loaded = tf.saved_model.load(tmp_path / "sum" / "7")
    y = loaded.signatures["serving_default"](x=tf.constant([1.0, 2.0]))["y"]
    assert y.numpy().tolist() == [9.0, 11.0]
    for number in (8, 9):
        with pytest.raises((OSError, tf.errors.OpError)):
            tf.saved_model.load(tmp_path / "sum" / str(number))
    versions.delete(8)
    assert versions.numbers() == [9, 7]


def test_the_figures_of_a_process_count_its_children(modules):
    serving_process = modules["serving_process"]
    code = (
        "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c',"
        "'import time; x = bytearray(50_000_000); print(1, flush=True); time.sleep(60)']);"
        "time.sleep(60)"
    )
    with serving_process.Process([sys.executable, "-c", code]) as process:
        assert process.first_line() == "1\n"
        assert len(serving_process.tree_figures(process.popen.pid)) == 2
        assert process.rss_megabytes() > 55
        assert process.cpu_seconds() >= 0
        assert process.end() == -15


def test_a_server_that_does_not_start_says_why(modules):
    serving_process = modules["serving_process"]
    command = [sys.executable, "-c", "raise SystemExit('no models')"]
    with (
        serving_process.Process(command) as process,
        pytest.raises(RuntimeError, match="no models"),
    ):
        process.first_line()


def test_memory_is_told_by_thirds(modules):
    class Server:
        def rss_megabytes(self):
            return 1.0

    memory = modules["serving_process"].Memory(Server())
    memory.ending.set()
    memory.megabytes = [100.0, 1.0, 9.0, 50.0, 50.0, 2.0, 3.0, 3.0, 9.0, 9.0]
    assert memory.thirds() == [1.0, 2.0, 3.0]


def memory_samples(leak_every):
    """Half a minute with a version every 1.5 seconds; four seconds in five hold two."""
    for second in range(30):
        versions = int(second / 1.5)
        leaked = versions // leak_every if leak_every else 0
        yield 600.0 + 16.0 * (leaked + (second % 5 != 0))


def test_a_leak_of_one_version_in_five_is_growth_and_swaps_are_none(modules):
    memory = modules["serving_process"].Memory(None)
    memory.ending.set()
    growth = {}
    for leak_every in (None, 5, 3, 1):
        memory.megabytes = list(memory_samples(leak_every))
        _, second, third = memory.thirds()
        growth[leak_every] = third - second
    limit = modules["soak_serving"].GROWTH_MEGABYTES
    assert growth[None] == 0.0
    assert limit < growth[5] < growth[3] < growth[1]


@pytest.mark.parametrize(
    ("megabytes", "exit_status", "said", "violations"),
    [
        ([600.0, 600.0, 612.0], 0, "stopped", []),
        ([600.0, 600.0, 613.0], 0, "stopped", ["memory grew: 600 MB, then 613 MB"]),
        ([1.0, 1.0, 1.0], 1, "no", ["SIGTERM must end it with 0; got 1: no"]),
        ([1.0, 1.0, 1.0], 0, "Traceback", ["an error that nobody handled: Traceback"]),
    ],
)
def test_growth_and_a_bad_end_are_violations(
    modules, tmp_path, megabytes, exit_status, said, violations
):
    clients, soak_serving = modules["soak_clients"], modules["soak_serving"]
    soak = soak_serving.Soak(None, None, clients.Reigns(1))
    memory = modules["serving_process"].Memory(None)
    memory.ending.set()
    memory.megabytes = megabytes
    load = clients.Load([], soak.reigns, soak.violations, requests_per_second=1, seed=0)
    report = soak_serving.report(
        soak, load, memory, seconds=1.0, exit_status=exit_status, said=said
    )
    assert report["violations"] == violations
    assert f"{len(violations)} violations" in soak_serving.text(report)


def test_half_a_minute_of_load_with_new_and_broken_versions(soak_process):
    """Last in this file: it waits for the rest of the half minute."""
    output, errors = soak_process.communicate(timeout=600)
    report = json.loads(output) if output else pytest.fail(errors)
    assert report["violations"] == []
    assert report["violation_count"] == 0
    assert report["exit_status"] == 0
    assert report["requests"]["REST"] > 100
    assert report["requests"]["gRPC"] > 20
    assert report["broken"] >= 1
    assert report["versions"] > report["broken"] + report["deleted"] // 4
    assert all(": " in message for message in report["messages"].values())
