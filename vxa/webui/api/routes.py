"""The HTTP API under /vxa/v1: a prompt's tokens, the model's sites, and maps of an image.

    POST /vxa/v1/visualize   {"image": "iVBORw0KGgo…", "prompt": "hat, neck", "words": "hat"}

It is there where the webui's own API is (--api). The webui checks --api-auth in its own routes alone, so
these check it themselves, before a body is read. Images come in the body: an address is never fetched.
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
from vxa.webui.api.requests import TokensRequest, VisualizeRequest, filled, look, schema, tokens
from vxa.webui.backend import model_sites, webui_backend
from vxa.webui.host.options import api_users, has_api

__all__ = ["MOST_BYTES", "add_routes"]

MOST_BYTES = 64 * 2**20
"""The longest body that is read; an image of 40 MB is one third longer in base64."""


_CREDENTIALS = Depends(HTTPBasic(auto_error=False))


def _authorised(credentials: HTTPBasicCredentials | None = _CREDENTIALS) -> None:
    """Raise 401 unless the request has a name and password of --api-auth, where that is given."""
    allowed = api_users()
    if allowed is None:
        return
    password = allowed.get(credentials.username) if credentials else None
    given = credentials.password if credentials else ""
    if password is None or not secrets.compare_digest(given.encode(), password.encode()):
        raise HTTPException(401, strings.WRONG_PASSWORD, {"WWW-Authenticate": "Basic"})


_ALLOWED = Depends(_authorised)


def add_routes(demo: Any, app: FastAPI) -> None:
    """Add the routes to the webui's app, each time it has started one."""
    if not has_api():
        return
    backend = webui_backend()
    _add(app, "tokens", TokensRequest, lambda asked: tokens(backend, asked), tokens.__doc__)
    _add(app, "visualize", VisualizeRequest, lambda asked: look(backend, asked), look.__doc__)

    @app.get("/vxa/v1/sites", tags=["VXA"], name="vxa_sites", summary="The sites of the loaded checkpoint.")
    def sites(allowed: None = _ALLOWED) -> Any:
        return _answered(model_sites)


def _add(app: FastAPI, name: str, kind: type[Any], answer: Callable[[Any], Any], summary: str | None) -> None:
    """One route that takes a JSON object.

    FastAPI is not told of the body but in its description: it would read one of any length, and before it
    asks who sends it.
    """

    async def endpoint(request: Request, allowed: None = _ALLOWED) -> Any:
        given = await _body(request)
        return await run_in_threadpool(_answered, lambda: answer(filled(kind, given)))

    body = {"required": True, "content": {"application/json": {"schema": schema(kind)}}}
    app.add_api_route(
        f"/vxa/v1/{name}", endpoint, methods=["POST"], tags=["VXA"], name=f"vxa_{name}", summary=summary,
        openapi_extra={"requestBody": body},
    )  # fmt: skip


def _answered(answer: Callable[[], Any]) -> Any:
    """The answer; what a person can mend is 422 and one sentence."""
    try:
        return answer()
    except VxaError as error:
        raise HTTPException(422, " ".join(str(error).split())) from error


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object of the request's body."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise HTTPException(413, strings.too_long(MOST_BYTES))
    try:
        asked = json.loads(bytes(body) or b"{}")
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise HTTPException(400, strings.NO_JSON)
    return asked
