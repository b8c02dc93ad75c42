"""Small logs, evidence and requests, written down as tuples; companies that train in a moment, and runs.

Beside them two language models that are small enough to be tuned in a moment. What is heavy is loaded when it
is first asked for, and what takes long is made once, however many workers there are.
"""

from __future__ import annotations

import os
import runpy
import shutil
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import settings
from numpy.typing import ArrayLike

from polyscene.core.arrays import Arrays
from polyscene.core.threads import available_cpus
from polyscene.core.types import FloatArray, LongArray
from polyscene.data.queries import LATEST, Histories, Queries
from polyscene.data.schema import UNKNOWN_TIME, Clock, EventLog
from polyscene.recommenders.signal import Evidence, OtherScenario, Signal
from polyscene.representation.item_space import ItemSpace
from polyscene.responsible.explanation import Sentences

if TYPE_CHECKING:
    from polyscene.project import Project
    from polyscene.runs.run import Run

SAME_EXAMPLES = "HYPOTHESIS_DERANDOMIZE" in os.environ
"""So that a check of one change does not depend on luck; elsewhere every run draws new examples."""
settings.register_profile("unhurried", deadline=None, max_examples=40, derandomize=SAME_EXAMPLES)
"""How fast a machine is, is no property of the code; every run draws other examples."""
settings.load_profile("unhurried")

TESTED = "tested"
BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
Rows = Sequence[tuple[int, int, int]]


def _log(
    rows: Rows,
    weight: Sequence[float] | None = None,
    choice: Sequence[bool] | None = None,
    part: Sequence[int] | None = None,
) -> EventLog:
    n = len(rows)
    user, item, time = np.array(rows, np.int64).reshape(n, 3).T
    log = EventLog(
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        action=np.zeros(n, np.int8),
        value=np.full(n, np.nan, np.float32),
        weight=np.ones(n, np.float32) if weight is None else np.array(weight, np.float32),
        time=time,
        part=np.zeros(n, np.int8) if part is None else np.array(part, np.int8),
        choice=np.ones(n, bool) if choice is None else np.array(choice, bool),
    )
    return log.take(np.argsort(time, kind="stable"))


def _evidence(
    rows: Rows | EventLog,
    n_items: int,
    n_users: int | None = None,
    vectors: FloatArray | None = None,
    since: LongArray | None = None,
    clock: Clock = "time",
    elsewhere: Mapping[str, OtherScenario] | None = None,
    seed: int = 0,
    prior: FloatArray | None = None,
) -> Evidence:
    tuned = np.zeros((n_items, 4), np.float32) if vectors is None else np.asarray(vectors, np.float32)
    log = rows if isinstance(rows, EventLog) else _log(rows)
    return Evidence(
        log,
        int(log.user.max(initial=0)) + 1 if n_users is None else n_users,
        n_items,
        ItemSpace.of(tuned, prior=prior),
        np.full(n_items, UNKNOWN_TIME) if since is None else since,
        clock,
        elsewhere or {},
        seed,
    )


def _asked(
    histories: Sequence[Sequence[int]],
    elsewhere: Mapping[str, Sequence[Sequence[int]]] | None = None,
    time: int = LATEST,
) -> Queries:
    n = len(histories)
    return Queries(
        np.arange(n, dtype=np.int32),
        np.full(n, time),
        Histories.of([list(row) for row in histories]),
        {name: Histories.of([list(row) for row in rows]) for name, rows in (elsewhere or {}).items()},
    )


@pytest.fixture(scope="session")
def make_log() -> Callable[..., EventLog]:
    """Return what makes a log of (user, item, time) rows, ordered by time."""
    return _log


@pytest.fixture(scope="session")
def make_evidence() -> Callable[..., Evidence]:
    """Return what makes evidence of rows or a log; without text and dates unless they are given."""
    return _evidence


@pytest.fixture(scope="session")
def asked() -> Callable[..., Queries]:
    """Return what makes requests of item lists, oldest first; weight 1."""
    return _asked


