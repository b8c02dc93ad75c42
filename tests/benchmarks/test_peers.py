import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from polyscene.data.queries import Histories, Queries
from polyscene.project import Project

Script = Callable[[str], ModuleType]


class Popular:
    """A peer that says what our popularity signal says."""

    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores

    def score(self, requests: list[int]) -> np.ndarray:
        return np.tile(self.scores, (len(requests), 1))


@pytest.fixture(scope="module")
def project(script: Script, never_seen: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.open(script("projects").project_of_folder(never_seen, tmp_path_factory.mktemp("work")))


@pytest.mark.parametrize("seen", ["kept", "removed"])
def test_a_peer_is_judged_exactly_like_a_signal_of_ours(
    script: Script, project: Project, tmp_path: Path, seen: str
) -> None:
    settings = script("projects").adjusted(project.settings, None, seen)
    split_project = Project(settings, project.base, f"{seen}.toml")
    run = split_project.train()
    (judged,) = split_project.evaluate(run).judgements
    facts = script("export").export(split_project, tmp_path)
    (about,) = facts["scenarios"].values()
    judging = script("judging")
    fold = judging.load_fold(tmp_path / "0", "test", about)
    (name,) = run.scenarios
    fusion = run.system.scenario(name).fusion
    place = fusion.names.index("popularity")
    someone = Queries(np.zeros(1, np.int32), np.zeros(1, np.int64), Histories.of([[]]))
    peer = Popular(fusion.present()["popularity"].score(someone)[0] / fusion.features.scales[place])
    ranks, counts = judging.ranks_of(peer, fold, np.arange(len(fold.target)))
    np.testing.assert_array_equal(ranks, judged.ranks["popularity"])
    np.testing.assert_array_equal(counts, judged.n_candidates)
    assert about["seen_items"] == seen
    assert about["slices"] == {part: int(mask.sum()) for part, mask in judged.slices.items()}


def test_what_is_tuned_on_lies_before_what_is_judged(
    script: Script, project: Project, tmp_path: Path
) -> None:
    facts = script("export").export(project, tmp_path)
    (about,) = facts["scenarios"].values()
    load = script("judging").load_fold
    tune, test = (load(tmp_path / "0", step, about) for step in ("tune", "test"))
    assert len(tune.learn.user) + len(tune.target) == len(test.learn.user)
    assert tune.requests.time.max() < test.requests.time.min()
    assert not tune.slices
    rows = np.arange(len(test.target))
    assert np.all(test.requests.pick(rows).items == test.requests.items)


def test_peers_and_polyscene_stand_in_one_table(
    script: Script,
    never_seen: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, out = script("run"), tmp_path / "found.json"
    monkeypatch.setattr(run, "environment", lambda name, work, base: Path(sys.executable))
    monkeypatch.setitem(run.PEERS, "nobody", "implicit")
    arguments = [
        "--data",
        str(never_seen),
        "--work",
        str(tmp_path),
        "--json",
        str(out),
        "--peers",
        "implicit_als",
    ]
    assert run.main([*arguments, "nobody"]) == 1  # one peer fails, the others stand
    summary = json.loads(out.read_text(encoding="utf-8"))
    assert summary["failed"] == ["nobody"]
    (results,) = summary["scenarios"].values()
    assert set(results["models"]["implicit ALS"]) >= {"hr@10", "ndcg@10", "mrr", "auc"}
    (leads,) = summary["leads"].values()
    gap = results["models"]["polyscene"]["ndcg@10"] - results["models"]["implicit ALS"]["ndcg@10"]
    assert leads["implicit ALS"]["mean"] == pytest.approx(gap, abs=1e-6)
    assert set(summary["cost"]["implicit ALS"]) == {"choose", "fit", "judge"}
    (chosen,) = summary["chosen"]["implicit ALS"].values()
    best = max(chosen["tried"], key=lambda one: one["ndcg@10"])
    assert chosen["settings"]["factors"] == best["factors"]
    assert "implicit" in summary["peer_versions"]["implicit ALS"]
    assert "polyscene - implicit ALS" in capsys.readouterr().out
    assert run.main([*arguments, "--resume"]) == 0  # nothing is fitted again
    assert json.loads(out.read_text(encoding="utf-8"))["leads"] == summary["leads"]


def test_settings_are_climbed_to_the_top_of_a_hill_far_from_the_middle(script: Script) -> None:
    judging = script("judging")
    asked: list[tuple[float, float]] = []

    def trial(
        fold: object, judge: object, settings: dict[str, float], seed: int
    ) -> list[tuple[dict[str, float], float]]:
        asked.append((settings["width"], settings["penalty"]))
        return [(settings, -((settings["width"] - 6) ** 2) - (settings["penalty"] - 0.1) ** 2)]

    ladders = {"width": range(8), "penalty": (0.1, 1.0, 10.0)}
    settings, tried = judging.climb(trial, ladders)(None, None, 7)
    assert settings == {"width": 6, "penalty": 0.1}
    assert len(asked) == len(set(asked)) == len(tried) < 24
    assert judging.on_edge(settings, tried) == ["penalty"]


def test_ladders_are_climbed_in_turn_and_a_single_pass_leaves_each_where_it_was_best_then(
    script: Script,
) -> None:
    judging = script("judging")

    def trial(
        fold: object, judge: object, settings: dict[str, int], seed: int
    ) -> list[tuple[dict[str, int], float]]:
        height = -float(abs(settings["width"] - 4) + 2 * abs(settings["depth"] - settings["width"]))
        return [(settings, height)]

    ladders = {"depth": range(5), "width": range(5)}
    settings, tried = judging.climb(trial, ladders, passes=1)(None, None, 7)
    assert settings == {"depth": 2, "width": 2}, "the width alone cannot leave the depth behind"
    assert [(one["depth"], one["width"]) for one in tried] == [(2, 2), (1, 2), (3, 2), (2, 1), (2, 3)]


def test_the_best_of_all_looks_of_a_trial_is_taken_and_every_look_was_tried(script: Script) -> None:
    judging = script("judging")

    def trial(
        fold: object, judge: object, settings: dict[str, int], seed: int
    ) -> list[tuple[dict[str, int], float]]:
        gains = {2: 0.1, 4: 0.3 + settings["width"], 6: 0.2}
        return [({**settings, "epochs": epochs}, gain) for epochs, gain in gains.items()]

    settings, tried = judging.climb(trial, {"width": range(3)})(None, None, 7)
    assert settings == {"width": 2, "epochs": 4}
    assert len(tried) == 9
    assert judging.on_edge(settings, tried) == ["width"]


def test_nothing_is_on_an_edge_between_two_that_are_worse(script: Script) -> None:
    tried = [{"k": k, "ndcg@10": 0.1} for k in (10, 20, 50)] + [{"k": 20, "loss": "bpr", "ndcg@10": 0.2}]
    on_edge = script("judging").on_edge
    assert on_edge({"k": 20}, tried) == []
    assert on_edge({"k": 50}, tried) == ["k"]
    assert on_edge({"k": 50}, [{"k": 50}]) == []
