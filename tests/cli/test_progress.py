"""Long work shows itself: bars in a terminal, lines in a file, nothing that steers either."""

from __future__ import annotations

import io

import pytest

from polyscene.cli.progress import TerminalProgress


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    progress = TerminalProgress(stream)
    with progress.track("reading", 2000, "rows") as advance:
        advance(1500)
        advance(500)
    progress.say("one\x1b[2Jtwo")
    first, second = stream.getvalue().splitlines()
    assert first.startswith("reading: 2,000 rows in ")
    assert second == "one [2Jtwo"


def test_work_that_fails_is_not_told_as_done() -> None:
    stream = io.StringIO()
    with pytest.raises(ZeroDivisionError), TerminalProgress(stream).track("reading", 10) as advance:
        advance(3 // 0)
    assert stream.getvalue() == ""


def test_long_work_tells_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(0, 10_000, 10))
    monkeypatch.setattr("polyscene.cli.progress.monotonic", lambda: next(seconds))
    stream = io.StringIO()
    with TerminalProgress(stream).track("reading", 4, "rows") as advance:
        for _ in range(4):
            advance(1)
    assert "reading: 1 of 4 rows" in stream.getvalue() or "reading: 2 of 4 rows" in stream.getvalue()


def test_bars_in_a_terminal_with_lines_above() -> None:
    screen = _Screen()
    progress = TerminalProgress(screen)
    with progress.track("[bold]outer", 10, "rows") as outer:
        outer(5)
        with progress.track("inner", 3, "steps") as inner:
            inner(3)
            progress.say("found [red]brackets")
        outer(5)
    progress.say("after")
    text = screen.getvalue()
    assert "[bold]outer" in text
    assert "inner" in text
    assert "found [red]brackets" in text
    assert "10 of 10 rows" in text
    assert text.endswith("after\n")


def test_a_second_bar_can_follow_a_failed_one() -> None:
    screen = _Screen()
    progress = TerminalProgress(screen)
    with pytest.raises(ZeroDivisionError), progress.track("first", 10) as advance:
        advance(3 // 0)
    with progress.track("second", 1, "steps") as advance:
        advance(1)
    assert "1 of 1 steps" in screen.getvalue()
