"""A language model looks again at the text ranker's best: taught twice, kept with the run, found again."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from polyscene.core.arrays import load_arrays, save_arrays
from polyscene.core.errors import ConfigError, ModelError, RunError
from polyscene.core.progress import Silent
from polyscene.core.settings.language import LanguageSettings
from polyscene.core.settings.project import Settings
from polyscene.core.settings.text_ranker import TextRankerSettings
from polyscene.data.queries import Histories, Queries
from polyscene.engine import recommending
from polyscene.engine.decision import Request
from polyscene.engine.state import System
from polyscene.language.compression.int8 import to_int8
from polyscene.language.model.loading import load_model
from polyscene.language.model.quiet import quiet
from polyscene.learning.backbone import Backbone
from polyscene.learning.reranker import RerankerTrainer, TrainedScorer
from polyscene.project import Project
from polyscene.recommenders.reranker import Reranker
from polyscene.recommenders.signal import Evidence
from polyscene.recommenders.text_ranker import TextRanker
from polyscene.runs import training
from polyscene.runs.folder import MANIFEST, READERS
from polyscene.runs.reranker_files import ENCODER, READER
from polyscene.runs.run import Run

SIGNALS = ["popularity", "content", "text_ranker"]
BRIEF = {"top": 8, "history": 3, "examples": 200, "chars": 20}

Village = Callable[..., Project]
Asked = Callable[..., Queries]


def opened(
    hamlet: Path, home: Path, model: str | Path, signals: list[str] = SIGNALS, **reader: Any
) -> Project:
    """Return a shop of its own in `home` with the hamlet's tables."""
    shutil.copytree(hamlet.parent / "shop", home / "shop", dirs_exist_ok=True)
    shutil.copy(hamlet.parent / "users.parquet", home)
    document = tomllib.loads(hamlet.read_text(encoding="utf-8"))
    shop = document["scenarios"]["shop"] | {"signals": signals}
    language = {"model": str(model), "tuning": "none", "max_tokens": 48, "precision": "float32"}
    changes = {"language": language, "scenarios": {"shop": shop}, "text_ranker": BRIEF | reader}
    return Project(Settings.parse(document | changes), home)


@pytest.fixture
def village(hamlet: Path, small_encoder: Path, tmp_path: Path) -> Village:
    def open_(model: str | Path = small_encoder, **reader: Any) -> Project:
        return opened(hamlet, tmp_path / "village", model, **reader)

    return open_


