"""The HTTP application: `/v1/`, the page, and monitoring.

- `/v1/...`: the models (`rest`); such requests skip the router.
- `/`, `/page/...`: the page to try them on (`page`).
- `/metrics`, and TensorFlow Serving's path for the same: for Prometheus.
- `/healthz`: the process lives. `/readyz`: its models are loaded, and it takes requests.
"""

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from kerasnn.serving.access_log import FACTS, AccessLog, App, logged_app
from kerasnn.serving.errors import Code
from kerasnn.serving.http.browsers import BrowserPolicy
from kerasnn.serving.models.versions import RETRY_SECONDS
from kerasnn.serving.page import page_routes
from kerasnn.serving.rest.api import RestApp
from kerasnn.serving.rest.response import error_json
from kerasnn.serving.service import Service

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METRICS_PATHS = ("/metrics", "/monitoring/prometheus/metrics")
_API = b"/v1/"


def make_app(
    service: Service,
    *,
    browsers: BrowserPolicy | None = None,
    stopping: Callable[[], bool],
    access_log: AccessLog | None = None,
    grpc: str | None = None,
) -> App:
    """Return the ASGI application of a server.

    Args:
        service: whose models answer.
        browsers: which pages may send requests; by default the server's own, on this
            machine.
        stopping: returns whether the server stops, and takes no more requests.
        access_log: logs every request, if given.
        grpc: host and port of gRPC, if there is one.
    """
    browsers = browsers or BrowserPolicy()
    api = RestApp(service, browsers)
    others = _others(service, stopping, grpc)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        refused = browsers.refusal(scope["method"], scope["headers"])
        if refused is not None:
            scope.get(FACTS, {})["code"] = Code.PERMISSION_DENIED.name
            await _refuse(refused, send)
            return
        # As it was sent: decoded, the path of a model may hold anything.
        inside = scope["raw_path"][:4].lower() == _API
        await (api if inside else others)(scope, receive, send)

    return app if access_log is None else logged_app(app, access_log)


def _others(service: Service, stopping: Callable[[], bool], grpc: str | None) -> Starlette:
    def metrics(request: Request) -> Response:
        return PlainTextResponse(service.metrics.text(), media_type=METRICS_TYPE)

    def healthz(request: Request) -> Response:
        return PlainTextResponse("alive\n")

    def readyz(request: Request) -> Response:
        why = "stopping" if stopping() else service.models.why_not_ready()
        stuck = service.inference.stuck()
        words = ", ".join(f"{model.name} (for {model.seconds:.0f} s)" for model in stuck)
        if why is None and len(stuck) < max(len(service.models.names()), 1):
            # One stuck model of several must not take the others away from their clients.
            return PlainTextResponse(
                f"ready; models that are stuck: {words}\n" if stuck else "ready\n"
            )
        why = why or f"models that are stuck: {words}"
        headers = {"retry-after": str(RETRY_SECONDS)}
        return PlainTextResponse(f"not ready; {why}\n", 503, headers)

    return Starlette(
        routes=[
            *(Route(path, metrics) for path in METRICS_PATHS),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            *page_routes(service, grpc=grpc),
        ],
        exception_handlers={404: _not_found},
    )


async def _refuse(message: str, send: Any) -> None:
    content = error_json(message)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
        (b"connection", b"close"),  # the body is not read
    ]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return HTMLResponse(
        "<!doctype html><title>Not found</title><p>There is nothing here."
        ' <a href="/">The models</a></p>\n',
        status_code=404,
        headers=error.headers,
    )
