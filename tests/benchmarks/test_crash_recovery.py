from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

Script = Callable[[str], ModuleType]


def test_kills_do_no_harm_and_harm_would_be_noticed(script: Script, tmp_path: Path) -> None:
    crash_recovery = script("crash_recovery")
    crash_test = crash_recovery.CrashTest(tmp_path / "world", users=40, items=25, seed=1)
    killed = crash_test.kill("while writing", np.random.default_rng(1))
    assert killed.harm == ()
    assert killed.finished or killed.left

    damaged = crash_test.project.runs_folder / crash_test.known[-1] / "users.parquet"
    damaged.write_bytes(b"")
    harm, _ = crash_test._harm()
    assert len(harm) == 1
    assert "cannot be opened" in harm[0]
    text = crash_recovery.shown([killed, crash_recovery.Crash("any moment", 1.0, False, (), harm)], [])
    assert "harm: 1" in text
