"""`polyscene compress`: a smaller or faster language model, with what it loses beside what it gains."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polyscene.cli.options import CONFIG, Config, JsonFile, Seed, opened

if TYPE_CHECKING:
    from polyscene.core.types import BoolArray
    from polyscene.language.compression.compressing import Candidate, Compressed
    from polyscene.language.compression.judging import Bounds
    from polyscene.language.model.language_model import LanguageModel
    from polyscene.learning.distilling import Teaching
    from polyscene.project import Project

CALIBRATED_ON = 400


class Way(StrEnum):
    """What can be done to a language model."""

    layers = "layers"
    heads = "heads"
    neurons = "neurons"
    sparse = "sparse"
    int8 = "int8"
    bf16 = "bf16"
    onnx = "onnx"
    openvino = "openvino"
    distil = "distil"


KEEP = {Way.layers: 0.5, Way.heads: 0.9, Way.neurons: 0.9, Way.sparse: 0.7, Way.distil: 0.5}
"""The share that stays where --keep is not given."""

How = Annotated[Way, typer.Option("--way", help="What to do to the model.")]
Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where it is written; a new folder.")]
Keep = Annotated[
    float | None,
    typer.Option(
        "--keep",
        min=0.01,
        max=1.0,
        help="The share that stays: layers, heads, neurons, sparse; distil: of the layers.",
    ),
]
Neurons = Annotated[
    float | None,
    typer.Option("--neurons", min=0.01, max=1.0, help="distil: the share of neurons that stays; default: 1."),
]
Steps = Annotated[
    int | None,
    typer.Option("--steps", min=1, help="distil: the student learns so many steps; default: 1000."),
]
Minutes = Annotated[
    float | None, typer.Option("--minutes", min=1e-6, help="distil: the student learns no longer than this.")
]
Accept = Annotated[bool, typer.Option("--accept-loss", help="Write it whatever it loses.")]


@dataclass(frozen=True)
class Asked:
    """What is to be done.

    Attributes:
        way: to a smaller model.
        keep: the share that stays; None: as `KEEP` says.
        neurons, steps, minutes: of the way `distil` alone; None: as `Teaching` says.
    """

    way: Way
    keep: float | None = None
    neurons: float | None = None
    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        """Refuse options of another way.

        Raises:
            BadParameter: one is given.
        """
        if self.keep is not None and self.way not in KEEP:
            raise typer.BadParameter(f"--keep is for {', '.join(KEEP)}; --way {self.way} takes none")
        learns = {"--neurons": self.neurons, "--steps": self.steps, "--minutes": self.minutes}
        for option, value in learns.items():
            if value is not None and self.way is not Way.distil:
                raise typer.BadParameter(f"{option} is for {Way.distil}; --way {self.way} takes none")

    @property
    def share(self) -> float:
        """The share that stays."""
        return KEEP.get(self.way, 1.0) if self.keep is None else self.keep

    @property
    def teaching(self) -> Teaching:
        """How a student is made."""
        from polyscene.learning.distilling import Teaching

        usual = Teaching(layers=self.share, minutes=self.minutes)
        return replace(
            usual,
            neurons=usual.neurons if self.neurons is None else self.neurons,
            steps=usual.steps if self.steps is None else self.steps,
        )


def compress(
    way: How,
    out: Out,
    config: Config = CONFIG,
    keep: Keep = None,
    neurons: Neurons = None,
    steps: Steps = None,
    minutes: Minutes = None,
    accept_loss: Accept = False,
    json: JsonFile = None,
    seed: Seed = None,
) -> None:
    """Make the project's language model smaller or faster, and say what that costs.

    It is calibrated on texts of all catalogues and judged on the smallest catalogue. What loses more than
    the bounds allow is refused, and nothing is written, unless the loss is accepted. A student (distil) is
    judged on texts that it never read.
    """
    from json import dumps

    from polyscene.cli.console import show
    from polyscene.cli.tables import plain_table
    from polyscene.core.files import write_text
    from polyscene.language.compression.judging import Bounds

    asked, bounds = Asked(way, keep, neurons, steps, minutes), Bounds()
    if out.exists():
        raise typer.BadParameter(f"expected a folder that is not there yet, found {out}; name another one")

    def tell(made: Compressed) -> None:
        show(plain_table(made.candidate.way, ("", "before", "after", "bound"), rows(made, bounds)))

    made = compressed_into(opened(config, seed), asked, out, bounds, accept_loss, tell)
    show(made.candidate.note or "it can be named in [language] model", f"written: {out}")
    if json is not None:
        found = {"way": made.candidate.way, "note": made.candidate.note, **made.loss.to_json()}
        write_text(json, dumps(found, indent=2) + "\n")


def compressed_into(
    project: Project,
    asked: Asked,
    out: Path,
    bounds: Bounds,
    accept_loss: bool,
    tell: Callable[[Compressed], None],
) -> Compressed:
    """Compress, judge, and put the folder in place: whole, or not at all.

    Args:
        project: whose language model it is.
        asked: what is to be done.
        out: the folder that will be written.
        bounds: the most that may be lost.
        accept_loss: whether it is written whatever it loses.
        tell: hears what is lost and gained, before anything is refused.

    Raises:
        ModelError: more is lost than the bounds allow, and the loss was not accepted; or the project's
            language model was compressed before, by a way that leaves nothing to work on.
    """
    from polyscene.core.threads import set_threads
    from polyscene.language.compression.compressing import compressed, refuse
    from polyscene.learning.content_judge import content_judge

    set_threads(project.settings.runtime.threads)
    model = original(project)
    name = min(project.dataset.scenarios, key=lambda each: len(project.dataset.scenarios[each].catalogue))
    judged = project.dataset.scenarios[name].catalogue.text
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".compress.") as scratch:
        folder = Path(scratch) / "model"
        project.progress.say(f"{model.name}: {asked.way}, judged on the catalogue of {name}")
        if asked.way is Way.distil:
            candidate, unread = student(project, model, judged, asked)
        else:
            candidate, unread = candidate_of(model, asked, calibration(project), folder), None
        made = compressed(
            model,
            candidate,
            judged,
            accept_loss=True,  # refused below, when the numbers have been told
            content=content_judge(project.ground(), name),
            batch_tokens=project.settings.language.batch_tokens,
            unread=unread,
        )
        tell(made)
        refuse(candidate.way, made.loss, bounds, accept_loss)
        made.save(folder)
        folder.rename(out)
    return made


def student(
    project: Project, model: LanguageModel, judged: Sequence[str], asked: Asked
) -> tuple[Candidate, BoolArray]:
    """Return a student of the model, and (n,) which of the n judged texts it never read."""
    from polyscene.learning.distilling import distilled, withheld, without

    seed = project.settings.seed
    unread = withheld(judged, seed)
    hidden = [text for text, kept_back in zip(judged, unread, strict=True) if kept_back]
    return distilled(model, without(drawn(project), hidden), asked.teaching, seed, project.progress), unread


def original(project: Project) -> LanguageModel:
    """Return the project's language model.

    Raises:
        ModelError: it cannot be used, or is one that transformers has no words for any more.
    """
    from polyscene.core.errors import ModelError, shown
    from polyscene.language.model.loading import load_model
    from polyscene.language.model.sources import NOTE, is_compressed, locate

    language = project.settings.language
    if is_compressed(locate(language, project.base, project.progress)):
        raise ModelError(
            f"expected a language model as it was published, found {shown(language.model, 200)}, which was "
            f"compressed before ({NOTE} is there); name the model that it was made from in [language] model"
        )
    return load_model(language, project.base, project.progress)


def candidate_of(model: LanguageModel, asked: Asked, texts: list[str], folder: Path) -> Candidate:
    """Return what the way makes of the model; graphs are written into the folder at once."""
    from polyscene.language.compression.exporting import export
    from polyscene.language.compression.heads import drop_heads
    from polyscene.language.compression.int8 import to_int8
    from polyscene.language.compression.layers import drop_layers, evenly_spread
    from polyscene.language.compression.neurons import drop_neurons
    from polyscene.language.compression.precision import halve
    from polyscene.language.compression.sparsity import sparsify
    from polyscene.language.model.architecture import stack

    way, share = asked.way, asked.share
    if way is Way.layers:
        return drop_layers(model, evenly_spread(len(stack(model.module)), share))
    if way is Way.heads:
        return drop_heads(model, texts, share)
    if way is Way.neurons:
        return drop_neurons(model, texts, share)
    if way is Way.sparse:
        return sparsify(model, 1 - share, texts)
    if way is Way.int8:
        return to_int8(model, texts)
    if way is Way.bf16:
        return halve(model)
    return export(model, folder, "onnx" if way is Way.onnx else "openvino")


def drawn(project: Project) -> list[str]:
    """Return the texts of all catalogues, in an order drawn by the project's seed."""
    from polyscene.core.seeds import generator

    found = [text for scenario in project.dataset.scenarios.values() for text in scenario.catalogue.text]
    return [found[place] for place in generator(project.settings.seed, "compress").permutation(len(found))]


