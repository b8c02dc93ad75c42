"""The text rankers' readers in a run's folder, and back: arrays as safetensors, never pickle.

`readers/N/reader.safetensors` holds the head and how much the reader's word counts, and beside it
`encoder.safetensors` the encoder's weights, where they learned. The language model itself is not in a run.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from polyscene.core.arrays import Arrays, load_arrays, save_arrays
from polyscene.core.errors import RunError
from polyscene.core.settings.language import LanguageSettings
from polyscene.core.settings.text_ranker import TextRankerSettings
from polyscene.core.text import shown
from polyscene.engine.state import System
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.ranking.bayesian_logistic import BayesianLogistic
from polyscene.language.ranking.calibration import PromptReader
from polyscene.language.ranking.yes_no_ranker import YesNoRanker
from polyscene.learning.backbone import Backbone, usable_template
from polyscene.learning.prompts import PromptBuilder, PromptScorer
from polyscene.learning.reranker import RerankerWeights, TrainedScorer, cross_encoder
from polyscene.recommenders.reranker import Reranker
from polyscene.runs.folder import READERS, way_to

READER, ENCODER = "reader.safetensors", "encoder.safetensors"
HEAD = ("mean", "covariance", "tuned")


def save_readers(system: System, backbone: Backbone, folder: Path) -> dict[str, Any]:
    """Write every reader into a run's folder and return what the manifest must say of them."""
    places: dict[str, str] = {}
    for number, (name, state) in enumerate(system.scenarios.items()):
        reranker = state.fusion.reranker
        if reranker is not None and isinstance(reranker.reader, TrainedScorer):
            places[name] = f"{READERS}/{number}"
            _save(reranker, reranker.reader.learnt, folder / places[name])
    return {"fingerprint": backbone.fingerprint, "base": way_to(folder, backbone.base), "places": places}


def restore_readers(system: System, folder: Path, manifest: Mapping[str, Any]) -> None:
    """Let the text rankers of a run use their readers again; the language model is loaded at first use.

    Raises:
        RunError: a file is missing or damaged.
    """
    facts = manifest.get("readers")
    if not facts:
        return
    try:
        settings = TextRankerSettings(**manifest["settings"]["text_ranker"])
        language = LanguageSettings(**manifest["settings"]["language"])
        backbone = Backbone(language, (folder / facts["base"]).resolve(), expected=facts["fingerprint"])
        places = {name: folder / home for name, home in facts["places"].items()}
    except (KeyError, TypeError, ValidationError) as error:
        raise RunError(f"expected a whole run in {folder}, found {error!r}; train again") from error
    for name, home in places.items():
        state = system.scenario(name)
        texts, unseen = state.catalogue.texts, state.fusion.hide_seen
        state.fusion.reranker = _restored(backbone, settings, home, texts, unseen)


def _restored(
    backbone: Backbone, settings: TextRankerSettings, home: Path, texts: Sequence[str], unseen: bool
) -> Reranker:
    state = load_arrays(home / READER)
    if not {"weights", *(HEAD if settings.reader == "pair" else ())} <= state.keys():
        raise RunError(f"expected a reader in {home / READER}, found {sorted(state)}; train again")
    reader = PromptScorer(PromptBuilder.of(texts, settings), partial(_judge, backbone, settings, home, state))
    own, trust = (float(weight) for weight in state["weights"])
    return Reranker(reader, settings.top, unseen, own, trust)


def _save(second: Reranker, learnt: RerankerWeights, home: Path) -> None:
    home.mkdir(parents=True)
    state: Arrays = {"weights": np.array([second.student, second.trust])}
    if learnt.head is not None:
        tuned = np.array(learnt.tuned is not None)
        state |= {"mean": learnt.head.mean, "covariance": learnt.head.covariance, "tuned": tuned}
    save_arrays(home / READER, state)
    if learnt.tuned is not None:
        tensors = {
            name: weight.detach().cpu().contiguous()
            for name, weight in learnt.tuned.module.named_parameters()
        }
        save_file(tensors, home / ENCODER)


def _judge(backbone: Backbone, settings: TextRankerSettings, home: Path, state: Arrays) -> PromptReader:
    """Return who judges prompts, with the language model loaded."""
    if settings.reader == "answers":
        return YesNoRanker(backbone.answers, usable_template(settings))
    tuned = _tuned(backbone.plain, home / ENCODER) if state["tuned"] else None
    learnt = RerankerWeights(BayesianLogistic(state["mean"], state["covariance"]), tuned)
    return cross_encoder(backbone, settings, learnt)


def _tuned(plain: LanguageModel, path: Path) -> LanguageModel:
    """Return a copy of the model with the weights of a file.

    Raises:
        RunError: the file is damaged, or does not hold this model's weights.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise RunError(f"expected weights in {path}, found {error}; train again") from error
    module = copy.deepcopy(plain.module)
    known = dict(module.named_parameters())
    fits = tensors.keys() == known.keys() and all(
        tensors[name].shape == weight.shape and bool(tensors[name].isfinite().all())
        for name, weight in known.items()
    )
    if not fits:
        raise RunError(
            f"expected finite weights of the language model {shown(plain.name)} in {path}, found others; "
            "train again"
        )
    with torch.no_grad():
        for name, weight in known.items():
            weight.copy_(tensors[name])
    return replace(plain, module=module)
