"""Requests that are computed in one call: joined by rows before it, cut apart after it."""

import asyncio
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn.serving.inference.latency import CallLatency
from kerasnn.serving.models.model_version import ModelVersion
from kerasnn.serving.saved_model.signatures import NamedArrays


class Request:
    """One client's request.

    Attributes:
        inputs: by alias.
        future: takes the answer.
        deadline: on the event loop's clock, in seconds.
    """

    def __init__(
        self, inputs: NamedArrays, future: asyncio.Future[Any], deadline: float
    ) -> None:
        self.inputs = inputs
        self.future = future
        self.deadline = deadline

    @cached_property
    def rows(self) -> int:
        """The first size of all inputs; 0 if they differ, or have no rows."""
        sizes = {array.shape[0] if array.ndim else 0 for array in self.inputs.values()}
        return sizes.pop() if len(sizes) == 1 else 0

    @property
    def kind(self) -> tuple[Any, ...]:
        """Names, types and inner shapes; requests are joined only if these are equal."""
        return tuple(
            (alias, array.dtype.num, array.shape[1:])
            for alias, array in self.inputs.items()
        )


class Batch:
    """Requests that are computed together."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self.requests = requests
        self.rows = sum(request.rows for request in requests)

    @property
    def deadline(self) -> float:
        """The time after which nobody waits for the answers."""
        return max(request.deadline for request in self.requests)

    def results(self, run: Callable[[NamedArrays], Any]) -> list[Any]:
        """Return the answer or the error of each request.

        If a joined call fails, or the model does not return a row for each row, each
        request is computed alone: the fault may be in one request's rows.
        """
        if len(self.requests) == 1:
            return [run(self.requests[0].inputs)]
        try:
            joined = run(self._joined())
        except Exception:
            joined = None
        if joined is None or any(
            not array.ndim or len(array) != self.rows for array in joined.values()
        ):
            return [_result(run, request) for request in self.requests]
        return self._cut(joined)

    def _joined(self) -> dict[str, NDArray[Any]]:
        several = [request.inputs for request in self.requests]
        return {
            alias: np.concatenate([inputs[alias] for inputs in several])
            for alias in several[0]
        }

    def _cut(self, joined: NamedArrays) -> list[dict[str, NDArray[Any]]]:
        results, start = [], 0
        for request in self.requests:
            end = start + request.rows
            results.append({alias: array[start:end] for alias, array in joined.items()})
            start = end
        return results


class BatchQueue:
    """A queue of requests that can be joined, and its running calls.

    Attributes:
        version: whose graph answers.
        run: the call, from the inputs and the seconds that it may take to the outputs.
        max_rows: of one call.
        key: what the requests have in common; None: a queue for a single request.
        latency: of such calls; None if it cannot be predicted.
        waiting: in the order in which they came.
        running: number of calls that have begun.
        offered: whether the queue waits for a free thread.
        timer: until it ends, more requests may join.
    """

    def __init__(
        self,
        version: ModelVersion,
        run: Callable[[NamedArrays, float], Any],
        *,
        max_rows: int,
        key: object = None,
        latency: CallLatency | None = None,
    ) -> None:
        self.version = version
        self.run = run
        self.max_rows = max_rows
        self.key = key
        self.latency = latency
        self.waiting: dict[Request, None] = {}
        self.waiting_rows = 0
        self.running = 0
        self.offered = False
        self.timer: asyncio.TimerHandle | None = None

    def add(self, request: Request) -> None:
        """Append a request."""
        self.waiting[request] = None
        self.waiting_rows += request.rows

    def discard(self, request: Request) -> bool:
        """Remove a request; return False if it no longer waits."""
        if request not in self.waiting:
            return False
        del self.waiting[request]
        self.waiting_rows -= request.rows
        return True

    def take(self) -> Batch:
        """Remove and return a batch: the first request, and more up to `max_rows`."""
        taken: list[Request] = []
        rows = 0
        for request in self.waiting:
            if taken and rows + request.rows > self.max_rows:
                break
            taken.append(request)
            rows += request.rows
        for request in taken:
            self.discard(request)
        return Batch(taken)


def _result(run: Callable[[NamedArrays], Any], request: Request) -> Any:
    try:
        return run(request.inputs)
    except Exception as error:
        return error
