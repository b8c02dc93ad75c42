"""The client loads nothing of what it asks, and the service nothing of what asks it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from polyscene import client

HEAVY = (
    "numpy",
    "torch",
    "fastapi",
    "starlette",
    "pydantic",
    "polars",
    "scipy",
    "polyscene.engine",
    "polyscene.serving",
)
LOADED = "import sys; {line}; print(*(name for name in {names} if name in sys.modules))"


def loaded(line: str, names: tuple[str, ...]) -> list[str]:
    """Return which modules a fresh interpreter has loaded after a line."""
    command = [sys.executable, "-c", LOADED.format(line=line, names=names)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_the_client_is_light() -> None:
    line = "from polyscene.client import Client, AsyncClient; Client('http://x')"
    assert loaded(line, (*HEAVY, "httpx", "msgspec")) == ["httpx", "msgspec"]


def test_the_service_describes_answers_without_httpx() -> None:
    assert loaded("import polyscene.serving.description", ("httpx", "polyscene.client.answers")) == [
        "polyscene.client.answers"
    ]


def test_its_names_are_there() -> None:
    assert all(getattr(client, name).__name__ == name for name in client.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Server'"):
        _ = client.Server


@pytest.mark.parametrize("name", ["httpx", "msgspec"])
def test_what_is_not_installed_is_named_with_its_extra(name: str) -> None:
    line = (
        f"sys.modules[{name!r}] = None\ntry:\n    from polyscene.client import Client\n"
        "except ImportError as error:\n    print(error)"
    )
    text = subprocess.run(
        [sys.executable, "-c", f"import sys\n{line}"], capture_output=True, text=True, check=True
    )
    assert text.stdout == (
        f"expected {name} to be installed, found nothing; pip install 'polyscene[client]' brings it\n"
    )
