"""How a verb ends that cannot go on: one shape of error, no traceback, and a code that says whose fault.

| code | meaning |
|---|---|
| 0 | done |
| 1 | `check` or `doctor` found something wrong |
| 2 | the command, the configuration, the data or a file cannot be used as it is |
| 70 | a bug in Polyscene |
| 130 | interrupted |
| 141 | whoever was reading the output went away |
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from typing import NoReturn, ParamSpec

import typer

from polyscene.cli.console import tell
from polyscene.core.disk import disk_trouble
from polyscene.core.errors import PolysceneError
from polyscene.core.text import shown

WRONG = 1
USER = 2
BUG = 70
INTERRUPTED = 130
UNREAD = 141
DEBUG = "POLYSCENE_DEBUG"

Arguments = ParamSpec("Arguments")


def guarded(verb: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Return the verb with every way of failing turned into a message and an exit code."""

    @wraps(verb)
    def command(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            verb(*args, **kwargs)
            sys.stdout.flush()
        except (typer.Exit, typer.BadParameter):
            raise
        except PolysceneError as error:
            _stop(str(error), USER)
        except KeyboardInterrupt:
            _stop("interrupted; nothing half-done was left behind", INTERRUPTED)
        except BrokenPipeError:
            _silence()
            raise typer.Exit(UNREAD) from None
        except Exception as error:  # noqa: BLE001 - the last resort: whatever else it is, it is our bug
            _unforeseen(error)

    return command


def _stop(text: str, code: int) -> NoReturn:
    tell(f"error: {text}")
    raise typer.Exit(code) from None


def _unforeseen(error: Exception) -> NoReturn:
    """Tell what a disk or a file is to blame for from what we are."""
    trouble, file = disk_trouble(error), getattr(error, "filename", None)
    if trouble is not None:
        where = f"to write {shown(file, 200)}" if file else "to write"
        _stop(f"expected {where}, found {trouble}; free some space or mend its rights", USER)
    if isinstance(error, OSError):
        _stop(f"expected to use {shown(file, 200)}, found: {error.strerror or error}", USER)
    _bug(error)


def _bug(error: Exception) -> NoReturn:
    if os.environ.get(DEBUG):
        traceback.print_exc()
        raise typer.Exit(BUG)
    _stop(
        f"{type(error).__name__}: {shown(str(error), 200)}\n"
        f"  this is a bug in Polyscene; run it with {DEBUG}=1 for the traceback, and report that",
        BUG,
    )


def _silence() -> None:
    """Let the interpreter's own last flush go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
