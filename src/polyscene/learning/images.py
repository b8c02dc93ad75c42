"""Image files of catalogues as vectors of media, which enter where vectors that are brought do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from polyscene.core.errors import DataError, Problem
from polyscene.core.progress import Progress
from polyscene.core.settings.project import Settings
from polyscene.core.types import FloatArray
from polyscene.data.reading.image_files import KEY, listed_names
from polyscene.data.schema import Catalogue, Dataset, ImageFiles
from polyscene.language.text.cache import EncodingCache
from polyscene.learning.image_plans import image_source
from polyscene.representation.media.image_encoder import ImageEncoder, load_image_encoder
from polyscene.representation.media.image_vectors import ImageVectors, encode_files
from polyscene.representation.media.pictures import demand_pillow


@dataclass(frozen=True)
class SeenImages:
    """A data set whose image files were read.

    Attributes:
        dataset: with their vectors among the media of its catalogues.
        notes: how many files were read, and which could not be, each a sentence.
    """

    dataset: Dataset
    notes: tuple[str, ...] = ()


def with_images(
    dataset: Dataset, settings: Settings, base: Path, cache: EncodingCache, progress: Progress
) -> SeenImages:
    """Read the image files of every catalogue that names some; others are left as they are.

    Raises:
        MissingExtraError: there are some, and nothing is installed that opens them.
        ModelError: an encoder cannot be used.
        DataError: not one image of a scenario's medium can be used.
    """
    if not any(scenario.catalogue.images for scenario in dataset.scenarios.values()):
        return SeenImages(dataset)
    demand_pillow()
    reader = _Reader(settings, base, cache, progress)
    scenarios = {
        name: replace(scenario, catalogue=reader.seen(name, scenario.catalogue))
        for name, scenario in dataset.scenarios.items()
    }
    return SeenImages(replace(dataset, scenarios=scenarios), tuple(reader.notes))


@dataclass
class _Reader:
    """Reads catalogue after catalogue; an encoder that several name is loaded once."""

    settings: Settings
    base: Path
    cache: EncodingCache
    progress: Progress
    notes: list[str] = field(default_factory=list)
    encoders: dict[str, ImageEncoder] = field(default_factory=dict)

    def seen(self, name: str, catalogue: Catalogue) -> Catalogue:
        """Return a catalogue with the vectors of its images."""
        seen = {medium: self._vectors(name, medium, files) for medium, files in catalogue.images.items()}
        in_order = self.settings.scenarios[name].items.vectors
        media = {**catalogue.media, **seen}
        return replace(catalogue, media={medium: media[medium] for medium in in_order if medium in media})

    def _vectors(self, name: str, medium: str, files: ImageFiles) -> FloatArray:
        encoder = self._encoder(name, image_source(self.settings, name, medium).encoder)
        distinct = list(dict.fromkeys(file for file in files.names if file))
        encoded = encode_files(encoder, files.folder, distinct, self.cache, self.progress)
        self.notes.extend(_notes(f"{name}: {medium}", encoded, files))
        place = {file: row for row, file in enumerate(distinct)}
        vectors = np.zeros((len(files), encoder.dimension), np.float32)
        having = [row for row, file in enumerate(files.names) if file]
        vectors[having] = encoded.vectors[[place[files.names[row]] for row in having]]
        if not vectors.any():
            raise DataError(_nothing_seen(name, medium, encoded))
        return vectors

    def _encoder(self, scenario: str, name: str) -> ImageEncoder:
        if name not in self.encoders:
            language = self.settings.language_of(scenario)
            self.encoders[name] = load_image_encoder(name, self.base, language)
        return self.encoders[name]


def _notes(head: str, encoded: ImageVectors, files: ImageFiles) -> Iterator[str]:
    yield (
        f"{head}: {encoded.read:,} image files were read, {encoded.known:,} were known from before; "
        f"{_lacking(files, encoded):,} of {len(files):,} items lack the image"
    )
    for reason, names in encoded.failures.items():
        yield f"{head}: left out {len(names):,} {reason}: {listed_names(names)}"


def _lacking(files: ImageFiles, encoded: ImageVectors) -> int:
    without = {name for names in encoded.failures.values() for name in names}
    return sum(not name or name in without for name in files.names)


def _nothing_seen(name: str, medium: str, encoded: ImageVectors) -> Problem:
    return Problem(
        "no image could be read",
        "at least one image",
        _reasons(encoded.failures.items()) or "none that the encoder gives numbers for",
        "mend the files, or leave the medium out",
        scenario=name,
        key=f"{KEY}.{medium}",
    )


def _reasons(failures: Iterable[tuple[str, list[str]]]) -> str:
    return "; ".join(f"{len(names):,} {reason}: {listed_names(names)}" for reason, names in failures)
