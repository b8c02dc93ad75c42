"""The text ranker: how likely a candidate is liked, from texts alone, with few labels or none.

Behind it stands one hierarchical Bayesian model (see `prior`): what all people think of texts, and each
person's habit and taste. The examples, histories included, teach the former; the history of the prompt that
is scored teaches the latter, and nothing else does: prompts that are scored never see each other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from polyscene.core.errors import ModelError
from polyscene.core.text import shown
from polyscene.language.ranking.examples import Prompt
from polyscene.language.ranking.gp_posterior import GpPosterior, Observations, PromptBatch
from polyscene.language.ranking.history_encoding import Encoder, FeatureScale, TextFeatures, read_texts
from polyscene.language.ranking.kernel import Kernel, KernelInputs
from polyscene.language.ranking.opinions import Opinions

Values = NDArray[np.float64]

TRUST_LEVELS = (0.0, 0.25, 1.0)
"""How much texts may matter, as shares of the prior's variances; each weighs as far as it explains the
examples. The first, nothing, is the base rate."""
MAX_HISTORY = 50
PROMPTS_PER_BLOCK = 128
POPULARITY_SMOOTHING = 0.5
OPINIONS = "opinions."
FILES = ("text_ranker.json", "text_ranker.safetensors")


@dataclass(frozen=True)
class ScoreParts:
    """The scores of n prompts and what they consist of.

    Attributes:
        probability: (n,) probabilities in (0, 1) that the candidates are liked.
        base_rate: (n,) the same from a model that looks at no text: the person's habit to say yes.
        text: (n,) what the texts add, in log-odds; positive where they raise it.
    """

    probability: Values
    base_rate: Values
    text: Values


class TextRanker:
    """Scores prompts by a Bayesian model over the features of their texts.

    Args:
        encoder: texts to (n, d) unit vectors, e.g. `encoder_of(model)`.
        prior: of log-odds, before any label.
        opinions: of the domain's people about its texts, from histories of others than are asked about.
    """

    def __init__(
        self, encoder: Encoder, prior: Kernel | None = None, opinions: Opinions | None = None
    ) -> None:
        self.encoder = encoder
        self.opinions = opinions or Opinions.none()
        self.prior = prior or Kernel()
        self.zero_shot()

    def zero_shot(self) -> Self:
        """Forget every example: what remains is the prior and each prompt's own history."""
        return self._learn(Observations.of([]), read_texts([], self.encoder))

    def fit(self, examples: Sequence[Prompt]) -> Self:
        """Learn from k examples; a prompt without a label still teaches through its history.

        Histories that overlap are taken for one person's, so that no answer counts twice.
        """
        observations = Observations.of([_bounded(prompt) for prompt in examples])
        return self._learn(observations, read_texts(observations.text, self.encoder))

    def score(self, prompts: Sequence[Prompt]) -> Values:
        """Return (n,) probabilities in (0, 1) that the candidates are liked."""
        return self.score_parts(prompts).probability

    def contribution(self, prompts: Sequence[Prompt]) -> Values:
        """Return (n,) what the texts add beyond the person's habit, in log-odds."""
        return self.score_parts(prompts).text

    def score_parts(self, prompts: Sequence[Prompt]) -> ScoreParts:
        """Return the probabilities, and what they consist of."""
        probability, base, text = np.zeros((3, len(prompts)))
        shares = self._weights()
        for rows, inputs, batch in self._blocks([_bounded(prompt) for prompt in prompts]):
            predictions = [posterior.predict(inputs, batch) for posterior in self.posteriors]
            # (levels,) @ (levels, B)
            probability[rows] = shares @ np.stack([each.probability for each in predictions])
            text[rows] = shares @ np.stack([each.contribution for each in predictions])
            base[rows] = predictions[0].probability
        return ScoreParts(probability, base, text)

    @property
    def trust(self) -> Mapping[float, float]:
        """How probable each share of trust in texts is, after the examples."""
        return dict(zip(TRUST_LEVELS, self._weights().tolist(), strict=True))

    def _learn(self, observations: Observations, features: TextFeatures) -> Self:
        self.observations, self.features = observations, features
        self.scale = FeatureScale.of(features)
        self.people_per_text = observations.people_per_text()
        inputs = self._kernel_inputs(features, own=1).take(features.rows(observations.text))
        self.posteriors = [
            GpPosterior.fit(self.prior.scaled(share), inputs, observations) for share in TRUST_LEVELS
        ]
        return self

    def _weights(self) -> Values:
        evidence = np.array([posterior.evidence for posterior in self.posteriors])
        likelihoods = np.exp(evidence - evidence.max())
        return np.asarray(likelihoods / likelihoods.sum())

    def _blocks(self, prompts: Sequence[Prompt]) -> Iterator[tuple[slice, KernelInputs, PromptBatch]]:
        texts = [[*(text for text, _ in prompt.history), prompt.candidate] for prompt in prompts]
        whole = read_texts((text for row in texts for text in row), self.encoder)
        for start in range(0, len(prompts), PROMPTS_PER_BLOCK):
            block = slice(start, start + PROMPTS_PER_BLOCK)
            part = whole.part(text for row in texts[block] for text in row)
            yield block, self._kernel_inputs(part), PromptBatch.of(prompts[block], part.place)

    def _kernel_inputs(self, features: TextFeatures, own: int = 0) -> KernelInputs:
        """Return texts as the kernel takes them; `own` is taken off the number of people who met each.

        An answer's text was met by the one who answered; of a new person nobody knows that, so it must not
        count while learning either.
        """
        people = np.array([self.people_per_text.get(text, own) for text in features.place], np.float64) - own
        usual = np.mean(list(self.people_per_text.values())) if self.people_per_text else 0.0
        known = self.features.place
        code = [known.get(text, len(known) + row) for row, text in enumerate(features.place)]
        return KernelInputs(
            self.scale.unit_vectors(features.vectors),
            self.scale.decades(features.years),
            np.log((people + POPULARITY_SMOOTHING) / (usual + POPULARITY_SMOOTHING)),
            np.array(code, np.int64),
            self.opinions.about(features),
        )

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return what `restore` needs: plain values for JSON, and arrays.

        A text ranker is its prior and its examples; it holds their texts.
        """
        opinions, opinion_arrays = self.opinions.state()
        values = {
            "prior": dict(self.prior.to_json()),
            "texts": list(self.features.place),
            "opinions": opinions,
        }
        arrays = {
            "person": self.observations.person,
            "label": self.observations.label,
            "text": self.features.rows(self.observations.text),
            "vectors": self.features.vectors,
            "years": self.features.years,
        } | {OPINIONS + name: array for name, array in opinion_arrays.items()}
        return values, arrays

    @classmethod
    def restore(cls, encoder: Encoder, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Build the ranker from its state.

        Raises:
            ModelError: the state is damaged.
        """
        try:
            texts = [str(text) for text in values["texts"]]
            text = tuple(texts[row] for row in arrays["text"].tolist())
            observations = Observations(arrays["person"], text, arrays["label"])
            features = TextFeatures(
                {text: row for row, text in enumerate(texts)}, arrays["vectors"], arrays["years"]
            )
            own = {name.removeprefix(OPINIONS): array for name, array in arrays.items()}
            known = values.get("opinions")  # earlier versions had none
            opinions = None if known is None else Opinions.restore(known, own)
            return cls(encoder, Kernel.from_json(values["prior"]), opinions)._learn(observations, features)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ModelError(
                f"expected the state of a text ranker, found {shown(str(error), 200)}; fit and save it again"
            ) from error

    def save(self, folder: Path) -> None:
        """Write the ranker to `text_ranker.json` and `text_ranker.safetensors`."""
        folder.mkdir(parents=True, exist_ok=True)
        values, arrays = self.state()
        (folder / FILES[0]).write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
        save_file({name: np.asarray(array, order="C") for name, array in arrays.items()}, folder / FILES[1])

    @classmethod
    def load(cls, folder: Path, encoder: Encoder) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelError: a file is missing or damaged.
        """
        try:
            values = json.loads((folder / FILES[0]).read_text(encoding="utf-8"))
            arrays = load_file(folder / FILES[1])
        except (OSError, ValueError, SafetensorError) as error:
            raise ModelError(
                f"expected a text ranker in {shown(str(folder), 200)}, found {shown(str(error), 200)}; "
                "fit and save it again"
            ) from error
        return cls.restore(encoder, values, arrays)


def _bounded(prompt: Prompt) -> Prompt:
    """Keep the latest 50 of each list."""
    return replace(prompt, liked=prompt.liked[-MAX_HISTORY:], disliked=prompt.disliked[-MAX_HISTORY:])
