"""The TypeScript client is what the description gives, is rightly typed, and asks a running service.

Where there is no node, or npm cannot bring the compiler, the last is skipped with the reason; in CI it fails.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

HOME = Path(__file__).parents[2] / "clients" / "typescript"
NODE, NPM = shutil.which("node"), shutil.which("npm")


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", HOME / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def absent(reason: str) -> None:
    """Say that a tool is not there: a skip with its reason; a failure where POLYSCENE_NODE is "required"."""
    if os.environ.get("POLYSCENE_NODE") == "required":
        pytest.fail(f"the TypeScript client was not tried: {reason}")
    pytest.skip(f"the TypeScript client was not tried: {reason}")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the client, compiled."""
    if NODE is None or NPM is None:
        absent("expected node and npm, found neither or one")
    home = shutil.copytree(HOME, tmp_path_factory.mktemp("typescript") / "client", symlinks=True)
    if not (home / "node_modules" / ".bin" / "tsc").exists():
        ended = subprocess.run(
            [str(NPM), "ci", "--no-audit", "--no-fund"], cwd=home, capture_output=True, text=True
        )
        if ended.returncode != 0:
            absent(f"npm cannot bring the compiler: {ended.stderr[-300:]}")
    shutil.rmtree(home / "dist", ignore_errors=True)
    compiled = subprocess.run([str(home / "node_modules/.bin/tsc")], cwd=home, capture_output=True, text=True)
    assert compiled.returncode == 0, compiled.stdout
    return home


def test_the_file_is_what_the_description_gives(generate: ModuleType) -> None:
    expected = generate.source(generate.description())
    remedy = "run `python clients/typescript/generate.py`"
    assert (HOME / "src" / "api.ts").read_text(encoding="utf-8") == expected, remedy


def test_schemas_become_types(generate: ModuleType) -> None:
    nullable = {"anyOf": [{"$ref": "#/components/schemas/Item"}, {"type": "null"}]}
    assert generate.type_of(nullable) == "Item | null"
    assert generate.type_of(
        {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "number"}]}}
    ) == ("Array<number>")
    assert generate.type_of({"enum": ["a", "b"]}) == '"a" | "b"'
    assert generate.type_of({"type": "object", "additionalProperties": {"type": "string"}}) == (
        "Record<string, string>"
    )
    described = {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}, "required": ["a"]}
    assert generate.type_of(described) == "{\n  a: string;\n  b?: unknown;\n}"
    with pytest.raises(ValueError, match="expected a known type, found 'tuple'"):
        generate.type_of({"type": "tuple"})


def test_it_asks_a_running_service(built: Path, served: str) -> None:
    ended = subprocess.run(
        [str(NODE), "test/service.mjs", served], cwd=built, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    seen = json.loads(ended.stdout)
    assert seen["before"][0] not in seen["after"]
    assert seen["receipt"]["repeated"] is True
    assert (seen["attempts"], seen["keys"]) == (3, 1)
    assert seen["refused"] == [True, "unknown_id", 404, 16]
    assert seen["lost"] is True
    assert seen["dots"] is True
    assert seen["kinds"] == ["profile", "entry"]
    assert (seen["job"], seen["ready"], seen["metrics"]) == ("waiting", "ready", True)
    assert (seen["key"], seen["shown"]) == ("Bearer psk_x", False)
