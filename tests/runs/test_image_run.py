"""A run whose items are told by image files: read once in training, weighed, and brought as vectors later."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from shutil import copytree, rmtree

import numpy as np
import polars as pl
import pytest
from PIL import Image
from typer.testing import CliRunner

from polyscene.cli.main import app
from polyscene.core.errors import DataError, MissingExtraError, ModelError
from polyscene.project import Project
from polyscene.representation.media import image_vectors, pictures
from polyscene.runs.run import Run

N_ITEMS, TOPICS = 60, 4
COLOURS = [(220, 30, 30), (30, 220, 30), (30, 30, 220), (230, 230, 230)]
ITEMS = """
path = "items.csv"
id = "sku"
text = ["title"]
vectors = { image = { files = "picture", encoder = "vision", folder = "pictures" } }
"""

WriteGallery = Callable[[Path, Path, str, np.random.Generator, int, int], Path]


def named(item: int) -> str | None:
    """Return which file an item names: some none, one outside, one that is damaged, one that is not there."""
    odd = {4: None, 9: "../secret.png", 14: "i13.txt", 19: "none.png", 24: "http://localhost/a.png"}
    return odd.get(item, f"i{item}.png")


def write(folder: Path, model: Path, vision: Path, write_gallery: WriteGallery) -> Path:
    draws = np.random.default_rng(2)
    names = [f"i{item}" for item in range(N_ITEMS)]
    titles = ["".join(draws.choice(list("abcdefgh"), 12)) for _ in names]
    files = [named(item) for item in range(N_ITEMS)]
    pl.DataFrame({"sku": names, "title": titles, "picture": files}).write_csv(folder / "items.csv")
    (folder / "pictures").mkdir()
    for item in range(N_ITEMS):
        colour = np.clip(np.add(COLOURS[item % TOPICS], draws.integers(-20, 20, 3)), 0, 255)
        Image.new("RGB", (24, 16), tuple(colour.tolist())).save(folder / "pictures" / f"i{item}.png")
    (folder / "pictures" / "i13.txt").write_text("no picture")
    (folder / "secret.png").write_bytes((folder / "pictures" / "i0.png").read_bytes())
    copytree(vision, folder / "vision")
    return write_gallery(folder, model, ITEMS, draws, N_ITEMS, TOPICS)


@pytest.fixture(scope="module")
def project(
    small_encoder: Path,
    small_vision: Path,
    write_gallery: WriteGallery,
    tmp_path_factory: pytest.TempPathFactory,
) -> Project:
    """Return a project with one run."""
    folder = tmp_path_factory.mktemp("gallery")
    project = Project.open(write(folder, small_encoder, small_vision, write_gallery))
    project.train()
    return project


@pytest.fixture
def run(project: Project) -> Run:
    return Run(project.run().folder)


@pytest.fixture
def copy(project: Project, tmp_path: Path) -> Path:
    """Return the configuration of a copy that may be changed."""
    return copytree(project.base, tmp_path / "copy") / "polyscene.toml"


def test_images_are_weighed_where_they_tell_the_choices(run: Run) -> None:
    weights = run.manifest["parts"]["shop"]["weights"]
    assert weights["image"] > 1.0
    space = run.system.scenario("shop").space
    assert space.shares(0).keys() == {"text", "image"}
    assert run.explain("u0", "i0", "shop").parts.keys() == {"text", "image"}


def test_an_item_without_a_usable_file_lacks_the_image(run: Run) -> None:
    media = run.system.scenario("shop").space.media["image"]
    lacking = [item for item in range(N_ITEMS) if not media[item].any()]
    assert lacking == [4, 9, 14, 19, 24]
    having = [item for item in range(N_ITEMS) if item not in lacking]
    np.testing.assert_allclose(np.linalg.norm(media[having], axis=1), 1.0, atol=1e-5)
    assert run.system.scenario("shop").space.shares(4) == {"text": pytest.approx(1.0)}


def test_the_notes_count_and_name_what_was_left_out(run: Run) -> None:
    notes = "\n".join(run.manifest["notes"])
    assert "shop: image: 55 image files were read, 0 were known from before; 5 of 60 items lack" in notes
    assert "left out 1 files that are no JPEG, PNG" in notes
    for name in ("'i13.txt'", "'../secret.png'", "'none.png'", "'http://localhost/a.png'"):
        assert name in notes


def test_check_says_what_would_be_read(project: Project, copy: Path) -> None:
    report = project.check()
    assert report.ok
    plan = "shop: image: 56 of 60 items have an image file, 56 different ones"
    assert [one for one in report.decisions if plan in one and "'vision'" in one]
    assert sorted(one.count for one in report.problems if one.column == "picture") == [1, 1, 1]
    rmtree(copy.parent / "vision")
    out = copy.parent / "check.json"
    result = CliRunner().invoke(app, ["check", "--config", str(copy), "--json", str(out)])
    assert result.exit_code == 1
    (problem,) = (one for one in json.loads(out.read_text())["problems"] if one["severity"] == "error")
    assert problem["key"] == "items.vectors.image"
    assert "found none at" in problem["found"]
    with pytest.raises(ModelError, match="expected a folder with an image encoder"):
        Project.open(copy).train()


def test_another_run_opens_no_image_again(copy: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    opened: list[bytes] = []

    def counted(content: bytes) -> Image.Image:
        opened.append(content)
        return pictures.picture_of(content)

    monkeypatch.setattr(image_vectors, "picture_of", counted)
    again = Project.open(copy).train()
    assert opened == [b"no picture"]
    assert any("0 image files were read, 55 were known" in note for note in again.manifest["notes"])
    mine, theirs = (one.system.scenario("shop").space.media["image"] for one in (again, run))
    np.testing.assert_array_equal(mine, theirs)


def test_without_pillow_the_extra_is_named(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "find_spec", lambda name: None)
    project = Project.open(copy)
    assert any("polyscene[images]" in one.found for one in project.check().problems)
    with pytest.raises(MissingExtraError, match=r"polyscene\[images\]"):
        project.train()


def spoil(folder: Path) -> None:
    for file in (folder / "pictures").glob("*.png"):
        file.write_bytes(b"spoilt")


def remove(folder: Path) -> None:
    for file in (folder / "pictures").glob("*.png"):
        file.unlink()
    (folder / "pictures" / "i13.txt").unlink()


@pytest.mark.parametrize(
    ("change", "what"), [(spoil, "no image could be read"), (remove, "image files cannot be used")]
)
def test_images_of_which_none_can_be_read_are_an_error(
    copy: Path, change: Callable[[Path], None], what: str
) -> None:
    change(copy.parent)
    with pytest.raises(DataError, match=what):
        Project.open(copy).train()


def test_a_new_item_is_like_those_of_its_colour(run: Run) -> None:
    vector = run.system.scenario("shop").space.media["image"][2]
    run.put_items([{"sku": "fresh", "title": "unheard of", "image": vector.tolist()}], "shop")
    near = run.similar("fresh", "shop", 10)
    assert {int(place.item.id.removeprefix("i")) % TOPICS for place in near} == {2}
    assert near[0].reason == "By image it is close."


def test_a_running_process_takes_vectors_and_opens_no_file(run: Run) -> None:
    space = run.system.scenario("shop").space
    vector, before = space.media["image"][0], run.item_vectors("shop", "described").array[0].copy()
    title = run.system.scenario("shop").catalogue.texts[0]
    run.put_items([{"sku": "new", "title": title, "image": vector.tolist()}], "shop")
    np.testing.assert_allclose(run.item_vectors("shop", "described").array[N_ITEMS], before, atol=1e-5)
    with pytest.raises(DataError, match="an image file is not read here"):
        run.put_items([{"sku": "newer", "title": title, "picture": "i0.png"}], "shop")
