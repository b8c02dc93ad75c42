"""What a network says of requests and items: written once, for tensors that learn and arrays that answer."""

from __future__ import annotations

from dataclasses import dataclass

from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.recommenders.multitask.blueprint import Blueprint
from polyscene.recommenders.multitask.tables import Rows
from polyscene.representation.sharing.arithmetic import Arithmetic, Array, Weights
from polyscene.representation.sharing.form import TOWER


@dataclass(frozen=True)
class Requests:
    """The features of B requests, as far as nothing is learned.

    Attributes:
        user: (B,) places of the users' own vectors; 0: nobody's.
        past: (B, L) places of the own vectors of the items they had last.
        past_shares: (B, L) how much each counts; they sum to 1, or to 0 without a history.
        profile: (B, t) unit taste in the common view of the texts.
        own_profile: (B, t') in the scenario's own view; t' is 0 where it is the same.
        elsewhere: (B, t) unit taste in the other scenarios.
        lengths: (B, 2, 2) log length of the history here and elsewhere, with a 1 beside each.
        attributes: of the users.
    """

    user: LongArray
    past: LongArray
    past_shares: FloatArray
    profile: FloatArray
    own_profile: FloatArray
    elsewhere: FloatArray
    lengths: FloatArray
    attributes: Rows


@dataclass(frozen=True)
class Items:
    """The features of m items, as far as nothing is learned.

    Attributes:
        own: (m,) places of their own vectors; 0: nobody's.
        text: (m, t) in the common view.
        own_text: (m, t') in the scenario's own view.
        attributes: theirs.
    """

    own: LongArray
    text: FloatArray
    own_text: FloatArray
    attributes: Rows


def request_features(plan: Blueprint, w: Weights, requests: Requests, scenario: int, ar: Arithmetic) -> Array:
    """Return (B, features of a request times their size) of requests in one scenario."""
    prefix, group = plan.inputs(scenario), plan.groups[scenario]
    user = w[f"{prefix}user.table"][ar.array(requests.user)]  # (B, e)
    past = w[f"{prefix}items.{scenario}.table"][ar.array(requests.past)]  # (B, L, e)
    nothing = user * 0.0
    here = nothing + w[f"{prefix}scenario.table"][scenario]
    shared, own = f"{prefix}profile.{group}.map", f"{prefix}profile.own{scenario}.map"
    lengths = ar.array(requests.lengths)  # (B, 2, 2)
    of_length = w[f"{prefix}length.table"]  # (2, 2, e)
    return ar.join(
        [
            here,
            user,
            (past * ar.array(requests.past_shares)[:, :, None]).sum(1),
            _mapped(w, shared, requests.profile, nothing, ar),
            _mapped(w, own, requests.own_profile, nothing, ar),
            _mapped(w, shared, requests.elsewhere, nothing, ar),
            lengths[:, 0] @ of_length[0],
            lengths[:, 1] @ of_length[1],
            *_attributes(w, f"{prefix}user.", requests.attributes, ar),
        ]
    )


def item_features(plan: Blueprint, w: Weights, items: Items, scenario: int, ar: Arithmetic) -> Array:
    """Return (m, features of an item times their size) of a scenario's items."""
    prefix, group = plan.inputs(scenario), plan.groups[scenario]
    own = w[f"{prefix}items.{scenario}.table"][ar.array(items.own)]  # (m, e)
    nothing = own * 0.0
    return ar.join(
        [
            _mapped(w, f"{prefix}text.{group}.map", items.text, nothing, ar),
            _mapped(w, f"{prefix}text.own{scenario}.map", items.own_text, nothing, ar),
            own,
            *_attributes(w, f"{prefix}item.", items.attributes, ar),
        ]
    )


def outputs(plan: Blueprint, w: Weights, x: Array, scenario: int, ar: Arithmetic) -> list[Array]:
    """Return (N, K) for each task of a scenario, of (N, features times their size) pairs.

    `W₁ tower + W₂ x + W₃ Σ_{i<j} x_i ∘ x_j`: beside what the form makes of them stand the features, and where
    they meet by factorisation machines what every two have in common, each with a straight way to the task.
    """
    crossed = plan.crossed(w, x.reshape(-1, plan.n_features, plan.size), ar)
    towers = plan.sharing(w, crossed, scenario, ar)
    plain = plan.n_features * plan.size
    outs = []
    for head, tower in zip(plan.heads[scenario], towers, strict=True):
        name = f"{TOWER}{head}."
        out = tower @ w[f"{name}out.weight"] + crossed[:, :plain] @ w[f"{name}wide.zeros"]
        if plan.crossed.pairs:
            out = out + crossed[:, plain:] @ w[f"{name}pairs.ones"]
        outs.append(out + w[f"{name}out.bias"])
    return outs


def pairs(
    users: Array, items: Array, user: IntArray | LongArray, item: IntArray | LongArray, ar: Arithmetic
) -> Array:
    """Return (N, features times their size) of pairs, (N,) rows of either side."""
    return ar.join([users[ar.array(user)], items[ar.array(item)]])


def _mapped(w: Weights, name: str, vectors: FloatArray, nothing: Array, ar: Arithmetic) -> Array:
    """Return (n, e) of vectors, zero where there is no map."""
    return ar.array(vectors) @ w[name] if name in w else nothing


def _attributes(w: Weights, prefix: str, rows: Rows, ar: Arithmetic) -> list[Array]:
    """Return (n, e) for each attribute: the mean of its values, or what a number or its absence says."""
    parts = []
    for number in range(rows.codes.shape[1]):
        table = w[f"{prefix}{number}.table"]
        shares = ar.array(rows.shares[:, number])  # (n, V)
        parts.append((table[ar.array(rows.codes[:, number])] * shares[:, :, None]).sum(1))
    numbers = range(rows.numbers.shape[1])
    facts = [ar.array(rows.numbers[:, number]) @ w[f"{prefix}numbers.table"][number] for number in numbers]
    return [*parts, *facts]
