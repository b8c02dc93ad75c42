from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from polyscene.core.errors import ConfigError, Problem
from polyscene.core.settings.environment import environment_keys
from polyscene.core.settings.project import Settings
from polyscene.core.settings.signals import SIGNALS, USUAL_SIGNALS

LEAST: dict[str, Any] = {
    "scenarios": {
        "shop": {
            "items": {"path": "items.csv", "id": "sku"},
            "events": {"path": "events.csv", "user": "who", "item": "what"},
            "users": {"path": "users.csv", "id": "who"},
            "objectives": [{"action": "buy"}],
        }
    }
}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("POLYSCENE_"):
            monkeypatch.delenv(name)


def changed(*where: str | int, value: Any = 1) -> dict[str, Any]:
    """Return the least settings with one value put somewhere."""
    values = copy.deepcopy(LEAST)
    place: Any = values
    for key in where[:-1]:
        place = place[key] if isinstance(key, int) else place.setdefault(key, {})
    place[where[-1]] = value
    return values


def problems(values: dict[str, Any]) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        Settings.parse(values, file="polyscene.toml")
    return caught.value.problems


def problem(values: dict[str, Any]) -> Problem:
    errors = problems(values)
    assert len(errors) == 1, "\n".join(map(str, errors))
    return errors[0]


def test_the_least_settings_are_enough() -> None:
    settings = Settings.parse(LEAST)
    assert settings.seed == 7
    assert settings.language.model == "minilm"
    assert settings.evaluation.protocol == "temporal"
    assert settings.scenarios["shop"].signals == list(USUAL_SIGNALS)
    assert settings.scenarios["shop"].objectives[0].loss == "bce"


