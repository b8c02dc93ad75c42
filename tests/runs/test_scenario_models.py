"""A company whose shop is read by one language model and whose news by another."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from polyscene.project import Project
from polyscene.runs.run import Run

TITLES = ("红茶礼盒装", "绿萝盆栽", "蓝牙耳机", "儿童积木", "羊毛围巾", "钢笔套装", "山地自行车", "电饭煲")


@pytest.fixture(scope="module")
def config(hamlet: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small company: the news are read by the light model, the first shop items are Chinese."""
    folder = tmp_path_factory.mktemp("two models")
    shutil.copytree(hamlet.parent, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("runs", "cache"))
    items = folder / "shop" / "items.parquet"
    table = pl.read_parquet(items)
    titles = [*TITLES, *table["title"].to_list()[len(TITLES) :]]
    silent = pl.lit("", pl.String)
    table.with_columns(title=pl.Series(titles), description=silent).write_parquet(items)
    text = (folder / hamlet.name).read_text(encoding="utf-8")
    text = text.replace("[scenarios.news]\n", '[scenarios.news]\nmodel = "light"\n')
    text = text.replace(
        'template   = "{title} – {description} Category', 'template   = "{title}" # "Category'
    )
    (folder / hamlet.name).write_text(text, encoding="utf-8")
    return folder / hamlet.name


@pytest.fixture(scope="module")
def run(config: Path) -> Run:
    return Project.open(config).train()


def test_each_scenario_is_read_by_its_own_model(run: Run) -> None:
    widths = {
        name: state.space.view("tuned").vectors.shape[1] for name, state in run.system.scenarios.items()
    }
    assert widths["news"] == 512
    assert widths["shop"] == widths["video"] == 384


def test_only_scenarios_of_one_model_are_compared(run: Run, config: Path) -> None:
    for opened in (run, Project.open(config).run()):
        others = {
            name: sorted(signal.others)  # type: ignore[attr-defined]
            for name, state in opened.system.scenarios.items()
            if (signal := state.fusion.present().get("cross_scenario")) is not None
        }
        assert others == {"shop": ["video"], "video": ["shop"]}


def test_what_falls_away_is_told(run: Run) -> None:
    manifest = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    (note,) = [note for note in manifest["notes"] if "'cross_scenario' compares only" in note]
    assert "news with 'light'" in note


def test_chinese_titles_count_as_no_text_and_that_is_told(run: Run) -> None:
    manifest = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    (note,) = [note for note in manifest["unread_texts"] if note.startswith("shop: ")]
    assert "mostly unknown to the language model" in note
    assert note in manifest["notes"]
    shop = run.system.scenarios["shop"]
    chinese = [row for row, title in enumerate(shop.catalogue.titles) if title in TITLES]
    assert len(chinese) == len(TITLES)
    vectors = shop.space.view("tuned").vectors[chinese]
    assert np.count_nonzero(vectors.any(axis=1)) <= 1  # of one, English BERT knows most characters
    assert not np.triu(vectors @ vectors.T, 1).any()


def test_a_new_item_is_read_as_training_would_have(run: Run) -> None:
    news = run.system.scenarios["news"]
    view = news.space.view("tuned")
    raw = run.encoder.encode("news", news.catalogue.texts[:4])["tuned"]
    centred = raw - view.mean
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    np.testing.assert_allclose(centred, view.vectors[:4], atol=1e-4)
    assert run.encoder.encode("shop", ["a red shoe"])["tuned"].shape[1] != 512


def test_a_service_without_torch_reads_a_new_item_with_the_light_model(run: Run) -> None:
    code = (
        "import json, sys; from pathlib import Path; from polyscene.runs.item_encoder import ItemEncoder; "
        f"folder = Path({str(run.folder)!r}); manifest = json.loads((folder / 'run.json').read_text()); "
        "sys.modules['torch'] = None; "
        "vectors = ItemEncoder.of_run(folder, manifest).encode('news', ['新咖啡馆开业']); "
        "sys.exit(0 if vectors['tuned'].any() else 1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_check_tells_which_model_reads_what(config: Path) -> None:
    report = Project.open(config).check()
    assert any(line.startswith("news: ") and line.endswith("'light'") for line in report.decisions)
    assert any("'cross_scenario' compares only scenarios of one model" in line for line in report.decisions)
