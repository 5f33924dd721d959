"""Running graphs for the requests of an event loop: in threads, and together.

Requests that wait at the same time for the same outputs of the same signature, with rows
of the same shapes, are computed in one call, so that many clients do not cost many calls.
Nobody waits for company by default: a request that comes alone is computed alone. Where
requests come one at a time, calls that are known to take less than handing them to a
thread are made in the event loop (`pace`).

Owns the bound on how many requests wait, and how long each may. What the arrays mean is
left to REST and gRPC.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

from numpy.typing import NDArray

from kerasnn.serving.errors import Code, ServingError, of_any
from kerasnn.serving.inference.batch_queue import Batch, Group, Request
from kerasnn.serving.inference.latency import Pace, Paces
from kerasnn.serving.inference.workers import Workers
from kerasnn.serving.metrics import Metrics
from kerasnn.serving.models.model_version import ModelVersion
from kerasnn.serving.saved_model.signatures import Signature

Arrays = Mapping[str, NDArray[Any]]
T = TypeVar("T")


@dataclass(frozen=True)
class Batching:
    """How requests are computed together.

    Attributes:
        rows: the most in one call; a single request may have more, and then runs alone.
        wait_microseconds: how long a request waits for others; 0: only for those that
            came in the same turn of the event loop, or while the graph was busy.
    """

    rows: int = 1000
    wait_microseconds: int = 0


class Inference:
    """The threads that run graphs, and who waits for them.

    Belongs to one event loop: all but the graphs' calls happens in it.

    Args:
        threads: graph calls at the same time.
        batching: None: every request is computed by itself.
        waiting: the most requests that wait or are computed; more are turned away.
        metrics: told of every call.
    """

    def __init__(
        self,
        *,
        threads: int | None = None,
        batching: Batching | None = None,
        waiting: int = 1000,
        metrics: Metrics | None = None,
    ) -> None:
        self._workers = Workers(threads or os.cpu_count() or 1)
        self._batching = batching
        self._most = waiting
        self._metrics = metrics
        self._groups: dict[object, Group] = {}
        self._ready: deque[Group] = deque()
        self._running = 0
        self._paces = Paces()
        self._count = 0

    @property
    def waiting(self) -> int:
        """Requests that wait or are computed now."""
        return self._count

    def start(self) -> None:
        """Start the threads; called in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._workers.start()

    async def stop(self) -> None:
        """End the threads, each after the call that it is in."""
        await self._loop.run_in_executor(None, self._workers.stop)

    async def run(
        self,
        version: ModelVersion,
        signature: Signature,
        inputs: Arrays,
        outputs: Sequence[str] | None = None,
        *,
        deadline: float,
    ) -> dict[str, NDArray[Any]]:
        """The outputs of a signature.

        Args:
            version: is held until the graph has answered, even if nobody waits any more.
            signature: of that version.
            inputs: every input of the signature by alias.
            outputs: aliases; all by default.
            deadline: on the event loop's clock, in seconds.

        Raises:
            ServingError: RESOURCE_EXHAUSTED if too many wait, DEADLINE_EXCEEDED, or the
                error of the operation that failed.
        """
        self._check_room()
        names = tuple(signature.outputs) if outputs is None else tuple(outputs)
        request = Request(inputs, self._loop.create_future())
        group = self._group(version, signature, names, request)
        return await self._answer(request, group, deadline)

    async def run_blocking(
        self, version: ModelVersion, function: Callable[[], T], *, deadline: float
    ) -> T:
        """What a function returns that runs a graph itself, in one of the threads.

        Raises:
            ServingError: as `run`.
        """
        self._check_room()
        request = Request({}, self._loop.create_future())
        group = Group(version, lambda _: function(), most_rows=1)
        return await self._answer(request, group, deadline)

    def _check_room(self) -> None:
        if self._count >= self._most:
            raise ServingError(
                Code.RESOURCE_EXHAUSTED,
                f"{self._count} requests wait already, the most that --max-waiting allows;"
                " try again",
                retry_after_seconds=1,
            )

    def _group(
        self,
        version: ModelVersion,
        signature: Signature,
        outputs: tuple[str, ...],
        request: Request,
    ) -> Group:
        """Where the request waits: with those it can be computed with, or alone."""

        def run(inputs: Arrays) -> dict[str, NDArray[Any]]:
            return version.graph.run(signature, inputs, outputs)

        batching = self._batching
        if batching is None or not signature.row_wise or not request.rows:
            return Group(version, run, most_rows=1)
        key = (version, signature.key, outputs, request.kind)
        group = self._groups.get(key)
        if group is None:
            pace = self._pace(version, key, request)
            group = Group(version, run, most_rows=batching.rows, key=key, pace=pace)
            self._groups[key] = group
        return group

    def _pace(self, version: ModelVersion, key: Hashable, request: Request) -> Pace | None:
        """How long such calls take; None if that cannot be known.

        A loop may run longer with other numbers, an operation on text with longer ones.
        """
        numeric = all(array.dtype != object for array in request.inputs.values())
        return self._paces.of(key) if numeric and version.graph.is_steady else None

    async def _answer(self, request: Request, group: Group, deadline: float) -> Any:
        self._count += 1
        group.add(request)
        timer = self._loop.call_at(deadline, self._expire, request, group)
        self._schedule(group)
        try:
            return await request.future
        except asyncio.CancelledError:  # the client is gone
            self._give_up(request, group)
            raise
        finally:
            timer.cancel()

    def _schedule(self, group: Group) -> None:
        """See to it that what waits in a group gets a thread."""
        wait = self._batching.wait_microseconds if self._batching else 0
        if group.offered:
            return
        if group.timer is not None:
            if group.waiting_rows < group.most_rows:
                return
            group.timer.cancel()
        if group.key is None or group.waiting_rows >= group.most_rows:
            self._offer(group)
        elif wait:
            group.timer = self._loop.call_later(wait / 1e6, self._offer, group)
        else:  # at the end of this turn of the loop
            group.offered = True
            self._loop.call_soon(self._offer, group)

    def _offer(self, group: Group) -> None:
        group.offered, group.timer = True, None
        self._ready.append(group)
        self._fill()

    def _fill(self) -> None:
        """Let the groups have their calls in turn; only now it is decided who joins."""
        for _ in range(len(self._ready)):
            group = self._ready.popleft()
            if group.waiting and self._runs_here(group):
                self._run_here(group)
            if group.waiting and self._running < self._workers.count:
                self._run_in_thread(group)
            group.offered = bool(group.waiting)
            if group.offered:
                self._ready.append(group)
            else:
                self._drop_if_idle(group)

    def _runs_here(self, group: Group) -> bool:
        """Whether a group is one request, whose call is known to be quick."""
        if group.pace is None or len(group.waiting) > 1:
            return False
        return group.pace.is_quick(group.waiting_rows)

    def _run_here(self, group: Group) -> None:
        batch = group.take()
        results, seconds = self._results(group, batch)
        self._settle(group, batch, results, seconds)

    def _run_in_thread(self, group: Group) -> None:
        batch = group.take()
        group.running += 1
        self._running += 1
        group.version.hold()
        self._workers.put(partial(self._compute, group, batch))

    def _compute(self, group: Group, batch: Batch) -> None:
        """In a thread: the call, and back to the event loop with what came of it."""
        results, seconds = self._results(group, batch)
        self._loop.call_soon_threadsafe(self._finish, group, batch, results, seconds)

    def _results(self, group: Group, batch: Batch) -> tuple[Sequence[Any], float]:
        """What the call gave to each request, and how long it took, in seconds."""
        start = perf_counter()
        try:
            results = batch.results(group.run)
        except BaseException as error:
            results = [error] * len(batch.requests)
        seconds = perf_counter() - start
        if self._metrics is not None:
            self._metrics.observe_runtime(
                model=group.version.name,
                seconds=seconds,
                rows=batch.rows,
                requests=len(batch.requests),
            )
        return results, seconds

    def _finish(
        self, group: Group, batch: Batch, results: Sequence[Any], seconds: float
    ) -> None:
        """A thread is free again."""
        group.running -= 1
        self._running -= 1
        group.version.release()
        self._settle(group, batch, results, seconds)
        self._fill()
        self._drop_if_idle(group)

    def _settle(
        self, group: Group, batch: Batch, results: Sequence[Any], seconds: float
    ) -> None:
        """Give each request what came of it."""
        if group.pace is not None:
            group.pace.saw(batch.rows, seconds, requests=len(batch.requests))
        self._count -= len(batch.requests)
        for request, result in zip(batch.requests, results, strict=True):
            if request.future.done():
                continue  # nobody waits any more
            if isinstance(result, BaseException):
                request.future.set_exception(of_any(result))
            else:
                request.future.set_result(result)

    def _drop_if_idle(self, group: Group) -> None:
        if not (group.waiting or group.running or group.offered or group.timer):
            self._groups.pop(group.key, None)

    def _expire(self, request: Request, group: Group) -> None:
        if not request.future.done():
            self._give_up(request, group)
            request.future.set_exception(
                ServingError(
                    Code.DEADLINE_EXCEEDED, "the time for this request is over (timeout)"
                )
            )

    def _give_up(self, request: Request, group: Group) -> None:
        """Take a request out of those that wait; one that is computed ends by itself."""
        if group.discard(request):
            self._count -= 1
