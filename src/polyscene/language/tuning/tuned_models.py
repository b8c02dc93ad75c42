"""The tuned models of several scenarios over one backbone: put up, taken down and used while others read.

A model that was handed out stays whole for as long as somebody holds it; taking it off the shelf only means
that nobody else gets it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Lock

from polyscene.core.errors import UnknownIdError
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.tuning.files import load_tuned


class TunedModels:
    """Tuned models by name.

    Args:
        backbone: what they all share; its weights are in memory once.
    """

    def __init__(self, backbone: LanguageModel) -> None:
        self.backbone = backbone
        self._models: dict[str, LanguageModel] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._models)

    def __iter__(self) -> Iterator[str]:
        """Yield the names, in order."""
        return iter(sorted(self._models))

    def put(self, name: str, model: LanguageModel | Path) -> LanguageModel:
        """Put a tuned model up, or the folder that `save_tuned` wrote; one of the same name is replaced.

        Raises:
            ModelError: the folder is damaged, or was made for another backbone.
        """
        tuned = load_tuned(self.backbone, model) if isinstance(model, Path) else model
        with self._lock:
            self._models = self._models | {name: tuned}
        return tuned

    def get(self, name: str) -> LanguageModel:
        """Return the tuned model of that name.

        Raises:
            UnknownIdError: there is none.
        """
        model = self._models.get(name)
        if model is None:
            known = ", ".join(self) or "none"
            raise UnknownIdError(f"expected a tuned model called '{name}', found {known}; put it up first")
        return model

    def remove(self, name: str) -> None:
        """Take a model down.

        Raises:
            UnknownIdError: there is none of that name.
        """
        self.get(name)
        with self._lock:
            self._models = {other: model for other, model in self._models.items() if other != name}
