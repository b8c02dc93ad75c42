"""Fetching a public archive, only when asked: over https, of bounded size, checked, safely unpacked."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from email.message import Message
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from typing import IO

from polyscene.core.errors import DataError, Problem
from polyscene.core.progress import Progress
from polyscene.core.text import shown
from polyscene.data.public.base import Archive

_CHUNK = 1 << 18
_MAX_MEMBERS = 10_000
_PATIENCE = 60.0
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def fetch(archive: Archive, into: Path, progress: Progress) -> Path:
    """Fetch and unpack an archive.

    Returns:
        the folder with its files; one that is there already is kept as it is.

    Raises:
        DataError: the network failed, or what came is too large, has another checksum or unsafe names.
    """
    target = into / archive.folder
    if target.exists():
        return target
    _demand_https(archive.url)
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into, prefix=".fetch-") as scratch:
        zipped = Path(scratch) / "archive.zip"
        digest = _receive(archive, zipped, progress)
        if digest != archive.digest.lower():
            raise _refused(archive, f"{archive.algorithm} {archive.digest}", f"{archive.algorithm} {digest}")
        unpacked = Path(scratch) / "unpacked"
        _unpack(zipped, unpacked, archive)
        if not (unpacked / archive.folder).is_dir():
            raise _refused(archive, f"a folder '{archive.folder}'", "none in the archive")
        os.replace(unpacked / archive.folder, target)
    progress.say(f"unpacked {archive.folder}")
    return target


def _demand_https(url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise DataError(
            Problem("this address is not safe", "https", shown(url, 100), "fetch the file yourself", file=url)
        )


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to safe addresses only."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        """Refuse to leave https."""
        _demand_https(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _receive(archive: Archive, path: Path, progress: Progress) -> str:
    """Write what the address sends and return its checksum."""
    digest = hashlib.new(archive.algorithm, usedforsecurity=False)
    opener = urllib.request.build_opener(_SafeRedirects)
    received = 0
    try:
        with (
            opener.open(archive.url, timeout=_PATIENCE) as answer,
            path.open("wb") as file,
            progress.track(f"fetching {archive.folder}", _size(answer, archive), "B") as advance,
        ):
            while chunk := answer.read(_CHUNK):
                received += len(chunk)
                if received > archive.most_bytes:
                    raise _refused(archive, f"at most {archive.most_bytes:,} bytes", "more than that")
                digest.update(chunk)
                file.write(chunk)
                advance(len(chunk))
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        raise _refused(archive, "an answer with the file", shown(str(error), 120)) from error
    return digest.hexdigest()


def _size(answer: HTTPResponse, archive: Archive) -> int:
    length = answer.headers.get("Content-Length", "")
    return min(int(length), archive.most_bytes) if length.isdecimal() else archive.most_bytes


def _unpack(zipped: Path, into: Path, archive: Archive) -> None:
    """Unpack plain files under safe names, and no more bytes than agreed, whatever the archive claims."""
    left = archive.most_unpacked
    try:
        with zipfile.ZipFile(zipped) as packed:
            members = packed.infolist()
            if len(members) > _MAX_MEMBERS:
                raise _refused(archive, f"at most {_MAX_MEMBERS:,} files", f"{len(members):,}")
            for member in members:
                target = _safe_target(member, into, archive)
                if member.is_dir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(member) as source, target.open("xb") as file:
                    left -= _copy(source, file, left, archive)
    except (zipfile.BadZipFile, zlib.error, FileExistsError, RuntimeError) as error:
        raise _refused(archive, "a zip file of plain files", shown(str(error), 120)) from error


def _safe_target(member: zipfile.ZipInfo, into: Path, archive: Archive) -> Path:
    name = PurePosixPath(member.filename)
    mode = member.external_attr >> 16
    plain = not stat.S_IFMT(mode) or stat.S_ISREG(mode) or stat.S_ISDIR(mode)
    inside = not name.is_absolute() and ".." not in name.parts and "\\" not in member.filename
    if not (plain and inside and ":" not in member.filename and name.parts):
        raise _refused(archive, "plain files under safe names", shown(member.filename))
    return into.joinpath(*name.parts)


def _copy(source: IO[bytes], file: IO[bytes], most: int, archive: Archive) -> int:
    count = 0
    while chunk := source.read(min(_CHUNK, most - count + 1)):
        count += len(chunk)
        if count > most:
            raise _refused(archive, f"at most {archive.most_unpacked:,} bytes unpacked", "more than that")
        file.write(chunk)
    return count


def _refused(archive: Archive, expected: str, found: str) -> DataError:
    remedy = "try again later, or fetch and unpack the file yourself and name its folder"
    return DataError(Problem("the download was refused", expected, found, remedy, file=archive.url))
