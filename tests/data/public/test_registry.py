"""Every public set says what it is, and none is fetched without a checksum."""

from __future__ import annotations

from pathlib import Path

import pytest

from polyscene.core.errors import DataError, UnknownIdError
from polyscene.data.public.registry import download, public_set, public_sets

NAMES = [
    "movielens-100k", "movielens-1m", "movielens-20m", "movielens-25m", "movielens-latest-small",
    "mind-small", "mind-large", "amazon-reviews-2018", "amazon-reviews-2023", "online-retail", "open-bandit",
    "upworthy",
]  # fmt: skip


def test_the_known_sets() -> None:
    assert list(public_sets()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_set_is_described(name: str) -> None:
    dataset = public_set(name)
    assert dataset.name == name
    assert dataset.homepage.startswith("https://")
    assert all((dataset.title, dataset.licence, dataset.citation, dataset.files))


@pytest.mark.parametrize("name", NAMES)
def test_archives_are_checked_and_bounded(name: str) -> None:
    archive = public_set(name).archive
    if archive is None:
        assert "movielens" not in name or name == "movielens-latest-small"
        return
    assert archive.url.startswith("https://files.grouplens.org/")
    assert (archive.algorithm, len(archive.digest)) == ("md5", 32)
    assert 0 < archive.most_bytes < archive.most_unpacked


def test_an_unknown_name_brings_the_nearest() -> None:
    with pytest.raises(UnknownIdError, match="movielens-1m"):
        public_set("movielens1m")


def test_without_a_checksum_there_is_no_download(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"https://msnews\.github\.io/"):
        download("mind-small", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named_with_where_to_get_it(name: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "readme.txt").write_text("hello", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        public_set(name).prepare(tmp_path / "in", tmp_path / "out")
    (problem,) = caught.value.problems
    assert problem.what == "a published file is missing"
    assert public_set(name).homepage in problem.remedy
    assert "readme.txt" in problem.found
    assert not (tmp_path / "out" / "polyscene.toml").exists()


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing at this path"):
        public_set("movielens-1m").prepare(tmp_path / "gone", tmp_path / "out")
