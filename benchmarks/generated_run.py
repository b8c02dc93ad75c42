"""A run over a generated catalogue, as a service takes it; new items are read by the usual language model."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generated_ids import USERS_PER_ITEM

if TYPE_CHECKING:
    from polyscene.engine.updates import Intake
    from polyscene.runs.item_encoder import ItemEncoder


class GeneratedRun:
    """What a service needs of a run, over a generated system."""

    id = "generated"

    def __init__(self, items: int, seed: int) -> None:
        from generated import generated_system
        from polyscene.core.settings.scenarios import ScenarioSettings

        self.system = generated_system(items, USERS_PER_ITEM * items, seed)
        tables = {
            "items": {
                "path": "i",
                "id": "i",
                "text": ["title"],
                "categorical": ["topic"],
                "numeric": ["price"],
            },
            "events": {"path": "e", "user": "u", "item": "i"},
        }
        self.settings = {"generated": ScenarioSettings.model_validate(tables)}
        self.manifest: dict[str, Any] = {}
        self.index = None
        self.folder = Path("generated") / self.id  # nothing lies there

    @cached_property
    def intake(self) -> Intake:
        """Takes items into the system."""
        from polyscene.engine.updates import Intake

        return Intake(self.system, self.settings)

    @cached_property
    def encoder(self) -> ItemEncoder:
        """Reads new items with the usual language model, as it came."""
        from polyscene.core.settings.language import LanguageSettings
        from polyscene.core.settings.runtime import RuntimeSettings
        from polyscene.learning.backbone import Backbone
        from polyscene.learning.item_views import ViewRecipe
        from polyscene.runs.item_encoder import ItemEncoder, Views

        languages = {"generated": LanguageSettings()}
        views: Views = {"tuned": ViewRecipe(), "prior": ViewRecipe()}
        fingerprints = {name: Backbone(one, self.folder).fingerprint for name, one in languages.items()}
        return ItemEncoder(
            {"generated": views},
            self.folder,
            self.folder,
            languages,
            RuntimeSettings(cache=None),
            fingerprints,
        )
