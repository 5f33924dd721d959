"""Load for half an hour, with a new version of the model every 20 seconds.

    python scripts/soak_serving.py --minutes 30 --every-seconds 20

`kerasnn serve` runs as a process of its own on a model whose versions say their own number.
REST and gRPC clients ask it all the time; every answer must be that of the version that was
due at that moment. One version in five is broken and must stand in the status as END with a
message, while the one before goes on. Now and then the newest version is deleted, and the
one before must answer again.

Memory is flat if the lowest sample of the last third is at most 12 MB above that of the
second; the first third is the warm-up. The lowest, because two versions are in memory
while one is loaded, for as long as the machine takes. A version holds 16 MB of weights, so
one in five that is not freed shows: in half a minute with a version every 1.5 seconds, 7
come in each third, in half an hour 30. What stays of a version, its name and status and
what TensorFlow keeps, may be 0.4 MB at 30 versions.

The exit status is 1 if a request failed, an answer was another's, a broken version was not
told, memory grew, or SIGTERM did not end the server with status 0.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from serving_process import EXACT_MEMORY, KerasnnServer, Memory
from soak_clients import GrpcClient, Load, Reigns, RestClient, Violations
from soak_versions import BROKEN, NAME, Versions

PATIENCE_SECONDS = 60
GROWTH_MEGABYTES = 12
KEPT_VERSIONS = 3


class Soak:
    """What happens on the disk while the clients ask."""

    def __init__(self, server: KerasnnServer, versions: Versions, reigns: Reigns) -> None:
        self.server, self.versions, self.reigns = server, versions, reigns
        self.violations = Violations()
        self.good, self.broken = [1], dict[int, str]()
        self.messages: dict[str, str] = {}
        self.deleted = 0

    def turn(self, turn: int) -> None:
        """Publish one version, wait until the server has taken or refused it."""
        number = turn + 2  # 1 was there at the start
        if turn % 5 == 4:
            self.publish_broken(number, list(BROKEN)[turn // 5 % len(BROKEN)])
        else:
            self.publish_good(number)
        if turn % 10 == 7:
            self.delete_newest()
        if turn % 5 == 2:
            self.delete_old()

    def publish_good(self, number: int) -> None:
        """It must soon be the one that answers."""
        self.good.append(number)
        self.versions.write(number)
        self.reigns.due(number)  # before the rename: it may answer at once
        self.versions.publish(number)
        self.await_reign(number)

    def publish_broken(self, number: int, kind: str) -> None:
        """It must soon be told as ended, with a reason."""
        self.versions.write(number, kind)
        self.versions.publish(number)
        self.broken[number] = kind
        if not self.wait(lambda: self.status_of(number).get("state") == "END"):
            self.violations.add(f"version {number} ({kind}): {self.status_of(number)}")
            return
        status = self.status_of(number)["status"]
        self.messages[kind] = f"{status['error_code']}: {status['error_message']}"
        if status["error_code"] == "OK" or not status["error_message"]:
            self.violations.add(f"version {number} ({kind}) ended without a reason")

    def delete_newest(self) -> None:
        """The one before must answer again."""
        newest = self.good.pop()
        self.reigns.due(self.good[-1])
        self.versions.delete(newest)
        self.deleted += 1
        self.await_reign(self.good[-1])

    def delete_old(self) -> None:
        """All but the last few; nobody may notice."""
        kept = self.good[-KEPT_VERSIONS:]
        for number in self.versions.numbers():
            if number not in kept:
                self.versions.delete(number)
                self.deleted += 1

    def await_reign(self, number: int) -> None:
        """Until a client had its answer."""
        if not self.wait(lambda: self.reigns.has_begun):
            self.violations.add(f"version {number} did not answer: {self.statuses()}")

    def wait(self, happened: Callable[[], bool]) -> bool:
        """Return whether it happened in time."""
        until = time.perf_counter() + PATIENCE_SECONDS
        while time.perf_counter() < until:
            if happened():
                return True
            time.sleep(0.1)
        return False

    def statuses(self) -> list[dict[str, Any]]:
        """Return what the server tells of the model's versions."""
        url = f"http://127.0.0.1:{self.server.rest_port}/v1/models/{NAME}"
        with urllib.request.urlopen(url, timeout=30) as response:
            return json.load(response)["model_version_status"]

    def status_of(self, number: int) -> dict[str, Any]:
        """Return what it tells of one; empty if it does not know it."""
        told = [s for s in self.statuses() if s["version"] == str(number)]
        return told[0] if told else {}


