"""`/` and `/docs`: pages for people, of which every part comes from here."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files

import jinja2
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

router = APIRouter(include_in_schema=False)

NONE = "'none'"
_NEVER = (f"base-uri {NONE}", f"form-action {NONE}", f"frame-ancestors {NONE}")
_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


@router.get("/")
async def first_page(request: Request) -> Response:
    """Return the page on which people try the service."""
    text = _page("index.html")
    return HTMLResponse(text, headers={"Content-Security-Policy": _policy(text)})


@router.get("/docs")
async def endpoints(request: Request) -> Response:
    """Return a list of all endpoints, made from the OpenAPI description."""
    template = jinja2.Environment(autoescape=True).from_string(_page("docs.html"))
    text = template.render(api=request.app.openapi())
    return HTMLResponse(text, headers={"Content-Security-Policy": _policy(text)})


@cache
def _page(name: str) -> str:
    return files("polyscene.serving").joinpath("page", name).read_text(encoding="utf-8")


def _policy(text: str) -> str:
    """Return what the page may do: run and show what is in it, and ask this service."""
    allowed: dict[str, list[str]] = {"script": [], "style": []}
    for kind, content in _INLINE.findall(text):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        allowed[kind].append(f"'sha256-{digest}'")
    parts = [f"{kind}-src {' '.join(hashes) or NONE}" for kind, hashes in allowed.items()]
    return "; ".join([f"default-src {NONE}", *parts, "connect-src 'self'", *_NEVER])
