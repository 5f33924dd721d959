"""The HTTP application of the page: its files, its trainings, Server-Sent Events.

- `/`: the page; `/learn/NAME`: the files it consists of.
- `GET /learn/facts`: limits and settings to begin with.
- `POST /learn/tables?name=NAME`: a CSV file; its key and columns come back.
- `POST /learn/sessions`: settings; a training is made. Its key cannot be guessed.
- `GET /learn/sessions/KEY/events?steps=N`: trains while it is read, N steps a frame.
- `POST /learn/sessions/KEY/(step|drawn|close)`; `GET /learn/sessions/KEY`: its losses.
"""

import asyncio
import dataclasses
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from kerasnn.errors import InputError
from kerasnn.learn.sessions import (
    MAX_TABLE_BYTES,
    FullError,
    LostError,
    OpenSession,
    Sessions,
)
from kerasnn.learn.settings import (
    BREAK_EPOCHS,
    BREAKS,
    DEFAULTS,
    LIMITS,
    MAX_RATE,
    PageOptimizer,
    learn_settings,
)
from kerasnn.serving.http.browsers import BrowserPolicy
from kerasnn.serving.page import routes as page

LEARN_FILES = Path(__file__).parent / "static"
# Files of the page of `kerasnn serve` that this page uses as well.
SHARED = ("dom.js", "ink.js", "json.js", "pad.js", "icon.svg", "page.css")
FRAMES_PER_SECOND = 40
MAX_FRAME_STEPS = 1000
_MAX_JSON_BYTES = 2**16
_MAX_NAME = 100

Handler = Callable[[Request], Awaitable[Response]]

_log = logging.getLogger("kerasnn.learn")


def make_learn_app(
    *, browsers: BrowserPolicy | None = None, stopping: Callable[[], bool] = lambda: False
) -> Any:
    """Return the ASGI application.

    Args:
        browsers: which pages may send requests; by default the server's own, on this
            machine.
        stopping: returns whether the server stops: streams then end.
    """
    browsers = browsers or BrowserPolicy()
    inside = Starlette(routes=_routes(_Trainings(Sessions(), stopping)))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        refused = browsers.refusal(scope["method"], scope["headers"])
        answer = inside if refused is None else _error(403, "refused", refused)
        await answer(scope, receive, send)

    return app


def _routes(trainings: "_Trainings") -> list[BaseRoute]:
    own = [path for path in sorted(LEARN_FILES.iterdir()) if path.suffix in page.TYPES]
    shared = [page.STATIC / name for name in SHARED]
    one = "/learn/sessions/{key}"
    return [
        Route("/", page.page_file(LEARN_FILES / "index.html")),
        *(Route(f"/learn/{path.name}", page.page_file(path)) for path in own + shared),
        Route("/learn/facts", _facts),
        Route("/learn/tables", _answered(trainings.table), methods=["POST"]),
        Route("/learn/sessions", _answered(trainings.open), methods=["POST"]),
        Route(one, _answered(trainings.summary)),
        Route(f"{one}/events", _answered(trainings.events)),
        Route(f"{one}/step", _answered(trainings.step), methods=["POST"]),
        Route(f"{one}/drawn", _answered(trainings.drawn), methods=["POST"]),
        Route(f"{one}/close", _answered(trainings.close), methods=["POST"]),
    ]