def run(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The whole soak: what is reported."""
    versions = Versions(folder / NAME)
    versions.write(1)
    versions.publish(1)
    options = ("--poll-seconds", str(arguments.poll_seconds))
    with KerasnnServer(folder, *options, environment=EXACT_MEMORY) as server:
        reigns = Reigns(1)
        soak = Soak(server, versions, reigns)
        clients: list[Callable[[], RestClient | GrpcClient]] = [
            *[lambda: RestClient(server.rest_port)] * arguments.rest_clients,
            lambda: GrpcClient(server.grpc_port),
        ]
        load = Load(
            clients,
            reigns,
            soak.violations,
            requests_per_second=arguments.requests_per_second,
            seed=arguments.seed,
        )
        memory = Memory(server)
        seconds = publish_for(soak, arguments)
        memory.ending.set()
        load.stop()
        exit_status = server.end() if server.alive else server.popen.returncode
        said = server.said()
    return report(soak, load, memory, seconds=seconds, exit_status=exit_status, said=said)


def publish_for(soak: Soak, arguments: argparse.Namespace) -> float:
    """Turn after turn until the time is over; the seconds it took."""
    started = due = time.perf_counter()
    turn = 0
    while time.perf_counter() - started < arguments.minutes * 60 and soak.server.alive:
        due = max(due + arguments.every_seconds, time.perf_counter())
        soak.turn(turn)
        turn += 1
        tell(f"turn {turn}: version {soak.good[-1]}, {soak.violations.count} violations")
        time.sleep(max(0.0, due - time.perf_counter()))
    return time.perf_counter() - started


def report(
    soak: Soak, load: Load, memory: Memory, *, seconds: float, exit_status: int, said: str
) -> dict[str, Any]:
    """All figures; what was violated is among them."""
    violations, thirds = soak.violations, memory.thirds()
    if thirds[2] > thirds[1] + GROWTH_MEGABYTES:
        violations.add(f"memory grew: {thirds[1]:.0f} MB, then {thirds[2]:.0f} MB")
    if exit_status != 0:
        violations.add(f"SIGTERM must end it with 0; got {exit_status}: {said}")
    if "Traceback" in said:
        violations.add(f"an error that nobody handled: {said}")
    took = soak.reigns.took_seconds or [0.0]
    return {
        "seconds": seconds,
        "requests": load.counts,
        "versions": len(soak.reigns.numbers) + len(soak.broken),
        "broken": len(soak.broken),
        "messages": soak.messages,
        "deleted": soak.deleted,
        "swap_seconds": {"median": statistics.median(took), "max": max(took)},
        "megabytes": thirds,
        "exit_status": exit_status,
        "violation_count": violations.count,
        "violations": violations.texts,
    }


def text(report: dict[str, Any]) -> str:
    """The report, as lines."""
    counts = ", ".join(f"{n} over {kind}" for kind, n in report["requests"].items())
    swap, thirds = report["swap_seconds"], report["megabytes"]
    return "\n".join(
        [
            f"{report['seconds']:.0f} s: {counts} answered rightly",
            f"{report['versions']} versions, {report['broken']} of them broken,"
            f" {report['deleted']} deleted",
            f"from the rename to the first answer: median {swap['median']:.2f} s,"
            f" at most {swap['max']:.2f} s",
            *(f"{kind}: {message}" for kind, message in report["messages"].items()),
            f"memory, lowest of each third: {', '.join(f'{m:.0f} MB' for m in thirds)}",
            f"exit status after SIGTERM: {report['exit_status']}",
            f"{report['violation_count']} violations",
            *report["violations"],
        ]
    )


def tell(line: str) -> None:
    """Progress, on standard error."""
    print(line, file=sys.stderr, flush=True)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--every-seconds", type=float, default=20, help="a new version")
    parser.add_argument("--rest-clients", type=int, default=4, help="beside one of gRPC")
    parser.add_argument(
        "--requests-per-second", type=float, default=500, help="of all clients, at most"
    )
    parser.add_argument("--poll-seconds", type=float, default=1, help="of the server")
    parser.add_argument("--seed", type=int, default=0, help="of what is asked")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object on standard output"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the soak and print it; the exit status."""
    arguments = parse(argv)
    with tempfile.TemporaryDirectory() as folder:
        found = run(arguments, Path(folder) / "models")
    print(json.dumps(found) if arguments.json else text(found))
    return 1 if found["violation_count"] else 0


if __name__ == "__main__":
    sys.exit(main())
