from __future__ import annotations

import os
from pathlib import Path

import pytest

from polyscene.core.files import write_text


def test_the_new_file_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "page.html"
    write_text(path, "one\n")
    write_text(path, "二\n")
    assert path.read_bytes() == "二\n".encode()
    assert [each.name for each in path.parent.iterdir()] == ["page.html"]


def test_after_an_error_the_old_file_stands_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "page.html"
    write_text(path, "old")

    def full(handle: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_text(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["page.html"]


def test_text_that_is_no_unicode_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "page.html", "\ud800")
    assert not list(tmp_path.iterdir())