@pytest.fixture(scope="session")
def answering_decoder(small_decoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the small decoder with an output layer."""
    folder = tmp_path_factory.mktemp("answers")
    AutoTokenizer.from_pretrained(small_decoder).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig.from_pretrained(small_decoder, initializer_range=0.5)
    with quiet():
        LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
def in_memory(monkeypatch: pytest.MonkeyPatch) -> list[System]:
    """Return where every system lands that is put together from fitted parts."""
    systems: list[System] = []
    original = System.of

    def of(*args: Any) -> System:
        systems.append(original(*args))
        return systems[-1]

    monkeypatch.setattr(System, "of", of)
    return systems


def reranker_of(system: System) -> Reranker:
    reranker = system.scenarios["shop"].fusion.reranker
    assert reranker is not None
    return reranker


def requests(system: System) -> tuple[Histories, np.ndarray]:
    shop = system.scenario("shop")
    histories = [
        system.queries(system.user(user, "shop"), shop).history.items.tolist() for user in people(system)
    ]
    return Histories.of(histories), np.tile(np.arange(8, dtype=np.int32), (len(histories), 1))


def people(system: System) -> list[str]:
    counts = np.bincount(system.scenarios["shop"].log.events().user)
    return [*(system.users[int(code)] for code in np.argsort(-counts)[:3]), "nobody"]


@pytest.fixture(params=["pair", "tuned", "answers"])
def kind(request: pytest.FixtureRequest, small_encoder: Path, answering_decoder: Path) -> dict[str, Any]:
    """Return the settings of one kind of reader."""
    return {
        "pair": {"model": small_encoder, "reader": "pair"},
        "tuned": {"model": small_encoder, "reader": "pair", "steps": 3},
        "answers": {"model": answering_decoder, "reader": "answers"},
    }[request.param]


def test_a_restored_run_answers_as_it_did_right_after_training(
    village: Village, kind: dict[str, Any], in_memory: list[System]
) -> None:
    run = village(**kind).train()
    (system,) = in_memory
    fresh, again = reranker_of(system), reranker_of(run.system)
    assert (again.student, again.trust, again.top) == (fresh.student, fresh.trust, 8)
    assert again.unseen
    odds = again.reader(*requests(run.system))
    assert odds.std() > 0
    np.testing.assert_array_equal(odds, fresh.reader(*requests(system)))
    for user in people(system):
        slate = recommending.recommend(system, run.id, Request(user, "shop", 10))
        assert run.recommend(user, "shop", 10) == slate
        assert run.explain(user, slate.ids[0]) == recommending.explain(system, user, slate.ids[0], None)
    assert (run.folder / READERS / "0" / ENCODER).exists() == bool(kind.get("steps"))
    assert any("the text ranker's reader learnt from 40 choices" in note for note in run.notes)


def test_the_reader_learns_from_the_past_first_and_then_from_everything(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[int] = []
    taught: list[TrainedScorer] = []
    original = RerankerTrainer.trained

    def trained(
        self: RerankerTrainer, name: str, signals: Any, evidence: Evidence, *rest: Any
    ) -> tuple[Reranker | None, list[str]]:
        reranker, notes = original(self, name, signals, evidence, *rest)
        assert reranker is not None
        assert isinstance(reranker.reader, TrainedScorer)
        taught.append(reranker.reader)
        events.append(len(evidence.events))
        return reranker, notes

    monkeypatch.setattr(RerankerTrainer, "trained", trained)
    run = village(reader="pair").train()
    assert len(events) == 2
    assert events[0] < events[1]
    early, final = (reader.learnt.head for reader in taught)
    assert early is not None
    assert final is not None
    assert not np.allclose(early.mean, final.mean)
    kept = load_arrays(run.folder / READERS / "0" / READER)
    np.testing.assert_array_equal(kept["mean"], final.mean)
    np.testing.assert_array_equal(kept["covariance"], final.covariance)


def test_without_a_reader_the_run_knows_of_none(village: Village, in_memory: list[System]) -> None:
    run = village().train()
    assert run.manifest["readers"] == {}
    assert not (run.folder / READERS).exists()
    assert run.system.scenarios["shop"].fusion.reranker is None
    (system,) = in_memory
    assert system.scenarios["shop"].fusion.reranker is None


def test_a_reader_that_no_scenario_uses_is_told_of(
    hamlet: Path, small_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[str] = []
    monkeypatch.setattr(Silent, "say", lambda self, text: messages.append(text))
    run = opened(hamlet, tmp_path, small_encoder, ["popularity", "content"], reader="pair").train()
    assert run.manifest["readers"] == {}
    assert any("no scenario has 'text_ranker'" in line for line in messages)


@pytest.mark.parametrize("reader", ["pair", "answers"])
def test_a_reader_that_does_not_suit_the_model_is_refused(
    village: Village, small_encoder: Path, small_decoder: Path, reader: str
) -> None:
    wrong = small_decoder if reader == "pair" else small_encoder
    with pytest.raises(ConfigError, match=f"text_ranker.reader(.|\n)*reader = '{reader}'"):
        village(wrong, reader=reader).train()


def test_a_decoder_without_an_output_layer_is_refused(village: Village, small_decoder: Path) -> None:
    with pytest.raises(ModelError, match="predicts no words"):
        village(small_decoder, reader="answers").train()


def test_an_encoder_that_cannot_learn_is_refused_before_anything_is_trained(
    village: Village, small_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = load_model(LanguageSettings(model=str(small_encoder), max_tokens=24, precision="float32"))
    to_int8(plain, ["red shoe"]).save(tmp_path / "small")
    monkeypatch.setattr(training, "tune_language", lambda *_: pytest.fail("it was trained"))
    with pytest.raises(ModelError, match=r"eight bits.*set \[text_ranker\] steps = 0"):
        village(tmp_path / "small", reader="pair", steps=2).train()


def test_a_template_without_a_candidate_is_refused(village: Village) -> None:
    with pytest.raises(ConfigError, match=r"text_ranker\.template"):
        village(reader="pair", template="They liked {liked}.").train()


def test_steps_are_for_pairs(village: Village) -> None:
    with pytest.raises(ConfigError, match="does not learn"):
        village(reader="answers", steps=5)


def test_the_model_is_missed_at_first_use_and_found_where_the_project_moved(
    village: Village, small_encoder: Path, tmp_path: Path
) -> None:
    home = tmp_path / "village"
    shutil.copytree(small_encoder, home / "reader model")
    run = village("reader model", reader="pair").train()
    user = people(run.system)[0]
    slate = run.recommend(user)
    moved = home.rename(tmp_path / "elsewhere")
    (moved / "reader model").rename(moved / "away")
    again = Run(moved / run.folder.relative_to(home))
    assert again.similar(slate.ids[0])
    for _ in range(2):
        with pytest.raises(ModelError, match="'reader model', which cannot be used: put it back"):
            again.recommend(user)
    (moved / "away").rename(moved / "reader model")
    assert again.recommend(user) == slate


def test_another_model_in_its_place_is_refused(village: Village, small_encoder: Path, tmp_path: Path) -> None:
    model = tmp_path / "village" / "reader model"
    shutil.copytree(small_encoder, model)
    run = village("reader model", reader="pair").train()
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    (model / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 1e-6}), encoding="utf-8")
    with pytest.raises(ModelError, match="another language model"):
        run.recommend("nobody")


def test_damaged_readers_say_what_to_do(village: Village) -> None:
    run = village(reader="pair", steps=2).train()
    home = run.folder / READERS / "0"
    (home / ENCODER).write_bytes(b"no weights")
    with pytest.raises(RunError, match="train again"):
        run.recommend("nobody")
    state = load_arrays(home / READER)
    save_arrays(home / READER, {"weights": state["weights"]})
    with pytest.raises(RunError, match="train again"):
        _ = Run(run.folder).system
    (home / READER).unlink()
    with pytest.raises(RunError, match="train again"):
        _ = Run(run.folder).system
    manifest = json.loads((run.folder / MANIFEST).read_text(encoding="utf-8"))
    del manifest["readers"]["base"]
    (run.folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(RunError, match="train again"):
        _ = Run(run.folder).system


COLOURS = 30
TEXTS = [f"red shoe {n}" for n in range(COLOURS)] + [f"blue boot {n}" for n in range(COLOURS)]


@pytest.fixture
def reds(make_evidence: Callable[..., Evidence]) -> Evidence:
    """Everybody chooses what is red; the vectors do not know of colours."""
    draws = np.random.default_rng(0)
    rows = [(user, int(draws.integers(COLOURS)), step) for user in range(100) for step in range(4)]
    vectors = draws.normal(size=(len(TEXTS), 2)).astype(np.float32)
    return make_evidence(rows, len(TEXTS), vectors=vectors)


@pytest.fixture
def readers(small_encoder: Path) -> Callable[..., RerankerTrainer]:
    language = LanguageSettings(model=str(small_encoder), precision="float32", max_tokens=48)

    def make(**settings: Any) -> RerankerTrainer:
        return RerankerTrainer(Backbone(language, Path()), TextRankerSettings(reader="pair", **settings), 7)

    return make


def whole(scores: np.ndarray) -> np.ndarray:
    """Return (B, n) candidates that are the whole catalogue."""
    return np.tile(np.arange(scores.shape[1]), (len(scores), 1))


def test_a_reader_learns_what_the_vectors_do_not_tell(
    readers: Callable[..., RerankerTrainer], reds: Evidence, asked: Asked
) -> None:
    student = TextRanker().fit(reds)
    queries = asked([[0], [5, 7], []])
    plain = student.score(queries)
    teacher = readers(history=2, examples=500)
    reranker, notes = teacher.trained("shop", [None, student], reds, TEXTS, False, Silent())
    assert reranker is not None
    assert reranker.trust > 0.1
    assert [note for note in notes if f"its weight is {reranker.trust:.2f}" in note]
    np.testing.assert_array_equal(student.score(queries), plain)
    reread = reranker.reorder(plain, whole(plain), queries.history)
    np.testing.assert_array_equal(np.sort(reread), np.sort(plain))
    for before, after in zip(plain, reread, strict=True):
        top = np.argsort(-before, kind="stable")[:20]
        red = int((top < COLOURS).sum())
        assert 5 <= red <= 15
        assert np.argsort(-after, kind="stable")[:red].max() < COLOURS, "all that is red comes first"
        rest = np.setdiff1d(np.arange(len(TEXTS)), top)
        np.testing.assert_array_equal(after[rest], before[rest])


def test_without_examples_the_student_keeps_its_order(
    readers: Callable[..., RerankerTrainer], reds: Evidence, asked: Asked
) -> None:
    student = TextRanker().fit(reds)
    queries = asked([[0], []])
    plain = student.score(queries)
    reranker, _ = readers(examples=0).trained("shop", [student], reds, TEXTS, False, Silent())
    assert reranker is not None
    np.testing.assert_array_equal(reranker.reorder(plain, whole(plain), queries.history), plain)


def test_scenarios_without_a_text_ranker_are_left_alone(
    readers: Callable[..., RerankerTrainer], reds: Evidence
) -> None:
    assert readers().trained("shop", [None], reds, TEXTS, False, Silent()) == (None, [])


def test_a_catalogue_of_one_item_teaches_nothing(
    readers: Callable[..., RerankerTrainer], make_evidence: Callable[..., Evidence], asked: Asked
) -> None:
    evidence = make_evidence([(0, 0, 0), (0, 0, 1)], 1, vectors=np.ones((1, 2), np.float32))
    student = TextRanker().fit(evidence)
    reranker, _ = readers().trained("shop", [student], evidence, ["red shoe"], False, Silent())
    assert reranker is not None
    queries = asked([[0], []])
    plain = student.score(queries)
    assert plain.shape == (2, 1)
    np.testing.assert_array_equal(reranker.reorder(plain, whole(plain), queries.history), plain)
