"""Looks for better settings of `[tuning]` within a budget of minutes.

Each trial learns from the past alone and is judged by the content signal's NDCG@10 on the choices that came
after it, mean over the scenarios; the test part is never looked at. The best of many is flattered by the
choices that picked it: what it is worth, only an evaluation says. Every finished trial is kept in a file
beside the runs, and a second search over the same tables goes on where the first one ended. It changes no
configuration.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np

from polyscene.core.errors import ConfigError, ModelError, Problem, RunError
from polyscene.core.files import write_text
from polyscene.core.progress import Advance, Progress
from polyscene.core.settings.project import Settings
from polyscene.core.text import shown
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.loading import load_models
from polyscene.language.text.cache import EncodingCache
from polyscene.language.tuning.cached_encoder import CachedEncoder
from polyscene.language.tuning.method import method_of
from polyscene.learning.language import try_tuning
from polyscene.learning.open_project import OpenProject, unfinished_folder
from polyscene.learning.search_space import Chosen, Space, Trial, applied, required
from polyscene.learning.training_data import TrainingData

Clock = Callable[[], float]
Ending = Literal["time", "trials", "interruption"]

FORMAT = 1


@dataclass(frozen=True)
class SearchResult:
    """What a search came to.

    Attributes:
        trials: all that are known, in their order; those of earlier searches first.
        fresh: how many of them this search made.
        present: the searched settings as the configuration has them.
        ended: by what.
        file: where the trials are kept.
    """

    trials: tuple[Trial, ...]
    fresh: int
    present: Chosen
    ended: Ending
    file: Path

    @property
    def best(self) -> Trial:
        """The best trial; of equals the first."""
        return max(self.trials, key=lambda trial: trial.worth)

    @property
    def unchanged(self) -> Trial | None:
        """The trial of the present settings; None where the time did not suffice for it."""
        return next((trial for trial in self.trials if trial.settings == self.present), None)


def searchable(settings: Settings, weights: bool = False) -> Space:
    """Return what a search may try.

    Args:
        settings: to start from.
        weights: also how the language model's own weights learn, even where the file says `steps = 0`.

    Raises:
        MissingExtraError: Optuna is not installed.
        ConfigError: nothing learns.
    """
    required()
    return Space.of(settings, weights)


def search_project(
    project: OpenProject, minutes: float, trials: int | None, weights: bool, clock: Clock
) -> SearchResult:
    """Search over a project's tables, which must be usable as its model must; see `search`, `searchable`."""
    settings = project.settings
    space, data = searchable(settings, weights), project.ground()
    models = load_models(settings.languages, project.base, project.progress)
    folder = unfinished_folder(project)
    return search(space, data, models, settings, folder, project.progress, minutes, trials, clock)


def search(
    space: Space,
    data: TrainingData,
    models: Mapping[str, LanguageModel],
    settings: Settings,
    folder: Path,
    progress: Progress,
    minutes: float = 30.0,
    trials: int | None = None,
    clock: Clock = time.monotonic,
) -> SearchResult:
    """Try settings until the time is up, the present ones first, and return all that is known by then.

    A trial that the end of the time or an interruption cuts off does not count: the next search makes it
    again. One whose training fails counts as the worst there is.

    Args:
        space: what may be tried, from `searchable`.
        data: what trials learn from and are judged on.
        models: of every scenario, as they were loaded; they are not changed.
        settings: to start from.
        folder: where trials are kept, and checkpoints while one goes on.
        progress: told of every trial.
        minutes: for the trials.
        trials: at most so many in this search.
        clock: seconds, never going back.

    Raises:
        ConfigError: nothing is held out, or not one trial fits into the time.
        ModelError: the language model cannot be used, or fails with the present settings.
        RunError: the file of earlier trials is damaged.
        KeyboardInterrupt: interrupted before anything was known.
    """
    file = folder / f"search-{_fingerprint(models, data, settings, space)}.json"
    known, present = read_trials(file), space.present(settings.tuning)
    before = len(known)
    ended: Ending = "trials"
    extent = math.ceil(60 * minutes)
    with progress.track("search", extent, "seconds") as advance:
        timer = Timer(60 * minutes, clock, advance)
        runner = _Trials(models, data, settings, folder, timer)
        try:
            while trials is None or len(known) - before < trials:
                timer.tick()
                untried = all(trial.settings != present for trial in known)
                chosen = present if untried else space.proposed(known, settings.seed)
                known.append(runner.judged(chosen, must_work=untried))
                write_trials(file, known)
                progress.say(_sentence(known))
        except TimeUp:
            ended = "time"
        except KeyboardInterrupt:
            ended = "interruption"
    if not known and ended == "interruption":
        raise KeyboardInterrupt
    if not known:
        raise ConfigError(_too_short(minutes))
    return SearchResult(tuple(known), len(known) - before, present, ended, file)


class TimeUp(Exception):  # noqa: N818 - an end, not an error
    """The budget is spent in the middle of a trial."""


class Timer:
    """Listens to a trial: moves the search's own bar on, and ends the trial when the time is up.

    Args:
        seconds: of the whole search, from now on.
        clock: seconds, never going back.
        advance: of the search's bar.
    """

    def __init__(self, seconds: float, clock: Clock, advance: Advance) -> None:
        self.seconds, self._clock, self._advance = seconds, clock, advance
        self._began, self._reported = clock(), 0

    @property
    def spent(self) -> float:
        """Seconds since the search began."""
        return self._clock() - self._began

    def tick(self) -> None:
        """Look at the clock.

        Raises:
            TimeUp: nothing is left.
        """
        spent = min(self.spent, self.seconds)
        self._advance(int(spent) - self._reported)
        self._reported = int(spent)
        if spent >= self.seconds:
            raise TimeUp

    @contextmanager
    def track(self, label: str, total: int, unit: str = "") -> Iterator[Advance]:
        """Look at the clock whenever the work moves on."""
        yield lambda steps: self.tick()

    def say(self, text: str) -> None:
        """Pass over what a single training tells."""


