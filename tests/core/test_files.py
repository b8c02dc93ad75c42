from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from polyscene.core.files import exclusive, replacing, write_bytes, write_text


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


def test_what_a_killed_writer_left_is_removed_and_a_living_ones_is_not(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead, living = (
        tmp_path / f".page.html.{ended.pid}-ab12.part",
        tmp_path / f".page.html.{os.getpid()}-ab.part",
    )
    other = tmp_path / f".page.css.{ended.pid}-ab12.part"
    for path in (dead, living, other):
        path.write_text("half", encoding="utf-8")
    write_bytes(tmp_path / "page.html", b"whole")
    assert sorted(tmp_path.iterdir()) == sorted([living, other, tmp_path / "page.html"])


def test_nothing_takes_the_place_before_the_writer_is_done(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    with replacing(path) as partial:
        partial.write_text("new", encoding="utf-8")
        assert not path.exists()
    assert path.read_text(encoding="utf-8") == "new"
    assert list(tmp_path.iterdir()) == [path]


ONE_MORE = """
import sys
from pathlib import Path
from polyscene.core.files import exclusive
count = Path(sys.argv[1])
for _ in range(200):
    with exclusive(count.with_name("lock")):
        count.write_text(str(int(count.read_text()) + 1))
"""


def test_one_process_at_a_time_is_let_in(tmp_path: Path) -> None:
    count = tmp_path / "count"
    count.write_text("0")
    command = [sys.executable, "-c", ONE_MORE, str(count)]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert count.read_text() == "600"


def test_an_error_inside_lets_the_next_one_in(tmp_path: Path) -> None:
    with pytest.raises(KeyError), exclusive(tmp_path / "folder" / "lock"):
        raise KeyError
    with exclusive(tmp_path / "folder" / "lock"):
        assert (tmp_path / "folder" / "lock").read_bytes() == b""
