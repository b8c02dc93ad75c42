from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

Script = Callable[[str], ModuleType]


def test_nothing_is_lost_while_a_server_is_upgraded(script: Script, tmp_path: Path) -> None:
    path = tmp_path / "upgrade.json"
    assert script("upgrade").main(["--keys", "50", "--events", "10", "--json", str(path)]) == 0
    results = json.loads(path.read_text(encoding="utf-8"))
    assert results["lost_or_doubled"] == 0
    assert results["old_to_new_p50_ms"] > 0
