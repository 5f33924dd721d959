"""Requests that are computed in one call: joined by rows before it, cut apart after it."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn.serving.inference.join_proof import MAX_PARTS, JoinProof
from kerasnn.serving.inference.latency import CallLatency
from kerasnn.serving.models.model_version import ModelVersion
from kerasnn.serving.saved_model.signatures import NamedArrays

_ALONE = JoinProof("")  # of queues for a single request


class Request:
    """One client's request.

    Attributes:
        inputs: by alias.
        future: takes the answer.
        deadline: on the event loop's clock, in seconds.
        rows: the first size of all inputs; 0 if they differ, or have no rows.
    """

    def __init__(
        self, inputs: NamedArrays, future: asyncio.Future[Any], deadline: float
    ) -> None:
        self.inputs = inputs
        self.future = future
        self.deadline = deadline
        sizes = {array.shape[0] if array.ndim else 0 for array in inputs.values()}
        self.rows = sizes.pop() if len(sizes) == 1 else 0

    @cached_property
    def values(self) -> tuple[Any, ...]:
        """The values of all inputs, to be compared with those of other requests."""
        return tuple(
            tuple(array.reshape(-1).tolist()) if array.dtype == object else array.tobytes()
            for array in self.inputs.values()
        )

    @property
    def kind(self) -> tuple[Any, ...]:
        """Names, types and inner shapes; requests are joined only if these are equal."""
        return tuple(
            (alias, array.dtype.num, array.shape[1:])
            for alias, array in self.inputs.items()
        )


class Batch:
    """Requests that are computed together.

    Args:
        requests: the first ones of a queue.
        proof: whether they may be joined.
        sizes: numbers of rows that joined calls are filled up to; any, if empty.

    Attributes:
        rows: of all requests.
        deadline: the time after which nobody waits for the answers.
    """

    def __init__(
        self, requests: Sequence[Request], proof: JoinProof, *, sizes: Sequence[int] = ()
    ) -> None:
        self.requests = requests
        self.rows = sum(request.rows for request in requests)
        self.deadline = max(request.deadline for request in requests)
        self._proof = proof
        self._sizes = sizes

    def results(self, run: Callable[[NamedArrays], Any]) -> list[Any]:
        """Return the answer or the error of each request.

        If a joined call fails, or the model does not return a row for each row, each
        request is computed alone: the fault may be in one request's rows.
        """
        if len(self.requests) == 1:
            return [run(self.requests[0].inputs)]
        rows = self._proof.rows
        if self.rows > rows:
            rows = self._proof.rows_for(self.requests)
        if self.rows <= rows:
            if not self._proof.is_check_due():
                return self._together(run, self.requests)
            rows = max(self.rows // MAX_PARTS, 1)
        return self._proved(run, rows)

    def _proved(self, run: Callable[[NamedArrays], Any], rows: int) -> list[Any]:
        """Return the answers of proved calls, and compare those of a larger call with them.

        Args:
            run: the call.
            rows: maximum that may be joined.
        """
        results: list[Any] = []
        for part in _parts(self.requests, rows):
            results += self._together(run, part)
        good = [
            (request, result)
            for request, result in zip(self.requests, results, strict=True)
            if not isinstance(result, Exception)
        ]
        if len(good) > 1 and not self._proof.given_up:
            requests, alone = zip(*good, strict=True)
            joined = [
                self._joined(run, requests),
                _reversed(self._joined(run, requests[::-1])),
            ]
            count = sum(request.rows for request in requests)
            self._proof.observe(requests, count, alone, joined)
        return results

    def _together(
        self, run: Callable[[NamedArrays], Any], requests: Sequence[Request]
    ) -> list[Any]:
        if len(requests) == 1:
            return [_result(run, requests[0])]
        joined = self._joined(run, requests)
        if not isinstance(joined, str):
            return joined
        results = [_result(run, request) for request in requests]
        if not any(isinstance(result, Exception) for result in results):
            self._proof.give_up(joined)
        return results

    def _joined(
        self, run: Callable[[NamedArrays], Any], requests: Sequence[Request]
    ) -> list[dict[str, NDArray[Any]]] | str:
        """Return the answers of one call, or why there are none."""
        rows = sum(request.rows for request in requests)
        size = next((size for size in self._sizes if size >= rows), rows)
        try:
            outputs = run(_inputs(requests, size - rows))
        except Exception as error:
            return f"it fails: {error!s:.200}"
        for name, array in outputs.items():
            if not array.ndim or len(array) != size:
                return f"{name}: {list(array.shape)} for {size} rows"
        return _cut(outputs, requests)


def _parts(requests: Sequence[Request], rows: int) -> Iterator[Sequence[Request]]:
    """Yield requests in groups of at most `rows` rows, or of one request."""
    part: list[Request] = []
    for request in requests:
        if part and sum(each.rows for each in part) + request.rows > rows:
            yield part
            part = []
        part.append(request)
    yield part


def _inputs(requests: Sequence[Request], fill: int) -> dict[str, NDArray[Any]]:
    """Return the rows of all requests, and the first row of the last one `fill` times."""
    last = requests[-1].inputs
    extra = [{alias: array[:1] for alias, array in last.items()}] * fill
    several = [*(request.inputs for request in requests), *extra]
    return {
        alias: np.concatenate([inputs[alias] for inputs in several]) for alias in several[0]
    }


def _cut(outputs: NamedArrays, requests: Sequence[Request]) -> list[dict[str, Any]]:
    results, start = [], 0
    for request in requests:
        end = start + request.rows
        results.append({alias: array[start:end] for alias, array in outputs.items()})
        start = end
    return results


def _reversed(answers: list[Any] | str) -> list[Any] | str:
    return answers if isinstance(answers, str) else answers[::-1]


class BatchQueue:
    """A queue of requests that can be joined.

    Attributes:
        version: whose graph answers.
        run: the call, from the inputs and the seconds that it may take to the outputs.
        max_rows: of one call.
        sizes: see `Batch`.
        proof: whether requests may be joined.
        is_shared: whether it takes several requests; else it is for a single one.
        latency: of such calls; None if it cannot be predicted.
        waiting: in the order in which they came.
        offered: whether the queue waits for a free thread.
        timer: until it ends, more requests may join.
    """

    def __init__(
        self,
        version: ModelVersion,
        run: Callable[[NamedArrays, float], Any],
        *,
        max_rows: int,
        sizes: Sequence[int] = (),
        proof: JoinProof | None = None,
        is_shared: bool = False,
        latency: CallLatency | None = None,
    ) -> None:
        self.version = version
        self.run = run
        self.max_rows = max_rows
        self.sizes = sizes
        self.proof = proof or _ALONE
        self.is_shared = is_shared
        self.latency = latency
        self.waiting: dict[Request, None] = {}
        self.waiting_rows = 0
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
        """Remove and return a batch: the first request, and more up to `max_rows`.

        A call of unproved size has only a few times the rows of a proved one.
        """
        taken: list[Request] = []
        rows, most = 0, self._most_rows()
        for request in self.waiting:
            after = rows + request.rows
            if taken and (
                after > self.max_rows
                or (after > most and len(taken) >= MAX_PARTS)
                or self.proof.given_up
            ):
                break
            taken.append(request)
            rows = after
        for request in taken:
            self.discard(request)
        return Batch(taken, self.proof, sizes=self.sizes)

    def _most_rows(self) -> int:
        """Return the most rows of a call that few proved calls can be compared with."""
        if self.waiting_rows <= self.proof.rows:
            return self.max_rows
        first = next(iter(self.waiting))
        return MAX_PARTS * self.proof.rows_for([first])


def _result(run: Callable[[NamedArrays], Any], request: Request) -> Any:
    try:
        return run(request.inputs)
    except Exception as error:
        return error
