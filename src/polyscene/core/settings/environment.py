"""What the environment says of settings: `POLYSCENE_LANGUAGE__MODEL=…` is `[language] model`.

The library that reads it is loaded only where there is such a variable.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from polyscene.core.errors import ConfigError, Problem
from polyscene.core.text import shown

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_settings import BaseSettings

PREFIX, DELIMITER = "POLYSCENE_", "__"


def with_environment(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings in which the environment beats what they say; of tables, only what it names.

    Args:
        model: whose fields the variables are named after.
        values: nested, as in the configuration.

    Raises:
        ConfigError: a variable holds no JSON where its setting is a list or a table.
    """
    if not environment_keys():
        return dict(values)
    from pydantic_settings import EnvSettingsSource, SettingsError

    named = cast("type[BaseSettings]", model)  # no more is asked of it than its fields
    try:
        source = EnvSettingsSource(named, env_prefix=PREFIX, env_nested_delimiter=DELIMITER)
        return _joined(values, source())
    except SettingsError as error:
        raise ConfigError(_unreadable(error)) from None


def environment_keys() -> list[str]:
    """Return the names of the environment variables that are in force, for `doctor`."""
    return sorted(name for name in os.environ if name.upper().startswith(PREFIX))


def variable(where: list[str]) -> str | None:
    """Return the environment variable that gave the setting, or the list it stands in, if one did."""
    while where and where[-1].isdecimal():
        where = where[:-1]
    name = PREFIX + DELIMITER.join(where).upper()
    return f"environment variable {name}" if name in os.environ else None


def _joined(values: Mapping[str, Any], stronger: Mapping[str, Any]) -> dict[str, Any]:
    joined = dict(values)
    for key, value in stronger.items():
        inner = joined.get(key)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        joined[key] = _joined(inner, value) if both else value  # type: ignore[arg-type]
    return joined


def _unreadable(error: ValueError) -> Problem:
    return Problem(
        "an environment variable cannot be read",
        "JSON where the setting is a list or a table, as [5, 10]",
        shown(str(error), 120),
        "mend or unset one of " + ", ".join(environment_keys()),
        file="the environment",
    )
