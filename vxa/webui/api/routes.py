"""The HTTP API under /vxa/v1: a prompt's tokens, the model's sites, an image's heat maps.

    POST /vxa/v1/visualize   {"image": "iVBORw0KGgo…", "prompt": "hat, neck", "words": "hat"}

The routes exist where the webui's own API does (--api). The webui checks --api-auth in its own routes only,
so these check it themselves, before they read a body. Images are sent in the body: a URL is never fetched.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from vxa.errors import VxaError
from vxa.webui import strings
from vxa.webui.api.requests import TokensRequest, VisualizeRequest, parse_request, schema, tokenize, visualize
from vxa.webui.backend import model_sites, webui_backend
from vxa.webui.host.options import api_users, has_api

__all__ = ["MOST_BYTES", "add_routes"]

MOST_BYTES = 64 * 2**20
"""Limit on a body; base64 makes an image of 40 MB one third longer."""

_CREDENTIALS = Depends(HTTPBasic(auto_error=False))


def _check_credentials(credentials: HTTPBasicCredentials | None = _CREDENTIALS) -> None:
    """Raise 401 unless the request has a name and password of --api-auth, if the webui was given any."""
    allowed = api_users()
    if allowed is None:
        return
    password = allowed.get(credentials.username) if credentials else None
    sent = credentials.password if credentials else ""
    if password is None or not secrets.compare_digest(sent.encode(), password.encode()):
        raise HTTPException(401, strings.WRONG_PASSWORD, {"WWW-Authenticate": "Basic"})


_ALLOWED = Depends(_check_credentials)


def add_routes(demo: Any, app: FastAPI) -> None:
    """Add the routes to the webui's app; the webui calls this for each app that it starts."""
    if not has_api():
        return
    backend = webui_backend()
    _add(app, "tokens", TokensRequest, lambda request: tokenize(backend, request), tokenize.__doc__)
    _add(app, "visualize", VisualizeRequest, lambda request: visualize(backend, request), visualize.__doc__)

    @app.get("/vxa/v1/sites", tags=["VXA"], name="vxa_sites", summary="The sites of the loaded checkpoint.")
    def sites(allowed: None = _ALLOWED) -> Any:
        return _run(model_sites)


def _add(app: FastAPI, name: str, kind: type[Any], answer: Callable[[Any], Any], summary: str | None) -> None:
    """Add a route that takes a JSON object.

    FastAPI knows the body only from the description: a declared body would be read at any length, and before
    the credentials are checked.
    """

    async def endpoint(request: Request, allowed: None = _ALLOWED) -> Any:
        values = await _body(request)
        return await run_in_threadpool(_run, lambda: answer(parse_request(kind, values)))

    body = {"required": True, "content": {"application/json": {"schema": schema(kind)}}}
    app.add_api_route(
        f"/vxa/v1/{name}", endpoint, methods=["POST"], tags=["VXA"], name=f"vxa_{name}", summary=summary,
        openapi_extra={"requestBody": body},
    )  # fmt: skip


def _run(answer: Callable[[], Any]) -> Any:
    """Return the answer; turn a VxaError into 422 with its message in one line."""
    try:
        return answer()
    except VxaError as error:
        raise HTTPException(422, " ".join(str(error).split())) from error


async def _body(request: Request) -> dict[str, Any]:
    """Read the JSON object in the request's body. Raises 413 if it is too long, 400 if it is no object."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise HTTPException(413, strings.too_long(MOST_BYTES))
    try:
        values = json.loads(bytes(body) or b"{}")
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise HTTPException(400, strings.NO_JSON)
    return values
