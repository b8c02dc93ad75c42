"""Texts of other encodings are read as they were meant, and told by their bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from polyscene.core.errors import DataError
from polyscene.core.settings.tables import TableSettings
from polyscene.data.tables.columns import Need
from polyscene.data.tables.encodings import guess_encoding
from polyscene.data.tables.opening import open_table
from polyscene.data.tables.source import Source

TITLE = "Don’t miss: “light” spade, € 10 – café"
NEED = Need("text", "title", "text")


def titles(folder: Path, **settings: Any) -> list[str]:
    table = open_table(TableSettings(**settings), folder, [NEED])
    return table.collect(table.rows([NEED])).to_series().to_list()


@pytest.mark.parametrize(
    ("encoding", "codec"), [("cp1252", "cp1252"), ("utf16", "utf-16"), ("utf8", "utf-8-sig")]
)
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_every_encoding_gives_the_same_words(tmp_path: Path, name: str, encoding: str, codec: str) -> None:
    text = f'id,title\na,"{TITLE}"\n' if name == "t.csv" else f'{{"id": "a", "title": "{TITLE}"}}\n'
    (tmp_path / name).write_bytes(text.encode(codec))
    assert titles(tmp_path, path=name, encoding=encoding) == [TITLE]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (f"a,{TITLE}\n".encode("cp1252"), "cp1252"),
        ("a,café über\n".encode("latin1"), "latin1"),
        (f"a,{TITLE}\n".encode(), "utf8"),
        (b"plain,text\n", "utf8"),
        ("a,\ufffd kept\n".encode(), "utf8"),
        (("a,é\n" * 50).encode() + b"\xe9\n", "utf8-lossy"),
        ("a,b\n".encode("utf-16"), "utf16"),
    ],
)
def test_bytes_tell_the_encoding(tmp_path: Path, content: bytes, encoding: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    assert guess_encoding(Source(path, "t.csv", "csv", None)).name == encoding


def test_by_hand_the_remedy_names_the_right_one(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(f'id,title\na,"{TITLE}"\n'.encode("cp1252"))
    with pytest.raises(DataError) as caught:
        titles(tmp_path, path="t.csv")
    assert 'encoding = "cp1252"' in caught.value.problems[0].remedy
    table = open_table(TableSettings(path="t.csv", encoding="latin1"), tmp_path, [NEED])
    (remark,) = table.remarks
    assert (remark.severity, remark.count) == ("warning", 5)
    assert 'encoding = "cp1252"' in remark.remedy


def test_bytes_that_mean_nothing_in_cp1252_are_kept(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"id,title\na,x\x81y\x92\n")
    assert titles(tmp_path, path="t.csv", encoding="cp1252") == ["x\x81y’"]


def test_utf16_without_the_setting_names_it(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("id,title\na,b\n".encode("utf-16"))
    with pytest.raises(DataError) as caught:
        titles(tmp_path, path="t.csv")
    assert 'encoding = "utf16"' in caught.value.problems[0].remedy