class TableSignal(Signal):
    """Row u of the (n_users, n_items) table holds the scores of user u."""

    name: ClassVar[str] = "table"
    sentences: ClassVar[Sentences] = Sentences("The table says so.")

    def __init__(self, table: ArrayLike) -> None:
        super().__init__()
        self.table = np.asarray(table, np.float32)

    def fit(self, evidence: Evidence) -> Self:
        return self

    def score_all(self, queries: Queries) -> FloatArray:
        return self.table[queries.user]

    def state(self) -> Arrays:
        return {"table": self.table}

    def restore(self, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        self.table = state["table"]
        return self


@pytest.fixture(scope="session")
def table_signal() -> type[Signal]:
    """Return the kind of signal whose scores a test writes down as a table."""
    return TableSignal


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return a worker for every processor; on one processor none, so that there is one process in all."""
    processors = available_cpus()
    return processors if processors > 1 else 0


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Let each worker compute with one thread: together they take every processor there is."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


QUICK = """
[runtime]
threads = 1
cache = "cache"

[fusion]
earlier_cuts = 0
"""
"""For companies that stand for any other: fitting signals at earlier cuts has tests of its own."""


def _write(folder: Path, users: int, items: int, days: int) -> Path:
    """Write a company, and let it be trained and judged once."""
    from polyscene.project import Project
    from polyscene.sample.world import SampleWorld

    config = SampleWorld.generate(users=users, items_per_scenario=items, days=days).write(folder)
    with config.open("a", encoding="utf-8") as file:
        file.write(QUICK)
    project = Project.open(config)
    project.evaluate(project.train())
    return config


def _once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that the first worker to want it has filled; nobody may change it."""
    common = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        common = common.parent
    folder = common / f"{name}-for-all"
    with FileLock(common / f"{name}.lock"):
        if not folder.exists():
            unfinished = common / f"{name}-unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            make(unfinished)
            unfinished.rename(folder)
    return folder


@pytest.fixture(scope="session")
def village_tables(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Return what copies a company that trains in a moment, its texts read already, and names its file."""

    def copy(folder: Path) -> Path:
        whole = _once(tmp_path_factory, "village", lambda home: _write(home, users=120, items=40, days=20))
        shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("runs"))
        return folder / "polyscene.toml"

    return copy


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the configuration of three scenarios with one run; nobody may change its tables."""
    whole = _once(tmp_path_factory, "company", lambda home: _write(home, users=400, items=50, days=40))
    return shutil.copytree(whole, tmp_path_factory.mktemp("company") / "company") / "polyscene.toml"


@pytest.fixture(scope="session")
def hamlet(tmp_path_factory: pytest.TempPathFactory, village_tables: Callable[[Path], Path]) -> Path:
    """Return the configuration of a company that trains in a moment; nobody may change its tables."""
    return village_tables(tmp_path_factory.mktemp("hamlet") / "hamlet")


@pytest.fixture(scope="session")
def project(company: Path) -> Project:
    from polyscene.project import Project

    return Project.open(company)


@pytest.fixture(scope="session")
def run(project: Project) -> Run:
    """Return a run that has been judged."""
    return project.run(project.runs()[0])


def _save_model(folder: Path, decoder: bool) -> Path:
    """Write a random language model of two layers over single bytes."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel, PreTrainedModel
    from transformers import PreTrainedTokenizerFast as Fast

    from polyscene.language.model.quiet import quiet

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "</s>", "<pad>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(["shop", "news"], trainer)
    fast = Fast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", mask_token="<mask>"
    )
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "vocab_size": len(fast),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 64,
        "pad_token_id": 2,
    }
    model: PreTrainedModel = LlamaModel(LlamaConfig(**sizes)) if decoder else BertModel(BertConfig(**sizes))
    with quiet():
        model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def small_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a random encoder that nobody may change."""
    return _save_model(tmp_path_factory.mktemp("encoder"), decoder=False)


@pytest.fixture(scope="session")
def small_decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a random decoder that nobody may change."""
    return _save_model(tmp_path_factory.mktemp("decoder"), decoder=True)


@pytest.fixture(scope="session")
def small_vision(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a random model of images of 16 by 16 pixels that nobody may change."""
    import torch
    from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

    from polyscene.language.model.quiet import quiet

    folder = tmp_path_factory.mktemp("vision")
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    torch.manual_seed(0)
    with quiet():
        ViTModel(ViTConfig(**sizes, image_size=16, patch_size=8)).save_pretrained(folder)
        ViTImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def believing(hamlet: Path, small_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a shop with a posterior and one run, whose tables and run nobody may change."""
    from polyscene.core.settings.project import Settings
    from polyscene.project import Project

    plain = tomllib.loads(hamlet.read_text(encoding="utf-8"))
    shop = plain["scenarios"]["shop"] | {"signals": ["popularity", "posterior"]}
    language = {"model": str(small_encoder), "tuning": "none", "precision": "float32"}
    signals = {"posterior": {"size": 8, "half_lives": [7.0], "passed_over": ["view"]}}
    settings = plain | {"language": language, "scenarios": {"shop": shop}, "signals": signals}

    def make(home: Path) -> None:
        shutil.copytree(hamlet.parent / "shop", home / "shop")
        shutil.copy(hamlet.parent / "users.parquet", home)
        Project(Settings.parse(settings), home).train()

    home = _once(tmp_path_factory, "believing", make)
    return Project(Settings.parse(settings), home)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """Return a PostgreSQL server of this worker's own; see `benchmarks/postgres_server.py`."""
    script = runpy.run_path(str(BENCHMARKS / "postgres_server.py"))
    with script["temporary_server"](script["FAST"]) as server:
        server.make_database(TESTED)
        yield server


@pytest.fixture
def database(postgres: Any) -> Iterator[str]:
    """Return the address of a database in which nothing is."""
    postgres.empty_database(TESTED)
    yield str(postgres.url(TESTED))
    postgres.end_connections(TESTED)
