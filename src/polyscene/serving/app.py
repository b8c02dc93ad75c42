"""The application: every route, one shape of errors, and the guard before all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from polyscene.serving.failures import STATUS, handle_failures
from polyscene.serving.guard import OPEN, Guard
from polyscene.serving.routes import (
    catalogue,
    events,
    explanations,
    health,
    items,
    jobs,
    models,
    pages,
    recommendations,
    rights,
    users,
)
from polyscene.serving.service import Service

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


def build_app(service: Service) -> ASGIApp:
    """Return the application of a service, which is closed when the application stops."""
    return Guard(build_api(service), service.metrics, service.keys)


def build_api(service: Service) -> FastAPI:
    """Return the application without its guard."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    from polyscene import __version__

    app = FastAPI(
        title="Polyscene", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None, debug=False
    )
    app.state.service = service
    for part in (
        events,
        recommendations,
        items,
        explanations,
        catalogue,
        rights,
        users,
        jobs,
        models,
        health,
        pages,
    ):
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
                for operation in methods.values():
                    _describe_operation(operation, path in OPEN)
            app.openapi_schema = api
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def _describe_operation(operation: dict[str, Any], is_open: bool) -> None:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    operation["responses"].pop("422", None)
    operation["responses"]["default"] = {"description": "An error", "content": content}
    if not is_open:
        operation["security"] = [{"key": []}]