def calibration(project: Project) -> list[str]:
    """Return some texts of all catalogues, drawn by the project's seed."""
    return drawn(project)[:CALIBRATED_ON]


def rows(made: Compressed, bounds: Bounds) -> list[tuple[str, str, str, str]]:
    """Return what is shown: each measure before and after, and the least that is let pass."""
    from polyscene.learning.content_judge import CUTOFF

    loss = made.loss
    found = [
        ("mean cosine", "1", f"{loss.cosine:.5f}", f"{bounds.cosine:g}"),
        ("worst cosine", "1", f"{loss.worst_cosine:.5f}", ""),
        ("neighbours kept", "100 %", f"{loss.neighbours:.1%}", f"{bounds.neighbours:.0%}"),
    ]
    if loss.content_before is not None and loss.content_after is not None:
        least = bounds.content * loss.content_before
        before, after = f"{loss.content_before:.4f}", f"{loss.content_after:.4f}"
        found.append((f"content signal NDCG@{CUTOFF}", before, after, f"{least:.4f}"))
    size = (f"{loss.mb_before:,.1f}", f"{loss.mb_after:,.1f} ({loss.smaller:.2f} times smaller)")
    speed = (f"{loss.speed_before:,.0f}", f"{loss.speed_after:,.0f} ({loss.faster:.2f} times as fast)")
    return [*found, ("MB of weights", *size, ""), ("texts/s", *speed, "")]
