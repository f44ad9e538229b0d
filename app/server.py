"""The laboratory's server: the page, a few lists, uploads, and one WebSocket per view. `/openapi.json` describes it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import fastapi
from fastapi import FastAPI, Header, Request, Response, WebSocket
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, Field
from starlette.websockets import WebSocketDisconnect

from app import protocol, worker
from app.access import COOKIE, Access
from app.catalogue import Catalogue, check_upload
from app.views import TooMany, Views, in_background, serve
from experiments import InputError, library

PAGE = Path(__file__).resolve().parent / "page"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
PART = re.compile(r"([a-z0-9_-]+/)?[a-z0-9_-]+\.[a-z0-9]+")
"""Names of the page's parts, with the folder they are in."""
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "connect-src 'self' ws: wss:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
}


class Health(BaseModel):
    """The server is up."""

    status: str
    runs: int = Field(description="Views that are open, each with a process of its own.")
    protocol: int = Field(description="Version of the WebSocket messages; see /api/protocol.")


class Named(BaseModel):
    """A scenario that a view can open."""

    name: str
    summary: str
    several: bool = Field(description="Whether it has several venues.")


class Scenarios(BaseModel):
    """Scenarios; `default` is the one to begin with."""

    default: str
    scenarios: list[Named]


class Venues(BaseModel):
    """Embedded rules of venues, which can be laid over a scenario."""

    venues: list[str]


class Uploaded(BaseModel):
    """Name under which the uploaded scenario can be opened."""

    id: str
    summary: str


class Refused(BaseModel):
    """What is wrong."""

    detail: str = Field(description="All of it in one line.")
    errors: list[str] = Field(description="One line for each mistake.")


def make(first: str | None, *, config: worker.Config, token: str | None = None) -> FastAPI:
    """The application. Raises InputError when the first scenario is none."""
    limits, access = config.limits, Access(token)
    catalogue = Catalogue(first, most_uploads=limits.uploads)
    views = Views(catalogue, config)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        warming = asyncio.create_task(in_background(views.warm))
        yield
        warming.cancel()
        await asyncio.to_thread(views.close)

    app = FastAPI(
        title="cascade laboratory",
        description="Live runs of liquidation cascades. /api/protocol describes the messages of the WebSocket /ws.",
        version=str(protocol.VERSION),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.views = views

    @app.middleware("http")
    async def guard(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        why = access.refusal(
            headers=request.headers,
            query=request.query_params,
            cookies=request.cookies,
            browser_call=request.method not in ("GET", "HEAD"),
        )
        response = _refused(403, why) if why else await go_on(request)
        response.headers.update(SAFE)
        if not why and token is not None and request.query_params.get("token") == token:
            response.set_cookie(COOKIE, token, httponly=True, samesite="strict")
        return response

    _add_lists(app, catalogue, views)
    _add_uploads(app, catalogue, limits)
    _add_page(app)

    @app.websocket("/ws")
    async def view(socket: WebSocket) -> None:
        why = access.refusal(
            headers=socket.headers, query=socket.query_params, cookies=socket.cookies, browser_call=True
        )
        if why:
            await socket.close(1008)
            return
        await socket.accept()
        client = socket.client.host if socket.client else ""
        try:
            views.enter(client)
        except TooMany as error:
            await socket.send_json(protocol.error(str(error), "open"))
            await socket.close(1013)
            return
        try:
            await serve(socket, views, limits)
        except (WebSocketDisconnect, RuntimeError):
            return  # the view was closed while something was sent to it
        finally:
            views.leave(client)

    return app


def _add_lists(app: FastAPI, catalogue: Catalogue, views: Views) -> None:
    @app.get("/api/health")
    def health() -> Health:
        """Whether the server is up, and how busy it is."""
        return Health(status="ok", runs=views.running, protocol=protocol.VERSION)

    @app.get("/api/scenarios")
    def scenarios() -> Scenarios:
        """What can be opened."""
        return Scenarios(default=catalogue.first, scenarios=[Named(**entry) for entry in catalogue.listed()])

    @app.get("/api/venues")
    def venues() -> Venues:
        """Whose rules can be laid over a scenario."""
        return Venues(venues=library.venues())

    @app.get("/api/protocol")
    def messages() -> dict[str, Any]:
        """JSON Schema of the messages that a page may send over `/ws`."""
        return protocol.schema()


def _add_uploads(app: FastAPI, catalogue: Catalogue, limits: Any) -> None:
    @app.post(
        "/api/scenario",
        status_code=201,
        response_model=Uploaded,
        responses={413: {"model": Refused}, 422: {"model": Refused}, 403: {"model": Refused}},
        openapi_extra={"requestBody": {"required": True, "content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def upload(
        request: Request, x_name: Annotated[str, Header(max_length=80, description="What to call it.")] = "scenario"
    ) -> Any:
        """Check a scenario, TOML, and keep it in memory: it can then be opened by its id. Nothing is written."""
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > limits.upload_bytes:
                return _refused(413, f"a scenario has at most {limits.upload_bytes:,} bytes")
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", x_name.removesuffix(".toml")).strip("-.")[:60] or "scenario"
        try:
            key, summary = await asyncio.to_thread(_keep, catalogue, bytes(body), name, limits)
        except InputError as error:
            return _refused(422, *str(error).splitlines()[:50])
        return Uploaded(id=key, summary=summary)


def _refused(status: int, *lines: str) -> JSONResponse:
    errors = [line[:500] for line in lines]
    return JSONResponse(Refused(detail="; ".join(errors), errors=errors).model_dump(), status)


def _keep(catalogue: Catalogue, body: bytes, name: str, limits: Any) -> tuple[str, str]:
    """In a thread: reading a scenario takes a while."""
    from app.limits import check_size

    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError("not a text in UTF-8") from None
    check_upload(text, depth=limits.uploads_depth)
    key = catalogue.add(text, name=name)
    scenario = catalogue.find(key).load(None)
    check_size(scenario, limits)
    return key, scenario.summary


def _add_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def page() -> Response:
        return FileResponse(PAGE / "index.html", media_type="text/html")

    @app.get("/page/{name:path}", include_in_schema=False)
    def part(name: str) -> Response:
        file = PAGE / name
        if not PART.fullmatch(name) or file.suffix not in TYPES or not file.is_file():
            return _refused(404, f"no such file: {name[:80]}")
        return FileResponse(file, media_type=TYPES[file.suffix])

    @app.get("/favicon.ico", include_in_schema=False)
    def icon() -> Response:
        return Response(status_code=204)

    @app.exception_handler(fastapi.exceptions.RequestValidationError)
    async def invalid(_: Request, error: Any) -> Response:
        return _refused(422, *(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:20]))
