from __future__ import annotations

import builtins
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import Result

Typed = Callable[..., Result]
COMMAND = "from polyscene.cli.main import run; run()"


@pytest.fixture(scope="module")
def place(run: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a configuration with a run, and a folder for the service."""
    return run.folder.parents[2] / "polyscene.toml", tmp_path_factory.mktemp("service")


class Served:
    """A service in a process of its own."""

    def __init__(self, config: Path, data: Path, *options: str) -> None:
        words = ["serve", "--config", str(config), "--data", str(data), "--port", "0", *options]
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *words], stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        self.lines = []
        for line in self.process.stderr:
            self.lines.append(line)
            if "serving at" in line:
                break
        self.url = self.lines[-1].split("serving at ")[1].split()[0]

    def stop(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        self.process.communicate(timeout=60)
        return self.process.returncode


@pytest.fixture
def start(place: tuple[Path, Path]) -> Iterator[Callable[..., Served]]:
    started: list[Served] = []

    def one(*options: str) -> Served:
        started.append(Served(*place, *options))
        return started[-1]

    yield one
    for served in started:
        if served.process.poll() is None:
            served.stop(signal.SIGKILL)


def test_a_click_survives_a_kill_and_changes_the_slate(start: Callable[..., Served]) -> None:
    served = start("--no-auth")
    asked = {"user": "guest", "scenario": "shop", "k": 3}
    first = httpx.post(served.url + "/v1/recommendations", json=asked).json()["items"]
    event = {
        "user": "guest",
        "item": first[0]["id"],
        "scenario": "shop",
        "action": "purchase",
        "id": "kill-1",
    }
    assert httpx.post(served.url + "/v1/events", json=event).json()["accepted"] == 1
    second = httpx.post(served.url + "/v1/recommendations", json=asked).json()["items"]
    assert first[0]["id"] not in [one["id"] for one in second]
    served.stop(signal.SIGKILL)

    again = start("--no-auth")
    assert any("1 events of the log replayed" in line for line in again.lines)
    third = httpx.post(again.url + "/v1/recommendations", json=asked).json()["items"]
    assert third == second
    assert httpx.post(again.url + "/v1/events", json=event).json()["duplicates"] == 1
    modules = ("torch", "transformers", "matplotlib")
    maps = Path(f"/proc/{again.process.pid}/maps")
    if maps.exists():
        assert not any(f"/{name}/" in maps.read_text() for name in modules)
    assert again.stop(signal.SIGTERM) in (-signal.SIGTERM, 0)


def test_two_services_do_not_share_a_folder(
    start: Callable[..., Served], place: tuple[Path, Path], typed: Typed
) -> None:
    start("--no-auth")
    config, data = place
    result = typed("serve", "--config", config, "--data", data, "--port", 0, "--no-auth", code=2)
    assert "stop the other process" in result.output


def test_keys_are_needed_where_nothing_else_is_said(
    place: tuple[Path, Path], tmp_path: Path, typed: Typed
) -> None:
    config, _ = place
    words = ("serve", "--config", config, "--data", tmp_path / "keyed")
    assert "--new-key NAME" in typed(*words, "--port", 0, code=2).output
    made = typed(*words, "--new-key", "shop", "--scope", "events")
    key = made.stdout.strip()
    rows = json.loads((tmp_path / "keyed" / "keys.json").read_text())
    assert [(row["name"], row["scopes"]) for row in rows] == [("shop", ["events"])]
    assert key.startswith("psk_")
    assert key not in json.dumps(rows)
    assert "one of events, read, metrics, admin" in " ".join(
        typed(*words, "--new-key", "x", "--scope", "all", code=2).output.split()
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])
def test_without_keys_only_this_machine_can_ask(place: tuple[Path, Path], typed: Typed, host: str) -> None:
    result = typed("serve", "--config", place[0], "--no-auth", "--host", host, code=2)
    assert "only on this machine" in " ".join(result.output.replace("│", " ").split())


def test_a_port_that_is_taken_is_told(place: tuple[Path, Path], typed: Typed) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = typed("serve", "--config", place[0], "--no-auth", "--port", port, code=2)
    assert f"port {port}" in " ".join(result.output.replace("│", " ").split())


def test_without_the_extra_it_is_named(
    place: tuple[Path, Path], typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *more: Any) -> Any:
        if name == "uvicorn":
            raise ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn")
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", missing)
    result = typed("serve", "--config", place[0], "--no-auth", code=2)
    assert 'pip install "polyscene[serve]"' in result.output
    assert "no uvicorn" in result.output
