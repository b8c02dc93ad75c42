"""What a run says of itself, read whatever version wrote it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from polyscene.core.errors import RunError
from polyscene.runs import format_1
from polyscene.runs.folder import MANIFEST
from polyscene.runs.system_files import FORMAT


def read_manifest(folder: Path) -> tuple[dict[str, Any], int]:
    """Return the manifest of a run, in the present words, and the format of its files.

    Raises:
        RunError: there is none, or it is of a version that cannot be read.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"expected a run in {folder}, found {error}; train again") from error
    known = manifest.get("format")
    if known == 1:
        return format_1.present_manifest(manifest, folder), 1
    if known != FORMAT:
        raise RunError(
            f"expected a run of format {FORMAT} in {folder}, found {known!r}; train again with this version"
        )
    return manifest, FORMAT
