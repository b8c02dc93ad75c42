"""Secrets: from the environment or from a file that it names, never from the command line."""

from __future__ import annotations

import os
from pathlib import Path

from polyscene.core.errors import ConfigError, Problem

MAX_SECRET_BYTES = 65_536


def secret(name: str) -> str | None:
    """Return the environment variable `name`, or what the file that `name` + `_FILE` names holds; or None.

    A line feed at the end of the file does not count.

    Raises:
        ConfigError: both are set, or the file cannot be read, or holds nothing.
    """
    value, file = os.environ.get(name), os.environ.get(f"{name}_FILE")
    if value and file:
        raise _unusable(name, "one of the two", "both", f"unset {name} or {name}_FILE")
    return _content(name, Path(file)) if file else value or None


def _content(name: str, path: Path) -> str:
    remedy = f"let {name}_FILE name a file that holds it"
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
            text = content.decode("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text in UTF-8"
        raise _unusable(name, "a file that can be read", str(reason), remedy, str(path)) from None
    if len(content) > MAX_SECRET_BYTES:
        raise _unusable(name, "a short secret", f"more than {MAX_SECRET_BYTES:,} bytes", remedy, str(path))
    if not text.strip():
        raise _unusable(name, "a secret", "an empty file", remedy, str(path))
    return text


def _unusable(
    name: str, expected: str, found: str, remedy: str, file: str = "the environment"
) -> ConfigError:
    return ConfigError(Problem(f"the secret {name} cannot be used", expected, found, remedy, file=file))
