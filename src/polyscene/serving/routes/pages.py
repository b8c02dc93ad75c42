"""`/` and `/docs`: pages for people, of which every part comes from here; `/page/...`: those parts."""

from __future__ import annotations

import base64
import hashlib
import re

import jinja2
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from polyscene.core.errors import UnknownIdError
from polyscene.core.text import shown
from polyscene.serving.page import FOLDER, PARTS, media_type_of, text_of

router = APIRouter(include_in_schema=False)

NONE = "'none'"
_NEVER = (f"base-uri {NONE}", f"form-action {NONE}", f"frame-ancestors {NONE}")
_PLAIN_TEXT = ("require-trusted-types-for 'script'", "trusted-types 'none'")
"""Text can never become markup, whatever a script tries."""
_INLINE = re.compile(r"<(script|style)(?: type=\"importmap\")?>(.*?)</\1>", re.DOTALL)


@router.get("/")
async def first_page(request: Request) -> Response:
    """Return the page on which people try the service."""
    text = text_of("index.html")
    return HTMLResponse(text, headers={"Content-Security-Policy": _policy(text)})


@router.get("/docs")
async def endpoints(request: Request) -> Response:
    """Return a list of all endpoints, made from the OpenAPI description."""
    template = jinja2.Environment(autoescape=True).from_string(text_of("docs.html"))
    text = template.render(api=request.app.openapi())
    return HTMLResponse(text, headers={"Content-Security-Policy": _policy(text)})


@router.get(FOLDER + "/{name:path}")
async def part(name: str) -> Response:
    """Return what the first page loads: a style, a module, a picture."""
    if name not in PARTS:
        raise UnknownIdError(f"expected a part of the first page, found {shown(name)}")
    return Response(text_of(name), media_type=media_type_of(name))


def _policy(text: str) -> str:
    """Return what a page may do: run and show its parts and what is in it, and ask this service."""
    own = ["'self'"] if f'"{FOLDER}/' in text else []
    allowed = {kind: [*own] for kind in ("script", "style", "img", "connect")}
    for kind, content in _INLINE.findall(text):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        allowed[kind].append(f"'sha256-{digest}'")
    parts = [f"{kind}-src {' '.join(sources) or NONE}" for kind, sources in allowed.items()]
    return "; ".join([f"default-src {NONE}", *parts, *_NEVER, *_PLAIN_TEXT])
