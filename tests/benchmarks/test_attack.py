import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from polyscene.core.types import FloatArray
from polyscene.data.queries import Histories, Queries
from polyscene.representation.items import centred

Script = Callable[[str], ModuleType]
NAMES = {"before", "attack", "defence_before", "defence"}


def test_a_folder_that_was_never_seen_is_attacked_and_defended(
    script: Script, never_seen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "attack.json"
    where = ["--data", str(never_seen), "--work", str(tmp_path), "--cache", str(tmp_path / "cache")]
    assert (
        script("attack").main([*where, "--items", "4", "--users", "20", "--seed", "5", "--json", str(out)])
        == 0
    )
    results = json.loads(out.read_text(encoding="utf-8"))
    ((name, result),) = results["scenarios"].items()
    assert results["seed"] == 5
    assert (result["items"], result["attacked"], result["users"]) == (24, 4, 20)
    for kind, steps in result["attacks"].items():
        assert set(steps) == NAMES, kind
        assert 1 <= steps["attack"]["everyone"]["median_rank"] <= 24
    hidden, plain = (result["attacks"][kind]["attack"] for kind in ("neighbour, zero width", "neighbour"))
    assert hidden == plain
    assert 0 < result["defence"]["least_cosine_to_beginning"] <= 1
    assert {"machine", "versions", "cost"} <= set(results)
    assert name in capsys.readouterr().out


def test_the_rank_under_attack_is_that_of_a_catalogue_in_which_one_text_has_changed(script: Script) -> None:
    attack = script("attack")
    draws = np.random.default_rng(1)
    vectors = attack.unit(draws.normal(size=(7, 3)).astype(np.float32))
    hostile = attack.unit(draws.normal(size=(2, 3)).astype(np.float32))
    history = Histories.of([[0, 1], [2], [3, 4]])
    asked = Queries(np.arange(3, dtype=np.int32), np.zeros(3, np.int64), history)
    victims = np.array([4, 6])
    scene = attack.Scene("s", None, vectors, None, None, np.ones(7), np.zeros(7), True, 0.8)
    ranks = attack._ranks(scene, vectors, [vectors[victims], hostile], victims, asked)
    for places, changed in zip(ranks, (vectors[victims], hostile), strict=True):
        for column, victim in enumerate(victims):
            expected = plainly(attack, vectors, changed[column], int(victim), history)
            np.testing.assert_allclose(places[:, column], expected)


def plainly(
    attack: ModuleType, vectors: FloatArray, changed: FloatArray, victim: int, history: Histories
) -> list[float]:
    """Count, user by user, the open items that score above the victim."""
    honest = centred(vectors)
    mine = attack.unit((changed - vectors.mean(axis=0))[None])[0]
    ranks = []
    for user in range(len(history)):
        past = history.items[history.offsets[user] : history.offsets[user + 1]]
        weights = 0.8 ** np.arange(len(past))[::-1]
        profile = weights @ honest[past]
        others = [item for item in range(len(honest)) if item != victim and item not in past]
        above = sum(honest[item] @ profile > mine @ profile for item in others)
        ranks.append(np.nan if victim in past else 1.0 + above)
    return ranks


def test_a_tuned_model_is_attacked_too(script: Script, never_seen: Path, tmp_path: Path) -> None:
    config = tmp_path / "songs.toml"
    projects = script("projects")
    text = Path(projects.project_of_folder(never_seen, tmp_path)).read_text(encoding="utf-8")
    config.write_text(f"{text}\n[tuning]\nprojection_steps = 5\n", encoding="utf-8")
    out = tmp_path / "attack.json"
    where = ["--config", str(config), "--work", str(tmp_path), "--cache", str(tmp_path / "cache")]
    words = ["--items", "4", "--users", "20", "--json", str(out)]
    assert script("attack").main([*where, *words]) == 0
    plain = json.loads(out.read_text(encoding="utf-8"))["scenarios"]
    assert script("attack").main([*where, *words, "--tuned"]) == 0
    tuned = json.loads(out.read_text(encoding="utf-8"))["scenarios"]
    (name,) = plain
    assert plain[name]["defence"]["reach_degrees"] != tuned[name]["defence"]["reach_degrees"]


def test_what_cannot_be_attacked_ends_in_a_clear_error(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    attack = script("attack")
    assert attack.main(["--data", str(tmp_path / "empty"), "--work", str(tmp_path)]) == 1
    assert "no table looks like events" in capsys.readouterr().err
    assert attack.main(["--items", "0", "--work", str(tmp_path)]) == 1
    assert "at least 1" in capsys.readouterr().err
    assert attack.main(["--reach", "-1", "--work", str(tmp_path)]) == 1
    assert "0 to 180" in capsys.readouterr().err
