"""One training run, ready to answer: what `Project.train` returns and `Project.run` opens."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from polyscene.core.columns import Slates, Vectors
from polyscene.core.ids import id_text, id_texts, size_of
from polyscene.core.progress import Progress
from polyscene.core.settings.index import IndexSettings
from polyscene.core.settings.rules import Fact
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.types import Event, FloatArray, Recommendation, Slate
from polyscene.engine import bulk, recommending, vectors
from polyscene.engine.bulk import BulkRequest
from polyscene.engine.indexing import index_by
from polyscene.engine.predicting import predict_items
from polyscene.engine.recommending import Explanation
from polyscene.engine.state import System
from polyscene.engine.updates import Intake
from polyscene.engine.vectors import VectorView
from polyscene.engine.why_not import WhyNot, why_not
from polyscene.learning.item_views import LANGUAGE
from polyscene.runs.asking import Asked, PolicyLike, Seen, arrange, request_of
from polyscene.runs.described_items import descriptions_of, with_id_text
from polyscene.runs.folder import LESSONS, READERS, new_run, write_manifest
from polyscene.runs.item_encoder import ItemEncoder
from polyscene.runs.run_record import RunRecord
from polyscene.runs.system_files import FORMAT, load_system, save_system


class Run(RunRecord):
    """A run that answers; what its folder says of it stands in `RunRecord`.

    Args:
        folder: where it lies.
        present: settings of the scenarios whose policies and rules count; None: those it was trained with.
        index: how the nearest vectors are found; None: as usual.
    """

    def __init__(
        self,
        folder: Path,
        present: Mapping[str, ScenarioSettings] | None = None,
        index: IndexSettings | None = None,
    ) -> None:
        super().__init__(folder)
        self.present, self.index = present, index

    @cached_property
    def system(self) -> System:
        """The fitted system, read from the folder when it is first needed."""
        system = load_system(self.folder, self.manifest["system"], self.format)
        if self.manifest.get("readers"):
            # language models, loaded only if asked for
            from polyscene.runs.reranker_files import restore_readers

            restore_readers(system, self.folder, self.manifest)
        arrange(system, self.settings if self.present is None else self.present)
        index_by(system, self.index or IndexSettings())
        return system

    def reload(self) -> None:
        """Forget what was observed and put: the system is read anew."""
        self.__dict__.pop("system", None), self.__dict__.pop("intake", None)

    def recommend(
        self,
        user: str | int | None = None,
        scenario: str | None = None,
        k: int = 10,
        exclude: Iterable[str | int] = (),
        reasons: bool = True,
        *,
        items: Iterable[str | int] | None = None,
        where: str | None = None,
        history: Iterable[str | int] | None = None,
        policy: PolicyLike = None,
        explore: bool = True,
        seed: int | None = None,
        context: Mapping[str, Fact] | None = None,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the word of the service
        seen: Seen | None = None,
    ) -> Slate:
        """Return a slate of at most k items for a user; a stranger gets what suits everybody.

        Args:
            user: the user's id, as text or a whole number; may be left out where there is a history.
            scenario: may be left out where there is only one.
            k: at least 1.
            exclude: item ids that shall not be shown.
            reasons: whether every place gets its reason; a slate without them takes half the time.
            items: item ids that the slate shall consist of; None: any. What may not be shown is left out.
            where: an SQL condition over the items' attributes, `id` and `title`, as `genre = 'jazz'`.
            history: item ids, oldest first, that stand in place of everything the user did.
            policy: `"greedy"`, `{"name": "epsilon", "epsilon": 0.1}`; None: the scenario's.
            explore: False: the best in their order, whatever the policy.
            seed: of the policy's chance, to draw the same slate again; None: a new one.
            context: facts about the request, at which rules may look.
            filter: conditions on attributes: `{"brand": "Acme", "price": {"at_most": 20}}`.
            seen: `"hide"` or `"allow"` what the user had; None: as the scenario does.

        Raises:
            UnknownIdError: no such scenario or item.
            DataError: the condition or the filter cannot be used.
            ModelError: a reader of texts needs the language model, which is not there.
            ValueError: k is below 1, neither a user nor a history is given, or an argument cannot be meant.
        """
        limits = Asked(exclude=exclude, items=items, where=where, filter=filter, seen=seen)
        asked = Asked(
            reasons=reasons, history=history, policy=policy, explore=explore, seed=seed, context=context
        )
        request = request_of(user, scenario, k, limits | asked)
        return recommending.recommend(self.system, self.id, request)

    def recommend_many(
        self,
        users: Iterable[str | int] | None = None,
        scenario: str | None = None,
        k: int = 10,
        exclude: Iterable[str | int] = (),
        *,
        items: Iterable[str | int] | None = None,
        where: str | None = None,
        progress: Progress | None = None,
    ) -> Slates:
        """Return a slate for each of many users, those that `recommend` gives one by one, without reasons.

        Args:
            users: ids in the order of the answer; None: everybody who has done something in the scenario.
            scenario: may be left out where there is only one.
            k: at least 1.
            exclude: item ids that nobody shall be shown.
            items: item ids that the slates shall consist of; None: any.
            where: an SQL condition over the items' attributes, `id` and `title`.
            progress: hears how far it is.

        Raises:
            UnknownIdError: no such scenario or item.
            DataError: the condition cannot be used.
            ModelError: a reader of texts needs the language model, which is not there.
            ArgumentError: an id is neither text nor a whole number, `exclude` is no list, or k is below 1.
        """
        asked = self.users(scenario) if users is None else id_texts(users, "user", "users")
        only = None if items is None else id_texts(items, "item", "items")
        barred = id_texts(exclude, "item", "exclude")
        request = BulkRequest(asked, scenario, size_of(k), barred, only, where)
        return bulk.recommend_many(self.system, self.id, request, progress)

    def score(
        self,
        user: str | int | None,
        items: Iterable[str | int],
        scenario: str | None = None,
        *,
        history: Iterable[str | int] | None = None,
    ) -> FloatArray:
        """Return (m,) the scores of given items for a user, in their order, whether or not they may be shown.

        They are comparable within one call only; larger is better.

        Args:
            user: the user's id; None where there is a history.
            items: m item ids.
            scenario: may be left out where there is only one.
            history: item ids, oldest first, that stand in place of everything the user did.

        Raises:
            UnknownIdError: no such scenario or item.
            ValueError: neither a user nor a history is given.
        """
        request = request_of(user, scenario, 1, {"history": history})
        return bulk.score_items(self.system, request, id_texts(items, "item", "items"))

    def predictions(
        self,
        user: str | int | None,
        items: Iterable[str | int],
        scenario: str | None = None,
        *,
        history: Iterable[str | int] | None = None,
    ) -> dict[str, FloatArray]:
        """Return (m,) how likely m items are chosen next, and what `multitask` expects of them, by objective.

        `next_choice` is a probability over all that may be shown, 0 of what may not. A yes or no is one too.
        Both are calibrated on held-out choices, to be multiplied by a price; a value is in its own unit.

        Args:
            user: the user's id; None where there is a history.
            items: m item ids.
            scenario, history: as in `score`.

        Raises:
            UnknownIdError: no such scenario or item.
            ArgumentError: an argument cannot be meant.
        """
        request = request_of(user, scenario, 1, {"history": history})
        return predict_items(self.system, request, id_texts(items, "item", "items"))

    def users(self, scenario: str | None = None) -> tuple[str, ...]:
        """Return the ids of everybody who has done something in a scenario, in the run's order."""
        state = self.system.scenario(scenario)
        active = np.unique(state.log.events().user)
        return tuple(
            self.system.users[code].removeprefix(self._prefix(state.name)) for code in active.tolist()
        )

    def item_vectors(self, scenario: str | None = None, view: VectorView = "tuned") -> Vectors:
        """Return the vector of every item of a scenario.

        Args:
            scenario: may be left out where there is only one.
            view: `tuned`, by the language model as it learned here; `prior`, as it came; `common`, comparable
                between scenarios; `described`, with attributes and media; `factors`, by behaviour alone.

        Raises:
            UnknownIdError: no such scenario, or no signal `factors` in it.
        """
        return vectors.item_vectors(self.system, scenario, view)

    def user_vectors(
        self,
        users: Iterable[str | int] | None = None,
        scenario: str | None = None,
        view: VectorView = "tuned",
    ) -> Vectors:
        """Return the vector of each user, whose inner products with `item_vectors` are a signal's scores.

        Args:
            users: ids; None: everybody who has done something in the scenario. Of a stranger it is zero.
            scenario: may be left out where there is only one.
            view: as in `item_vectors`.

        Raises:
            UnknownIdError: no such scenario, or no signal with such vectors in it.
        """
        asked = self.users(scenario) if users is None else id_texts(users, "user", "users")
        return vectors.user_vectors(self.system, scenario, view, asked)

    def _prefix(self, scenario: str) -> str:
        return f"{scenario}/" if self.settings[scenario].users_are_local else ""

    @cached_property
    def intake(self) -> Intake:
        """Takes events and items into the system."""
        return Intake(self.system, self.settings)

    def observe(self, *events: Event) -> None:
        """Take in events, all or none of them: the next request sees them.

        What is observed is kept in memory, and by `save`.

        Raises:
            UnknownIdError: no such scenario or item; `put_items` makes items known.
            ArgumentError: something is no event, or an id neither text nor a whole number.
            DataError: a value is not a number, or a time does not suit the scenario's clock.
        """
        self.intake.observe(events)

    @cached_property
    def encoder(self) -> ItemEncoder:
        """Turns texts of items into vectors, as training did; loads the language model at the first one."""
        return ItemEncoder.of_run(self.folder, self.manifest)

    def put_items(self, items: Sequence[Mapping[str, object]], scenario: str | None = None) -> list[str]:
        """Make new items known, or known ones anew; the next request may return them.

        What is put is kept in memory, and by `save`.

        Args:
            items: each by the names of the columns of the scenario's item table.
            scenario: may be left out where there is only one.

        Returns:
            Their ids.

        Raises:
            UnknownIdError: no such scenario.
            ArgumentError: an id is True, False or a broken number.
            DataError: an item cannot be read; all problems are listed.
            ModelError: the language model cannot be used.
        """
        from polyscene.data.reading.item_rows import rows_of  # reads tables: only who puts items needs it

        settings = self.settings[(state := self.system.scenario(scenario)).name]
        named = [with_id_text(item, settings.items.id) for item in items]
        rows = rows_of(settings, named, state.space.description.widths)
        encoded = self.encoder.encode(state.name, rows.texts) if state.space.has_text else {}
        self.intake.put(state.name, descriptions_of(rows, encoded))
        return list(rows.ids)

    def save(self, runs: Path | None = None, facts: Mapping[str, Any] | None = None) -> Run:
        """Keep the system as it is now, with all that was observed and put, as a run of its own.

        Args:
            runs: folder of the new run; None: beside this one.
            facts: that its manifest says in addition.

        Raises:
            RunError: the folder of the runs cannot be written.
        """
        home = runs or self.folder.parent
        with new_run(home) as (run_id, folder):
            with self.system.lock.writing():  # what was added since the fit is folded in
                saved = save_system(self.system, folder)
            for part in (LANGUAGE, READERS, LESSONS):
                if (self.folder / part).is_dir():
                    shutil.copytree(self.folder / part, folder / part)
            manifest = self.manifest | {"format": FORMAT, "system": saved, "saved_from": self.id}
            write_manifest(folder, manifest | dict(facts or {}))
        return Run(home / run_id, self.present)

    def similar(self, item: str | int, scenario: str | None = None, k: int = 10) -> list[Recommendation]:
        """Return the k items most like one item.

        Raises:
            UnknownIdError: no such scenario or item.
            ArgumentError: the id is neither text nor a whole number, or k is below 1.
        """
        return recommending.similar(self.system, id_text(item, "item"), scenario, size_of(k))

    def explain(self, user: str | int, item: str | int, scenario: str | None = None) -> Explanation:
        """Return why an item stands where it stands for a user.

        Raises:
            UnknownIdError: no such scenario or item.
            ArgumentError: an id is neither text nor a whole number.
        """
        return recommending.explain(self.system, id_text(user, "user"), id_text(item, "item"), scenario)

    def why_not(
        self,
        user: str | int | None,
        item: str | int,
        scenario: str | None = None,
        k: int = 10,
        **asked: Unpack[Asked],
    ) -> WhyNot:
        """Return what keeps an item out of the slate of a request, and the least that lets it in.

        Raises:
            UnknownIdError: no such scenario; an unknown item is an answer. Else as `recommend`.
        """
        return why_not(self.system, request_of(user, scenario, k, asked), id_text(item, "item"))
