"""TensorFlow Serving's REST interface: every path under `/v1/`.

It is a plain ASGI application: paths are matched as they were sent, and for a small
network most of a request's time is spent outside its graph.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from google.protobuf import json_format

from kerasnn.serving.errors import (
    HTTP_STATUS,
    Code,
    ServingError,
    as_serving_error,
    invalid,
)
from kerasnn.serving.examples import classify, regress
from kerasnn.serving.http.body import BodyTooLargeError, ClientDisconnectedError, read_body
from kerasnn.serving.http.browsers import BrowserPolicy
from kerasnn.serving.in_flight import Held
from kerasnn.serving.models.model_version import ModelVersion, VersionStatus
from kerasnn.serving.models.registry import Use
from kerasnn.serving.options import Limits
from kerasnn.serving.rest import response
from kerasnn.serving.rest.large_body import (
    LARGE_BYTES,
    LargeDocument,
    read_large_object,
    release,
)
from kerasnn.serving.rest.parser import read_object, signature_name
from kerasnn.serving.rest.paths import METADATA, STATUS, Route, parse_route
from kerasnn.serving.rest.request_examples import read_examples
from kerasnn.serving.rest.request_inputs import (
    as_lists,
    check_rows,
    is_row_form,
    read_inputs,
    row_count,
)
from kerasnn.serving.saved_model.examples import find_examples_signature
from kerasnn.serving.saved_model.signatures import NamedArrays, Signature, find_signature
from kerasnn.serving.service import Service

if TYPE_CHECKING:
    from kerasnn.serving.saved_model.table_inputs import TableInputs

_log = logging.getLogger("kerasnn.serving")
_FACTS = "kerasnn.request"  # in the scope; see `access_log`
_APIS = {
    "predict": "Predict",
    "classify": "Classify",
    "regress": "Regress",
    METADATA: "GetModelMetadata",
    STATUS: "GetModelStatus",
}
_TYPE = (b"content-type", b"application/json")
_ORIGIN = re.compile(rb"https?://", re.IGNORECASE)

_THREADS = 2  # for large bodies; more would only wait for each other

Headers = list[tuple[bytes, bytes]]
_Result = TypeVar("_Result")


class RestApp:
    """The ASGI application.

    Args:
        service: whose models answer.
        browsers: which pages of other origins may read answers.
    """

    def __init__(self, service: Service, browsers: BrowserPolicy) -> None:
        self._service = service
        self._threads = ThreadPoolExecutor(_THREADS, "kerasnn-json")
        self._browsers = browsers
        self._answers: dict[str, Callable[..., Awaitable[bytes]]] = {
            "predict": self._predict,
            "classify": self._of_examples,
            "regress": self._of_examples,
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        start = perf_counter()
        facts = scope.get(_FACTS)
        facts = {} if facts is None else facts
        route: Route | None = None
        headers: Headers = [_TYPE, *self._browsers.answer_headers(scope["headers"])]
        code = Code.OK
        try:
            route = self._route(scope)
            with self._service.in_flight.request() as held:
                content = await self._answer(route, scope, receive, held, facts)
            status = 200
        except ClientDisconnectedError:
            return
        except BodyTooLargeError:
            code, status = Code.RESOURCE_EXHAUSTED, 413
            content = response.error_json(
                f"a body may have at most {self._service.limits.body_bytes} bytes"
                " (--max-body-bytes)"
            )
            headers.append((b"connection", b"close"))  # the rest is not read
        except Exception as error:
            failure = self._failure(error)
            code, status = failure.code, HTTP_STATUS[failure.code]
            content = response.error_json(failure.message) if failure.message else b""
            failure.__traceback__ = None  # it holds this frame, and so the body
            if failure.retry_after_seconds is not None:
                seconds = str(failure.retry_after_seconds).encode()
                headers.append((b"retry-after", seconds))
            if failure.code is Code.UNAVAILABLE:
                headers.append((b"connection", b"close"))  # the rest may not be read
        self._record(route, code, perf_counter() - start, facts)
        headers.append((b"content-length", str(len(content)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    # ------------------------------------------------------------------ questions

    def _route(self, scope: Any) -> Route | None:
        """Return the route of a request; None for a CORS preflight request.

        Raises:
            ServingError: INVALID_ARGUMENT, the request is malformed.
        """
        method, target = scope["method"], scope["raw_path"]
        if scope["query_string"]:
            target = target + b"?" + scope["query_string"]
        if method == "OPTIONS":
            origin = dict(scope["headers"]).get(b"origin", b"")
            if _ORIGIN.search(origin) is None:
                raise ServingError(
                    Code.FAILED_PRECONDITION, "Origin header is missing in CORS preflight"
                )
            return None
        route = parse_route(method, target)
        if route is None:
            raise invalid(
                f"Malformed request: {method} {target.decode('utf-8', 'replace')}"
            )
        if route.too_large:
            raise invalid("")  # the only error that is answered with an empty body
        return route

    async def _answer(
        self,
        route: Route | None,
        scope: Any,
        receive: Any,
        held: Held,
        facts: dict[str, Any],
    ) -> bytes:
        if route is None:
            return b""
        if route.what in self._answers:
            body = await read_body(scope, receive, self._service.limits.body_bytes, held)
            if len(body) > LARGE_BYTES:
                document: dict[str, Any] = await self._in_thread(
                    read_large_object, body, self._service.limits
                )
            else:
                document = read_object(body)
            del body
            name = signature_name(document)
            deadline = (
                asyncio.get_running_loop().time() + self._service.limits.timeout_seconds
            )
            answer = self._answers[route.what]
            try:
                return await answer(route, document, name, deadline, facts)
            finally:
                if isinstance(document, LargeDocument):
                    await self._in_thread(release, document)
        if not route.model:
            return self._models()
        return (
            self._metadata(route, facts) if route.what == METADATA else self._status(route)
        )

    async def _predict(
        self,
        route: Route,
        document: dict[str, Any],
        name: str,
        deadline: float,
        facts: dict[str, Any],
    ) -> bytes:
        service = self._service
        with self._used(route) as version:
            facts["version"] = version.number
            signature = find_signature(version.graph.signatures, name)
            inputs = await self._inputs(document, signature, version)
            outputs = await service.inference.run(
                version, signature, inputs, deadline=deadline
            )
        write = (
            response.predictions_json if is_row_form(document) else response.columns_json
        )
        facts["rows"] = max((len(a) for a in inputs.values() if a.ndim), default=1)
        if sum(array.size for array in outputs.values()) > response.LARGE_SIZE:
            return await self._in_thread(write, outputs)
        return write(outputs)

    async def _in_thread(self, function: Callable[..., _Result], *given: Any) -> _Result:
        """Run a function on a large body or answer in a thread, and return its result."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, function, *given)

    async def _inputs(
        self, document: dict[str, Any], signature: Signature, version: ModelVersion
    ) -> NamedArrays:
        """Return the inputs of a request, which may be written as a table's rows."""
        limits = self._service.limits
        table = version.table_inputs
        if table is not None and signature.key not in table.options:
            table = None
        inputs, failure = None, None
        try:
            read = partial(_plain_inputs, document, signature, limits, table)
            is_large = isinstance(document, LargeDocument)
            inputs, are_plain = await self._in_thread(read) if is_large else read()
            if table is None or are_plain:
                return inputs
        except ServingError as error:
            if table is None:
                raise
            failure = error.with_traceback(None)  # else a cycle holds the body
        check_rows(row_count(document), limits)
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            None, lambda: table.read(as_lists(document), signature.key)
        )
        if found is not None:
            return found
        if failure is not None:
            raise failure
        assert inputs is not None
        return inputs

    async def _of_examples(
        self,
        route: Route,
        document: dict[str, Any],
        name: str,
        deadline: float,
        facts: dict[str, Any],
    ) -> bytes:
        """Answer Classify and Regress."""
        service = self._service
        with self._used(route) as version:
            facts["version"] = version.number
            signature = find_examples_signature(version.graph, name)
            names = version.feature_names(signature.key)
            read = partial(read_examples, document, service.limits, names)
            is_large = isinstance(document, LargeDocument)
            examples = await self._in_thread(read) if is_large else read()
            facts["rows"] = len(examples)
            if route.what == "classify":
                classes = await classify(
                    service, version, signature, examples, deadline=deadline
                )
                return response.classifications_json(classes)
            values = await regress(service, version, signature, examples, deadline=deadline)
            return response.regressions_json(values)

    def _used(self, route: Route) -> Use:
        """Return a context that holds the version of a route."""
        return self._service.models.use(route.model, route.version, route.label)

    def _models(self) -> bytes:
        """Return the models; TensorFlow Serving has no such list."""
        statuses = self._service.models.all_statuses()
        return _json_lines(
            {"models": [{"name": n, **_status_dict(s)} for n, s in statuses.items()]}
        )

    def _status(self, route: Route) -> bytes:
        """Return the statuses of the versions; like TensorFlow Serving, ignores a label."""
        statuses = self._service.models.statuses(route.model, route.version)
        return _json_lines(_status_dict(statuses))

    def _metadata(self, route: Route, facts: dict[str, Any]) -> bytes:
        with self._used(route) as version:
            facts["version"] = version.number
            signatures = version.graph.signature_def_map()
            number = version.number
        listed = json_format.MessageToDict(
            signatures,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        return _json_lines(
            {
                "model_spec": {
                    "name": route.model,
                    "signature_name": "",
                    "version": str(number),
                },
                "metadata": {"signature_def": listed},
            }
        )

    # ------------------------------------------------------------------ failures

    def _failure(self, error: Exception) -> ServingError:
        failure = as_serving_error(error)
        if failure.code is Code.INTERNAL:
            _log.error("a REST request failed", exc_info=error)
        return failure

    def _record(
        self, route: Route | None, code: Code, seconds: float, facts: dict[str, Any]
    ) -> None:
        if route is None:
            facts["code"] = code.name
            return
        facts["model"] = route.model
        facts["code"] = code.name
        self._service.observe_request(route.model, _APIS[route.what], "REST", code, seconds)


def _plain_inputs(
    document: Mapping[str, Any],
    signature: Signature,
    limits: Limits,
    table: "TableInputs | None",
) -> tuple[NamedArrays, bool]:
    """Return the inputs of a request, and whether the graph reads them as they are."""
    inputs = read_inputs(document, signature, limits)
    return inputs, table is None or table.are_plain(document, inputs)


def _status_dict(statuses: Iterable[VersionStatus]) -> dict[str, Any]:
    return {
        "model_version_status": [
            {
                "version": str(status.version),
                "state": status.state,
                "status": {
                    "error_code": status.code.name,
                    "error_message": status.message,
                },
            }
            for status in statuses
        ]
    }


def _json_lines(content: Any) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
