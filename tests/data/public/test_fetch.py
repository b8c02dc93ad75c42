"""Downloads: checked, bounded, unpacked inside their folder. The server is this machine."""

from __future__ import annotations

import hashlib
import io
import stat
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from polyscene.core.errors import DataError
from polyscene.core.progress import Silent
from polyscene.data.public.base import Archive
from polyscene.data.public.fetch import fetch

PLAIN = {"set/README": b"hello", "set/ratings.dat": b"1::2::5::978300760\n" * 50}


class TunedModels:
    """Serves bytes by path; a path may also redirect."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.asked: list[str] = []
        shelf = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                shelf.asked.append(self.path)
                if self.path in shelf.redirects:
                    self.send_response(302)
                    self.send_header("Location", shelf.redirects[self.path])
                    self.end_headers()
                    return
                body = shelf.files.get(self.path)
                self.send_response(404 if body is None else 200)
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}{path}"


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Iterator[TunedModels]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    shelf = TunedModels()
    thread = threading.Thread(target=shelf.server.serve_forever, args=(0.01,))
    thread.start()
    yield shelf
    shelf.server.shutdown()
    thread.join()
    shelf.server.server_close()


def zipped(files: dict[str, bytes], links: tuple[str, ...] = ()) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
        for name in links:
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            packed.writestr(info, "/etc/passwd")
    return buffer.getvalue()


def offered(
    shelf: TunedModels, content: bytes, digest: str | None = None, most: int = 10**6, unpacked: int = 10**6
) -> Archive:
    shelf.files["/set.zip"] = content
    right = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return Archive(shelf.url("/set.zip"), digest or right, most, unpacked, "set")


def test_a_right_checksum_unpacks(shelf: TunedModels, tmp_path: Path) -> None:
    folder = fetch(offered(shelf, zipped(PLAIN)), tmp_path, Silent())
    assert folder == tmp_path / "set"
    assert (folder / "ratings.dat").read_bytes() == PLAIN["set/ratings.dat"]
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_sha256_is_understood_too(shelf: TunedModels, tmp_path: Path) -> None:
    content = zipped(PLAIN)
    offered(shelf, content)
    digest = hashlib.sha256(content).hexdigest().upper()
    archive = Archive(shelf.url("/set.zip"), digest, 10**6, 10**6, "set", "sha256")
    assert (fetch(archive, tmp_path, Silent()) / "README").read_bytes() == b"hello"


def test_a_wrong_checksum_leaves_nothing(shelf: TunedModels, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="md5 0000"):
        fetch(offered(shelf, zipped(PLAIN), digest="0" * 32), tmp_path, Silent())
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_fetched_again(shelf: TunedModels, tmp_path: Path) -> None:
    archive = offered(shelf, zipped(PLAIN))
    fetch(archive, tmp_path, Silent())
    fetch(archive, tmp_path, Silent())
    assert shelf.asked == ["/set.zip"]


def test_too_many_bytes_are_refused(shelf: TunedModels, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at most 100 bytes"):
        fetch(offered(shelf, zipped(PLAIN), most=100), tmp_path, Silent())
    assert list(tmp_path.iterdir()) == []


def test_a_bomb_is_refused_while_it_unpacks(shelf: TunedModels, tmp_path: Path) -> None:
    bomb = zipped({"set/zeros": bytes(2_000_000)})
    assert len(bomb) < 10_000
    with pytest.raises(DataError, match="at most 1,000,000 bytes unpacked"):
        fetch(offered(shelf, bomb), tmp_path, Silent())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../out.txt", "/abs.txt", "set/../../out.txt", "set\\..\\out.txt", "c:/out.txt"]
)
def test_names_that_leave_the_folder_are_refused(shelf: TunedModels, tmp_path: Path, name: str) -> None:
    inside = tmp_path / "inside"
    with pytest.raises(DataError, match="safe names"):
        fetch(offered(shelf, zipped({**PLAIN, name: b"x"})), inside, Silent())
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    assert list(inside.iterdir()) == []


def test_links_are_refused(shelf: TunedModels, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="safe names"):
        fetch(offered(shelf, zipped(PLAIN, links=("set/link",))), tmp_path, Silent())


@pytest.mark.parametrize("content", [b"no zip at all", zipped({"other/file": b"x"})])
def test_something_else_under_a_right_checksum(shelf: TunedModels, tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match="refused"):
        fetch(offered(shelf, content), tmp_path, Silent())
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_says_what_the_server_said(shelf: TunedModels, tmp_path: Path) -> None:
    archive = Archive(shelf.url("/gone.zip"), "0" * 32, 10**6, 10**6, "set")
    with pytest.raises(DataError, match="404"):
        fetch(archive, tmp_path, Silent())


def test_only_https_leaves_this_machine(tmp_path: Path) -> None:
    archive = Archive("http://example.org/set.zip", "0" * 32, 10**6, 10**6, "set")
    with pytest.raises(DataError, match="not safe"):
        fetch(archive, tmp_path, Silent())
    with pytest.raises(DataError, match="not safe"):
        fetch(Archive("file:///etc/passwd", "0" * 32, 10**6, 10**6, "set"), tmp_path, Silent())


def test_a_redirect_away_from_https_is_refused(shelf: TunedModels, tmp_path: Path) -> None:
    shelf.redirects["/set.zip"] = "http://example.org/set.zip"
    archive = Archive(shelf.url("/set.zip"), "0" * 32, 10**6, 10**6, "set")
    with pytest.raises(DataError, match="not safe"):
        fetch(archive, tmp_path, Silent())
