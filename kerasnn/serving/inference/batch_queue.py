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
    """What one client asked.

    Attributes:
        inputs: by alias.
        future: takes the answer.
    """

    def __init__(self, inputs: NamedArrays, future: asyncio.Future[Any]) -> None:
        self.inputs = inputs
        self.future = future

    @cached_property
    def rows(self) -> int:
        """The first size that all inputs share; 0 if they share none, or have no rows."""
        sizes = {array.shape[0] if array.ndim else 0 for array in self.inputs.values()}
        return sizes.pop() if len(sizes) == 1 else 0

    @property
    def kind(self) -> tuple[Any, ...]:
        """What must be equal for rows to be joined: names, types and inner shapes."""
        return tuple(
            (alias, array.dtype.num, array.shape[1:])
            for alias, array in self.inputs.items()
        )


class Batch:
    """Requests that were taken together."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self.requests = requests
        self.rows = sum(request.rows for request in requests)

    def results(self, run: Callable[[NamedArrays], Any]) -> list[Any]:
        """The answer to each request, or the error that is its own.

        An error in a joined call may be the fault of one request's rows, and a model may
        not give a row for each row: then each is computed by itself.
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
    """Requests that can be computed together, and what is being computed of them.

    Attributes:
        version: whose graph answers.
        run: the call, from the inputs to the outputs.
        max_rows: of one call.
        key: what they have in common; None: a group for a single request.
        pace: how long such calls take; None if nobody can know.
        waiting: in the order in which they came.
        running: calls that have begun.
        offered: whether what waits is to be computed as soon as a thread is free.
        timer: until which more may come.
    """

    def __init__(
        self,
        version: ModelVersion,
        run: Callable[[NamedArrays], Any],
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
        """Let a request wait."""
        self.waiting[request] = None
        self.waiting_rows += request.rows

    def discard(self, request: Request) -> bool:
        """Take a request out; False if it does not wait any more."""
        if request not in self.waiting:
            return False
        del self.waiting[request]
        self.waiting_rows -= request.rows
        return True

    def take(self) -> Batch:
        """The next batch: the first that waits, and as many more as have room with it."""
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
