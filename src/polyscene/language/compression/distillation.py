"""A smaller student learns to give texts the vectors that its teacher gives them.

The student is a model with fewer layers or neurons, made by the other ways, which already stands near its
teacher. It descends

    L = mean_i (1 - cos(s_i, t_i)) + similarity * mean_ij (s_iᵀ s_j - t_iᵀ t_j)²

over the unit vectors s of the student and t of the teacher: the first term as in Reimers and Gurevych, 2020
(making monolingual embeddings multilingual), the second, over a batch's pairs, as in Tung and Mori, ICCV 2019
(similarity-preserving distillation), which holds on to who is near whom. The teacher reads each text once.

This file has no loop: any trainer of a `polyscene.core.contracts.Learner` runs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter, functional

from polyscene.core.errors import ModelError
from polyscene.core.progress import Progress
from polyscene.core.types import LongArray
from polyscene.language.compression.compressing import Candidate
from polyscene.language.compression.copying import copied
from polyscene.language.compression.folders import save_ordinary
from polyscene.language.compression.judging import dense_mb
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.text.encoding import distinct_texts, encode, padded, tokenised
from polyscene.language.text.normalisation import normalise

HELD_OUT = 0.1
MAX_HELD_OUT = 512


@dataclass(frozen=True)
class Distillation:
    """How a student learns.

    Attributes:
        batch_texts: texts per batch; similarities are compared within it.
        similarity: weight of the second term.
    """

    batch_texts: int = 64
    similarity: float = 1.0


class Student:
    """A learner: parameters, batches of texts, and a loss against the teacher's vectors.

    Args:
        teacher: reads every text once, at the start.
        start: the smaller model the student starts as; its vectors have the teacher's size.
        texts: what it learns from; equal ones count once, a tenth of them is held out to validate on.
        distillation: how it learns.
        seed: of what is held out.
        progress: told while the teacher reads.

    Raises:
        ModelError: fewer than four different texts have a word, or the sizes differ.
    """

    def __init__(
        self,
        teacher: LanguageModel,
        start: LanguageModel,
        texts: Sequence[str],
        distillation: Distillation | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> None:
        if teacher.dimension != start.dimension:
            raise ModelError(
                f"expected a student with vectors of {teacher.dimension} numbers, as its teacher's, found "
                f"{start.dimension}; start from the teacher's own layers"
            )
        known = [text for text in distinct_texts([normalise(text) for text in texts])[0] if text]
        if len(known) < 4:
            raise ModelError(
                f"expected at least 4 different texts to learn from, found {len(known)}; give it texts of "
                "the catalogue"
            )
        self.model, self._autocast = replace(copied(start, "student"), autocast=None), start.autocast
        self.settings = distillation or Distillation()
        self._rows = tokenised(self.model, known)
        wanted = encode(teacher, known, progress=progress)  # (n, d)
        self._wanted = torch.from_numpy(wanted).to(start.device)
        learned = {name for name, _ in self.named_parameters()}
        for name, part in self.model.module.named_parameters():
            part.requires_grad_(name in learned)
        order = np.random.default_rng(seed).permutation(len(known))
        held = max(2, min(MAX_HELD_OUT, round(HELD_OUT * len(known))))
        self._held, self._learned = order[:held], order[held:]

    def named_parameters(self) -> Iterable[tuple[str, Parameter]]:
        """Return everything but the embeddings: those of words that no text holds must stay in place."""
        for name, part in self.model.module.named_parameters():
            if "embeddings" not in name and not name.startswith(("embed_tokens", "wte", "wpe", "pooler")):
                yield name, part

    def parameters(self) -> Iterable[Parameter]:
        """Return what may be changed."""
        return (part for _, part in self.named_parameters())

    def batches(self, generator: np.random.Generator) -> Iterator[LongArray]:
        """Yield one epoch of text numbers in a fresh order; a last text alone joins no batch."""
        order = generator.permutation(self._learned)
        for start in range(0, len(order), self.settings.batch_texts):
            batch = order[start : start + self.settings.batch_texts]
            if len(batch) > 1 or len(order) == 1:
                yield batch

    def loss(self, batch: LongArray) -> Tensor:
        """Return the loss of (b,) text numbers, in training mode."""
        self.model.module.train()
        return self._loss(batch)

    def validate(self) -> float:
        """Return the loss of the texts held out, in evaluation mode; smaller is better."""
        self.model.module.eval()
        with torch.inference_mode():
            parts = np.array_split(self._held, max(1, len(self._held) // self.settings.batch_texts))
            return float(np.average([float(self._loss(part)) for part in parts], weights=[*map(len, parts)]))

    def weights(self) -> Mapping[str, Tensor]:
        """Return a copy of what may be changed."""
        return {name: part.detach().clone() for name, part in self.named_parameters()}

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Put weights back."""
        with torch.no_grad():
            for name, part in self.named_parameters():
                part.copy_(weights[name])

    def candidate(self) -> Candidate:
        """Return the student as it stands, to be judged and saved as an ordinary folder.

        Products are computed in what its start was to compute them in; it learns in float32.
        """
        self.model.module.eval()
        digest = sha256()
        for _, part in self.named_parameters():
            digest.update(part.detach().cpu().numpy().tobytes())
        model = replace(copied(self.model, f"taught {digest.hexdigest()}"), autocast=self._autocast)
        return Candidate(
            model=model,
            way="distilled student",
            stored_mb=dense_mb(model.module),
            save=lambda folder: save_ordinary(model, folder),
        )

    def _loss(self, batch: LongArray) -> Tensor:
        ids, mask = padded([self._rows[row] for row in batch], int(self.model.tokenizer.pad_token_id))
        device = self.model.device
        vectors = self.model.embed(
            torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)
        )  # (b, d)
        return distillation_loss(
            vectors, self._wanted[torch.from_numpy(batch).to(device)], self.settings.similarity
        )


def distillation_loss(student: Tensor, teacher: Tensor, similarity: float) -> Tensor:
    """Return the scalar loss of (b, d) unit vectors against the teacher's; see the top of this file."""
    distance = 1.0 - (student * teacher).sum(1).mean()
    return distance + similarity * functional.mse_loss(student @ student.T, teacher @ teacher.T)
