from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import huggingface_hub
import pytest

from polyscene.core.errors import ModelError
from polyscene.language.model.sources import FILES, fingerprint, locate

if TYPE_CHECKING:
    from tests.language.conftest import Listener, SettingsFor


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty local hub cache, on a machine whose network must not be touched."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_folder_is_found_relative_to_the_base(bert_folder: Path, settings_for: SettingsFor) -> None:
    assert locate(settings_for(f"./{bert_folder.name}"), bert_folder.parent).samefile(bert_folder)
    assert locate(settings_for(bert_folder), Path("elsewhere")) == bert_folder


def test_unknown_hub_id_says_how_to_allow_the_download(hub: Path, settings_for: SettingsFor) -> None:
    with pytest.raises(ModelError, match=r"nothing is fetched unless(?s:.)*download = true"):
        locate(settings_for("nobody/nothing"))


def test_hub_id_is_found_in_the_local_cache(hub: Path, bert_folder: Path, settings_for: SettingsFor) -> None:
    commit = "0" * 40
    shutil.copytree(bert_folder, hub / "models--acme--tiny" / "snapshots" / commit)
    (hub / "models--acme--tiny" / "refs").mkdir()
    (hub / "models--acme--tiny" / "refs" / "main").write_text(commit)
    folder = locate(settings_for("acme/tiny"))
    assert fingerprint(folder) == fingerprint(bert_folder)


NO_MODELS = ["./gone", "/gone/away", "a/b/c", "../up", "with space", "~/gone", "~no_such_user/m", "\0"]


@pytest.mark.parametrize("name", [*NO_MODELS, "x" * 5_000 + "/"])
def test_what_is_neither_folder_nor_id_is_refused(name: str, hub: Path, settings_for: SettingsFor) -> None:
    with pytest.raises(ModelError, match="neither a folder nor an id"):
        locate(settings_for(name))


def test_download_is_asked_for_and_leaves_pickles_behind(
    monkeypatch: pytest.MonkeyPatch, bert_folder: Path, settings_for: SettingsFor, listener: Listener
) -> None:
    asked: dict[str, Any] = {}

    def fetch(name: str, **options: Any) -> str:
        asked.update(options, name=name)
        return str(bert_folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert locate(settings_for("acme/tiny", download=True), progress=listener) == bert_folder
    assert asked == {"name": "acme/tiny", "allow_patterns": list(FILES), "local_files_only": False}
    assert not any(part.endswith((".bin", ".pt", ".py", "*")) for part in asked["allow_patterns"][:2])
    assert "fetching" in listener.lines[0]


def test_failed_download_is_a_model_error(monkeypatch: pytest.MonkeyPatch, settings_for: SettingsFor) -> None:
    def fail(name: str, **options: Any) -> str:
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(ModelError, match=r"could not be fetched.*no route"):
        locate(settings_for("acme/tiny", download=True))


def test_pickled_weights_are_refused(tmp_path: Path, bert_folder: Path, settings_for: SettingsFor) -> None:
    shutil.copytree(bert_folder, tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").rename(tmp_path / "m" / "pytorch_model.bin")
    with pytest.raises(ModelError, match="only safetensors weights are read"):
        locate(settings_for(tmp_path / "m"))


def test_fingerprint_follows_weights_and_tokenizer_not_the_place(tmp_path: Path, bert_folder: Path) -> None:
    copy = shutil.copytree(bert_folder, tmp_path / "copy")
    (copy / "README.md").write_text("of no account")
    assert fingerprint(copy) == fingerprint(bert_folder)
    seen = {fingerprint(copy)}
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        with (copy / name).open("ab") as file:
            file.write(b" ")
        seen.add(fingerprint(copy))
    assert len(seen) == 4
