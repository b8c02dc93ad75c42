"""Whether a folder can take what is to be written: asked before the work, and recognised where it fails."""

from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path
from uuid import uuid4

from polyscene.core.errors import RunError
from polyscene.core.text import shown

FULL, LOCKED = "no space left on the disk", "a folder that cannot be written"
MIN_FREE_BYTES = 2**20
"""Less than this, and nothing at all can be kept."""
_ERRNOS = {
    errno.ENOSPC: FULL,
    getattr(errno, "EDQUOT", errno.ENOSPC): "the disk quota used up",
    errno.EROFS: LOCKED,
}
_WORDS = re.compile(
    r"(?P<full>no space left on device|os error 28\b|disk quota exceeded|database or disk is full)"
    r"|(?P<locked>read-only file system|os error 30\b|readonly database)",
    re.IGNORECASE,
)
"""What libraries say that lose the number of the error."""


def disk_trouble(error: BaseException | None) -> str | None:
    """Return in plain words what is wrong with the disk, where that is why something failed; else None.

    Args:
        error: whatever was raised; what it follows from is looked at too.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in _ERRNOS:
            return _ERRNOS[error.errno]
        match = _WORDS.search(str(error)[:2000])
        if match is not None:
            return FULL if match["full"] else LOCKED
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None


def demand_room(folder: Path, bytes_needed: int, remedy: str) -> None:
    """Make a folder, write a small file into it and look at the free space, so that work is not done in vain.

    Args:
        folder: made where it is missing.
        bytes_needed: at least so much will be written.
        remedy: what to do.

    Raises:
        RunError: it cannot be written, or has too little space.
    """
    probe = folder / f".probe-{os.getpid()}-{uuid4().hex[:8]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"\0" * 4096)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        found = disk_trouble(error) or str(error.strerror or error)
        raise RunError(_message(folder, found, remedy)) from error
    finally:
        _remove(probe)
    needed = max(bytes_needed, MIN_FREE_BYTES)
    if free < needed:
        found = f"{_size(free)} free where at least {_size(needed)} are needed"
        raise RunError(_message(folder, found, remedy))


def unwritable(folder: Path, error: BaseException, remedy: str) -> RunError | None:
    """Return the error to raise where writing into a folder failed because of the disk; else None."""
    found = disk_trouble(error)
    return None if found is None else RunError(_message(folder, found, remedy))


def _message(folder: Path, found: str, remedy: str) -> str:
    return f"expected to write to {shown(str(folder), 300)}, found {found}; {remedy}"


def _size(count: int) -> str:
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.1f} MiB"


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # the folder could not even be looked into
        return
