"""The text ranker: how likely a candidate is liked, from words alone, with few labels or none.

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
from polyscene.language.ranking.gp_posterior import Answers, GpPosterior, Queries
from polyscene.language.ranking.history_encoding import Encoder, FeatureScale, TextFeatures, read
from polyscene.language.ranking.kernel import Kernel, Seen

Values = NDArray[np.float64]

TRUST = (0.0, 0.25, 1.0)
"""How much texts may matter, as shares of the prior's variances; each is believed as far as it explains the
examples. The first, nothing, is the base rate."""
MOST_HISTORY = 50
BLOCK = 128
NOBODY = 0.5
FILES = ("text_ranker.json", "text_ranker.safetensors")


@dataclass(frozen=True)
class Judgement:
    """What a text ranker says of n prompts.

    Attributes:
        chance: (n,) probabilities in (0, 1) that the candidates are liked.
        base_rate: (n,) the same from a model that looks at no text: the person's habit to say yes.
        text: (n,) what the texts add, in log-odds; positive speaks for the candidate.
    """

    chance: Values
    base_rate: Values
    text: Values


class TextRanker:
    """Scores prompts by a Bayesian model over what their texts say.

    Args:
        encoder: texts to (n, d) unit vectors, e.g. `encoder_of(model)`.
        prior: what is believed before any label.
    """

    def __init__(self, encoder: Encoder, prior: Kernel | None = None) -> None:
        self.encoder = encoder
        self.prior = prior or Kernel()
        self.zero_shot()

    def zero_shot(self) -> Self:
        """Forget every example: what remains is the prior and each prompt's own history."""
        return self._learn(Answers.of([]), read([], self.encoder))

    def fit(self, examples: Sequence[Prompt]) -> Self:
        """Learn from k examples; a prompt without a label still teaches through its history.

        Histories that overlap are taken for one person's, so that no answer counts twice.
        """
        answers = Answers.of([_bounded(prompt) for prompt in examples])
        return self._learn(answers, read(answers.text, self.encoder))

    def score(self, prompts: Sequence[Prompt]) -> Values:
        """Return (n,) probabilities in (0, 1) that the candidates are liked."""
        return self.judge(prompts).chance

    def contribution(self, prompts: Sequence[Prompt]) -> Values:
        """Return (n,) what the texts add beyond the person's habit, in log-odds."""
        return self.judge(prompts).text

    def judge(self, prompts: Sequence[Prompt]) -> Judgement:
        """Return the probabilities, and what they consist of."""
        chance, base, text = np.zeros((3, len(prompts)))
        shares = self._weights()
        for rows, seen, questions in self._blocks([_bounded(prompt) for prompt in prompts]):
            told = [belief.predict(seen, questions) for belief in self.beliefs]
            chance[rows] = shares @ np.stack([found.chance for found in told])  # (trusts,) @ (trusts, B)
            text[rows] = shares @ np.stack([found.contribution for found in told])
            base[rows] = told[0].chance
        return Judgement(chance, base, text)

    @property
    def trust(self) -> Mapping[float, float]:
        """How probable each share of trust in texts is, after the examples."""
        return dict(zip(TRUST, self._weights().tolist(), strict=True))

    def _learn(self, answers: Answers, reading: TextFeatures) -> Self:
        self.answers, self.reading = answers, reading
        self.ground = FeatureScale.of(reading)
        self.met = answers.met()
        heard = self._seen(reading, own=1).take(reading.rows(answers.text))
        self.beliefs = [GpPosterior.after(self.prior.trusting(share), heard, answers) for share in TRUST]
        return self

    def _weights(self) -> Values:
        evidence = np.array([belief.evidence for belief in self.beliefs])
        likely = np.exp(evidence - evidence.max())
        return np.asarray(likely / likely.sum())

    def _blocks(self, prompts: Sequence[Prompt]) -> Iterator[tuple[slice, Seen, Queries]]:
        texts = [[*(text for text, _ in prompt.history), prompt.candidate] for prompt in prompts]
        whole = read((text for row in texts for text in row), self.encoder)
        for start in range(0, len(prompts), BLOCK):
            block = slice(start, start + BLOCK)
            part = whole.part(text for row in texts[block] for text in row)
            yield block, self._seen(part), Queries.of(prompts[block], part.place)

    def _seen(self, reading: TextFeatures, own: int = 0) -> Seen:
        """Return texts as the prior sees them; `own` is taken off the number of people who met each.

        An answer's text was met by the one who answered; of a new person nobody knows that, so it must not
        count while learning either.
        """
        met = np.array([self.met.get(text, own) for text in reading.place], np.float64) - own
        usual = np.mean(list(self.met.values())) if self.met else 0.0
        known = self.reading.place
        code = [known.get(text, len(known) + row) for row, text in enumerate(reading.place)]
        return Seen(
            self.ground.meanings(reading.vectors),
            self.ground.decades(reading.years),
            np.log((met + NOBODY) / (usual + NOBODY)),
            np.array(code, np.int64),
        )

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return what `restore` needs: plain values for JSON, and arrays.

        A text ranker is its prior and its examples; it holds their texts.
        """
        values = {"prior": dict(self.prior.to_json()), "texts": list(self.reading.place)}
        arrays = {
            "person": self.answers.person,
            "label": self.answers.label,
            "text": self.reading.rows(self.answers.text),
            "vectors": self.reading.vectors,
            "years": self.reading.years,
        }
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
            answers = Answers(arrays["person"], text, arrays["label"])
            reading = TextFeatures(
                {text: row for row, text in enumerate(texts)}, arrays["vectors"], arrays["years"]
            )
            return cls(encoder, Kernel(**values["prior"]))._learn(answers, reading)
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
    return replace(prompt, liked=prompt.liked[-MOST_HISTORY:], disliked=prompt.disliked[-MOST_HISTORY:])
