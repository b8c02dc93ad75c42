"""The OpenAPI description: what answers are made of, the key, and the one shape of errors.

Answers are described by the types that the Python client reads; what is sent is encoded without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from msgspec import Struct
from msgspec.json import schema_components

from polyscene.client import admin_answers, answers, movement_answers
from polyscene.serving.failures import STATUS
from polyscene.serving.refusals import refusals
from polyscene.serving.rights import OPEN, right_of

Described = dict[str, Any]

JSON, LINES, TEXT = "application/json", "application/x-ndjson", "text/plain"
REF = "#/components/schemas/{name}"
ANSWERS = [
    kind
    for module in (answers, admin_answers, movement_answers)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Struct) and kind is not Struct
]
"""Every type that an answer or a part of it has."""
ERROR_SCHEMA: Described = {
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


def returns(kind: type[Struct], *statuses: int) -> Described:
    """Return what a route says of an answer of some type: its `openapi_extra`.

    Args:
        statuses: with which it comes; without any, 200.
    """
    return _answer({JSON: {"schema": {"$ref": REF.format(name=kind.__name__)}}}, statuses or (200,))


def returns_text(media_type: str) -> Described:
    """Return what a route says of an answer that is no JSON: its `openapi_extra`."""
    return _answer({media_type: {"schema": {"type": "string"}}}, (200,))


def describe(app: FastAPI) -> None:
    """Let the OpenAPI description of an application tell of answers, of the key and of errors."""
    inner = app.openapi

    def described() -> Described:
        if app.openapi_schema is None:
            api = inner()
            parts = api.setdefault("components", {})
            parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            schemas = parts.setdefault("schemas", {})
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            schemas |= schema_components(ANSWERS, ref_template=REF)[1] | {"Error": ERROR_SCHEMA}
            for path, methods in api["paths"].items():
                for method, operation in methods.items():
                    _describe_operation(operation, method, path)
            app.openapi_schema = api
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def _answer(content: Described, statuses: Sequence[int]) -> Described:
    return {"responses": {str(status): {"content": content} for status in statuses}}


def _describe_operation(operation: Described, method: str, path: str) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    for status in refusals(f"{method.upper()} {path}", operation):
        if str(status) not in responses:
            responses[str(status)] = _refusal(status)
    for response in responses.values():
        if len(response["content"]) > 1:  # the framework takes every answer for JSON
            response["content"].pop(JSON)
    if path not in OPEN:
        operation["security"] = [{"key": []}]
        operation["x-scope"] = right_of(method.upper(), path).value


def _refusal(status: int) -> Described:
    """Return what is said of an error, by the codes that it can have."""
    codes = [f"`{code}`" for code, one in STATUS.items() if one == status]
    return {
        "description": " or ".join(codes),
        "content": {JSON: {"schema": {"$ref": REF.format(name="Error")}}},
    }
