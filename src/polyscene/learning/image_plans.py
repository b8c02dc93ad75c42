"""What training will read of image files, and what keeps it from that. Free of torch; no file is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from polyscene.core.errors import MissingExtraError, ModelError, Problem
from polyscene.core.settings.project import Settings
from polyscene.core.settings.tables import ImagesSettings
from polyscene.core.text import shown
from polyscene.data.reading.image_files import KEY
from polyscene.data.schema import Catalogue
from polyscene.representation.media.encoder_folder import encoder_folder
from polyscene.representation.media.pictures import demand_pillow


def image_plans(catalogues: Mapping[str, Catalogue], settings: Settings) -> Iterator[str]:
    """Yield what training will read of each scenario's image files, a sentence each."""
    for name, catalogue in catalogues.items():
        for medium, files in catalogue.images.items():
            named = [file for file in files.names if file]
            yield (
                f"{name}: {medium}: {len(named):,} of {len(catalogue):,} items have an image file, "
                f"{len(set(named)):,} different ones; training reads them with the encoder "
                f"{shown(image_source(settings, name, medium).encoder)}"
            )


def image_faults(catalogues: Mapping[str, Catalogue], settings: Settings, base: Path) -> Iterator[Problem]:
    """Yield what keeps image files from being read; encoders' files are looked for, and not opened."""
    for name, catalogue in catalogues.items():
        for medium in catalogue.images:
            try:
                demand_pillow()
                encoder_folder(image_source(settings, name, medium).encoder, base)
            except (MissingExtraError, ModelError) as error:
                yield Problem(
                    "image files cannot be read",
                    "what opens them, and an image encoder",
                    str(error),
                    "see 'Image files' in docs/data.md",
                    scenario=name,
                    key=f"{KEY}.{medium}",
                )


def image_source(settings: Settings, scenario: str, medium: str) -> ImagesSettings:
    """Return what the settings say of a medium that is made of image files."""
    source = settings.scenarios[scenario].items.vectors[medium]
    assert isinstance(source, ImagesSettings)
    return source
