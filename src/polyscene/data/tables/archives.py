"""Zip archives: read like folders, in memory, within limits. Nothing is ever unpacked onto the disk."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

ENDING = ".zip"
MAX_MEMBER_BYTES = 2**31
"""Of one unpacked member: it is held in memory."""
MAX_MEMBERS = 2_000
_ENCRYPTED = 0x1


def archive_of(path: Path) -> Path | None:
    """Return the zip archive that a path such as `data/sets.zip/ratings.csv` leads into; None without one."""
    for parent in path.parents:
        if parent.suffix.lower() == ENDING and parent.is_file():
            return parent
    return None


def is_archive(path: Path) -> bool:
    """Return whether a file is named like a zip archive."""
    return path.suffix.lower() == ENDING and path.is_file()


def members(archive: Path) -> list[Path]:
    """Return the files of an archive as paths that lead into it, in the order of their names.

    Raises:
        OSError: it is no zip archive.
    """
    with _opened(archive) as container:
        names = sorted(info.filename for info in container.infolist() if not info.is_dir())
    return [archive / PurePosixPath(name) for name in names[:MAX_MEMBERS] if not _is_noise(name)]


def size_of(archive: Path, path: Path) -> int:
    """Return how many bytes a member has unpacked, as the archive says.

    Raises:
        OSError: there is no such member.
    """
    with _opened(archive) as container:
        return _info(container, archive, path).file_size


def read_member(archive: Path, path: Path) -> bytes:
    """Return the content of a member.

    Raises:
        OSError: the archive is damaged, the member is missing, encrypted, or larger than `MAX_MEMBER_BYTES`.
    """
    with _opened(archive) as container:
        info = _info(container, archive, path)
        if info.flag_bits & _ENCRYPTED:
            raise OSError("it is encrypted; unpack the archive with its password")
        if info.file_size > MAX_MEMBER_BYTES:
            raise OSError(
                f"it holds {info.file_size:,} bytes, more than is read in place; unpack the archive"
            )
        with container.open(info) as member:
            content = member.read(MAX_MEMBER_BYTES + 1)
    if len(content) > MAX_MEMBER_BYTES:
        raise OSError("it holds more than it says; unpack the archive")
    return content


def _info(container: zipfile.ZipFile, archive: Path, path: Path) -> zipfile.ZipInfo:
    name = PurePosixPath(path.relative_to(archive).as_posix())
    for info in container.infolist():
        if PurePosixPath(info.filename) == name and not info.is_dir():
            return info
    raise OSError(f"the archive holds no {name.as_posix()!r:.80}")


def _is_noise(name: str) -> bool:
    """Return whether a member is none of the user's: what systems put beside files."""
    parts = PurePosixPath(name).parts
    return any(part.startswith((".", "__MACOSX")) for part in parts)


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(archive) as container:
            yield container
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, zlib.error) as error:
        raise OSError(f"the zip archive is damaged or of an unknown kind: {error}") from error