class _Trainings:
    """Handlers of the requests about trainings."""

    def __init__(self, sessions: Sessions, stopping: Callable[[], bool]) -> None:
        self._sessions = sessions
        self._stopping = stopping

    async def table(self, request: Request) -> Response:
        content = await _body(request, MAX_TABLE_BYTES)
        name = Path(request.query_params.get("name", "")).name[:_MAX_NAME] or "table.csv"
        return page.page_json(
            await asyncio.to_thread(self._sessions.add_table, name, content)
        )

    async def open(self, request: Request) -> Response:
        given = await _json(request)
        settings = learn_settings(_object("settings", given.get("settings", {})))

        def opened() -> dict[str, Any]:
            key, one = self._sessions.open(settings, given)
            facts = {"key": key, **one.frames.facts(), "frame": one.shown()}
            return facts | one.summary()

        return page.page_json(await asyncio.to_thread(opened))

    async def summary(self, request: Request) -> Response:
        one = self._one(request)
        return page.page_json(await asyncio.to_thread(one.summary))

    async def step(self, request: Request) -> Response:
        one = self._one(request)
        given = await _json(request)
        steps, epochs = (_count(name, given.get(name, 0)) for name in ("steps", "epochs"))
        frame = await asyncio.to_thread(one.advance, steps, epochs=epochs)
        return page.page_json({"frame": frame, **await asyncio.to_thread(one.summary)})

    async def drawn(self, request: Request) -> Response:
        one = self._one(request)
        row = (await _json(request)).get("row")
        n_in = one.session.rows.n_in
        try:
            values = None if row is None else np.asarray(row, np.float32)
        except (TypeError, ValueError):
            values = np.empty(0, np.float32)
        if values is not None and (
            values.shape != (n_in,) or not np.isfinite(values).all()
        ):
            raise InputError(f"row must be {n_in} finite numbers")
        one.frames.drawn = values
        return page.page_json({"frame": await asyncio.to_thread(one.shown)})

    async def close(self, request: Request) -> Response:
        await asyncio.to_thread(self._sessions.close, request.path_params["key"])
        return page.page_json({})

    async def events(self, request: Request) -> Response:
        one = self._one(request)
        try:
            steps = int(request.query_params.get("steps", "1"))
        except ValueError:
            steps = 0
        if not 0 < steps <= MAX_FRAME_STEPS:
            raise InputError(f"steps must be a whole number from 1 to {MAX_FRAME_STEPS}")
        return StreamingResponse(
            self._frames(one, steps),
            headers=page.HEADERS | {"Cache-Control": "no-store"},
            media_type="text/event-stream",
        )

    async def _frames(self, one: OpenSession, steps: int) -> AsyncIterator[bytes]:
        """Yield an event for each frame, until the training ends or somebody pauses it."""
        one.stream = mine = object()
        try:
            while not self._stopping():
                began = time.perf_counter()
                frame = await asyncio.to_thread(one.advance, steps, stream=mine)
                if frame is None:
                    return
                yield b"data: %b\n\n" % json.dumps(frame).encode()
                if frame["state"] != "ready":
                    return
                left = 1 / FRAMES_PER_SECOND - (time.perf_counter() - began)
                await asyncio.sleep(max(left, 0))
        except LostError:
            return
        finally:
            if one.stream is mine:
                one.stream = None

    def _one(self, request: Request) -> OpenSession:
        return self._sessions.use(request.path_params["key"])


def _answered(answer: Handler) -> Handler:
    """Return a handler that answers each error with its code and a clear text."""

    async def answered(request: Request) -> Response:
        try:
            return await answer(request)
        except ClientDisconnect:
            return Response(status_code=400)
        except InputError as error:
            return _error(400, "input", str(error))
        except LostError:
            return _error(404, "lost", "this training is gone; start a new one")
        except FullError:
            return _error(503, "full", "too many trainings run; pause one of them")
        except Exception:
            _log.exception("a request failed")
            return _error(500, "failed", "the server failed; its terminal says why")

    return answered


def _facts(request: Request) -> Response:
    return page.page_json(
        {
            "limits": LIMITS,
            "max_rate": MAX_RATE,
            "max_table_bytes": MAX_TABLE_BYTES,
            "optimizers": get_args(PageOptimizer),
            "defaults": {name: dataclasses.asdict(one) for name, one in DEFAULTS.items()},
            "break_epochs": BREAK_EPOCHS,
            "breaks": {name: dataclasses.asdict(one) for name, one in BREAKS.items()},
        }
    )


def _error(status: int, code: str, text: str) -> Response:
    return page.page_json({"error": text, "code": code}, status)


async def _body(request: Request, maximum: int) -> bytes:
    """Return the body of a request.

    Raises:
        InputError: it has more bytes than the maximum.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > maximum:
            raise InputError(f"at most {maximum:,} bytes can be sent")
    return bytes(body)


async def _json(request: Request) -> dict[str, Any]:
    body = await _body(request, _MAX_JSON_BYTES)
    try:
        return _object("the body", json.loads(body or b"{}"))
    except (ValueError, RecursionError):
        raise InputError("the body must be a JSON object") from None


def _object(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{name} must be a JSON object")
    return value


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InputError(f"{name} must be a whole number of at least 0; got {value!r}")
    return value
