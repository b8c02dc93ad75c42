"""One way of making a language model smaller, judged, and refused where it loses too much."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from polyscene.core.contracts import VectorJudge
from polyscene.core.errors import ModelError
from polyscene.core.types import BoolArray
from polyscene.language.compression.judging import Bounds, Loss, judge
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.text.encoding import DEFAULT_BATCH_TOKENS


@dataclass(frozen=True, eq=False)
class Candidate:
    """A smaller model that nobody has judged yet.

    Attributes:
        model: ready to encode.
        way: what was done, in a few words.
        stored_mb: size of its weights on disk, in 10^6 bytes.
        save: writes it into a folder; `model` is what `polyscene.language.compression.opening` finds there.
        note: what the numbers do not show; may be empty.
    """

    model: LanguageModel
    way: str
    stored_mb: float
    save: Callable[[Path], None]
    note: str = ""


@dataclass(frozen=True, eq=False)
class Compressed:
    """A smaller model and what it costs.

    Attributes:
        candidate: the model, the way, and how to save it.
        loss: against the original.
    """

    candidate: Candidate
    loss: Loss

    @property
    def model(self) -> LanguageModel:
        """The smaller model."""
        return self.candidate.model

    def save(self, folder: Path) -> None:
        """Write it into a folder, made where it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        self.candidate.save(folder)


def compressed(
    original: LanguageModel,
    candidate: Candidate,
    texts: Sequence[str],
    *,
    bounds: Bounds | None = None,
    accept_loss: bool = False,
    content: VectorJudge | None = None,
    batch_tokens: int = DEFAULT_BATCH_TOKENS,
    unread: BoolArray | None = None,
) -> Compressed:
    """Judge a candidate and let it pass, or refuse it.

    Args:
        original: what it was made from.
        candidate: what a way made of it.
        texts: what it is judged on; where most of them were calibrated on, the loss is flattered.
        bounds: the most that may be lost; default: `Bounds()`.
        accept_loss: whether it may pass whatever it loses.
        content: worth of vectors in use, e.g. the NDCG of a signal made of them.
        batch_tokens: as for `encode`.
        unread: (n,) which texts the candidate never learned from, see `judge`; default: all.

    Raises:
        ModelError: it loses more than the bounds allow, and the loss was not accepted.
    """
    loss = judge(
        original,
        candidate.model,
        texts,
        stored_mb=candidate.stored_mb,
        content=content,
        batch_tokens=batch_tokens,
        unread=unread,
    )
    refuse(candidate.way, loss, bounds or Bounds(), accept_loss)
    return Compressed(candidate, loss)


def refuse(way: str, loss: Loss, bounds: Bounds, accept_loss: bool) -> None:
    """Raise where more is lost than may be.

    Raises:
        ModelError: a bound is crossed, and the loss was not accepted.
    """
    crossed = loss.beyond(bounds)
    if crossed and not accept_loss:
        raise ModelError(
            f"{way} loses more than allowed: {'; '.join(crossed)}. Keep more of the model, or accept the "
            "loss (--accept-loss, accept_loss=True)"
        )
