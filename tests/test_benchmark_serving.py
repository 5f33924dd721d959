"""The benchmark of serving: who takes part, how it loads, and how its numbers are made."""

import http.server
import importlib
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture(scope="module")
def benchmark():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        yield importlib.import_module("benchmark_serving")
        for name in [
            n for n in sys.modules if n.startswith(("benchmark_serving", "serving_p"))
        ]:
            sys.modules.pop(name)


@pytest.fixture
def load(benchmark):
    return sys.modules["benchmark_serving_load"]


@pytest.fixture
def rounds(benchmark):
    return sys.modules["benchmark_serving_rounds"]


@pytest.fixture
def contenders(benchmark):
    return sys.modules["benchmark_serving_contenders"]


def test_names_and_titles_are_unique_and_ours_is_first(benchmark):
    names = [contender.name for contender in benchmark.CONTENDERS]
    titles = [contender.title for contender in benchmark.CONTENDERS]
    assert len(set(names)) == len(set(titles)) == len(names)
    assert benchmark.CONTENDERS[0] is benchmark.OURS
    assert benchmark.OURS.name == "kerasnn"


def test_every_command_names_a_program_that_is_there(benchmark, contenders):
    started = contenders.Started("peer-python", Path("models"), 8501, 8500)
    for contender in benchmark.CONTENDERS:
        command = contender.command(started)
        assert (command[0] == sys.executable) == contender.ours
        programs = [word for word in command if word.endswith(".py")]
        programs += [word.split(":")[0] + ".py" for word in command if "_app:" in word]
        assert programs or contender.ours
        assert all((contenders.PEERS / program).is_file() for program in programs)
        assert {"8501", "8500"} & set(command)


def test_a_peer_that_lacks_a_package_says_how_to_install_it(contenders):
    peer = contenders.Contender(
        "nobody", "Nobody", lambda started: [], needs=("sys", "no_such_package")
    )
    assert peer.lacks(sys.executable) == ["no_such_package"]
    assert contenders.left_out_line(peer, ["no_such_package"]) == (
        "Nobody: left out, no_such_package not installed; make an environment of the"
        " peers (python -m venv peers; peers/bin/pip install -c constraints.txt tensorflow"
        " tensorflow-serving-api grpcio fastapi uvicorn uvloop httptools litserve bentoml)"
        " and name it: --peer-python peers/bin/python"
    )


def test_without_wrk_the_way_out_is_told(benchmark, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert benchmark.main([]) == 2
    assert capsys.readouterr().err == (
        "The load over REST is made by wrk, which was not found;"
        " install it (apt-get install wrk, brew install wrk)\n"
    )


class Answers(http.server.BaseHTTPRequestHandler):
    """200 to /good with the right body, 500 to all else."""

    protocol_version = "HTTP/1.1"
    bodies = set()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.bodies.add((self.headers["Content-Type"], body))
        self.send_response(200 if self.path == "/good" else 500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_wrk_sends_the_body_and_counts_errors(load, tmp_path):
    body = json.dumps({"instances": [[0.5, 1.0]]})
    script = load.write_wrk_script(body, tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        good = load.load_rest(f"{address}/good", script, clients=2, seconds=1)
        bad = load.load_rest(f"{address}/bad", script, clients=2, seconds=1)
        server.shutdown()
    assert Answers.bodies == {("application/json", body.encode())}
    assert good["requests"] > 10
    assert good["errors"] == 0
    assert 0.5 < good["seconds"] < 5
    assert 0 < good["p50_ms"] <= good["p99_ms"]
    assert bad["errors"] == bad["requests"] > 10


def test_wrk_that_fails_is_told(load, monkeypatch, tmp_path):
    def failed(command, **options):
        return subprocess.CompletedProcess(command, 1, "", "unable to connect")

    monkeypatch.setattr(load, "find_wrk", lambda: "wrk")
    monkeypatch.setattr(subprocess, "run", failed)
    with pytest.raises(RuntimeError, match="wrk: unable to connect"):
        load.load_rest("http://127.0.0.1:1/", tmp_path, clients=1, seconds=1)


def test_a_wrong_answer_is_not_measured(rounds):
    question = rounds.Question("{}", b"", 3, rounds.np.array([0.25, 0.75]))
    question.check(3, [0.25, 0.75])
    for label, probabilities in ((2, [0.25, 0.75]), (3, [0.26, 0.74])):
        with pytest.raises(ValueError, match=r"the answer must be class 3 with \[0.25"):
            question.check(label, probabilities)


# Numbers.


@pytest.fixture
def measurements(benchmark, rounds):
    """Two peers, of which each is the faster one once, and ours."""
    rates = {"kerasnn": (300.0, 600.0), "fastapi": (100.0, 150.0), "bentoml": (50.0, 200.0)}
    made = []
    for contender in benchmark.CONTENDERS:
        if contender.name not in rates:
            continue
        measurement = rounds.Measurement(contender, [4.0, 6.0], [], [500.0, 700.0])
        if contender.ours:
            measurement.loading_seconds = [3.0, 4.0]
        for rate in rates[contender.name]:
            got = {"requests": 2 * rate, "seconds": 2.0, "p50_ms": 1.0, "p99_ms": 9.0}
            rounds.note(measurement, "REST 8", got | {"errors": 1}, 0.5)
        made.append(measurement)
    return made


def test_ratios_are_taken_within_a_round_and_to_the_best_of_it(benchmark, measurements):
    ours, fastapi, bentoml = benchmark.summarize(measurements)
    assert (ours["requests_per_second"], ours["ratio"], ours["errors"]) == (450.0, 1.0, 2)
    assert ours["requests_per_cpu_second"] == 4 * 450.0
    assert (fastapi["ratio"], bentoml["ratio"]) == (3.5, 4.5)
    assert benchmark.verdicts(measurements) == [
        {"cell": "REST 8", "peer": "FastAPI, def", "ratio": 3.0}
    ]
    assert [row["over_loading"] for row in benchmark.starts(measurements)] == [
        1.5,
        None,
        None,
    ]


def test_the_table(benchmark, measurements):
    report = {
        "cells": benchmark.summarize(measurements),
        "starts": benchmark.starts(measurements),
        "verdicts": benchmark.verdicts(measurements),
    }
    assert benchmark.table(report) == [
        "         server                         requests/s   p50 ms   p99 ms errors"
        " per CPU-s  ratio",
        "REST 8   kerasnn serve                         450     1.00      9.0      2"
        "      1800   1.00",
        "REST 8   FastAPI, def                          125     1.00      9.0      2"
        "       500   3.50",
        "REST 8   BentoML                               125     1.00      9.0      2"
        "       500   4.50",
        "",
        "server                                     start s over loading   RSS MB",
        "kerasnn serve                                 5.00         1.50      600",
        "FastAPI, def                                  5.00            -      600",
        "BentoML                                       5.00            -      600",
        "",
        "REST 8: 3.00 times the best peer (FastAPI, def)",
    ]


def test_the_command_line_has_its_choices(benchmark, capsys):
    arguments = benchmark.parse(["--clients", "8", "--peers", "fastapi"])
    assert (arguments.clients, arguments.peers) == ([8], ["fastapi"])
    with pytest.raises(SystemExit):
        benchmark.parse(["--rounds", "0"])
    assert "must be a whole number of at least 1; got '0'" in capsys.readouterr().err
