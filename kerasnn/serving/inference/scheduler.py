"""Graph calls for the requests of an event loop: in threads, and joined.

Waiting requests for the same outputs of the same signature, with rows of the same shapes,
are joined into one call, once it is proved that this does not change their answers
(`join_proof`). By default a request does not wait for others: a single request is computed
at once. If requests come one at a time, fast calls are made in the event loop (`latency`).

The scheduler bounds how many requests wait, and how long; each model has its own threads
(`model_calls`). REST and gRPC read and write the arrays.
"""

import asyncio
import os
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

from numpy.typing import NDArray

from kerasnn.serving.errors import Code, ServingError, as_serving_error, invalid
from kerasnn.serving.inference.batch_queue import Batch, BatchQueue, Request
from kerasnn.serving.inference.join_proof import JoinProofs
from kerasnn.serving.inference.latency import CallLatency
from kerasnn.serving.inference.model_calls import CallsByModel, StuckModel
from kerasnn.serving.inference.workers import WorkerThreads
from kerasnn.serving.metrics import Metrics
from kerasnn.serving.models.model_version import ModelVersion
from kerasnn.serving.saved_model.signatures import NamedArrays, Signature

MAX_QUEUES = 1000  # kinds of requests, with the latency of each

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class BatchingOptions:
    """Limits of joined calls.

    Attributes:
        rows: maximum of one joined call; a single request may have more.
        request_rows: maximum of a single request; None: any.
        sizes: numbers of rows that joined calls are filled up to; any, if empty.
        wait_microseconds: how long a request waits for others; 0: it is joined only with
            requests of the same turn of the event loop, or while the graph was busy.
    """

    rows: int = 1000
    request_rows: int | None = None
    sizes: tuple[int, ...] = ()
    wait_microseconds: int = 0


