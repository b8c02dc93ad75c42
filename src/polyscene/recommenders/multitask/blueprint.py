"""What a network is made of, apart from its numbers: enough to compute with them anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from polyscene.core.settings.multitask import SHARING_FORMS
from polyscene.recommenders.multitask.tasks import Task
from polyscene.representation.sharing.crossing import CROSSINGS, NoCrossing
from polyscene.representation.sharing.form import TOWER, Shape, SharingForm, Sizes

USER_FEATURES = (
    "scenario",
    "id",
    "history",
    "profile",
    "own profile",
    "elsewhere",
    "length",
    "length elsewhere",
)
"""Of a request, beside the attributes of its user; that of the scenario comes first."""
ITEM_FEATURES = ("text", "own text", "id")
"""Of an item, beside its attributes."""


@dataclass(frozen=True)
class Blueprint:
    """The shape of a network over scenarios.

    Attributes:
        form, crossing: by name.
        size, hidden, experts, rank: as in `MultitaskSettings`.
        scenarios: names.
        tasks: of each scenario, those that order first.
        user_texts, user_numbers, item_texts, item_numbers: the attributes, with the size of each vocabulary.
        n_users: whose own vectors it has.
        n_items: of each scenario, the same.
        groups: of each scenario, which texts can be compared with its own: those of one number.
        widths: of each group, numbers of a text's vector.
        own_widths: of each scenario, numbers of a vector by the model as tuned there; 0: it is the same.
    """

    form: str
    crossing: str
    size: int
    hidden: int
    experts: int
    rank: int
    scenarios: tuple[str, ...]
    tasks: tuple[tuple[Task, ...], ...]
    user_texts: Mapping[str, int]
    user_numbers: tuple[str, ...]
    item_texts: Mapping[str, int]
    item_numbers: tuple[str, ...]
    n_users: int
    n_items: tuple[int, ...]
    groups: tuple[int, ...]
    widths: tuple[int, ...]
    own_widths: tuple[int, ...]

    @cached_property
    def heads(self) -> tuple[tuple[int, ...], ...]:
        """Numbers of every scenario's heads."""
        starts = [sum(len(tasks) for tasks in self.tasks[:place]) for place in range(len(self.tasks))]
        return tuple(
            tuple(range(start, start + len(tasks))) for start, tasks in zip(starts, self.tasks, strict=True)
        )

    @property
    def n_user_features(self) -> int:
        """How many features a request has."""
        return len(USER_FEATURES) + len(self.user_texts) + len(self.user_numbers)

    @property
    def n_features(self) -> int:
        """How many features a request and an item have together."""
        return self.n_user_features + len(ITEM_FEATURES) + len(self.item_texts) + len(self.item_numbers)

    @cached_property
    def crossed(self) -> NoCrossing:
        """How features meet."""
        return CROSSINGS[self.crossing](self.n_features, self.size, self.rank)

    @cached_property
    def sharing(self) -> SharingForm:
        """How scenarios and tasks share."""
        sizes = Sizes(
            self.crossed.width,
            self.n_user_features * self.size,
            self.size,
            self.hidden,
            self.heads,
            self.experts,
            self.rank,
        )
        form: SharingForm = SHARING_FORMS[self.form](sizes)
        return form

    def inputs(self, scenario: int) -> str:
        """Return what the names of a scenario's feature parameters begin with."""
        return f"input{scenario}." if self.sharing.own_inputs else "input."

    def shapes(self) -> dict[str, Shape]:
        """Return every parameter with its shape; see `SharingForm.shapes`. A `.table` starts small."""
        shapes = self.sharing.shapes() | self.crossed.shapes()
        for scenario, tasks in enumerate(self.tasks):
            prefix = self.inputs(scenario)
            shapes |= self._shared_inputs(prefix) | self._own_inputs(prefix, scenario)
            for head, task in zip(self.heads[scenario], tasks, strict=True):
                shapes[f"{TOWER}{head}.out.weight"] = (self.sharing.sizes.tower, task.width)
                shapes[f"{TOWER}{head}.out.bias"] = (task.width,)
                shapes[f"{TOWER}{head}.wide.zeros"] = (self.n_features * self.size, task.width)
                if self.crossed.pairs:
                    shapes[f"{TOWER}{head}.pairs.ones"] = (self.crossed.pairs, task.width)
        return shapes

    def _shared_inputs(self, prefix: str) -> dict[str, Shape]:
        shapes: dict[str, Shape] = {
            f"{prefix}scenario.table": (len(self.scenarios), self.size),
            f"{prefix}user.table": (self.n_users + 1, self.size),
            f"{prefix}length.table": (2, 2, self.size),
        }
        for side, texts, numbers in (
            ("user", self.user_texts, self.user_numbers),
            ("item", self.item_texts, self.item_numbers),
        ):
            for number, count in enumerate(texts.values()):
                shapes[f"{prefix}{side}.{number}.table"] = (count + 1, self.size)
            if numbers:
                shapes[f"{prefix}{side}.numbers.table"] = (len(numbers), 3, self.size)
        return shapes

    def _own_inputs(self, prefix: str, scenario: int) -> dict[str, Shape]:
        group = self.groups[scenario]
        shapes: dict[str, Shape] = {
            f"{prefix}items.{scenario}.table": (self.n_items[scenario] + 1, self.size)
        }
        if self.widths[group]:
            for name in ("text", "profile"):
                shapes[f"{prefix}{name}.{group}.map"] = (self.widths[group], self.size)
        if self.own_widths[scenario]:
            for name in ("text", "profile"):
                shapes[f"{prefix}{name}.own{scenario}.map"] = (self.own_widths[scenario], self.size)
        return shapes

    def to_json(self) -> str:
        """Return it as text."""
        values = dict(vars(self))
        plain = {name: value for name, value in values.items() if name in self.__dataclass_fields__}
        plain["tasks"] = [[task.to_json() for task in tasks] for tasks in self.tasks]
        return json.dumps(plain)

    @classmethod
    def of_json(cls, text: str) -> Self:
        """Take it back."""
        values: dict[str, Any] = json.loads(text)
        tasks = tuple(tuple(Task.of_json(task) for task in tasks) for tasks in values.pop("tasks"))
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(tasks=tasks, **plain)
