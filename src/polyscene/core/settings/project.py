"""Settings: `polyscene.toml`, then the environment. What each block may say is in the files beside this one.

Unknown keys are refused with the nearest right one. `POLYSCENE_LANGUAGE__MODEL=…` overrides
`[language] model`. Nothing here touches a table; `polyscene.data` reads those.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, PrivateAttr, ValidationError

from polyscene.core.errors import ConfigError, Problem
from polyscene.core.settings.block import Strict
from polyscene.core.settings.cycle import CycleSettings
from polyscene.core.settings.drift import DriftSettings
from polyscene.core.settings.environment import variable, with_environment
from polyscene.core.settings.evaluation import EvaluationSettings
from polyscene.core.settings.fusion import FusionSettings
from polyscene.core.settings.index import IndexSettings
from polyscene.core.settings.keys import keys_at
from polyscene.core.settings.language import LanguageSettings
from polyscene.core.settings.multitask import MultitaskSettings
from polyscene.core.settings.renaming import renames_noted
from polyscene.core.settings.runtime import RuntimeSettings
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.settings.service import ServiceSettings
from polyscene.core.settings.signals import SignalName, settings_class
from polyscene.core.settings.text_ranker import TextRankerSettings
from polyscene.core.settings.tuning import TuningDetails
from polyscene.core.text import shown, shown_name
from polyscene.core.validation import expected_of, found_of, place_of, refused_value

NUMBERS = {"int": "a whole number", "float": "a number", "bool": "true or false"}
"""What kinds of value are called."""


class Settings(Strict):
    """A whole project: `polyscene.toml` as it was meant."""

    name: str = "polyscene"
    seed: int = Field(7, ge=0)
    sequence_clock: Literal["local", "shared"] = "local"
    language: LanguageSettings = Field(default_factory=LanguageSettings)
    scenarios: dict[str, ScenarioSettings] = Field(min_length=1)
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings)
    tuning: TuningDetails = Field(default_factory=TuningDetails)
    text_ranker: TextRankerSettings = Field(default_factory=TextRankerSettings)
    signals: dict[SignalName, dict[str, Any]] = Field(default_factory=dict)
    multitask: MultitaskSettings = Field(default_factory=MultitaskSettings)
    fusion: FusionSettings = Field(default_factory=FusionSettings)
    runtime: RuntimeSettings = Field(default_factory=RuntimeSettings)
    index: IndexSettings = Field(default_factory=IndexSettings)
    service: ServiceSettings = Field(default_factory=ServiceSettings)
    drift: DriftSettings = Field(default_factory=DriftSettings)
    cycle: CycleSettings = Field(default_factory=CycleSettings)

    _notes: tuple[str, ...] = PrivateAttr(())

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should write otherwise, each a sentence: names that have changed."""
        return self._notes

    def language_of(self, scenario: str) -> LanguageSettings:
        """Return how a scenario's texts are read: as `[language]` says, by its own model if any."""
        return self.language.of_model(self.scenarios[scenario].model)

    @property
    def languages(self) -> dict[str, LanguageSettings]:
        """How each scenario's texts are read, by scenario."""
        return {name: self.language_of(name) for name in self.scenarios}

    def signal(self, name: str) -> BaseModel:
        """Return what `[signals.NAME]` says of a signal, in the class that the signal declares.

        Raises:
            UnknownIdError: there is no such signal.
            ConfigError: the block cannot be used.
        """
        values = self.signals.get(name, {})
        try:
            return settings_class(name)(**values)
        except ValidationError as error:
            raise ConfigError(_signal_problems(name, values, error, "settings")) from None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read `path`, apply the environment and validate.

        Raises:
            ConfigError: the file is missing, is not TOML, or holds what cannot be used; every problem is
                listed, unknown keys with the nearest right one.
        """
        return cls.parse(_toml(path), file=str(path))

    @classmethod
    def parse(cls, values: dict[str, Any], file: str = "settings") -> Self:
        """Apply the environment to settings that are already in memory, and validate.

        `file` names them in errors.

        Raises:
            ConfigError: something cannot be used; every problem is listed.
        """
        document = with_environment(cls, values)
        try:
            with renames_noted() as notes:
                settings = cls.model_validate(document)
        except ValidationError as error:
            raise ConfigError([_problem(line, document, file) for line in error.errors()]) from None
        settings._notes = tuple(notes)
        _check_signals(settings, file)
        return settings


def _toml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError(
            Problem(
                "the configuration is not there",
                "a TOML file that describes the project",
                "a folder" if path.is_dir() else "nothing at this path",
                "name it with --config, or let `polyscene init FOLDER` write one from your tables",
                file=str(path),
            )
        )
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        found, remedy = f"byte {error.start} is not UTF-8", "save the file as UTF-8"
    except tomllib.TOMLDecodeError as error:
        found, remedy = str(error), "mend the line named above; strings need quotes, tables need [brackets]"
    except RecursionError:
        found, remedy = "brackets nested too deeply", "write nested values as [tables]"
    raise ConfigError(Problem("the configuration is not TOML", "TOML 1.0", found, remedy, file=str(path)))


def _check_signals(settings: Settings, file: str) -> None:
    problems: list[Problem] = []
    for name, values in settings.signals.items():
        try:
            settings_class(name)(**values)
        except ValidationError as error:
            problems += _signal_problems(name, values, error, file)
    if problems:
        raise ConfigError(problems)


def _signal_problems(name: str, values: object, error: ValidationError, file: str) -> list[Problem]:
    document = {"signals": {name: values}}
    lines = ({**line, "loc": ("signals", name, *line["loc"])} for line in error.errors())
    return [_problem(line, document, file) for line in lines]


def _problem(line: Any, document: object, file: str) -> Problem:  # noqa: ANN401 - pydantic's own loose record
    where = place_of(line, document)
    file = variable(where) or file
    if line["type"] == "extra_forbidden":
        return _unknown(where, _keys_at([str(part) for part in line["loc"][:-1]]), line.get("input"), file)
    missing = line["type"] == "missing"
    expected = f"the key '{_key(where[-1:])}'" if missing else expected_of(line)
    return Problem(
        "this setting cannot be used",
        expected,
        "no such key" if missing else found_of(line),
        _remedy(line, where, expected),
        file,
        key=_key(where),
    )


def _remedy(line: Any, where: list[str], expected: str) -> str:  # noqa: ANN401 - pydantic's own loose record
    """Return what to write instead."""
    kind, value, name = str(line["type"]), refused_value(line), _key(where[-1:])
    if kind == "missing":
        return f"add {name} = … under [{_key(where[:-1])}]" if where[:-1] else f"add {name} = … at the top"
    if kind == "list_type":
        return f"write it as a list: {name} = [{json.dumps(value, ensure_ascii=False, default=str)[:60]}]"
    choices = re.findall(r"'([^']+)'", expected) or [
        part.strip() for part in expected.removeprefix("one of ").split(",") if expected.startswith("one of ")
    ]
    if isinstance(value, str) and choices:
        near = difflib.get_close_matches(value, choices, n=1, cutoff=0.5)
        return f"did you mean '{near[0]}'?" if near else f"write one of {', '.join(choices)}"
    if kind.startswith(("int_", "float_", "bool_")):
        return f"write {NUMBERS[kind.split('_')[0]]} without quotes"
    if kind == "too_short":
        return f"add at least one; `polyscene init FOLDER` drafts {name} from your tables"
    if kind.startswith(("less_than", "greater_than")):
        return f"write {expected}"
    return "change the value as said under 'expected'"


def _unknown(where: list[str], allowed: list[str], value: object, file: str) -> Problem:
    near = difflib.get_close_matches(where[-1], allowed, n=1, cutoff=0.5)
    return Problem(
        f"unknown key '{_key(where[-1:])}'",
        "one of " + ", ".join(allowed),
        shown(value),
        f"did you mean '{near[0]}'?" if near else "remove it",
        file=file,
        key=_key(where),
    )


def _key(where: list[str]) -> str:
    """Return a dotted key fit to be shown: keys may be quoted in TOML, so they can hold anything."""
    return ".".join(shown_name(part) for part in where)


def _keys_at(where: list[str]) -> list[str]:
    if where[:1] == ["signals"] and len(where) > 1:
        return keys_at(settings_class(where[1]), where[2:])
    return keys_at(Settings, where)