class Scheduler:
    """The threads that run graphs, and the queues in front of them.

    It belongs to one event loop; only the graph calls run in other threads.

    Args:
        threads: calls of one model at the same time.
        batching: None: every request is computed by itself.
        waiting: maximum number of requests of one model that wait or run; more are
            refused.
        timeout_seconds: a call that runs longer, and past its deadline, is overdue.
        metrics: counts every call.
    """

    def __init__(
        self,
        *,
        threads: int | None = None,
        batching: BatchingOptions | None = None,
        waiting: int = 1000,
        timeout_seconds: float = 30.0,
        metrics: Metrics | None = None,
    ) -> None:
        threads = threads or os.cpu_count() or 1
        self._workers = WorkerThreads(threads)
        self._calls = CallsByModel(
            max_calls=threads, max_requests=waiting, patience_seconds=timeout_seconds
        )
        self._batching = batching
        self._metrics = metrics
        self._queues: OrderedDict[object, BatchQueue] = OrderedDict()
        self._ready: deque[BatchQueue] = deque()
        self._proofs = JoinProofs()

    @property
    def waiting(self) -> int:
        """Number of requests that wait or run."""
        return self._calls.requests

    def stuck(self) -> list[StuckModel]:
        """Return the models all of whose calls run on after their deadlines."""
        return self._calls.stuck(self._loop.time())

    def overdue(self) -> dict[str, int]:
        """Return the number of calls of each model that run on after their deadlines."""
        return self._calls.overdue(self._loop.time())

    def start(self) -> None:
        """Begin; must be called in the running event loop."""
        self._loop = asyncio.get_running_loop()

    async def stop(self) -> None:
        """End each thread after its current call."""
        await self._loop.run_in_executor(None, self._workers.stop)

    async def run(
        self,
        version: ModelVersion,
        signature: Signature,
        inputs: NamedArrays,
        outputs: Sequence[str] | None = None,
        *,
        deadline: float,
    ) -> dict[str, NDArray[Any]]:
        """Return the outputs of a signature.

        Args:
            version: is held until the graph has answered, even if the client is gone.
            signature: of that version.
            inputs: every input of the signature by alias.
            outputs: aliases; all by default.
            deadline: on the event loop's clock, in seconds.

        Raises:
            ServingError: RESOURCE_EXHAUSTED if too many wait, UNAVAILABLE if the model is
                stuck, DEADLINE_EXCEEDED, or the error of the operation that failed.
        """
        self._calls.check_room(version.name, self._loop.time())
        names = tuple(signature.outputs) if outputs is None else tuple(outputs)
        request = Request(inputs, self._loop.create_future(), deadline)
        queue = self._queue(version, signature, names, request)
        answer = await self._answer(request, queue)
        if version.cell_counts is not None:
            version.cell_counts.count(inputs)
        return answer

    async def run_blocking(
        self,
        version: ModelVersion,
        function: Callable[[float], _Result],
        *,
        deadline: float,
    ) -> _Result:
        """Run a function that calls a graph in one of the threads, and return its result.

        Args:
            version: as in `run`.
            function: takes the number of seconds that the call may run.
            deadline: as in `run`.

        Raises:
            ServingError: as `run`.
        """
        self._calls.check_room(version.name, self._loop.time())
        request = Request({}, self._loop.create_future(), deadline)
        queue = BatchQueue(version, lambda _, seconds: function(seconds), max_rows=1)
        return await self._answer(request, queue)

    def _queue(
        self,
        version: ModelVersion,
        signature: Signature,
        outputs: tuple[str, ...],
        request: Request,
    ) -> BatchQueue:
        """Return the queue of a request: that of its kind, or one for it alone."""
        batching = self._batching
        joins = signature.row_wise and signature.key not in version.graph.changing
        if batching is None or not joins or not request.rows:
            return _queue_for_one(version, signature, outputs)
        if batching.request_rows is not None and request.rows > batching.request_rows:
            raise invalid(
                f"Task size {request.rows} is larger than maximum input batch size"
                f" {batching.request_rows}"
            )
        key = (version, signature.key, outputs, request.kind)
        queue = self._queues.get(key)
        if queue is None:
            proof = self._proofs.of(version, signature.key, outputs)
            queue = self._queues[key] = BatchQueue(
                version,
                partial(_run_graph, version, signature, outputs),
                max_rows=batching.rows,
                sizes=batching.sizes,
                proof=proof,
                is_shared=True,
                latency=_latency(version, signature, request),
            )
            if len(self._queues) > MAX_QUEUES:
                self._queues.popitem(last=False)  # its requests are still computed
        if queue.proof.given_up:
            return _queue_for_one(version, signature, outputs)
        return queue

    async def _answer(self, request: Request, queue: BatchQueue) -> Any:
        self._calls.add_request(queue.version.name)
        queue.add(request)
        timer = self._loop.call_at(request.deadline, self._expire, request, queue)
        self._schedule(queue)
        try:
            return await request.future
        except asyncio.CancelledError:  # the client is gone
            self._give_up(request, queue)
            raise
        finally:
            timer.cancel()

    def _schedule(self, queue: BatchQueue) -> None:
        """Offer a queue to the threads: at once, after the wait, or after this turn."""
        wait = self._batching.wait_microseconds if self._batching else 0
        if queue.offered:
            return
        if queue.timer is not None:
            if queue.waiting_rows < queue.max_rows:
                return
            queue.timer.cancel()
        if not queue.is_shared or queue.waiting_rows >= queue.max_rows:
            self._offer(queue)
        elif wait:
            queue.timer = self._loop.call_later(wait / 1e6, self._offer, queue)
        else:  # at the end of this turn of the loop
            queue.offered = True
            self._loop.call_soon(self._offer, queue)

    def _offer(self, queue: BatchQueue) -> None:
        queue.offered, queue.timer = True, None
        self._ready.append(queue)
        self._fill()

    def _fill(self) -> None:
        """Run the ready queues in turn; only now are their requests joined."""
        for _ in range(len(self._ready)):
            queue = self._ready.popleft()
            if queue.waiting and self._runs_here(queue):
                self._run_here(queue)
            if queue.waiting and self._calls.may_run(queue.version.name):
                self._run_in_thread(queue)
            queue.offered = bool(queue.waiting)
            if queue.offered:
                self._ready.append(queue)

    def _runs_here(self, queue: BatchQueue) -> bool:
        """Return whether the queue holds one request whose call is known to be fast."""
        if queue.latency is None or len(queue.waiting) > 1:
            return False
        return queue.latency.is_fast(queue.waiting_rows)

    def _run_here(self, queue: BatchQueue) -> None:
        batch = queue.take()
        results, seconds = self._results(queue, batch)
        self._settle(queue, batch, results, seconds)

    def _run_in_thread(self, queue: BatchQueue) -> None:
        batch = queue.take()
        self._calls.begin(
            queue.version.name, batch, now=self._loop.time(), deadline=batch.deadline
        )
        queue.version.hold()
        self._workers.put(partial(self._compute, queue, batch))

    def _compute(self, queue: BatchQueue, batch: Batch) -> None:
        """Compute a batch in a thread, and pass the results to the event loop."""
        results, seconds = self._results(queue, batch)
        self._loop.call_soon_threadsafe(self._finish, queue, batch, results, seconds)

    def _results(self, queue: BatchQueue, batch: Batch) -> tuple[Sequence[Any], float]:
        """Return the result or error of each request, and the seconds of the call."""
        start = perf_counter()
        try:
            left = batch.deadline - self._loop.time()
            results = batch.results(lambda inputs: queue.run(inputs, left))
        except BaseException as error:
            results = [error] * len(batch.requests)
        seconds = perf_counter() - start
        if self._metrics is not None:
            self._metrics.observe_runtime(
                model=queue.version.name,
                seconds=seconds,
                rows=batch.rows,
                requests=len(batch.requests),
            )
        return results, seconds

    def _finish(
        self, queue: BatchQueue, batch: Batch, results: Sequence[Any], seconds: float
    ) -> None:
        """Handle the results of a thread, which is free again."""
        self._calls.end(queue.version.name, batch)
        self._workers.done()
        queue.version.release()
        self._settle(queue, batch, results, seconds)
        self._fill()

    def _settle(
        self, queue: BatchQueue, batch: Batch, results: Sequence[Any], seconds: float
    ) -> None:
        """Set the result or error of each request."""
        if queue.latency is not None:
            queue.latency.observe(batch.rows, seconds, requests=len(batch.requests))
        self._calls.remove_requests(queue.version.name, len(batch.requests))
        for request, result in zip(batch.requests, results, strict=True):
            if request.future.done():
                continue  # nobody waits any more
            if isinstance(result, BaseException):
                request.future.set_exception(as_serving_error(result))
            else:
                request.future.set_result(result)

    def _expire(self, request: Request, queue: BatchQueue) -> None:
        if not request.future.done():
            self._give_up(request, queue)
            request.future.set_exception(
                ServingError(
                    Code.DEADLINE_EXCEEDED, "the time for this request is over (timeout)"
                )
            )

    def _give_up(self, request: Request, queue: BatchQueue) -> None:
        """Remove a waiting request; a running one ends by itself."""
        if queue.discard(request):
            self._calls.remove_requests(queue.version.name, 1)


def _queue_for_one(
    version: ModelVersion, signature: Signature, outputs: tuple[str, ...]
) -> BatchQueue:
    run = partial(_run_graph, version, signature, outputs)
    return BatchQueue(version, run, max_rows=1)


def _run_graph(
    version: ModelVersion,
    signature: Signature,
    outputs: tuple[str, ...],
    inputs: NamedArrays,
    seconds: float,
) -> dict[str, NDArray[Any]]:
    return version.graph.run(signature, inputs, outputs, timeout_seconds=seconds)


def _latency(
    version: ModelVersion, signature: Signature, request: Request
) -> CallLatency | None:
    """Return a latency of such calls to be observed; None if it depends on the values.

    Loops may run longer with other numbers, operations on text with longer texts.
    """
    numeric = all(array.dtype != object for array in request.inputs.values())
    return CallLatency() if numeric and signature.key in version.graph.steady else None
