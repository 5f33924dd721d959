"""A server as a process of its own: started, watched through /proc, and ended."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")  # of /proc/<pid>/stat, in a second
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# The C library keeps freed blocks of up to 32 MB for later, so that a server's memory rises
# and falls by several unloaded versions. With this it gives them back at once.
EXACT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**20)}


def free_port() -> int:
    """A port of the loopback that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class ProcessFigures:
    """One line of /proc/<pid>/stat.

    Attributes:
        parent: the process that started it.
        cpu_seconds: of itself and of its ended children that were waited for.
        rss_megabytes: memory that it has now.
    """

    parent: int
    cpu_seconds: float
    rss_megabytes: float


def read_figures(pid: int) -> ProcessFigures | None:
    """Return those of one process; None if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # After the name, which is in brackets and may itself hold spaces and brackets.
    fields = stat.rpartition(")")[2].split()
    return ProcessFigures(
        parent=int(fields[1]),
        cpu_seconds=sum(map(int, fields[11:15])) / TICKS,
        rss_megabytes=int(fields[21]) * PAGE_BYTES / 2**20,
    )


def tree_figures(root: int) -> list[ProcessFigures]:
    """Return those of a process and all its descendants that are alive."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    alive = {pid: figures for pid in pids if (figures := read_figures(pid))}
    tree = {root} & alive.keys()
    grown = True
    while grown:
        more = {pid for pid, figures in alive.items() if figures.parent in tree} - tree
        grown, tree = bool(more), tree | more
    return [alive[pid] for pid in tree]


class Process:
    """A running command whose output goes to a file; use with `with`.

    Attributes:
        started: when, by `time.perf_counter`.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: dict[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed in `close`)
        self.started = time.perf_counter()
        self.popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | (environment or {}),
            cwd=folder,
            start_new_session=True,  # Ctrl-C in this script does not reach it
        )

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """True if it has not ended."""
        return self.popen.poll() is None

    def first_line(self) -> str:
        """The first line of its output; the rest is read and forgotten.

        Raises:
            RuntimeError: it ended instead; with what it said.
        """
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline().decode()
        if not line:
            self.popen.wait()
            raise RuntimeError(f"{self.popen.args}: {self.said()}")
        self.forget_output()
        return line

    def forget_output(self) -> None:
        """Read its output from now on, so that it never waits for a reader."""
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        assert self.popen.stdout is not None
        while self.popen.stdout.read1(65536):  # type: ignore[attr-defined]
            pass

    def said(self) -> str:
        """Return what it wrote to standard error so far, at most the last 2,000 bytes."""
        self.errors.seek(0)
        return self.errors.read()[-2000:].decode(errors="replace").strip()

    def cpu_seconds(self) -> float:
        """Used so far by it and its descendants."""
        return sum(figures.cpu_seconds for figures in tree_figures(self.popen.pid))

    def rss_megabytes(self) -> float:
        """Memory that it and its descendants have now; shared pages count for each."""
        return sum(figures.rss_megabytes for figures in tree_figures(self.popen.pid))

    def end(self, timeout_seconds: float = 30) -> int:
        """Ask it to end with SIGTERM; its exit status.

        Raises:
            TimeoutError: it did not end in time.
        """
        self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(
                f"SIGTERM must end the server; it ran on for {timeout_seconds} s"
            ) from None

    def close(self) -> None:
        """End it and what it started, by force if need be."""
        if self.alive:
            self.popen.terminate()
            try:
                self.popen.wait(10)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)  # workers that it left behind
        assert self.popen.stdout is not None
        self.popen.stdout.close()
        self.errors.close()


class KerasnnServer(Process):
    """`kerasnn serve` on any free ports of the loopback, ready to answer.

    Attributes:
        rest_port: of its REST side.
        grpc_port: of its gRPC side.
    """

    def __init__(
        self, models: Path, *options: str, environment: dict[str, str] | None = None
    ) -> None:
        ports = ("--rest-port", "0", "--grpc-port", "0", "--json")
        command = (sys.executable, "-m", "kerasnn", "serve", str(models), *ports, *options)
        super().__init__(command, environment=environment)
        try:
            ready: dict[str, Any] = json.loads(self.first_line())
        except BaseException:
            self.close()
            raise
        self.rest_port, self.grpc_port = int(ready["rest_port"]), int(ready["grpc_port"])


@dataclass
class Memory:
    """Samples of a server's memory, one a second from when it is made.

    Attributes:
        megabytes: the samples.
    """

    server: Process
    megabytes: list[float] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        threading.Thread(target=self._sample, daemon=True).start()

    def _sample(self) -> None:
        while not self.ending.wait(1):
            self.megabytes.append(self.server.rss_megabytes())

    def thirds(self) -> list[float]:
        """The lowest sample of each third: what stays when no version is being swapped."""
        size = max(1, len(self.megabytes) // 3)
        parts = (
            self.megabytes[:size],
            self.megabytes[size : 2 * size],
            self.megabytes[2 * size :],
        )
        return [min(part, default=0.0) for part in parts]
