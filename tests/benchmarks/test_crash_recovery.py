from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

Script = Callable[[str], ModuleType]


def test_kills_do_no_harm_and_harm_would_be_noticed(script: Script, tmp_path: Path) -> None:
    kill = script("crash_recovery")
    victim = kill.Victim(tmp_path / "world", users=40, items=25, seed=1)
    killed = victim.kill("while writing", np.random.default_rng(1))
    assert killed.harm == ()
    assert killed.finished or killed.left

    damaged = victim.project.runs_folder / victim.known[-1] / "users.parquet"
    damaged.write_bytes(b"")
    harm, _ = victim._harm()
    assert len(harm) == 1
    assert "cannot be opened" in harm[0]
    text = kill.shown([killed, kill.Kill("any moment", 1.0, False, (), harm)], [])
    assert "harm: 1" in text
