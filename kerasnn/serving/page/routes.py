"""The paths of the page: `/`, its files and the facts about models under `/page/`.

No path from a browser is used as a file's path: the page's files are listed, and a model's
files are those that `model_facts` shows.
"""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Scope

from kerasnn.serving.errors import HTTP_STATUS, Code, ServingError
from kerasnn.serving.page.model_facts import (
    REPORT,
    all_models,
    json_text,
    one_version,
    shown_files,
)
from kerasnn.serving.page.openapi import openapi
from kerasnn.serving.service import Service

STATIC = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
# The page writes names and errors of models as text; the browser refuses all else.
PAGE_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'; require-trusted-types-for 'script'"
)
# A report is as untrusted as its model: it runs nothing, loads nothing, has no origin.
REPORT_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_MODELS = b"/page/models/"
_VERSION = re.compile("[0-9]{1,19}")


def page_routes(service: Service, *, grpc: str | None = None) -> list[BaseRoute]:
    """Return the routes of the page.

    - `/`: the page; `/page/NAME`: the files it consists of.
    - `/openapi.json`: the REST interface of the models, as OpenAPI describes it.
    - `/page/server`: where gRPC is.
    - `/page/models`: the models, with the states of their versions.
    - `/page/models/NAME[/VERSION]`: what a version takes and gives, and its manifest; the
      newest that answers, unless one is named. NAME is percent-encoded.
    - `/page/models/NAME/VERSION/FILE`: its report, or one of its figures.

    Args:
        service: has the models.
        grpc: host and port of gRPC; None: there is none.
    """
    files = sorted(path for path in STATIC.iterdir() if path.suffix in TYPES)

    def models(request: Request) -> Response:
        return page_json(all_models(service.models))

    def described(request: Request) -> Response:
        return page_json(openapi(service.models))

    def server(request: Request) -> Response:
        return page_json({"grpc": grpc})

    def model(request: Request) -> Response:
        try:
            return _model(service, _parts(request.scope))
        except ServingError as error:
            return page_json({"error": error.message}, HTTP_STATUS[error.code])

    return [
        Route("/", page_file(STATIC / "index.html")),
        *(Route(f"/page/{path.name}", page_file(path)) for path in files),
        Route("/openapi.json", described),
        Route("/page/server", server),
        Route("/page/models", models),
        # Starlette has decoded the path: NAME may hold a slash.
        Route("/page/models/{rest:path}", model),
    ]


def page_file(path: Path) -> Callable[[Request], Response]:
    """Return a handler that answers with a file of the page, which is read once."""
    content, media_type = path.read_bytes(), TYPES[path.suffix]

    def answer(request: Request) -> Response:
        headers = {**HEADERS, "Content-Security-Policy": PAGE_POLICY}
        headers["X-Frame-Options"] = "DENY"
        return Response(content, headers=headers, media_type=media_type)

    return answer


def _parts(scope: Scope) -> list[str]:
    """Return the parts of the path after `/page/models/`, each decoded by itself."""
    raw = scope.get("raw_path") or scope["path"].encode()
    try:
        parts = [unquote_to_bytes(p).decode() for p in raw.split(_MODELS, 1)[1].split(b"/")]
    except (IndexError, UnicodeDecodeError):
        raise _no_such_page() from None
    if len(parts) > 3 or not all(_VERSION.fullmatch(part) for part in parts[1:2]):
        raise _no_such_page()
    return parts


def _model(service: Service, parts: list[str]) -> Response:
    name, number, file = (*parts, None, None)[:3]
    version = None if number is None else int(number)
    with service.models.use(str(name), version) as used:
        if file is None:
            return page_json(one_version(used))
        path = shown_files(used.folder).get(file)
        if path is None:
            raise _no_such_page()
        return _shown(path)


def _shown(path: Path) -> Response:
    policy = REPORT_POLICY if path.name == REPORT else PAGE_POLICY
    return Response(
        path.read_bytes(),
        headers={**HEADERS, "Content-Security-Policy": policy},
        media_type=TYPES[path.suffix],
    )


def _no_such_page() -> ServingError:
    return ServingError(Code.NOT_FOUND, "There is no such page")


def page_json(content: object, status: int = 200) -> Response:
    """Return JSON with the headers of the page; non-finite numbers become null."""
    headers = {**HEADERS, "Content-Security-Policy": PAGE_POLICY}
    return Response(json_text(content), status, headers, "application/json")
