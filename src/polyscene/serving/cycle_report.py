"""What a cycle has found, for people and for programs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from polyscene.core.settings.cycle import CycleSettings
from polyscene.evaluation.offpolicy.comparison import Comparison, without_nan
from polyscene.online.progressive import CUTOFF, Quality


@dataclass
class CycleReport:
    """One cycle.

    Attributes:
        verdict: `promoted`, `refused` or `waiting`: too little has happened to judge by.
        reasons: sentences, why.
        live: the run that answered.
        run: the run that answers from now on; None: the same one.
        first, last: offsets of the log, after which and up to which it was taken.
        events, learned: that were new, and how many of them the candidate was trained with.
        new: by scenario, quality on choices that neither had seen, each learned after it was ranked.
        old: by scenario, quality on the exam: choices from before that neither was trained on.
        off_policy: by scenario, what the candidate's scores would have earned beside what the log earned.
        anew: whether the candidate was trained anew, rather than having learned on.
        anew_because: the reason; None: it learned on.
        refit: by scenario with a posterior, how far the live one stands from a refit on the same events.
        exposures: by scenario, places shown and chosen, and how often each place was chosen.
        notes: sentences.
        seconds: by step.
    """

    verdict: str
    live: str
    first: int
    last: int
    reasons: list[str] = field(default_factory=list)
    run: str | None = None
    events: int = 0
    learned: int = 0
    new: dict[str, Quality] = field(default_factory=dict)
    old: dict[str, Quality] = field(default_factory=dict)
    off_policy: dict[str, Comparison] = field(default_factory=dict)
    anew: bool = True
    anew_because: str | None = None
    refit: dict[str, dict[str, Any]] = field(default_factory=dict)
    exposures: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Return it as JSON can say it."""
        values = {name: value for name, value in vars(self).items() if name != "off_policy"}
        values["new"] = {name: asdict(one) for name, one in self.new.items()}
        values["old"] = {name: asdict(one) for name, one in self.old.items()}
        valued = {name: one.plain() for name, one in self.off_policy.items()}
        plain: dict[str, Any] = without_nan(values | {"off_policy": valued})
        return plain

    def lines(self) -> Iterator[str]:
        """Yield it in sentences."""
        answers = self.run or self.live
        yield f"{self.verdict}: {answers} answers" + (f" in place of {self.live}" if self.run else "")
        yield (
            f"{self.events:,} new events of the log after {self.first:,}, up to {self.last:,}; "
            f"{self.learned:,} of them were trained with, the rest judged"
        )
        yield from (f"because {reason}" for reason in self.reasons)
        yield from _qualities("new", self.new)
        yield from _qualities("old", self.old)
        for name, one in self.off_policy.items():
            apart = one.answer.difference
            yield (
                f"{name}, off-policy: {one.answer.policy.value:.4f} against {one.earned:.4f} earned, "
                f"{apart.value:+.4f} [{apart.low:+.4f}, {apart.high:+.4f}] by {one.answer.estimator}"
                + ("" if one.supported else "; the log does not support it")
            )
        for name, shown in self.exposures.items():
            yield f"{name}: {shown['chosen']:,} of {shown['shown']:,} shown places were chosen"
        yield from _apart(self.refit)
        yield from self.notes
        yield "seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in self.seconds.items())


def _qualities(word: str, qualities: Mapping[str, Quality]) -> Iterator[str]:
    for name, one in qualities.items():
        low, high = one.difference.low, one.difference.high
        bounds = "" if math.isnan(low) else f" [{low:+.4f}, {high:+.4f}]"
        yield (
            f"{name}, {word} choices ({one.choices:,} of {one.users:,} users): NDCG@{CUTOFF} "
            f"{one.before:.4f} before, {one.after:.4f} after, {one.after - one.before:+.4f}{bounds}"
        )


def _apart(distances: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, one in distances.items():
        live, chance = one["live"], one["by_chance"]
        yield (
            f"{name}, the posterior against a refit: slates differ in {live['slates']:.1%} of their items, "
            f"{chance['slates']:.1%} by chance alone; items by {live['items']:.4f}, {chance['items']:.4f}"
        )


def against(report: CycleReport, settings: CycleSettings) -> list[str]:
    """Return why a candidate must not answer, as its report has judged it."""
    judged = sum(one.choices for one in report.new.values())
    reasons = [f"expected at least {settings.min_choices:,} new choices to judge by, found {judged:,}"] * (
        judged < settings.min_choices
    )
    for name, one in report.new.items():
        if one.lost(settings.max_loss):
            reasons.append(_worse_by("new choices", name, one))
    for name, one in report.old.items():
        if one.lost(settings.max_forgetting) and one.difference.verdict == "worse":
            reasons.append(_worse_by("old choices", name, one))
    reasons += [
        f"its slates in '{name}' would have earned less than those that were shown"
        for name, one in report.off_policy.items()
        if one.supported and one.answer.difference.verdict == "worse"
    ]
    return reasons


def _worse_by(what: str, scenario: str, one: Quality) -> str:
    """Return in a sentence on which choices a candidate is worse."""
    after, before = f"NDCG@{CUTOFF} {one.after:.4f}", f"{one.before:.4f}"
    return f"it is worse on {what} of '{scenario}': {after}, the live run has {before}"
