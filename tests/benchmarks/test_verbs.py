import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Script = Callable[[str], ModuleType]


def test_two_versions_are_measured_in_turns(
    script: Script, village_tables: Callable[[Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verbs, out = script("verbs"), tmp_path / "verbs.json"
    checkout = verbs.LAUNCHER.parents[1]
    config = village_tables(tmp_path / "company")
    arguments = ["--config", str(config), "--work", str(tmp_path), "--times", "1", "--json", str(out)]
    chosen = ["--verb", "help", "--verb", "check", "--against", str(checkout)]
    train = verbs.VERBS | {"train": verbs.VERBS["help"], "evaluate": verbs.VERBS["help"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verbs, "VERBS", train)  # neither is what is tested here
        assert verbs.main([*arguments, *chosen]) == 0
    results = json.loads(out.read_text(encoding="utf-8"))
    assert {"machine", "versions"} <= set(results)
    for verb in ("help", "check"):
        for cost in results["verbs"][verb].values():
            assert cost["cpu_seconds"] > 0 < cost["seconds"]
        assert set(results["verbs"][verb]) == {"this version", checkout.name}
    here = results["verbs"]
    assert here["help"]["this version"]["peak_mb"] < here["check"]["this version"]["peak_mb"]
    assert "check" in capsys.readouterr().out


def test_the_best_of_every_number_counts_and_failures_are_told(
    script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    verbs = script("verbs")
    best = verbs.Best()
    best.take({"seconds": 2.0, "cpu_seconds": 1.0, "peak_mb": 90.0, "code": 0})
    best.take({"seconds": 1.0, "cpu_seconds": 1.5, "peak_mb": 80.0, "code": 0})
    assert best.cost == {"seconds": 1.0, "cpu_seconds": 1.0, "peak_mb": 80.0}
    assert verbs.told_failures({"check": best}) == 0
    best.take({"code": 2, "told": "error: no such table"})
    assert verbs.told_failures({"check": best}) == 1
    assert "check ended with 2: error: no such table" in capsys.readouterr().err


def costs_of(launcher: Path, out: Path, code: str) -> dict[str, float]:
    """Launch Python as the benchmark does: from a small process, whose size is all that is charged."""
    command = [sys.executable, "-S", str(launcher), str(out), "--", sys.executable, "-S", "-c", code]
    subprocess.run(command, check=True)
    costs: dict[str, float] = json.loads(out.read_text(encoding="utf-8"))
    return costs


def test_memory_and_processor_time_are_those_of_the_command(script: Script, tmp_path: Path) -> None:
    launcher, out = script("verbs").LAUNCHER, tmp_path / "costs.json"
    small = costs_of(launcher, out, "pass")
    large = costs_of(launcher, out, "b'x' * (200 * 2**20)\nsum(range(10**7))")
    assert small["peak_mb"] < 100
    assert 200 <= large["peak_mb"] < 300
    assert large["cpu_seconds"] > small["cpu_seconds"]
    assert costs_of(launcher, out, "raise SystemExit(3)")["code"] == 3


SERVICE = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health/ready" else 404)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""


def test_a_service_is_waited_for_until_it_is_ready(script: Script) -> None:
    launch, port = script("launch"), script("verbs").free_port()
    assert launch.launch([sys.executable, "-c", SERVICE, str(port)], port)["code"] == 0
    assert launch.launch([sys.executable, "-c", "raise SystemExit(4)"], port)["code"] == 4
