"""What tuning leaves behind: one small file per scenario beside the backbone, which is never written.

A folder with `tuned.safetensors` (the weights that learned) and `tuned.json` (method, sizes, and the
backbone's fingerprint, so that no weights meet a model that they were not made for).
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from polyscene.core.errors import ModelError
from polyscene.core.settings.language import TUNING_METHODS
from polyscene.core.settings.tuning import TuningDetails
from polyscene.core.text import shown
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.tuning.methods import dressed, load_weights, marked, tuned_weights

WEIGHTS, FACTS = "tuned.safetensors", "tuned.json"


def save_tuned(
    tuned: LanguageModel, backbone: LanguageModel, method: str, settings: TuningDetails, folder: Path
) -> None:
    """Write what `backbone` lacks to be `tuned`; the folder is made."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: t.contiguous() for name, t in tuned_weights(tuned).items()}, folder / WEIGHTS)
    facts = {"backbone": backbone.fingerprint, "method": method, "settings": settings.model_dump(mode="json")}
    (folder / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def load_tuned(backbone: LanguageModel, folder: Path) -> LanguageModel:
    """Return the tuned model; what did not learn lies in the backbone's memory.

    Raises:
        ModelError: the folder is damaged, or was made for another backbone.
    """
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        method, settings = _known(facts["method"]), TuningDetails(**facts["settings"])
        weights = load_file(folder / WEIGHTS)
    except (OSError, ValueError, KeyError, TypeError, ValidationError, SafetensorError) as error:
        raise ModelError(
            f"expected tuned weights in {shown(str(folder), 200)}, found {shown(str(error), 200)}; tune again"
        ) from error
    if facts.get("backbone") != backbone.fingerprint:
        raise ModelError(
            f"expected weights tuned over the language model {shown(backbone.name)}, found others in "
            f"{shown(str(folder), 200)}; name the model that they were tuned over, or tune again"
        )
    if not all(bool(tensor.isfinite().all()) for tensor in weights.values()):
        raise ModelError(
            f"expected finite tuned weights in {shown(str(folder), 200)}, found some that are not finite; "
            "tune again"
        )
    worn = dressed(backbone, method, settings)
    load_weights(worn, weights)
    return marked(worn)


def _known(method: object) -> str:
    if not isinstance(method, str) or method not in TUNING_METHODS:
        raise ValueError(f"the method {method!r}, which is none of {', '.join(TUNING_METHODS)}")
    return method
