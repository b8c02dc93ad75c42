from __future__ import annotations

from pathlib import Path

import pytest

from polyscene.core.errors import ConfigError
from polyscene.core.secrets import MAX_SECRET_BYTES, secret

NAME = "POLYSCENE_DATABASE_URL"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAME, raising=False)
    monkeypatch.delenv(f"{NAME}_FILE", raising=False)


def test_there_may_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert secret(NAME) is None
    monkeypatch.setenv(NAME, "")
    assert secret(NAME) is None


def test_it_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "postgresql://u:p@db/x")
    assert secret(NAME) == "postgresql://u:p@db/x"


@pytest.mark.parametrize("text", ["p w\n", "p w\r\n", "p w"])
def test_it_comes_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    (tmp_path / "secret").write_bytes(text.encode())
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "secret"))
    assert secret(NAME) == "p w"


@pytest.mark.parametrize(
    ("content", "message"),
    [(b" \n", "an empty file"), (b"\xff\xfe", "no text in UTF-8"), (None, "No such file")],
)
def test_a_file_that_tells_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv(f"{NAME}_FILE", str(path))
    with pytest.raises(ConfigError, match=message):
        secret(NAME)


def test_both_are_refused_without_telling_either(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(NAME, "hunter2")
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "secret"))
    with pytest.raises(ConfigError, match="one of the two") as refused:
        secret(NAME)
    assert "hunter2" not in str(refused.value)


def test_a_file_is_not_read_for_ever(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x" * (MAX_SECRET_BYTES + 5))
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "secret"))
    with pytest.raises(ConfigError, match="more than"):
        secret(NAME)
