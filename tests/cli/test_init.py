"""`init` drafts what `check` can read, and destroys nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from polyscene.core.settings.project import Settings


def test_drafts_a_configuration_that_can_be_checked(
    typed: Callable[..., Result], tables: Path, tmp_path: Path
) -> None:
    out = tmp_path / "mine.toml"
    result = typed("init", tables, "--out", out, "--name", "Our Shop")
    assert set(Settings.load(out).scenarios) == {"shop", "news", "video"}
    assert Settings.load(out).name == "our_shop"
    assert "item_id" in result.stdout
    assert f"wrote {out}" in result.stdout.replace("\n", "")
    assert "ok" in typed("check", "--config", out).stdout


def test_an_existing_file_stays_unless_forced(
    typed: Callable[..., Result], tables: Path, tmp_path: Path
) -> None:
    out = tmp_path / "polyscene.toml"
    out.write_text("precious", encoding="utf-8")
    result = typed("init", tables, "--out", out, code=2)
    assert "--force" in result.stderr
    assert out.read_text(encoding="utf-8") == "precious"
    typed("init", tables, "--out", out, "--force")
    assert "[scenarios.shop]" in out.read_text(encoding="utf-8")


def test_a_folder_is_not_a_file(typed: Callable[..., Result], tables: Path, tmp_path: Path) -> None:
    assert "polyscene.toml" in typed("init", tables, "--out", tmp_path, code=2).stderr


def test_tables_that_are_not_there(
    typed: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "nowhere" in typed("init", "nowhere", code=2).stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "name the folder"),
        (("--download",), "--from"),
        (("--from", "movielens-100k"), "one folder"),
        (("--from", "movielens-100k", "here", "--force"), "--force"),
    ],
)
def test_what_does_not_go_together_is_told(
    typed: Callable[..., Result], words: tuple[str, ...], message: str
) -> None:
    assert message in typed("init", *words, code=2).stderr


def test_sets_are_listed(typed: Callable[..., Result]) -> None:
    from polyscene.data.public.registry import public_sets

    text = typed("init", "--list-sets").stdout
    assert all(name in text for name in public_sets())


def test_a_misspelt_set_is_corrected(typed: Callable[..., Result], tmp_path: Path) -> None:
    near = typed("init", "--from", "movielens-100", tmp_path, code=2).stderr
    assert "did you mean" in near


def test_a_public_set_becomes_a_project(
    typed: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "downloads"
    source.mkdir()
    rows = "\n".join(f"{user}\t{item}\t{3}\t{881250949 + user}" for user in range(1, 4) for item in (1, 2))
    (source / "u.data").write_text(rows + "\n", encoding="latin1")
    (source / "u.user").write_text("1|24|M|technician|85711\n2|53|F|other|94043\n3|23|M|writer|32067\n")
    item = "{0}|Film {0} (1995)|01-Jan-1995||http://example.invalid|" + "|".join(["0"] * 18 + ["1"])
    (source / "u.item").write_text("\n".join(item.format(number) for number in (1, 2)) + "\n")
    (source / "u.genre").write_text("unknown|0\n")
    name = next(name for name in _sets() if "100k" in name)
    result = typed("init", "--from", name, source)
    assert "cite:" in result.stdout
    assert (tmp_path / name / "polyscene.toml").is_file()
    assert "taken" in typed("init", "--from", name, source, code=2).stderr


def _sets() -> list[str]:
    from polyscene.data.public.registry import public_sets

    return list(public_sets())
