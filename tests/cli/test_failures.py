"""However a verb fails, a person reads one message and a program one exit code."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from safetensors import SafetensorError
from typer.testing import Result

from polyscene.cli.failures import BUG, INTERRUPTED, UNREAD, USER, guarded
from polyscene.core import arrays
from polyscene.core.errors import ConfigError, ModelError, Problem, RunError, UnknownIdError
from polyscene.runs import training

RUN = "from polyscene.cli.main import run; run()"


def _failing(error: BaseException) -> Callable[[], None]:
    def verb() -> None:
        raise error

    return guarded(verb)


def _code(error: BaseException) -> int:
    with pytest.raises(typer.Exit) as stopped:
        _failing(error)()
    return int(stopped.value.exit_code)


PROBLEM = Problem("what", "this", "that", "mend it", file="f.csv", row=3, column="c")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError(PROBLEM), USER),
        (UnknownIdError("expected a run, found none"), USER),
        (RunError("expected a whole run"), USER),
        (ModelError("expected a model"), USER),
        (PermissionError(13, "Permission denied", "metrics.json"), USER),
        (OSError(28, "No space left on device"), USER),
        (RuntimeError("I/O error: No space left on device (os error 28)"), USER),
        (KeyboardInterrupt(), INTERRUPTED),
        (ZeroDivisionError("division by zero"), BUG),
        (ValueError("a plain one is a bug of ours"), BUG),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_failure_has_its_code(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _code(error) == code
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith("error: ")
    assert "Traceback" not in written.err


def test_problems_are_told_whole(capsys: pytest.CaptureFixture[str]) -> None:
    _code(ConfigError([PROBLEM, PROBLEM]))
    assert capsys.readouterr().err == f"error: {PROBLEM}\n{PROBLEM}\n"


def test_nothing_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    _code(UnknownIdError("found 'x\x1b[2Jy\u202ez'"))
    assert capsys.readouterr().err == "error: found 'x [2Jy z'\n"


def test_bugs_show_their_traceback_when_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _code(ZeroDivisionError("division by zero"))
    assert "POLYSCENE_DEBUG=1" in capsys.readouterr().err
    monkeypatch.setenv("POLYSCENE_DEBUG", "1")
    assert _code(ZeroDivisionError("division by zero")) == BUG
    assert "Traceback" in capsys.readouterr().err


def test_debugging_does_not_disturb_the_settings(
    monkeypatch: pytest.MonkeyPatch, config: Path, typed: Callable[..., Result]
) -> None:
    monkeypatch.setenv("POLYSCENE_DEBUG", "1")
    assert "no run" not in typed("check", "--config", config).output


def test_output_nobody_reads_is_no_failure_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert _code(BrokenPipeError()) == UNREAD


def test_a_missing_configuration_is_a_plain_message(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", RUN, "train"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == USER
    assert ended.stdout == ""
    assert ended.stderr.startswith("error: polyscene.toml: the configuration is not there\n  expected:")
    assert "polyscene init" in ended.stderr


def test_bytes_that_are_no_text_can_be_typed(judged: Path) -> None:
    """A user id in another encoding is a stranger's, not a crash."""
    command = [
        "recommend",
        b"u\xff1".decode("utf-8", "surrogateescape"),
        "-s",
        "shop",
        "-k",
        "2",
        "-c",
        str(judged),
    ]
    ended = subprocess.run(
        [sys.executable, "-c", RUN, *command],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert ended.returncode == 0, ended.stderr
    assert b"nobody called" in ended.stderr


def test_guarding_keeps_what_typer_reads() -> None:
    def verb(number: int, stream: io.StringIO | None = None) -> None:
        """Say what it does."""

    assert guarded(verb).__doc__ == "Say what it does."
    assert guarded(verb).__name__ == "verb"


def _full(*_: object) -> None:
    raise SafetensorError('I/O error: Os { code: 28, message: "No space left on device" }')


def _read_only(*_: object) -> int:
    raise OSError(errno.EROFS, "Read-only file system")


def test_a_folder_that_cannot_be_written_is_told_before_the_work(
    scratch: Path, typed: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: object, **__: object) -> None:
        pytest.fail("it worked for nothing")

    monkeypatch.setattr(Path, "write_bytes", _read_only)
    for name in ("fit_system", "tune_language", "load_models"):
        monkeypatch.setattr(training, name, work)
    _is_told(typed("train", code=USER), "a folder that cannot be written", scratch)


def test_a_full_disk_is_no_bug(
    scratch: Path, typed: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "save_file", _full)
    _is_told(typed("train", code=USER), "no space left on the disk", scratch)


def _is_told(result: Result, words: str, scratch: Path) -> None:
    assert words in result.stderr
    assert "[runtime] runs" in result.stderr
    assert "POLYSCENE_DEBUG" not in result.stderr, "it is no bug"
    assert not list((scratch / "runs").rglob("*.safetensors"))
