"""A run whose items are described by pictures: what training made of them is what service makes of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import polars as pl
import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from polyscene.cli.main import app
from polyscene.core.errors import DataError
from polyscene.data.reading.item_fields import TextFields
from polyscene.engine.changes import changes_of, resume
from polyscene.evaluation.importance import Verdict
from polyscene.online.progressive import dataset_of
from polyscene.project import Project
from polyscene.runs.field_importance import ItemFields
from polyscene.runs.run import Run
from polyscene.serving.app import build_app
from polyscene.serving.service import Service

N_ITEMS, N_USERS, TOPICS, WIDTH = 60, 150, 4, 6
ITEMS = """
path = "items.parquet"
id = "sku"
text = ["title"]
categorical = ["kind"]
numeric = ["price"]
vectors = { image = "look" }
"""

WriteGallery = Callable[[Path, Path, str, np.random.Generator, int, int], Path]


def looks() -> list[list[float] | None]:
    """Return pictures: those of a topic are alike; every fifth item has none."""
    draws = np.random.default_rng(5)
    rows = np.eye(TOPICS, WIDTH)[np.arange(N_ITEMS) % TOPICS] + 0.1 * draws.normal(size=(N_ITEMS, WIDTH))
    return [None if item % 5 == 4 else (100.0 * row).tolist() for item, row in enumerate(rows)]


def write(folder: Path, model: Path, write_gallery: WriteGallery) -> Path:
    draws = np.random.default_rng(2)
    names = [f"i{item}" for item in range(N_ITEMS)]
    frame = pl.DataFrame(
        {
            "sku": names,
            "title": ["".join(draws.choice(list("abcdefgh"), 12)) for _ in names],
            "kind": draws.choice(["new", "old", "rare"], N_ITEMS),
            "price": draws.uniform(1, 9, N_ITEMS),
            "look": looks(),
        }
    )
    frame.write_parquet(folder / "items.parquet")
    return write_gallery(folder, model, ITEMS, draws, N_ITEMS, TOPICS)


@pytest.fixture(scope="module")
def project(
    small_encoder: Path, write_gallery: WriteGallery, tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """Return a project with one run."""
    project = Project.open(write(tmp_path_factory.mktemp("gallery"), small_encoder, write_gallery))
    project.train()
    return project


@pytest.fixture
def run(project: Project) -> Run:
    return Run(project.run().folder)


def row_of(number: int, project: Project) -> dict[str, Any]:
    frame = pl.read_parquet(project.base / "items.parquet")
    return frame.row(number, named=True)


def test_what_people_choose_by_counts_and_the_rest_does_not(run: Run) -> None:
    facts = run.manifest["parts"]["shop"]
    assert list(facts["weights"]) == ["image"]
    assert facts["weights"]["image"] > 1.0
    assert facts["choices"] == N_USERS
    assert facts["bounds"][0] > 0
    assert any("beside the text of an item" in note and "image" in note for note in run.manifest["notes"])
    assert "attributes" in run.system.scenario("shop").fusion.present()


def test_it_is_worth_more_than_the_text(project: Project, run: Run) -> None:
    table = project.evaluate(run).judgements[0].table((10,))
    assert table["attributes"]["ndcg@10"] > 2 * table["content"]["ndcg@10"]


def test_vectors_that_carry_are_told_from_text_that_does_not(project: Project, run: Run) -> None:
    shop = project.importance(run).scenarios["shop"]
    image, title = (shop.part("field", name) for name in ("image", "title"))
    assert image.verdict(shop.ndcg) is Verdict.CARRIES
    assert title.verdict(shop.ndcg) is not Verdict.CARRIES
    assert image.loss.low > title.loss.high
    assert image.between_items is not None
    assert image.between_items.low > 0
    assert shop.part("signal", "attributes").carries
    assert shop.notes == ("Nothing in this run reads kind, price",)


def test_attributes_and_vectors_are_withheld_and_exchanged(project: Project, run: Run) -> None:
    fields = ItemFields.of(run, "shop", TextFields(project.settings.scenarios["shop"], project.base))
    before = run.item_vectors("shop", "described").array
    order = fields.shuffled(np.random.default_rng(1))
    same = fields.changed("image", np.arange(N_ITEMS)).space
    np.testing.assert_allclose(same.view("described").vectors, before, atol=1e-6)
    assert fields.changed("image").space.shares(0) == {"text": pytest.approx(1.0)}
    media = run.system.scenario("shop").space.media["image"]
    exchanged = fields.changed("image", order).space
    np.testing.assert_allclose(exchanged.media["image"], media[order], atol=1e-6)
    assert not np.isclose(exchanged.view("described").vectors, before).all(axis=1).all()
    np.testing.assert_array_equal(
        exchanged.view("tuned").vectors, run.system.scenario("shop").space.view("tuned").vectors
    )


def test_a_run_that_is_read_again_has_the_same_space(run: Run) -> None:
    space = run.system.scenario("shop").space
    raw = np.array([row or [0.0] * WIDTH for row in looks()])
    lengths = np.linalg.norm(raw, axis=1, keepdims=True)
    np.testing.assert_allclose(space.media["image"], raw / np.where(lengths, lengths, 1.0), atol=1e-6)
    shares = space.shares(0)
    assert shares.keys() == {"text", "image"}
    assert shares["image"] > shares["text"]
    assert space.shares(4) == {"text": pytest.approx(1.0)}


def test_a_new_and_an_edited_item_stand_where_training_put_their_twin(run: Run, project: Project) -> None:
    trained = run.item_vectors("shop", "described").array.copy()
    assert np.count_nonzero(trained.any(axis=1)) == N_ITEMS
    run.put_items([row_of(0, project) | {"sku": "new"}, row_of(3, project) | {"sku": "i8"}], "shop")
    vectors = run.item_vectors("shop", "described").array
    np.testing.assert_allclose(vectors[[N_ITEMS, 8]], trained[[0, 3]], atol=1e-5)
    run.put_items([row_of(0, project) | {"look": None}], "shop")
    assert run.system.scenario("shop").space.shares(0) == {"text": pytest.approx(1.0)}


def test_what_was_put_is_kept_by_copies_and_by_changes(run: Run, project: Project, tmp_path: Path) -> None:
    run.put_items([row_of(0, project) | {"sku": "new"}], "shop")
    saved = run.save(tmp_path / "runs")
    other = Run(run.folder)
    resume(other.system, changes_of(run.system))
    mine = run.system.scenario("shop").space
    for space in (saved.system.scenario("shop").space, other.system.scenario("shop").space):
        np.testing.assert_array_equal(space.view("described").vectors, mine.view("described").vectors)
        np.testing.assert_array_equal(space.media["image"], mine.media["image"])
    catalogue = dataset_of(run.system, run.settings).scenarios["shop"].catalogue
    np.testing.assert_array_equal(catalogue.media["image"], mine.media["image"])


@pytest.mark.parametrize("look", [[1.0], [float("inf")] * WIDTH, "one two three", [1.0] * (WIDTH + 1)])
def test_a_hostile_vector_changes_nothing(run: Run, project: Project, look: Any) -> None:
    before = run.item_vectors("shop", "described").array.copy()
    with pytest.raises(DataError, match="a vector cannot be used"):
        run.put_items([row_of(0, project) | {"look": look}], "shop")
    np.testing.assert_array_equal(run.item_vectors("shop", "described").array, before)


def test_a_huge_vector_says_no_more_than_others(run: Run, project: Project) -> None:
    trained = run.item_vectors("shop", "described").array.copy()
    look = [1e4 * number for number in row_of(0, project)["look"]]
    run.put_items([row_of(0, project) | {"sku": "loud", "look": look}], "shop")
    np.testing.assert_allclose(run.item_vectors("shop", "described").array[N_ITEMS], trained[0], atol=1e-5)


def test_explain_tells_what_a_vector_is_made_of(run: Run, project: Project) -> None:
    parts = run.explain("u0", "i0", "shop").parts
    assert parts == run.system.scenario("shop").space.shares(0)
    config = str(project.base / "polyscene.toml")
    result = CliRunner().invoke(app, ["explain", "u0", "i0", "--config", config])
    assert f"The item's vector: text {parts['text']:.0%}, image {parts['image']:.0%}." in result.output
    plain = CliRunner().invoke(app, ["explain", "u0", "i0", "--config", config, "--json"])
    assert json.loads(plain.output)["parts"] == pytest.approx(parts)


@pytest.fixture
def client(run: Run, tmp_path: Path) -> Iterator[TestClient]:
    service = Service.open(run, tmp_path / "service")
    yield TestClient(build_app(service), "http://localhost", raise_server_exceptions=False)
    service.close()


def test_items_bring_vectors_over_http(client: TestClient, run: Run, project: Project) -> None:
    trained = run.item_vectors("shop", "described").array.copy()
    fields = row_of(0, project)
    del fields["sku"]
    assert client.put("/v1/items/shop/new", json={"fields": fields}).status_code == 200
    known = client.get("/v1/items/shop/new").json()
    assert known["parts"] == pytest.approx(run.system.scenario("shop").space.shares(0), abs=1e-6)
    assert known["unknown"] == {}
    np.testing.assert_allclose(run.item_vectors("shop", "described").array[N_ITEMS], trained[0], atol=1e-5)
    refused = client.put("/v1/items/shop/new", json={"fields": fields | {"look": [1.0, 2.0]}})
    assert refused.status_code == 422
    assert f"{WIDTH} finite numbers" in refused.text
    patched = client.patch("/v1/items/shop/new", json={"fields": {"look": None, "kind": "unheard-of"}})
    assert patched.status_code == 200
    known = client.get("/v1/items/shop/new").json()
    assert known["parts"] == {"text": pytest.approx(1.0)}
    assert known["unknown"] == {"kind": ["unheard-of"]}
    why = client.get("/v1/explanations", params={"user": "u0", "item": "i0", "scenario": "shop"}).json()
    assert why["parts"].keys() == {"text", "image"}


def test_a_patch_of_an_item_of_the_table_leaves_its_picture(client: TestClient, run: Run) -> None:
    before = run.system.scenario("shop").space.media["image"][1].copy()
    answer = client.patch("/v1/items/shop/i1", json={"fields": {"price": 3.0}})
    assert answer.status_code == 200, answer.text
    np.testing.assert_allclose(run.system.scenario("shop").space.media["image"][1], before, atol=1e-7)


def test_who_does_not_list_the_signal_still_keeps_the_vectors(
    small_encoder: Path, project: Project, tmp_path: Path
) -> None:
    home = copytree(project.base, tmp_path / "plain")
    config = home / "polyscene.toml"
    config.write_text(config.read_text().replace(', "attributes"]', "]"))
    run = Project.open(config).train()
    space = run.system.scenario("shop").space
    assert "described" not in space.views
    assert space.media["image"].shape == (N_ITEMS, WIDTH)
    assert run.explain("u0", "i0", "shop").parts == {}
