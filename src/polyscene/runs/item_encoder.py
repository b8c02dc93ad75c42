"""Gives an item that a run has never seen the vectors that training would have given it.

Free of torch until the first text is encoded, and with the light language model also then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from polyscene.core.errors import RunError, UnknownIdError
from polyscene.core.settings.language import LIGHT, LanguageSettings
from polyscene.core.settings.runtime import RuntimeSettings
from polyscene.core.text import shown
from polyscene.core.types import FloatArray
from polyscene.learning.item_views import ViewRecipe
from polyscene.learning.light_reader import LightReader
from polyscene.representation.item_space import ViewName
from polyscene.runs.folder import way_to

KEY = "item_encoders"
"""Of the manifest: by scenario the `fingerprints` of the language models, `base` and, by scenario and view,
the recipes. Earlier runs have one `fingerprint` for all scenarios."""

Views = Mapping[ViewName, ViewRecipe]
_SCENARIOS: TypeAdapter[dict[str, dict[ViewName, ViewRecipe]]] = TypeAdapter(
    dict[str, dict[ViewName, ViewRecipe]]
)


def encoder_facts(
    fingerprints: Mapping[str, str], scenarios: Mapping[str, Views], folder: Path, base: Path
) -> dict[str, Any]:
    """Return what a run's manifest says under `KEY`.

    Args:
        fingerprints: of every scenario's language model as it came.
        scenarios: the recipes of every scenario's views.
        folder: the run's.
        base: where relative paths of the settings start.
    """
    return {
        "fingerprints": dict(fingerprints),
        "base": way_to(folder, base),
        "scenarios": {
            name: {view: recipe.model_dump(mode="json") for view, recipe in views.items()}
            for name, views in scenarios.items()
        },
    }


class Reader(Protocol):
    """Reads texts that no training has seen as training would have read them."""

    def read(self, texts: Sequence[str], recipe: ViewRecipe) -> FloatArray:
        """Return (n, d) float32 unit vectors of n texts; 0 where nothing is said."""
        ...


class ItemEncoder:
    """The texts of any item to its vectors, view by view.

    Any number of threads may encode at once; they wait for one another only while a model is loaded.

    Args:
        scenarios: the recipes of every scenario's views.
        folder: the run's.
        base: where relative paths of the settings start.
        languages: which language model, by scenario.
        runtime: where encoded texts are kept.
        fingerprints: of the language models that the run was trained with, by scenario.
    """

    def __init__(
        self,
        scenarios: Mapping[str, Views],
        folder: Path,
        base: Path,
        languages: Mapping[str, LanguageSettings],
        runtime: RuntimeSettings,
        fingerprints: Mapping[str, str],
    ) -> None:
        self.scenarios, self.folder, self.base = scenarios, folder, base
        self.languages, self.runtime, self.fingerprints = languages, runtime, fingerprints
        self._readers: dict[str, Reader] = {}
        self._loading = Lock()

    @classmethod
    def of_run(cls, folder: Path, manifest: Mapping[str, Any]) -> ItemEncoder:
        """Return the encoder of a run; nothing is loaded yet.

        Raises:
            RunError: the run is damaged, or of a version that kept no encoder.
        """
        facts = manifest.get(KEY)
        if facts is None:
            raise RunError(
                f"expected a run in {shown(str(folder), 200)} that can encode new items, found one of an "
                "earlier version; train again"
            )
        try:
            settings = manifest["settings"]
            scenarios = _SCENARIOS.validate_python(facts["scenarios"])
            language = LanguageSettings(**settings["language"])
            own = {name: settings.get("scenarios", {}).get(name, {}).get("model") for name in scenarios}
            return cls(
                scenarios,
                folder,
                (folder / facts["base"]).resolve(),
                {name: language.of_model(model) for name, model in own.items()},
                RuntimeSettings(**settings["runtime"]),
                facts.get("fingerprints") or dict.fromkeys(scenarios, str(facts["fingerprint"])),
            )
        except (KeyError, TypeError, ValidationError) as error:
            raise RunError(
                f"expected a whole run in {shown(str(folder), 200)}, found {error!r}; train again"
            ) from error

    def views(self, scenario: str) -> Views:
        """Return the recipes of a scenario's views; views with equal recipes have equal vectors.

        Raises:
            UnknownIdError: there is no such scenario.
        """
        views = self.scenarios.get(scenario)
        if views is None:
            known = ", ".join(self.scenarios)
            raise UnknownIdError(f"expected one of the scenarios {known}, found {shown(scenario)}")
        return views

    def encode(self, scenario: str, texts: Sequence[str]) -> dict[ViewName, FloatArray]:
        """Return the vectors of n texts in every view of a scenario.

        Args:
            scenario: whose tuning and bounds count.
            texts: as a catalogue holds them, see `data.reading.item_rows`.

        Returns:
            By view (n, d) float32 unit vectors, zero rows where a text says nothing; nothing is centred.
            Views with the same recipe are the same array.

        Raises:
            UnknownIdError: there is no such scenario.
            ModelError: the language model is not there or is another one, or its tuned weights are damaged.
            MissingExtraError: it is an exported graph, and what runs it is not installed.
        """
        views = self.views(scenario)
        reader = self._ready(scenario)
        vectors = {recipe: reader.read(texts, recipe) for recipe in dict.fromkeys(views.values())}
        return {view: vectors[recipe] for view, recipe in views.items()}

    def _ready(self, scenario: str) -> Reader:
        with self._loading:
            fingerprint = self.fingerprints[scenario]
            if fingerprint not in self._readers:
                self._readers[fingerprint] = self._load(self.languages[scenario], fingerprint)
            return self._readers[fingerprint]

    def _load(self, language: LanguageSettings, fingerprint: str) -> Reader:
        """Load a language model; torch and transformers with it, but for the light one."""
        if language.model == LIGHT:
            return LightReader(language, fingerprint)
        from polyscene.language.text.cache import EncodingCache
        from polyscene.learning.backbone import Backbone
        from polyscene.learning.item_reader import ItemReader

        backbone = Backbone(language, self.base, expected=fingerprint, reader="this run")
        cache = None if self.runtime.cache is None else self.base / self.runtime.cache
        return ItemReader(backbone.plain, self.folder, EncodingCache(cache), language.batch_tokens)
