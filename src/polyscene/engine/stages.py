"""The stages of a decision, each a function of the request and of what earlier stages found out.

All but `reread` look at the live state, or take no time, and run while nobody changes it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from polyscene.core.types import FloatArray, LongArray
from polyscene.engine.barring import Cause, barred, bars_of
from polyscene.engine.decision import Decision, Request
from polyscene.engine.marks import pinned_by
from polyscene.engine.reasons import Reasons
from polyscene.engine.rules import Effect
from polyscene.engine.uncertainty import deviations_of
from polyscene.policies.shadow import shadowed
from polyscene.recommenders.fusion.calibration import Temperatures
from polyscene.recommenders.fusion.candidates import SMALL_CATALOGUE, proposed
from polyscene.recommenders.fusion.features import HISTORY

NARROWING = (Cause.FILTERED, Cause.UNWANTED)
"""What leaves few items open: then all of them are candidates."""
PINNED = "It is placed here by the rule “{rule}”."


def propose(request: Request, decision: Decision) -> Decision:
    """Let every signal look at the request and put its best open items forward."""
    state = decision.state
    fusion, catalogue = state.fusion, state.catalogue
    decision.prepared = fusion.prepare(decision.queries)
    bars = list(bars_of(request, decision))
    closed = barred(bars, len(catalogue))
    narrowed = any(bar.cause in NARROWING for bar in bars)
    few = narrowed and int(np.sum(~closed)) <= SMALL_CATALOGUE
    candidates = proposed(decision.prepared, 0, closed, fusion.small or few or request.every)
    if decision.rules:
        candidates = np.union1d(candidates, decision.rules.put_forward(closed)).astype(np.int64)
    decision.closed, decision.ranked = closed, len(candidates)
    rest = [catalogue.code(item) for item in request.also]
    more: LongArray = np.array(rest, np.int64)
    if request.size > len(candidates) and not fusion.small:
        more = np.union1d(more, np.flatnonzero(~closed)).astype(np.int64)
    if len(more):
        candidates = np.concatenate([candidates, np.setdiff1d(more, candidates)])
        decision.ranked = len(candidates) if fusion.small else decision.ranked
    decision.candidates = candidates
    return decision


def score(request: Request, decision: Decision) -> Decision:
    """Ask every signal of every candidate, and put the answers into their context."""
    fusion, queries = decision.state.fusion, decision.queries
    codes = decision.candidates[None]
    signals = fusion.features.scaled(decision.prepared, 1, codes)
    peaks = fusion.features.peaks(decision.prepared, 1)
    decision.block = fusion.features.block_of(signals, peaks, queries, codes)
    return decision


def reread(request: Request, decision: Decision) -> Decision:
    """Let the slow reader, where there is one, deal the text ranker's best scores out anew."""
    fusion, block = decision.state.fusion, decision.features
    signals = fusion.reread(block.signals, decision.queries, decision.candidates[None])
    decision.block = replace(block, signals=signals)
    return decision


def fuse(request: Request, decision: Decision) -> Decision:
    """Weigh the signals; what no signal put forward follows behind, in the order of the weighted signals."""
    fusion, block, ranked = decision.state.fusion, decision.features, decision.ranked
    scores = fusion.combined(block)[0]
    if ranked < len(scores) and fusion.fallback is None and not fusion.silent(block)[0]:
        rest = np.maximum(fusion.weights.signal_weights(), 0.0) @ block.signals[0][:, ranked:]
        lowest = scores[:ranked].min(initial=0.0)
        scores[ranked:] = rest + (lowest - rest.max() - 1.0)
    decision.scores = scores
    return decision


def apply_rules(request: Request, decision: Decision) -> Decision:
    """Add to scores what rules add, and find out what the slate must keep to."""
    rules, candidates = decision.rules, decision.candidates
    if not rules:
        return decision
    scores = decision.scores[: decision.ranked or None]
    spread = float(np.std(scores)) if len(scores) else 0.0
    decision.boosts, lifted = rules.boosts(candidates, spread, temperature_of(decision))
    for added in decision.boosts.values():
        decision.scores = decision.scores + added
    decision.limits, limiting = rules.limits(candidates, request.size)
    blocked = [Effect(rule, "block", int(items.sum()), 0.0) for rule, items in rules.blocked()]
    decision.effects = [*blocked, *lifted, *limiting]
    return decision


def temperature_of(decision: Decision) -> float:
    """Return what a score is divided by to be the logarithm of a probability; 1 where nothing has told."""
    temperatures = decision.state.fusion.weights.temperatures or Temperatures()
    return float(temperatures.of(decision.features.user[:1, HISTORY] <= 0)[0])


def choose(request: Request, decision: Decision) -> Decision:
    """Let the policy choose among what may be shown."""
    shown = np.where(decision.closed[decision.candidates], -np.inf, decision.scores)
    generator = np.random.default_rng(decision.seed) if decision.policy.explores else None
    shadow = decision.state.shadow if request.explore else None
    if decision.policy.reads_deviations or (shadow is not None and shadow.reads_deviations):
        decision.deviations = deviations_of(decision)
    decision.places, decision.propensities = decision.policy.knowing(decision.deviations).choose(
        shown, request.size, generator, decision.limits
    )
    if shadow is not None:
        decision.shadowed = shadowed(
            shadow,
            shown,
            decision.places,
            request.size,
            decision.seed,
            decision.limits,
            decision.deviations,
        )
    return decision


def give_reasons(request: Request, decision: Decision) -> Decision:
    """Find out what each signal adds to each place of the slate, and say it in a sentence."""
    if not request.reasons or not len(decision.places):
        return decision
    decision.shares = shares_of(decision, decision.places)
    decision.reasons = Reasons(decision, decision.codes).all(decision.shares)
    for place, rule in pinned_by(decision).items():
        decision.reasons[place] = PINNED.format(rule=rule)
    return decision


def shares_of(decision: Decision, places: LongArray) -> list[dict[str, float]]:
    """Return what each fitted signal adds to the score of each of the candidates at (m,) places."""
    fusion, block = decision.state.fusion, decision.features
    compared = decision.ranked or len(decision.candidates)  # where no signal puts anything forward: all
    usual: FloatArray = block.signals[0][:, :compared].mean(axis=1)  # (K,)
    table, fitted = fusion.shares(block, places, usual).tolist(), fusion.fitted().items()
    return [{name: row[place] for name, place in fitted} for row in table]
