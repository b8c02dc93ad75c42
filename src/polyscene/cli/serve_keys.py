"""What `polyscene serve` does with keys instead of serving: make, rotate, remove and list them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from polyscene.core.settings.service import ServiceSettings
    from polyscene.serving.auth import KeyFile, Scope


@dataclass(frozen=True)
class KeyAct:
    """What shall be done with keys.

    Attributes:
        new: name of a key to be made.
        rotate: name of a key to be replaced.
        remove: name of a key to be ended.
        show: whether they are listed.
        scopes: of the new key.
        days: how long the new key is good; None: for ever, or as long as the one it replaces.
        overlap: hours that a replaced key stays good.
    """

    new: str | None
    rotate: str | None
    remove: str | None
    show: bool
    scopes: Sequence[str]
    days: int | None
    overlap: float

    @property
    def wanted(self) -> int:
        """How many things shall be done."""
        return sum(name is not None for name in (self.new, self.rotate, self.remove)) + self.show


def do(act: KeyAct, folder: Path, settings: ServiceSettings) -> None:
    """Do it, and write it down.

    Raises:
        ConfigError: the key file cannot be used, or has not that name.
        StoreError: the audit log cannot be written.
    """
    from polyscene.serving.auth import KeyFile
    from polyscene.serving.service import KEYS

    if act.wanted > 1:
        raise typer.BadParameter("expected one of --new-key, --rotate-key, --remove-key and --list-keys")
    keys = KeyFile(folder / KEYS)
    if act.show:
        _list(keys)
    else:
        _change(act, keys, folder, settings)


def _change(act: KeyAct, keys: KeyFile, folder: Path, settings: ServiceSettings) -> None:
    from polyscene.cli.console import show, tell
    from polyscene.serving.audit import COMMAND_LINE, Act, AuditLog

    lifetime = None if act.days is None else timedelta(days=act.days)
    log = AuditLog(folder, settings)
    if act.new is not None:
        scopes = _scopes(act.scopes)
        key = keys.add(act.new, scopes, lifetime)
        log.write(COMMAND_LINE, Act.key_made, act.new)
        tell(f"a key for '{act.new}' with the scopes {', '.join(scopes)}; it is shown this once")
        show(key)
    elif act.rotate is not None:
        key = keys.rotate(act.rotate, timedelta(hours=act.overlap), lifetime)
        log.write(COMMAND_LINE, Act.key_rotated, act.rotate)
        tell(
            f"a new key for '{act.rotate}'; the old one ends in {act.overlap:g} hours; it is shown this once"
        )
        show(key)
    elif act.remove is not None:
        keys.remove(act.remove)
        log.write(COMMAND_LINE, Act.key_removed, act.remove)
        tell(f"'{act.remove}' has no key any more")


def _scopes(names: Sequence[str]) -> list[Scope]:
    from polyscene.serving.auth import Scope

    known = [scope.value for scope in Scope]
    if not names or not set(names) <= set(known):
        raise typer.BadParameter(f"--scope is one of {', '.join(known)}")
    return [Scope(name) for name in names]


def _list(keys: KeyFile) -> None:
    from polyscene.cli.console import show
    from polyscene.cli.tables import plain_table
    from polyscene.serving.auth import present

    now = present()
    rows = [
        (one.name, ", ".join(one.scopes), one.made, one.expires or "never", "yes" if one.good(now) else "no")
        for one in keys.known
    ]
    show(plain_table(str(keys.path), ("name", "scopes", "made", "ends", "good"), rows))
