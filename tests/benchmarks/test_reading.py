"""What frozen layers say is kept where layers learn, and pooled layers alone where none does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Script = Callable[[str], ModuleType]
CONFIG = """name = "songs"

[language]
model = "MODEL"
max_tokens = 24
precision = "float32"

[scenarios.songs]
items = { path = "FOLDER/songs.csv", id = "song", text = ["name"] }
events = { path = "FOLDER/plays.csv", user = "listener", item = "song", time = "played_at" }
"""


def test_every_way_is_read_three_times(
    script: Script, never_seen: Path, small_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, out = tmp_path / "polyscene.toml", tmp_path / "found.json"
    text = CONFIG.replace("FOLDER", never_seen.as_posix()).replace("MODEL", small_encoder.as_posix())
    config.write_text(text, encoding="utf-8")
    arguments = ["--config", str(config), "--work", str(tmp_path), "--json", str(out), "--texts", "20"]
    assert script("reading").main(arguments) == 0
    report = json.loads(out.read_text(encoding="utf-8"))
    assert report["texts"] == 20
    alone, top = report["rows"]
    assert (alone["way"], top["way"]) == ("projection alone", "top layer")
    assert all(row[when] > 0 for row in report["rows"] for when in ("nothing kept", "first", "again"))
    assert top["megabytes"] > alone["megabytes"] > 0
    assert "20 texts, 20 of them distinct" in capsys.readouterr().out
