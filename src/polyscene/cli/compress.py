"""`polyscene compress`: a smaller or faster language model, with what it loses beside what it gains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polyscene.cli.options import CONFIG, Config, JsonFile, Seed, opened
from polyscene.language.compression.ways import CompressionRequest, Way

if TYPE_CHECKING:
    from polyscene.language.compression.compressing import Compressed
    from polyscene.language.compression.judging import Bounds

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

    try:
        request = CompressionRequest(way, keep, neurons, steps, minutes)
    except ValueError as error:
        raise typer.BadParameter(f"--{error}") from None
    if out.exists():
        raise typer.BadParameter(f"expected a folder that is not there yet, found {out}; name another one")
    bounds = Bounds()

    def judged(smaller: Compressed) -> None:
        show(plain_table(smaller.candidate.way, ("", "before", "after", "bound"), rows(smaller, bounds)))

    smaller = opened(config, seed).compress(request, out, bounds, accept_loss, judged)
    show(smaller.candidate.note or "it can be named in [language] model", f"written: {out}")
    if json is not None:
        facts = {"way": smaller.candidate.way, "note": smaller.candidate.note, **smaller.loss.to_json()}
        write_text(json, dumps(facts, indent=2) + "\n")


def rows(smaller: Compressed, bounds: Bounds) -> list[tuple[str, str, str, str]]:
    """Return what is shown: each measure before and after, and the least that is let pass."""
    from polyscene.learning.content_judge import CUTOFF

    loss = smaller.loss
    measures = [
        ("mean cosine", "1", f"{loss.cosine:.5f}", f"{bounds.cosine:g}"),
        ("worst cosine", "1", f"{loss.worst_cosine:.5f}", ""),
        ("neighbours kept", "100 %", f"{loss.neighbours:.1%}", f"{bounds.neighbours:.0%}"),
    ]
    if loss.content_before is not None and loss.content_after is not None:
        least = bounds.content * loss.content_before
        before, after = f"{loss.content_before:.4f}", f"{loss.content_after:.4f}"
        measures.append((f"content signal NDCG@{CUTOFF}", before, after, f"{least:.4f}"))
    size = (f"{loss.mb_before:,.1f}", f"{loss.mb_after:,.1f} ({loss.smaller:.2f} times smaller)")
    speed = (f"{loss.speed_before:,.0f}", f"{loss.speed_after:,.0f} ({loss.faster:.2f} times as fast)")
    return [*measures, ("MB of weights", *size, ""), ("texts/s", *speed, "")]
