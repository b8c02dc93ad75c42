"""What is developed on never holds the test part; both ways are judged on the same choices."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from polyscene.data.schema import Part
from polyscene.data.splits.protocol import split
from polyscene.project import Project

Script = Callable[[str], ModuleType]
SongsConfig = Callable[[str], Path]
FEW_EPOCHS = """
[fusion]
earlier_cuts = 4
epochs = 2
enough_choices = 300

[evaluation]
protocol = "PROTOCOL"
test_share = 0.2
"""
TEMPORAL = FEW_EPOCHS.replace("PROTOCOL", "temporal")


@pytest.mark.parametrize(("protocol", "judged"), [("temporal", 0.2), ("leave_last_out", 60 / 420)])
def test_what_is_developed_on_knows_no_test_part(
    script: Script, songs_config: SongsConfig, protocol: str, judged: float
) -> None:
    project = Project.open(songs_config(FEW_EPOCHS.replace("PROTOCOL", protocol)))
    dataset, settings = project.dataset, project.settings.evaluation
    known = dataset.scenarios["songs"].events.take(split(dataset, settings)["songs"] != Part.TEST)
    script("choices").development(project, dataset)
    events = project.dataset.scenarios["songs"].events
    np.testing.assert_array_equal(events.time, known.time)
    part = split(project.dataset, project.settings.evaluation)["songs"]
    assert np.mean(part == Part.TEST) == pytest.approx(judged, abs=0.03)
    assert np.any(part == Part.VALID)
    for user in range(60 if protocol == "leave_last_out" else 0):
        mine = events.user == user
        assert events.time[mine & (part == Part.TEST)].min() == events.time[mine].max()


def test_both_ways_are_compared_in_slices(
    script: Script, songs_config: SongsConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, path = tmp_path / "found.json", songs_config(TEMPORAL)
    arguments = ["--config", str(path), "--work", str(tmp_path), "--json", str(out), "--development"]
    assert script("choices").main(arguments) == 0
    (outcome,) = json.loads(out.read_text(encoding="utf-8"))["outcomes"]
    row = outcome["scenarios"]["songs"]["all"]
    mean, low, high = row["difference"]
    assert mean == pytest.approx(row["with"] - row["without"], abs=1e-6)
    assert low <= mean <= high
    assert set(outcome["cost"]) == {"without", "with"}
    assert "songs, 100%, all" in capsys.readouterr().out


def test_a_curve_has_a_row_for_every_lift(
    script: Script,
    songs_config: SongsConfig,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two epochs leave new songs eleven logits behind."""
    monkeypatch.setattr(script("new_items_tradeoff"), "LIFTS", (0.0, 1.0, 30.0))
    out, path = tmp_path / "found.json", songs_config(TEMPORAL)
    path.write_text(path.read_text(encoding="utf-8").replace(', "transitions"', ""), encoding="utf-8")
    arguments = ["--config", str(path), "--work", str(tmp_path), "--json", str(out), "--hidden", "0.3"]
    assert script("new_items_tradeoff").main(arguments) == 0
    songs = json.loads(out.read_text(encoding="utf-8"))["scenarios"]["songs"]
    lifts = [row["lift"] for row in songs["rows"]]
    assert lifts == [0.0, 1.0, 30.0, 0.0]
    assert songs["rows"][-1]["chosen"]
    assert 0 < songs["new"] < songs["choices"]
    assert songs["rows"][0]["difference"] == [0, 0, 0]
    news = [row["new"] for row in songs["rows"][:-1]]
    assert songs["alone"] is None
    assert news == sorted(news)
    assert news[-1] > news[0]
    assert "of new items" in capsys.readouterr().out
