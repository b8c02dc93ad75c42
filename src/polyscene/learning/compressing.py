"""A project's language model made smaller: calibrated and judged on the project's own texts, then written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from polyscene.core.contracts import VectorJudge
from polyscene.core.disk import demand_room
from polyscene.core.errors import ModelError
from polyscene.core.progress import Progress
from polyscene.core.seeds import generator
from polyscene.core.settings.language import LIGHT, LanguageSettings
from polyscene.core.text import shown
from polyscene.core.types import BoolArray
from polyscene.data.schema import Dataset
from polyscene.language.compression.compressing import Candidate, Compressed, compressed, refuse
from polyscene.language.compression.exporting import export
from polyscene.language.compression.heads import drop_heads
from polyscene.language.compression.int8 import to_int8
from polyscene.language.compression.judging import Bounds
from polyscene.language.compression.layers import drop_layers, evenly_spread
from polyscene.language.compression.neurons import drop_neurons
from polyscene.language.compression.precision import halve
from polyscene.language.compression.sparsity import sparsify
from polyscene.language.compression.ways import CompressionRequest, Way
from polyscene.language.model.architecture import stack
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.loading import load_model
from polyscene.language.model.sources import NOTE, is_compressed, locate
from polyscene.learning.content_judge import content_judge
from polyscene.learning.distilling import Teaching, distilled, withheld, without
from polyscene.learning.open_project import OpenProject

CALIBRATION_TEXTS = 400


def original(language: LanguageSettings, base: Path, progress: Progress) -> LanguageModel:
    """Return the language model that can be made smaller.

    Raises:
        ModelError: it cannot be used, or is one that transformers has no words for any more.
    """
    if is_compressed(locate(language, base, progress)):
        raise ModelError(
            f"expected a language model as it was published, found {shown(language.model, 200)}, which was "
            f"compressed before ({NOTE} is there); name the model that it was made from in [language] model"
        )
    if language.model == LIGHT:
        raise ModelError(
            f"expected a language model with layers, found '{LIGHT}', which is small as it came; name "
            "another model in [language] model"
        )
    return load_model(language, base, progress)


def compress_project(
    project: OpenProject,
    folder: Path,
    request: CompressionRequest,
    bounds: Bounds | None,
    accept_loss: bool,
    judged: Callable[[Compressed], None] | None,
) -> Compressed:
    """Make a project's language model smaller; see `Project.compress`."""
    if folder.exists():
        raise FileExistsError(f"expected a new folder, found {folder} already; name another one")
    demand_room(folder.resolve().parent, 0, "free some space or mend its rights, or name another folder")
    language, progress = project.settings.language, project.progress
    model = original(language, project.base, progress)
    return compress_into(
        folder,
        model,
        request,
        project.dataset,
        content_judge(project.ground(), judged_scenario(project.dataset)),
        bounds=bounds or Bounds(),
        accept_loss=accept_loss,
        seed=project.settings.seed,
        batch_tokens=language.batch_tokens,
        progress=progress,
        judged=judged,
    )


def judged_scenario(dataset: Dataset) -> str:
    """Return the scenario whose catalogue a smaller model is judged on: the smallest."""
    return min(dataset.scenarios, key=lambda name: len(dataset.scenarios[name].catalogue))


def compress_into(
    out: Path,
    model: LanguageModel,
    request: CompressionRequest,
    dataset: Dataset,
    content: VectorJudge | None,
    *,
    bounds: Bounds,
    accept_loss: bool,
    seed: int,
    batch_tokens: int,
    progress: Progress,
    judged: Callable[[Compressed], None] | None = None,
) -> Compressed:
    """Compress, judge, and put the folder in place: whole, or not at all.

    Args:
        out: the folder that will be written.
        model: the language model; it is not changed.
        request: what is to be done.
        dataset: with the texts to calibrate on, teach with and judge on.
        content: worth of the vectors of the judged catalogue in use.
        bounds: the most that may be lost.
        accept_loss: whether it is written whatever it loses.
        seed: of what is drawn.
        batch_tokens: as for `encode`.
        progress: hears of the work.
        judged: hears what is lost and gained, before anything is refused.

    Raises:
        ModelError: more is lost than the bounds allow, and the loss was not accepted.
    """
    name = judged_scenario(dataset)
    texts = dataset.scenarios[name].catalogue.text
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".compress.") as scratch:
        folder = Path(scratch) / "model"
        progress.say(f"{model.name}: {request.way}, judged on the catalogue of {name}")
        unread = None
        if request.way is Way.distil:
            candidate, unread = _student(model, request, drawn_texts(dataset, seed), texts, seed, progress)
        else:
            candidate = _candidate(model, request, calibration_texts(dataset, seed), folder)
        smaller = compressed(
            model,
            candidate,
            texts,
            accept_loss=True,  # refused below, when the numbers have been told
            content=content,
            batch_tokens=batch_tokens,
            unread=unread,
        )
        if judged is not None:
            judged(smaller)
        refuse(candidate.way, smaller.loss, bounds, accept_loss)
        smaller.save(folder)
        folder.rename(out)
    return smaller


def drawn_texts(dataset: Dataset, seed: int) -> list[str]:
    """Return the texts of all catalogues, in a drawn order."""
    texts = [text for scenario in dataset.scenarios.values() for text in scenario.catalogue.text]
    return [texts[place] for place in generator(seed, "compress").permutation(len(texts))]


def calibration_texts(dataset: Dataset, seed: int) -> list[str]:
    """Return some texts of all catalogues, drawn."""
    return drawn_texts(dataset, seed)[:CALIBRATION_TEXTS]


def _student(
    model: LanguageModel,
    request: CompressionRequest,
    texts: list[str],
    judged: Sequence[str],
    seed: int,
    progress: Progress,
) -> tuple[Candidate, BoolArray]:
    """Return a student of the model, and (n,) which of the n judged texts it never read."""
    unread = withheld(judged, seed)
    hidden = [text for text, kept_back in zip(judged, unread, strict=True) if kept_back]
    return distilled(model, without(texts, hidden), _teaching(request), seed, progress), unread


def _teaching(request: CompressionRequest) -> Teaching:
    usual = Teaching(layers=request.share, minutes=request.minutes)
    return replace(
        usual,
        neurons=usual.neurons if request.neurons is None else request.neurons,
        steps=usual.steps if request.steps is None else request.steps,
    )


def _candidate(
    model: LanguageModel, request: CompressionRequest, texts: list[str], folder: Path
) -> Candidate:
    """Return what the way makes of the model; graphs are written into the folder at once."""
    share = request.share
    match request.way:
        case Way.layers:
            return drop_layers(model, evenly_spread(len(stack(model.module)), share))
        case Way.heads:
            return drop_heads(model, texts, share)
        case Way.neurons:
            return drop_neurons(model, texts, share)
        case Way.sparse:
            return sparsify(model, 1 - share, texts)
        case Way.int8:
            return to_int8(model, texts)
        case Way.bf16:
            return halve(model)
        case Way.onnx:
            return export(model, folder, "onnx")
        case _:
            return export(model, folder, "openvino")
