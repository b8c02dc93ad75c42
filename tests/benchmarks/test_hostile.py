from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Script = Callable[[str], ModuleType]


def test_bodies_do_no_harm(
    script: Script,
    village_tables: Callable[[Path], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hostile = script("hostile")
    village_tables(tmp_path / "hostile")
    assert hostile.main(["--bodies", "300", "--work", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "status 422" in text
    assert "status 5" not in text


def test_bodies_differ_and_come_again(script: Script) -> None:
    hostile = script("hostile")
    first, second = (
        [bodies.draw() for _ in range(200)] for bodies in (hostile.HostileBodies(1), hostile.HostileBodies(1))
    )
    assert first == second
    assert len({body for _, body in first}) > 150
