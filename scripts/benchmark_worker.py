"""Each contender is timed in a process of its own, which loads no other's library.

    python scripts/benchmark_worker.py digits keras

is such a process: it obeys lines of JSON, `{"do": "timed_run", "epochs": 3, "seed": 0}`,
and answers each with a number, measured by itself. The libraries are loaded before the
first.
"""

import contextlib
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any, Protocol

from benchmark_peers import CONTENDERS, Contender
from benchmark_works import WORKS, Work

PEAK_MEMORY = "VmHWM:"  # of /proc/self/status, in kB


class Timed(Protocol):
    """A contender at work, here or in another process."""

    def first_run(self, epochs: int, seed: int) -> float:
        """Seconds to build it, compile, and train."""

    def timed_run(self, epochs: int, seed: int) -> float:
        """Seconds to train again from fresh weights, which are not timed."""

    def score(self, epochs: int, seed: int) -> float:
        """On the test rows, after another training."""

    def peak_megabytes(self) -> float:
        """The most memory that its process has had so far."""


class TimedPeer:
    """A contender at work in this process."""

    def __init__(self, contender: Contender, work: Work) -> None:
        contender.load()  # what takes seconds, and is not timed
        self.contender, self.work = contender, work

    def first_run(self, epochs: int, seed: int) -> float:
        """Seconds to build it, compile, and train."""
        started = time.perf_counter()
        self.peer = self.contender.make(self.work)
        self.peer.reset(seed)
        self.peer.run(epochs)
        return time.perf_counter() - started

    def timed_run(self, epochs: int, seed: int) -> float:
        """Seconds to train again from fresh weights, which are not timed."""
        self.peer.reset(seed)
        gc.collect()  # what one run left behind is not collected in another's time
        started = time.perf_counter()
        self.peer.run(epochs)
        return time.perf_counter() - started

    def score(self, epochs: int, seed: int) -> float:
        """On the test rows, after another training."""
        self.peer.reset(seed)
        self.peer.run(epochs)
        return self.work.score(self.peer.outputs(self.work.x_test))

    def peak_megabytes(self) -> float:
        """The most memory that this process has had so far; nan where Linux is not.

        Not `ru_maxrss`: a new process inherits the peak of the one that started it.
        """
        with contextlib.suppress(OSError), open("/proc/self/status") as status:
            for line in status:
                if line.startswith(PEAK_MEMORY):
                    return float(line.split()[1]) / 1024
        return float("nan")


class Worker:
    """A contender at work in a process of its own; to be closed, or used with `with`."""

    def __init__(self, contender: Contender, work: str) -> None:
        self.title = contender.title
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed in `close`)
        self.process = subprocess.Popen(
            [sys.executable, __file__, work, contender.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=os.environ
            | {"KERAS_BACKEND": contender.backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process: it has read all of its input."""
        self.process.communicate()
        self.errors.close()

    def ask(self, do: str, **arguments: int) -> float:
        """The answer.

        Raises:
            RuntimeError: the process ended instead; with what it had to say.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps({"do": do} | arguments), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            self.errors.seek(0)
            raise RuntimeError(f"{self.title}: {self.errors.read().decode().strip()}")
        return float(answer)

    def first_run(self, epochs: int, seed: int) -> float:
        """Seconds to build it, compile, and train."""
        return self.ask("first_run", epochs=epochs, seed=seed)

    def timed_run(self, epochs: int, seed: int) -> float:
        """Seconds to train again from fresh weights, which are not timed."""
        return self.ask("timed_run", epochs=epochs, seed=seed)

    def score(self, epochs: int, seed: int) -> float:
        """On the test rows, after another training."""
        return self.ask("score", epochs=epochs, seed=seed)

    def peak_megabytes(self) -> float:
        """The most memory that its process has had so far."""
        return self.ask("peak_megabytes")


def serve(work: str, name: str) -> None:
    """Obey standard input, and answer on what was standard output."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is not an answer
    (contender,) = [c for c in CONTENDERS if c.name == name]
    timed = TimedPeer(contender, WORKS[work]())
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        print(getattr(timed, request.pop("do"))(**request), file=answers, flush=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])
