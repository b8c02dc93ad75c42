"""Gives an item that a run has never seen the vectors that training would have given it.

Free of torch until the first text is encoded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from polyscene.core.errors import RunError, UnknownIdError
from polyscene.core.settings.language import LanguageSettings
from polyscene.core.settings.runtime import RuntimeSettings
from polyscene.core.text import shown
from polyscene.core.types import FloatArray
from polyscene.learning.item_views import ViewRecipe
from polyscene.representation.item_space import ViewName
from polyscene.runs.folder import way_to

if TYPE_CHECKING:
    from polyscene.learning.item_reader import ItemReader

KEY = "item_encoders"
"""Of the manifest: `fingerprint` of the language model, `base` and, by scenario and view, the recipes."""

Views = Mapping[ViewName, ViewRecipe]
_SCENARIOS: TypeAdapter[dict[str, dict[ViewName, ViewRecipe]]] = TypeAdapter(
    dict[str, dict[ViewName, ViewRecipe]]
)


def encoder_facts(
    fingerprint: str, scenarios: Mapping[str, Views], folder: Path, base: Path
) -> dict[str, Any]:
    """Return what a run's manifest says under `KEY`.

    Args:
        fingerprint: of the language model as it came.
        scenarios: the recipes of every scenario's views.
        folder: the run's.
        base: where relative paths of the settings start.
    """
    return {
        "fingerprint": fingerprint,
        "base": way_to(folder, base),
        "scenarios": {
            name: {view: recipe.model_dump(mode="json") for view, recipe in views.items()}
            for name, views in scenarios.items()
        },
    }


class ItemEncoder:
    """The texts of any item to its vectors, view by view.

    Any number of threads may encode at once; they wait for one another only while a model is loaded.

    Args:
        scenarios: the recipes of every scenario's views.
        folder: the run's.
        base: where relative paths of the settings start.
        language: which language model.
        runtime: where encoded texts are kept.
        fingerprint: of the language model that the run was trained with.
    """

    def __init__(
        self,
        scenarios: Mapping[str, Views],
        folder: Path,
        base: Path,
        language: LanguageSettings,
        runtime: RuntimeSettings,
        fingerprint: str,
    ) -> None:
        self.scenarios, self.folder, self.base = scenarios, folder, base
        self.language, self.runtime, self.fingerprint = language, runtime, fingerprint
        self._reader: ItemReader | None = None
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
            return cls(
                _SCENARIOS.validate_python(facts["scenarios"]),
                folder,
                (folder / facts["base"]).resolve(),
                LanguageSettings(**settings["language"]),
                RuntimeSettings(**settings["runtime"]),
                str(facts["fingerprint"]),
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
        reader = self._ready()
        vectors = {recipe: reader.read(texts, recipe) for recipe in dict.fromkeys(views.values())}
        return {view: vectors[recipe] for view, recipe in views.items()}

    def _ready(self) -> ItemReader:
        with self._loading:
            if self._reader is None:
                self._reader = self._load()
            return self._reader

    def _load(self) -> ItemReader:
        """Load the language model; torch and transformers with it."""
        from polyscene.language.text.cache import EncodingCache
        from polyscene.learning.backbone import Backbone
        from polyscene.learning.item_reader import ItemReader

        backbone = Backbone(self.language, self.base, expected=self.fingerprint, reader="this run")
        cache = None if self.runtime.cache is None else self.base / self.runtime.cache
        return ItemReader(backbone.plain, self.folder, EncodingCache(cache), self.language.batch_tokens)
