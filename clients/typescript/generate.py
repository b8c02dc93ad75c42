"""Write `src/api.ts`, types and methods of the TypeScript client, from the OpenAPI description.

    python clients/typescript/generate.py

Names of methods, and what may be sent again, are those of the Python client.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from polyscene.client.clients import Endpoints
from polyscene.client.endpoint import Endpoint, LinesEndpoint
from polyscene.client.requests import Repeat
from polyscene.serving.app import build_api
from polyscene.serving.tenants import Tenants

OUTPUT = Path(__file__).parent / "src" / "api.ts"
HEAD = """// Written by generate.py from the OpenAPI description. Do not change it by hand.

import { Sender, segment } from "./sending.js";
"""
KEY_HEADER = "Idempotency-Key"
PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}

Schema = Mapping[str, Any]


def type_of(schema: Schema) -> str:
    """Return a JSON schema as a type of TypeScript.

    Raises:
        ValueError: it says something that no description of ours has said before.
    """
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(f'"{value}"' for value in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(type_of(one) for one in schema["anyOf"]))
    kind = schema.get("type")
    if kind is None:
        return "unknown"
    if "prefixItems" in schema:
        return f"[{', '.join(type_of(one) for one in schema['prefixItems'])}]"
    if kind == "array":
        return f"Array<{type_of(schema['items'])}>"
    if kind == "object":
        return object_type(schema)
    if kind not in PLAIN:
        raise ValueError(f"expected a known type, found {kind!r}; teach generate.py what it is")
    return PLAIN[kind]


def object_type(schema: Schema) -> str:
    """Return an object as a type: by its properties, or as a record."""
    if "properties" not in schema:
        more = schema.get("additionalProperties", True)
        return f"Record<string, {type_of(more) if isinstance(more, dict) else 'unknown'}>"
    required = schema.get("required", ())
    lines = [
        f"{comment(one.get('description', ''), '  ')}  {name}{_optional(name in required)}: {type_of(one)};"
        for name, one in schema["properties"].items()
    ]
    lines += ["  [more: string]: unknown;"] if schema.get("additionalProperties") is True else []
    return "{\n" + "\n".join(lines) + "\n}"


def comment(text: str, indent: str = "") -> str:
    """Return a comment that stands before what it is about; nothing without a text."""
    first = " ".join(text.split("\n\n")[0].split())
    return f"{indent}/** {first.replace('*/', '* /')} */\n" if first else ""


def camel(name: str) -> str:
    """Return `put_item` as `putItem`."""
    return re.sub(r"_(\w)", lambda match: match.group(1).upper(), name)


def method_of(endpoint: Any, operation: Schema) -> str:  # noqa: ANN401 - either kind of endpoint
    """Return a method of the client."""
    arguments = [f"{name}: string" for name in re.findall(r"\{(\w+)\}", endpoint.path)]
    path = re.sub(r"\{(\w+)\}", r"${segment(\1)}", endpoint.path)
    call = [
        f'method: "{endpoint.method}"',
        f"path: `{path}`",
        f"repeat: {_js(endpoint.repeat is Repeat.always)}",
    ]
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        arguments.append(f"body: {type_of(content['application/json']['schema'])}")
        call.append("body")
    elif content:
        arguments.append("lines: readonly object[]")
        call.append("lines")
    parameters = operation.get("parameters", ())
    query = [one for one in parameters if one["in"] == "query"]
    if query:
        fields = "; ".join(
            f"{one['name']}{_optional(one.get('required', False))}: {type_of(one['schema'])}" for one in query
        )
        optional = "" if any(one.get("required") for one in query) else " = {}"
        arguments.append(f"query: {{ {fields} }}{optional}")
        call.append("query")
    if any(one["name"] == KEY_HEADER for one in parameters):
        arguments.append("key?: string")
        call += ["keyed: true", "key"]
    call += [f"answers: {sorted(endpoint.answers)}"] if endpoint.answers else []
    call += ["slow: true"] if endpoint.slow else []
    kind, verb = _answer(endpoint)
    return (
        f"{comment(operation['summary'], '  ')}  {camel(endpoint.name)}({', '.join(arguments)}): {kind} {{\n"
        f"    return this.{verb}({{ {', '.join(call)} }});\n  }}\n"
    )


def source(api: Schema) -> str:
    """Return the source of `src/api.ts`."""
    types = [
        f"{comment(schema.get('description', ''))}export type {name} = {type_of(schema)};\n"
        for name, schema in sorted(api["components"]["schemas"].items())
    ]
    endpoints = {
        one.line: one
        for name in dir(Endpoints)
        if isinstance(one := getattr(Endpoints, name), Endpoint | LinesEndpoint)
    }
    methods = [
        method_of(endpoints[f"{method.upper()} {path}"], operation)
        for path, ways in api["paths"].items()
        for method, operation in ways.items()
    ]
    client = "/** Asks a service: a method for every endpoint. */\nexport class Client extends Sender {\n"
    return "\n".join([HEAD, *types, client + "\n".join(methods) + "}\n"])


def main() -> int:
    """Write the file."""
    OUTPUT.write_text(source(description()), encoding="utf-8")
    return 0


def description() -> Schema:
    """Return the OpenAPI description, which needs no service."""
    return build_api(cast(Tenants, None)).openapi()


def _answer(endpoint: Any) -> tuple[str, str]:  # noqa: ANN401 - either kind of endpoint
    if isinstance(endpoint, LinesEndpoint):
        return "AsyncGenerator<Record<string, unknown>>", "stream"
    if endpoint.kind is str:
        return "Promise<string>", "text"
    return f"Promise<{endpoint.kind.__name__}>", "json"


def _optional(required: bool) -> str:
    return "" if required else "?"


def _js(flag: bool) -> str:
    return str(flag).lower()


if __name__ == "__main__":
    sys.exit(main())