@pytest.mark.parametrize(
    ("where", "right"),
    [
        (("nmae",), "name"),
        (("sede",), "seed"),
        (("language", "modell"), "model"),
        (("evaluation", "protocoll"), "protocol"),
        (("fusion", "epoch"), "epochs"),
        (("runtime", "thread"), "threads"),
        (("scenarios", "shop", "wieght"), "weight"),
        (("scenarios", "shop", "items", "txt"), "text"),
        (("scenarios", "shop", "events", "splitt"), "split"),
        (("scenarios", "shop", "users", "numerical"), "numeric"),
        (("scenarios", "shop", "objectives", 0, "acton"), "action"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_right_one(
    where: tuple[str | int, ...], right: str
) -> None:
    error = problem(changed(*where))
    assert error.what == f"unknown key '{where[-1]}'"
    assert error.key == ".".join(map(str, where))
    assert error.remedy == f"did you mean '{right}'?"
    assert right in error.expected.removeprefix("one of ").split(", ")
    assert error.file == "polyscene.toml"


def test_a_key_near_to_nothing_is_to_be_removed() -> None:
    assert problem(changed("language", "zzzz")).remedy == "remove it"


def test_every_problem_is_listed_at_once() -> None:
    values = changed("language", "zzzz") | {"seed": -1}
    values["scenarios"]["shop"]["signals"] = ["popularty", "linear"]
    assert {error.key for error in problems(values)} == {
        "seed",
        "language.zzzz",
        "scenarios.shop.signals.0",
    }


@pytest.mark.parametrize(
    "key", ["_env_file", "_cli_parse_args", "_secrets_dir", "_case_sensitive", "__pydantic_self__"]
)
def test_a_file_cannot_steer_the_settings_library(key: str) -> None:
    assert problem(changed(key, value=True)).what == f"unknown key '{key}'"


def test_hostile_keys_are_escaped_and_bounded() -> None:
    text = str(problem(changed("scenarios", "shop", "items", "\x1b[31m\n" + "x" * 10_000)))
    assert "\x1b" not in text
    assert len(text.split("\n")) == 4
    assert len(text) < 800


@pytest.mark.parametrize(
    ("where", "value", "expected"),
    [
        (("seed",), "seven", "integer"),
        (("language", "tuning"), "some", "none, top"),
        (("evaluation", "test_share"), 1.0, "less than 1"),
        (("evaluation", "cutoffs"), [], "at least 1"),
        (("scenarios",), {}, "at least 1"),
        (("scenarios", "shop", "weight"), 0, "greater than 0"),
        (("scenarios", "shop", "events", "item"), None, "exactly one of 'item'"),
        (("scenarios", "shop", "events", "items"), "history", "exactly one of 'item'"),
        (("scenarios", "shop", "items", "separator"), "|" * 9, "at most 8"),
    ],
)
def test_a_value_that_cannot_be_used_says_what_was_expected(
    where: tuple[str, ...], value: object, expected: str
) -> None:
    error = problem(changed(*where, value=value))
    assert expected in error.expected
    assert not error.expected.startswith("Value error")
    assert error.remedy
    assert error.key is not None
    assert ".".join(where).startswith(error.key)


def test_a_missing_key_is_asked_for() -> None:
    values = copy.deepcopy(LEAST)
    del values["scenarios"]["shop"]["items"]["id"]
    error = problem(values)
    assert (error.key, error.remedy) == ("scenarios.shop.items.id", "add id = … under [scenarios.shop.items]")


def test_settings_cannot_be_changed_afterwards() -> None:
    settings = Settings.parse(LEAST)
    with pytest.raises(ValidationError):
        settings.seed = 8  # type: ignore[misc]
    with pytest.raises(ValidationError):
        settings.language.model = "other"  # type: ignore[misc]


def test_the_environment_beats_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYSCENE_LANGUAGE__MODEL", "other")
    monkeypatch.setenv("POLYSCENE_SEED", "9")
    monkeypatch.setenv("POLYSCENE_EVALUATION__CUTOFFS", "[3]")
    monkeypatch.setenv("POLYSCENE_SCENARIOS__SHOP__ITEMS__PATH", "elsewhere.csv")
    settings = Settings.parse(changed("language", "model", value="minilm") | {"seed": 1})
    assert (settings.language.model, settings.seed, settings.evaluation.cutoffs) == ("other", 9, [3])
    shop = settings.scenarios["shop"]
    assert (shop.items.path, shop.items.id) == ("elsewhere.csv", "sku")
    assert environment_keys() == [
        "POLYSCENE_EVALUATION__CUTOFFS",
        "POLYSCENE_LANGUAGE__MODEL",
        "POLYSCENE_SCENARIOS__SHOP__ITEMS__PATH",
        "POLYSCENE_SEED",
    ]


def test_what_the_environment_got_wrong_is_not_blamed_on_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYSCENE_SEED", "seven")
    assert problem(LEAST).file == "environment variable POLYSCENE_SEED"
    monkeypatch.setenv("POLYSCENE_SEED", "7")
    monkeypatch.setenv("POLYSCENE_EVALUATION__CUTOFFS", '["five"]')
    assert problem(LEAST).file == "environment variable POLYSCENE_EVALUATION__CUTOFFS"
    monkeypatch.setenv("POLYSCENE_EVALUATION__CUTOFFS", "[5]")
    monkeypatch.setenv("POLYSCENE_LANGUAGE__MODELL", "other")
    error = problem(LEAST)
    assert error.file == "environment variable POLYSCENE_LANGUAGE__MODELL"
    assert error.remedy == "did you mean 'model'?"


@pytest.mark.parametrize("name", ["POLYSCENE_EVALUATION__CUTOFFS", "POLYSCENE_LANGUAGE"])
def test_an_environment_variable_that_is_no_json_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "not json")
    error = problem(LEAST)
    assert error.file == "the environment"
    assert name in error.remedy
    assert "JSON" in error.expected


def test_a_secret_file_or_dotenv_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("POLYSCENE_SEED=99\n")
    (tmp_path / "polyscene_seed").write_text("99")
    monkeypatch.chdir(tmp_path)
    assert Settings.parse(LEAST).seed == 7


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "polyscene.toml"


def load_problem(file: Path) -> Problem:
    with pytest.raises(ConfigError) as caught:
        Settings.load(file)
    (error,) = caught.value.problems
    assert error.file == str(file)
    return error


TOML = (
    'name = "Köln"\n[scenarios.shop]\nitems = { path = "i.csv", id = "i" }\n'
    'events = { path = "e.csv", user = "u", item = "i" }\n'
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_file_is_read_with_or_without_a_byte_order_mark(file: Path, encoding: str) -> None:
    file.write_bytes(TOML.encode(encoding))
    assert Settings.load(file).name == "Köln"


def test_a_missing_file_says_how_to_make_one(file: Path) -> None:
    error = load_problem(file)
    assert error.found == "nothing at this path"
    assert "polyscene init" in error.remedy


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert load_problem(tmp_path).found == "a folder"


def test_broken_toml_names_the_line(file: Path) -> None:
    file.write_text('name = "shop"\n[scenarios\n')
    error = load_problem(file)
    assert error.what == "the configuration is not TOML"
    assert "line 2" in error.found


def test_a_file_in_another_encoding_names_the_byte(file: Path) -> None:
    file.write_bytes(TOML.encode("latin1"))
    error = load_problem(file)
    assert error.found == f"byte {TOML.index('ö')} is not UTF-8"
    assert "UTF-8" in error.remedy


def test_brackets_without_end_are_an_error_not_a_crash(file: Path) -> None:
    file.write_text("name = " + "[" * 100_000)
    assert load_problem(file).what == "the configuration is not TOML"


words = st.text("ab_.\x1b\n茶", max_size=5)
tree = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from([*Settings.model_fields, "_env_file", "other", ""])


def complaints(values: dict[str, Any]) -> tuple[Problem, ...]:
    """Return what is wrong with the values; nothing where they are settings."""
    try:
        Settings.parse(values)
    except ConfigError as error:
        return error.problems
    return ()


@given(st.dictionaries(KEYS, tree, max_size=4))
def test_anything_is_either_settings_or_problems_with_a_remedy(values: dict[str, Any]) -> None:
    errors = complaints(values)
    assert errors or "scenarios" in values
    assert all(each.remedy and each.key for each in errors)


@given(st.sampled_from(["items", "events", "users", "objectives", "signals", "actions"]), tree)
def test_anything_inside_a_scenario_is_blamed_on_its_key(part: str, value: Any) -> None:
    for error in complaints(changed("scenarios", "shop", part, value=value)):
        assert error.key is not None
        assert error.key.startswith(f"scenarios.shop.{part}")


def test_signals_of_the_old_name_open_with_one_line_that_says_what_to_write() -> None:
    values = changed("scenarios", "shop", "signals", value=["popularity", "elsewhere"])
    values["scenarios"]["news"] = copy.deepcopy(values["scenarios"]["shop"])
    settings = Settings.parse(values)
    assert settings.scenarios["shop"].signals == ["popularity", "cross_scenario"]
    (note,) = settings.notes
    assert "'elsewhere'" in note
    assert "write 'cross_scenario'" in note
    assert settings.model_copy(update={"seed": 11}).notes == (note,)
    assert Settings.parse(LEAST).notes == ()


class Loud(BaseModel):
    model_config = ConfigDict(extra="forbid")
    volume: float = Field(1.0, gt=0)


@pytest.fixture
def loud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SIGNALS, "_added", {"loud": SimpleNamespace(Settings=Loud)})


@pytest.mark.usefixtures("loud")
def test_a_signal_is_told_what_its_own_settings_know() -> None:
    settings = Settings.parse(changed("signals", "loud", "volume", value=3))
    assert settings.signal("loud") == Loud(volume=3)
    assert Settings.parse(LEAST).signal("loud") == Loud()
    assert "loud" not in settings.scenarios["shop"].signals


@pytest.mark.usefixtures("loud")
def test_what_a_signal_does_not_know_is_refused_with_its_place() -> None:
    wrong = problem(changed("signals", "loud", "volume", value=0))
    assert wrong.key == "signals.loud.volume"
    unknown = problem(changed("signals", "loud", "volumes", value=3))
    assert (unknown.key, unknown.remedy) == ("signals.loud.volumes", "did you mean 'volume'?")
    assert "one of popularity" in problem(changed("signals", "lout", "volume", value=3)).expected
    assert problem(changed("signals", "popularity", "volume", value=3)).what == "unknown key 'volume'"


def test_the_environment_tells_a_signal_too(monkeypatch: pytest.MonkeyPatch, loud: None) -> None:
    monkeypatch.setenv("POLYSCENE_SIGNALS__LOUD__VOLUME", "5")
    assert Settings.parse(LEAST).signal("loud") == Loud(volume=5)


def test_no_signal_is_loaded_unless_one_is_told_something() -> None:
    code = (
        "import sys; from polyscene.core.settings.project import Settings; "
        f"Settings.parse({LEAST!r}); "
        "sys.exit(any(name.startswith('polyscene.recommenders') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("where", "value", "remedy"),
    [
        (("seed",), "x", "write a whole number without quotes"),
        (("language", "tuning"), "topp", "did you mean 'top'?"),
        (("language", "precision"), "half", "write one of auto, float32, bfloat16"),
        (("scenarios", "shop", "items", "text"), "title", 'write it as a list: text = ["title"]'),
        (("evaluation", "test_share"), 2, "write a number less than 1"),
        (("scenarios",), {}, "add at least one; `polyscene init FOLDER` drafts scenarios from your tables"),
    ],
)
def test_the_remedy_is_what_has_to_be_written(where: tuple[str, ...], value: object, remedy: str) -> None:
    wrong = problem(changed(*where, value=value))
    assert wrong.remedy == remedy
    assert f"key {'.'.join(where)}" in str(wrong)
    assert "column" not in str(wrong)
