"""A tiny set of prompts in which everybody prefers one of two kinds of thing, and habits differ."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from polyscene.metrics.probability import auc

Script = Callable[[str], ModuleType]
ASKED = 'Liked: {liked}\nDisliked: {disliked}\nWill they like the thing "{title}"?'


def _split(draws: np.random.Generator, rows: int) -> pl.DataFrame:
    words = (["quiet river", "blue lake", "warm rain"], ["loud engine", "steel motor", "diesel truck"])
    prompts = []
    for _ in range(rows):
        habit = draws.normal()
        things = []
        for _ in range(5):
            kind = int(draws.integers(2))
            title = f"{words[kind][draws.integers(3)]} {draws.integers(1000)}"
            things.append((title, draws.random() < 1 / (1 + np.exp(4 * kind - 2 - habit))))
        *past, (title, label) = things
        liked, disliked = (
            ", ".join(f'"{t}"' for t, yes in past if yes == wanted) for wanted in (True, False)
        )
        text = ASKED.format(liked=liked, disliked=disliked, title=title)
        prompts.append({"instruction": "Answer.", "input": text, "output": "Yes." if label else "No."})
    return pl.DataFrame(prompts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home, draws = tmp_path_factory.mktemp("prompts"), np.random.default_rng(0)
    _split(draws, 70).write_parquet(home / "valid.parquet")
    _split(draws, 60).write_parquet(home / "test.parquet")
    return home


def test_a_folder_that_was_never_seen_is_judged(
    script: Script, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found.json"
    command = ["--data", str(folder), "--json", str(out), "--draws", "2", "--seed", "3"]
    assert script("few_shot").main(command) == 0
    results = json.loads(out.read_text(encoding="utf-8"))
    assert list(results["auc"]) == ["16", "64"], "there are no 256 examples"
    assert results["auc"]["64"]["mean"] > results["base_rate_auc"] + 0.1
    assert results["zero_shot_auc"] > 0.5
    assert results["text"]["64"]["text_alone_auc"]["mean"] > 0.7
    lead = results["text"]["64"]["over_base_rate"]
    assert lead["low"] < lead["mean"] < lead["high"]
    assert lead["mean"] == pytest.approx(results["auc"]["64"]["mean"] - results["base_rate_auc"])
    assert results["text"]["zero_shot"]["over_base_rate"]["mean"] == pytest.approx(
        results["zero_shot_auc"] - results["base_rate_auc"]
    )
    assert results["people"]["test"] == 60
    assert {"seed", "draws", "machine", "versions", "cost", "model"} <= set(results)
    assert "64 examples" in capsys.readouterr().out


def test_the_lead_is_the_difference_of_aucs(script: Script) -> None:
    few_shot, draws = script("few_shot"), np.random.default_rng(1)
    labels, scores, base = (
        draws.integers(0, 2, 40).astype(float),
        draws.normal(size=40),
        draws.normal(size=40),
    )
    prompts = [few_shot.Prompt(str(n), user=str(n // 4)) for n in range(40)]
    lead = few_shot.lead(few_shot.Split(prompts, labels), [scores], [np.round(base)], seed=1)
    assert lead["mean"] == pytest.approx(auc(labels, scores) - auc(labels, np.round(base)))
    same = few_shot.lead(few_shot.Split(prompts, labels), [base, base], [base], seed=1)
    assert same == {"mean": 0.0, "low": 0.0, "high": 0.0, "better": False, "worse": False}


def test_the_seed_rules_the_draws(script: Script, folder: Path, tmp_path: Path) -> None:
    few_shot = script("few_shot")
    for part in ("valid", "test"):
        pl.read_parquet(folder / f"{part}.parquet").head(24).write_parquet(tmp_path / f"{part}.parquet")

    def silent(texts: list[str]) -> np.ndarray:
        return np.zeros((len(texts), 4), np.float32)

    one, same, other = (few_shot.run(tmp_path, silent, 2, seed)["auc"]["16"] for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize(
    ("test", "wanted"),
    [
        (None, "save them as valid.parquet"),
        (pl.DataFrame({"input": ["a"]}), "output"),
        (pl.DataFrame({"input": ["a"], "output": ["perhaps"]}), "begins with Yes or No"),
        (pl.DataFrame({"input": ["a"], "output": ["Yes."]}), "both answers"),
    ],
)
def test_what_cannot_be_used_ends_in_a_clear_error(
    script: Script, folder: Path, tmp_path: Path, test: pl.DataFrame | None, wanted: str
) -> None:
    pl.read_parquet(folder / "valid.parquet").write_parquet(tmp_path / "valid.parquet")
    if test is not None:
        test.write_parquet(tmp_path / "test.parquet")
    few_shot = script("few_shot")
    with pytest.raises(few_shot.DataError, match=wanted):
        few_shot.run(tmp_path, lambda texts: np.zeros((len(texts), 4), np.float32), 1, 0)


def test_an_error_ends_without_a_traceback(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script("few_shot").main(["--data", str(tmp_path)]) == 1
    assert "valid.parquet" in capsys.readouterr().err
    assert script("few_shot").main(["--data", str(tmp_path), "--draws", "0"]) == 1


def test_histories_without_answers_teach_what_a_domain_thinks(
    script: Script, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_shot = script("few_shot")

    def read(texts: list[str]) -> np.ndarray:
        words = ("river", "lake", "rain")
        return np.array([[any(w in t for w in words), "e" in t] for t in texts], np.float32).reshape(-1, 2)

    context = _split(np.random.default_rng(5), 150).with_columns(output=pl.lit("unknown"))
    context.write_parquet(tmp_path / "some.parquet")
    plain = few_shot.run(folder, read, 1, 3, sizes=[])
    taught = few_shot.run(folder, read, 1, 3, tmp_path / "some.parquet", sizes=[])
    assert taught["zero_shot_auc"] > plain["zero_shot_auc"] + 0.05
    assert (plain["prompts"]["context"], taught["prompts"]["context"]) == (0, 150)
    seen: list[int] = []
    monkeypatch.setattr(few_shot, "judge", lambda readers, examples, test, scores: seen.append(len(examples)))
    monkeypatch.setattr(few_shot, "FewShotScores", _Nothing)
    monkeypatch.setattr(few_shot, "lead", lambda *some: {})
    few_shot.run(folder, read, 1, 3, histories=True, sizes=[16])
    assert seen == [70, 70]


class _Nothing:
    scores = without_vectors = ()
    rows = ({"auc": 0.5},)

    def summary(self, metric: str) -> dict[str, float]:
        return {"mean": 0.5, "sd": 0.0}
