from __future__ import annotations

import builtins
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import Result

from polyscene.runs.run import Run
from polyscene.serving.auth import KeyFile

Typed = Callable[..., Result]
COMMAND = "from polyscene.cli.main import run; run()"


@pytest.fixture(scope="module")
def place(run: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a configuration with a run, and a folder for the service."""
    return run.folder.parents[2] / "polyscene.toml", tmp_path_factory.mktemp("service")


WITHOUT_ENCODER = {"POLYSCENE_SERVICE__LOAD_ENCODER": "false"}
"""No test here puts an item, and a language model takes longer to load than the rest of a service."""


class Served:
    """A service in a process of its own."""

    def __init__(self, config: Path, data: Path, *options: str) -> None:
        words = ["serve", "--config", str(config), "--data", str(data), "--port", "0", *options]
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *words],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | WITHOUT_ENCODER,
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


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs limits of another process")
def test_a_full_disk_refuses_events_until_there_is_room(place: tuple[Path, Path], tmp_path: Path) -> None:
    served = Served(place[0], tmp_path, "--no-auth")
    everything = [
        {"user": f"u{row}", "item": "P0001", "scenario": "shop", "id": f"{row}"} for row in range(9)
    ]

    def send(event: dict[str, str]) -> httpx.Response:
        return httpx.post(served.url + "/v1/events", json=event)

    unlimited = resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE)
    assert send(everything[0]).status_code == 200
    resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (0, unlimited[1]))  # no file may grow
    for event in everything[1:]:
        refused = send(event)
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "store_unavailable"
    slate = httpx.post(served.url + "/v1/recommendations", json={"user": "u1", "scenario": "shop"})
    assert slate.status_code == 200
    resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, unlimited)
    assert [send(event).json()["accepted"] for event in everything] == [0] + [1] * 8
    served.stop(signal.SIGKILL)
    again = Served(place[0], tmp_path, "--no-auth")
    assert any("9 events of the log replayed" in line for line in again.lines)
    again.stop(signal.SIGKILL)


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
    result = typed(*words, "--new-key", "shop", "--scope", "events")
    key = result.stdout.strip()
    rows = json.loads((tmp_path / "keyed" / "keys.json").read_text())
    assert [(row["name"], row["scopes"]) for row in rows] == [("shop", ["events"])]
    assert key.startswith("psk_")
    assert key not in json.dumps(rows)
    assert "one of events, read, metrics, admin" in " ".join(
        typed(*words, "--new-key", "x", "--scope", "all", code=2).output.split()
    )


def test_a_key_is_rotated_listed_and_removed(place: tuple[Path, Path], tmp_path: Path, typed: Typed) -> None:
    words = ("serve", "--config", place[0], "--data", tmp_path)
    old = typed(*words, "--new-key", "shop", "--days", 90).stdout.strip()
    new = typed(*words, "--rotate-key", "shop", "--overlap", 2).stdout.strip()
    keys = KeyFile(tmp_path / "keys.json")
    assert [keys.find(key) is not None for key in (old, new)] == [True, True]
    ends = sorted(datetime.fromisoformat(str(one.expires)) for one in keys.known)
    assert timedelta(days=89) < ends[1] - ends[0] < timedelta(days=90)
    listed = typed(*words, "--list-keys").stdout
    assert listed.count("shop") == 2
    assert old not in listed
    typed(*words, "--remove-key", "shop")
    assert not len(KeyFile(tmp_path / "keys.json"))
    acts = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [act["act"] for act in acts] == ["key made", "key rotated", "key removed"]
    assert {(act["who"], act["subject"]) for act in acts} == {("the command line", "shop")}
    assert "the name of a key" in typed(*words, "--rotate-key", "shop", code=2).output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--new-key", "a", "--list-keys"), "one of --new-key"),
        (("--new-key", "a", "--scope", "all"), "one of events, read, metrics, admin"),
        (("--config", "{config}", "--no-auth"), "serves one --config"),
        (("--config", "{config}", "--run", "x"), "goes with one --config"),
        (("--config", "{config}", "--new-key", "a"), "one --config at a time"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    place: tuple[Path, Path], tmp_path: Path, typed: Typed, options: tuple[str, ...], message: str
) -> None:
    words = [option.format(config=place[0]) for option in options]
    result = typed("serve", "--config", place[0], "--data", tmp_path, *words, code=2)
    assert message in " ".join(result.output.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []


def test_two_projects_are_served_apart(place: tuple[Path, Path], tmp_path: Path, typed: Typed) -> None:
    """The same run under two names; each has a key of its own and sees its own events."""
    config, _ = place
    configs, keys = [], []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "runs").symlink_to(config.parent / "runs")
        text = re.sub(r"^name = .*$", f'name = "{name}"', config.read_text(), count=1, flags=re.MULTILINE)
        (folder / "polyscene.toml").write_text(text)
        configs.append(folder / "polyscene.toml")
        words = ("serve", "--config", configs[-1], "--data", tmp_path / "data" / name)
        keys.append(typed(*words, "--new-key", "all", "--scope", "admin").stdout.strip())
    served = Served(configs[0], tmp_path / "data", "--config", str(configs[1]))
    try:
        clients = [
            httpx.Client(base_url=served.url, headers={"Authorization": f"Bearer {key}"}) for key in keys
        ]
        asked = {"user": "guest", "scenario": "shop", "k": 1}
        item = clients[0].post("/v1/recommendations", json=asked).json()["items"][0]["id"]
        event = {"user": "guest", "scenario": "shop", "item": item, "action": "purchase"}
        assert clients[0].post("/v1/events", json=event).json()["accepted"] == 1
        known = [client.get("/v1/history", params={"user": "guest"}).json()["known"] for client in clients]
        assert known == [True, False]
        assert 'polyscene_log_offset{tenant="second"} 0.0' in clients[1].get("/metrics").text
        assert httpx.get(served.url + "/health/ready").json()["tenants"] == 2
        for client in clients:
            client.close()
    finally:
        served.stop(signal.SIGTERM)
    assert {path.parent.name for path in (tmp_path / "data").glob("*/events.db")} == {"first", "second"}


def test_two_projects_of_one_name_are_refused(place: tuple[Path, Path], tmp_path: Path, typed: Typed) -> None:
    words = ("serve", "--config", place[0], "--config", place[0], "--port", 0, "--data", tmp_path)
    assert "give each configuration a 'name' of its own" in typed(*words, code=2).output


@pytest.mark.parametrize("name", ["../elsewhere", "a/b", ".", ".."])
def test_a_tenant_cannot_leave_the_data_folder(
    place: tuple[Path, Path], tmp_path: Path, typed: Typed, name: str
) -> None:
    other = tmp_path / "polyscene.toml"
    text = re.sub(r"^name = .*$", f'name = "{name}"', place[0].read_text(), count=1, flags=re.MULTILINE)
    other.write_text(text)
    words = ("serve", "--config", other, "--config", place[0], "--port", 0, "--data", tmp_path / "data")
    assert "is that of its folder" in " ".join(typed(*words, code=2).output.replace("│", " ").split())


def test_an_address_of_a_database_is_not_ignored_and_not_shown(
    place: tuple[Path, Path], tmp_path: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYSCENE_DATABASE_URL", "nosql://shop:hunter2@db/shop")
    words = ("serve", "--config", place[0], "--data", tmp_path, "--port", 0, "--no-auth")
    output = typed(*words, code=2).output
    assert "POLYSCENE_DATABASE_URL" in output
    assert "hunter2" not in output


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


def test_items_and_the_active_run_survive_a_kill(run: Run, tmp_path: Path) -> None:
    config = shutil.copytree(run.folder.parents[2], tmp_path / "company") / "polyscene.toml"
    first = Run(config.parent / "runs" / "polyscene" / run.id)
    newest = first.save().id
    folder = tmp_path / "data"
    served = Served(config, folder, "--no-auth")
    try:
        assert httpx.get(served.url + "/health/ready").json()["run"] == newest
        body = {"fields": {"title": "Brass desk lamp", "price": 39.5}}
        assert httpx.put(served.url + "/v1/items/shop/lamp", json=body, timeout=300).status_code == 200
        activated = httpx.post(f"{served.url}/v1/models/{first.id}/activate?force=true", timeout=60).json()
        assert activated["before"] == newest
    finally:
        served.stop(signal.SIGKILL)
    again = Served(config, folder, "--no-auth")
    try:
        assert httpx.get(again.url + "/health/ready").json()["run"] == first.id
        asked = {"user": "guest", "scenario": "shop", "only": ["lamp"]}
        slate = httpx.post(again.url + "/v1/recommendations", json=asked).json()
        assert [place["id"] for place in slate["items"]] == ["lamp"]
    finally:
        again.stop(signal.SIGTERM)