class SharedEncoders:
    """Makes the encoders of a search: a catalogue is read once by the untouched model, for all trials.

    It is read again only where another number of layers stays frozen, so that no more than one reading of
    each catalogue is kept. Not for prefixes, with which even an untrained model reads differently.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, ...], CachedEncoder] = {}  # by model and texts

    def __call__(
        self,
        model: LanguageModel,
        texts: Sequence[str],
        frozen: int,
        batch_tokens: int,
        progress: Progress,
        cache: EncodingCache | None = None,
    ) -> CachedEncoder:
        """Return an encoder of the texts for a freshly dressed model; see `CachedEncoder`."""
        catalogue = (model.fingerprint, *texts)
        kept = self._kept.get(catalogue)
        if kept is None or kept.frozen != frozen:
            self._kept.pop(catalogue, None)  # the old one goes before the new one comes
            kept = self._kept[catalogue] = CachedEncoder(model, texts, frozen, batch_tokens, progress, cache)
        twin = copy.copy(kept)
        twin.model = model
        return twin


class _Trials:
    """Makes the trials of one search."""

    def __init__(
        self,
        models: Mapping[str, LanguageModel],
        data: TrainingData,
        settings: Settings,
        folder: Path,
        timer: Timer,
    ) -> None:
        self.models, self.data, self.settings, self.folder, self.timer = (
            models,
            data,
            settings,
            folder,
            timer,
        )
        shared = method_of(settings.language.tuning).starts_untuned
        self.make_encoder = SharedEncoders() if shared else CachedEncoder

    def judged(self, chosen: Chosen, must_work: bool) -> Trial:
        """Learn with these settings and judge; a training that fails is a trial too, unless it must work.

        Raises:
            ConfigError: no scenario has held-out choices to judge on.
        """
        began = self.timer.spent
        plain = {"checkpoint_steps": None, "recorder": "none"}
        details = applied(self.settings.tuning, chosen).model_copy(update=plain)
        settings = self.settings.model_copy(update={"tuning": details})
        try:
            outcomes = try_tuning(
                self.models, self.data, settings, self.folder, self.timer, self.make_encoder
            )
        except ModelError as error:
            if must_work:
                raise
            return Trial(chosen, {}, self.timer.spent - began, str(error))
        judged = {name: outcome.after for name, outcome in outcomes.items() if not math.isnan(outcome.after)}
        if not judged:
            raise ConfigError(_nothing_held_out())
        return Trial(chosen, judged, self.timer.spent - began)


def read_trials(file: Path) -> list[Trial]:
    """Return the trials of a file, none where it is not there.

    Raises:
        RunError: it is damaged or of another version.
    """
    if not file.is_file():
        return []
    try:
        saved = json.loads(file.read_text(encoding="utf-8"))
        if saved["format"] != FORMAT:
            raise ValueError(f"format {saved['format']}")
        return [Trial(**trial) for trial in saved["trials"]]
    except (ValueError, TypeError, KeyError) as error:
        raise RunError(
            f"expected the trials of an earlier search in {file}, found {shown(str(error), 120)}; "
            "delete the file to search from the start"
        ) from error


def write_trials(file: Path, trials: Sequence[Trial]) -> None:
    """Keep the trials: the file is the old one or the new one, never half of either."""
    content = {"format": FORMAT, "trials": [asdict(trial) for trial in trials]}
    write_text(file, json.dumps(content, indent=1, allow_nan=False) + "\n")


def _fingerprint(
    models: Mapping[str, LanguageModel], data: TrainingData, settings: Settings, space: Space
) -> str:
    """Return what must be the same for trials to be comparable: model, tables, parts, all other settings."""
    others = settings.model_dump(mode="json", include={"seed", "language", "scenarios", "evaluation"})
    tuning = settings.tuning.model_dump(mode="json", exclude={"checkpoint_steps", "recorder"})
    for name in space.names:
        *path, last = name.split(".")
        block = tuning
        for part in path:
            block = block[part]
        del block[last]
    read = "+".join(sorted({model.fingerprint for model in models.values()}))
    digest = sha256(json.dumps([FORMAT, read, others, tuning], sort_keys=True).encode())
    for name, scenario in data.dataset.scenarios.items():
        digest.update(json.dumps([name, list(scenario.catalogue.text)]).encode())
        log = scenario.events
        for column in (log.user, log.item, log.time, log.weight, log.value, data.parts[name]):
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()[:16]


def _sentence(trials: Sequence[Trial]) -> str:
    last, best = trials[-1], max(trial.worth for trial in trials)
    result = "failed" if last.failure else f"NDCG@10 {last.worth:.4f}"
    return f"trial {len(trials)}: {result} in {last.seconds:.0f} s; the best has {best:.4f}"


def _too_short(minutes: float) -> Problem:
    return Problem(
        "the time is too short",
        "at least one trial, with the present settings, within it",
        f"none finished in {minutes:g} minutes",
        "give more --minutes, or lower projection_steps and steps in [tuning]",
    )


def _nothing_held_out() -> Problem:
    return Problem(
        "settings cannot be judged",
        "choices in the validation part of at least one scenario",
        "none",
        "raise [evaluation] valid_share, or bring more events",
    )
