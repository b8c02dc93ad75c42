"""The application: every route, one shape of errors, and the guard before all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from polyscene.serving.failures import STATUS, handle_failures
from polyscene.serving.guard import Guard
from polyscene.serving.rights import OPEN, right_of
from polyscene.serving.routes import (
    catalogue,
    events,
    explanations,
    health,
    items,
    pages,
    recommendations,
)
from polyscene.serving.service import Service
from polyscene.serving.tenants import Tenants

ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details"],
            "properties": {
                "code": {"type": "string", "enum": list(STATUS)},
                "message": {"type": "string"},
                "details": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["where", "message"],
                        "properties": {"where": {"type": "string"}, "message": {"type": "string"}},
                    },
                },
            },
        }
    },
}


def build_app(service: Service | Tenants) -> ASGIApp:
    """Return the application of a service, or of several, which are closed when the application stops."""
    tenants = service if isinstance(service, Tenants) else Tenants([service])
    return Guard(build_api(tenants), tenants)


def build_api(tenants: Tenants) -> FastAPI:
    """Return the application without its guard, behind which alone it can tell who asks."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        tenants.close()

    from polyscene import __version__

    app = FastAPI(
        title="Polyscene", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None, debug=False
    )
    app.state.tenants = tenants
    for part in (events, recommendations, items, explanations, catalogue, health, pages):
        app.include_router(part.router)
    handle_failures(app)
    _describe_errors(app)
    return app


def _describe_errors(app: FastAPI) -> None:
    """Let the OpenAPI description tell of the key and of the one shape of errors."""
    describe = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            api = describe()
            parts = api.setdefault("components", {})
            parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            parts.setdefault("schemas", {})["Error"] = ERROR_SCHEMA
            for unused in ("HTTPValidationError", "ValidationError"):
                parts["schemas"].pop(unused, None)
            for path, methods in api["paths"].items():
                for method, operation in methods.items():
                    _describe_operation(operation, method, path)
            app.openapi_schema = api
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def _describe_operation(operation: dict[str, Any], method: str, path: str) -> None:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    operation["responses"].pop("422", None)
    operation["responses"]["default"] = {"description": "An error", "content": content}
    if path not in OPEN:
        operation["security"] = [{"key": []}]
        operation["x-scope"] = right_of(method.upper(), path).value
