"""Where encoded texts are kept unless the settings say otherwise. Free of torch."""

from __future__ import annotations

import os
from pathlib import Path


def default_folder() -> Path:
    """Return `$XDG_CACHE_HOME/polyscene`, or `~/.cache/polyscene` where that is not set."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(root) if Path(root).is_absolute() else Path.home() / ".cache") / "polyscene"
