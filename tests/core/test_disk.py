"""A full disk and a locked folder are recognised, whoever tells of them, and before the work."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from safetensors import SafetensorError

from polyscene.core import disk
from polyscene.core.disk import demand_room, disk_trouble
from polyscene.core.errors import RunError


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), disk.FULL),
        (OSError(errno.EROFS, os.strerror(errno.EROFS)), disk.LOCKED),
        (SafetensorError('I/O error: Os { code: 28, message: "No space left on device" }'), disk.FULL),
        (RuntimeError("No space left on device (os error 28)"), disk.FULL),
        (RuntimeError("database or disk is full"), disk.FULL),
        (RuntimeError("Read-only file system (os error 30)"), disk.LOCKED),
        (FileNotFoundError(errno.ENOENT, "No such file"), None),
        (PermissionError(errno.EACCES, "Permission denied"), None),
        (ValueError("28 spaces left"), None),
        (None, None),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_disk_is_recognised(error: BaseException | None, trouble: str | None) -> None:
    assert disk_trouble(error) == trouble


def test_what_it_follows_from_is_looked_at() -> None:
    lost = ValueError("lost")
    lost.__cause__ = OSError(errno.ENOSPC, "full")
    assert disk_trouble(lost) == disk.FULL


def test_a_folder_with_room_is_left_as_it_was(tmp_path: Path) -> None:
    demand_room(tmp_path / "a" / "b", 1000, "nothing")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_too_little_space_is_told_with_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 600 * 1024))
    with pytest.raises(RunError, match=r"0\.6 MiB free where at least 3,000\.0 MiB|2\.9 GiB") as caught:
        demand_room(tmp_path, 3000 * 2**20, "free some")
    assert "free some" in str(caught.value)
    with pytest.raises(RunError, match=r"at least 1\.0 MiB"):
        demand_room(tmp_path, 0, "free some")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written_is_told(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, data: bytes) -> int:
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(RunError, match=r"expected to write to .*; name another"):
        demand_room(tmp_path, 0, "name another")


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("", encoding="utf-8")
    with pytest.raises(RunError, match="expected to write to"):
        demand_room(tmp_path / "runs", 0, "name another")
