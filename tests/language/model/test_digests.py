from __future__ import annotations

import hashlib
from pathlib import Path

from polyscene.language.model import digests
from polyscene.language.model.digests import file_sha256


def test_digest_is_remembered_until_the_file_changes(tmp_path: Path) -> None:
    digests._digest.cache_clear()
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    assert file_sha256(file) == file_sha256(file) == hashlib.sha256(b"one").hexdigest()
    assert digests._digest.cache_info().hits == 1
    file.write_bytes(b"other")
    assert file_sha256(file) == hashlib.sha256(b"other").hexdigest()
