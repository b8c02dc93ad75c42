"""What `doctor` looks at: facts about the machine, the parts and the model, each with what to do about it."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from polyscene.core import threads
from polyscene.core.errors import PolysceneError
from polyscene.core.settings.language import MULTILINGUAL, LanguageSettings

if TYPE_CHECKING:
    from polyscene.core.settings.project import Settings

SMALL_GIB = 4.0
OWN_WORK = frozenset({"dev", "docs", "test"})
"""Extras that nobody needs who only uses Polyscene."""
_EXTRA = re.compile(r"""extra\s*==\s*['"]([\w-]+)['"]""")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Fact:
    """One thing that was looked at.

    Attributes:
        name: what.
        found: what it is.
        ok: whether Polyscene can work with it.
        advice: what to do, or what would make it faster; empty where there is nothing.
    """

    name: str
    found: str
    ok: bool = True
    advice: str = ""


def facts(config: Path, wanted: bool) -> Iterator[Fact]:
    """Yield every fact; none that is missing hides another.

    Args:
        config: the configuration whose model and folders are looked at.
        wanted: whether the user named it; if not, its absence is no fault.
    """
    settings = None
    if config.exists() or wanted:
        fact, settings = _configuration(config)
        yield fact
    yield from _processor()
    yield _memory()
    yield _device()
    yield from _parts()
    yield from _extras()
    yield from _carried()
    yield from _models(config, settings)
    yield from _texts(config, settings)
    yield _cache(config, settings)
    yield _environment()


def _configuration(config: Path) -> tuple[Fact, Settings | None]:
    from polyscene.core.settings.project import Settings

    try:
        settings = Settings.load(config)
    except PolysceneError as error:
        return Fact(
            "configuration", str(error), False, "mend it; `polyscene check` then reads the tables"
        ), None
    return Fact("configuration", f"{config}: {', '.join(settings.scenarios)}"), settings


def _processor() -> Iterator[Fact]:
    from polyscene.evaluation.provenance import machine

    flags, cpus = threads.cpu_flags(), threads.available_cpus()
    yield Fact("processor", f"{machine()['processor']}, {cpus} usable")
    wide = "avx512f" if "avx512f" in flags else "avx2" if "avx2" in flags else "none known"
    fast = threads.has_fast_bfloat16()
    slow = "without bfloat16 in hardware texts are encoded in float32: slower, with the same results"
    yield Fact("vectors", f"{wide}, bfloat16 {'yes' if fast else 'no'}", advice="" if fast else slow)
    count = threads.set_threads()
    above = f"more threads than processors slow each other down: unset OMP_NUM_THREADS or set it to {cpus}"
    yield Fact("threads", str(count), advice=above if count > cpus else "")


def _memory() -> Fact:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return Fact("memory", "unknown")
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    little = "lower [runtime] blocks_mb and [language] batch_tokens if it runs out"
    return Fact("memory", f"{gib:.1f} GiB", advice=little if gib < SMALL_GIB else "")


def _device() -> Fact:
    if find_spec("torch") is None:
        return Fact("device", "torch is missing", False, "install Polyscene again: pip install polyscene")
    if sys.platform != "linux" or any(Path("/dev").glob("nvidia*")):  # torch is slow to load: only to ask it
        import torch

        if torch.cuda.is_available():
            return Fact("device", f"CUDA: {torch.cuda.get_device_name()}")
    return Fact(
        "device", "processor", advice="a CUDA device encodes texts faster; everything else stays here"
    )


def _parts() -> Iterator[Fact]:
    from polyscene.evaluation.provenance import versions

    yield Fact("python", sys.version.split()[0])
    for name, version in versions().items():
        yield Fact(name, version)


def _extras() -> Iterator[Fact]:
    """Say of every optional group of packages what is missing; nothing optional is a fault."""
    groups: dict[str, list[str]] = {}
    for line in metadata.requires("polyscene") or []:
        extra, name = _EXTRA.search(line), _NAME.match(line)
        if extra and name and name[0] != "polyscene":
            groups.setdefault(extra[1], []).append(name[0])
    for group, names in groups.items():
        missing = [part for part in names if not _installed(part)]
        found = f"missing: {', '.join(missing)}" if missing else "present"
        how = (
            f'only for work on Polyscene itself: pip install -e ".[{group}]"'
            if group in OWN_WORK
            else f'optional: pip install "polyscene[{group}]"'
        )
        advice = how if missing else ""
        yield Fact(f"extra {group}", found, advice=advice)


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _carried() -> Iterator[Fact]:
    """Say of the language models that packages of an extra carry which are there."""
    from polyscene.language.model.light import PACKAGE as LIGHT_PACKAGE
    from polyscene.language.model.multilingual import PACKAGE as MULTILINGUAL_PACKAGE

    for package in (MULTILINGUAL_PACKAGE, LIGHT_PACKAGE):
        name = f"model '{package.model}'"
        if package.installed:
            yield Fact(name, f"installed, from the package {package.name}")
        else:
            how = "for texts that are not English: pip install 'polyscene[languages]'"
            yield Fact(name, f"not installed: the package {package.name}", advice=how)


def _models(config: Path, settings: Settings | None) -> Iterator[Fact]:
    """Look at every language model that the project reads with, each once."""
    languages = list(settings.languages.values()) if settings else [LanguageSettings()]
    for language in {one.model: one for one in languages}.values():
        yield _model(config, language)


def _model(config: Path, language: LanguageSettings) -> Fact:
    from polyscene.language.model.inspection import inspected

    try:
        known = inspected(language)
        if known is not None:
            found = f"{known.name}: {known.kind}, {known.dimension} dimensions, {known.precision}"
            return Fact("language model", f"{found}, weights verified (sha256 {known.sha256[:12]}…)")
        from polyscene.language.model.loading import load_model  # torch and transformers
        from polyscene.language.tuning.methods import must_be_tunable

        model = load_model(language, config.resolve().parent)
        if language.tuning != "none":
            must_be_tunable(model, language.tuning)
    except PolysceneError as error:
        return Fact("language model", str(error), False, "see [language] in the configuration")
    found = f"{model.name}: {model.kind}, {model.dimension} dimensions, {model.precision} on {model.device}"
    return Fact("language model", found)


def _texts(config: Path, settings: Settings | None) -> Iterator[Fact]:
    """Say what the newest run found of texts that say nothing to its language models."""
    if settings is None:
        return
    from polyscene.runs.folder import MANIFEST, run_ids

    runs = config.resolve().parent / settings.runtime.runs
    for run_id in run_ids(runs)[-1:]:
        try:
            manifest = json.loads((runs / run_id / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError):  # who opens the run is told
            return
        for note in manifest.get("unread_texts", []):
            yield Fact("texts", f"run {run_id}: {note}", advice=f"for example: model = '{MULTILINGUAL}'")


def _cache(config: Path, settings: Settings | None) -> Fact:
    from polyscene.language.text.cache_folder import default_folder

    named = settings.runtime.cache if settings else None
    folder = default_folder() if named is None else config.resolve().parent / named
    if not folder.is_dir():
        return Fact("cache of encoded texts and images", f"{folder}, not made yet")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20
    usable = os.access(folder, os.W_OK)
    advice = "" if usable else "it cannot be written, so texts are encoded every time; set [runtime] cache"
    return Fact("cache of encoded texts and images", f"{folder}, {size:,.1f} MiB", advice=advice)


def _environment() -> Fact:
    from polyscene.core.settings.environment import environment_keys

    return Fact("environment", ", ".join(environment_keys()) or "no POLYSCENE_ variable is set")
