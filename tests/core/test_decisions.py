"""A drafted configuration keeps asking what nobody has decided: `check` repeats it with the key."""

from __future__ import annotations

from polyscene.core.settings.decisions import open_decisions

DRAFT = """# Drafted: every line is a guess.
# Look first at what says DECIDE: scenarios.shop.events.user.
name = "shop"  # the word DECIDE in passing is none

[scenarios.shop.items]
id   = "sku"  # sure (99%): no value occurs twice

[scenarios.shop.events]
user = "visit"  # DECIDE (45%): a visit rather than a person; or "who"?
# DECIDE (40%): a reason that is too long for the line
time_format = "%d-%m-%Y"
# DECIDE: grades from 1 to 5; to count only what was liked:
# liked_from = 4
"""


def test_each_is_told_with_its_key_and_line() -> None:
    problems = open_decisions(DRAFT, "polyscene.toml")
    assert [problem.key for problem in problems] == [
        f"scenarios.shop.events.{key}" for key in ("user", "time_format", "liked_from")
    ]
    assert [problem.found.split(":")[0] for problem in problems] == ["line 9", "line 10", "line 12"]
    assert {(problem.severity, problem.file) for problem in problems} == {("warning", "polyscene.toml")}
    assert "a visit rather than a person" in problems[0].found


def test_what_is_decided_is_not_asked_again() -> None:
    assert open_decisions(DRAFT.replace("# DECIDE", "# decided"), "polyscene.toml") == []
