"""Which run answers: judged before it may, swapped between two requests, told to every server by the log.

    worse(new, old)  ⇔  old - new > √(h_new² + h_old²)

in any scenario, of the means of NDCG and the half widths h of their 95 % intervals over users. Two runs are
compared where both were judged on equally many choices of equally many users under the same protocol; the
intervals are of each run alone, so the test is a careful one (M. Goldstein and M. Healy, The Graphical
Presentation of a Collection of Means, 1995).
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from polyscene.core.errors import ConflictError, RunError, UnknownIdError
from polyscene.core.files import write_text
from polyscene.core.text import shown
from polyscene.evaluation.results import SYSTEM
from polyscene.runs.folder import run_ids
from polyscene.runs.run import Run
from polyscene.serving.catalogue_changes import CatalogueChanges
from polyscene.serving.following import ActivationFollower
from polyscene.serving.live import LiveRun
from polyscene.serving.managed import Manager
from polyscene.serving.snapshots import SNAPSHOTS, SnapshotKeeper, resume_newest
from polyscene.serving.stores.contract import ChangeKind, LoggedChange

_log = logging.getLogger(__name__)

ACTIVE = "active.json"
"""In the data folder: the run that answered last, so that a start need not look into the log for it."""
MAX_HISTORY = 20
SECONDS_FOR_ANOTHER = 1.0
"""Whoever changes the run waits so long for another change to end."""
SAME = ("users", "choices", "protocol", "seen_items")
"""What must be equal where two judgements are compared."""


class Models:
    """The runs of a project, of which one is live.

    Args:
        management: whose live run changes.

    Attributes:
        follower: lets the run answer that was activated on another server.
    """

    def __init__(self, management: Manager) -> None:
        self._management, self._swapping = management, Lock()
        self._runs = management.changes.run.folder.parent
        self.follower = ActivationFollower(self._activated, self._answering, self._go_along)
        management.changes.activated = self.follower.wake

    def listed(self) -> list[dict[str, Any]]:
        """Return every run: id, when it was made, what it learned from, its metrics, whether it is active."""
        active = self._answering()
        return [_described(self._runs / name, name == active) for name in run_ids(self._runs)]

    def activate(self, name: str, force: bool = False) -> dict[str, Any]:
        """Let a run answer from now on; nothing is refused or mixed meanwhile.

        Args:
            force: whether also where it is worse than the live one, or that cannot be told.

        Raises:
            UnknownIdError: there is no such run.
            ConflictError: it is worse, that cannot be told, it is damaged, or another swap is under way.
        """
        with self._alone():
            before = self._management.changes.run
            if name == before.id and self._activated() in (None, name):
                return {"run": name, "before": before.id, "forced": False, "verdict": "it is active"}
            if name not in run_ids(self._runs):
                raise UnknownIdError(f"expected the id of a run, found {shown(name)}; /v1/models lists them")
            run = _opened(self._runs / name, before)
            verdict = reason_against(run.metrics, before.metrics)
            if verdict is not None and not force:
                raise ConflictError(f"{verdict}; force=true activates it all the same")
            self._swap(run, [before.id, *self._earlier()])
            return {
                "run": run.id,
                "before": before.id,
                "forced": verdict is not None,
                "verdict": verdict or "it is not worse than the one before",
            }

    def roll_back(self) -> dict[str, Any]:
        """Let the run answer that did so before the present one.

        Raises:
            ConflictError: there is none, it is damaged, or another swap is under way.
        """
        with self._alone():
            present, earlier = self._answering(), self._earlier()
            known = [name for name in earlier if name != present and name in run_ids(self._runs)]
            if not known:
                raise ConflictError(
                    "expected a run that was active before, found none; activate one by its id"
                )
            run = _opened(self._runs / known[0], self._management.changes.run)
            self._swap(run, earlier[earlier.index(known[0]) + 1 :])
            return {"run": known[0], "before": present, "forced": False, "verdict": "it was active before"}

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._swapping.acquire(timeout=SECONDS_FOR_ANOTHER):
            raise ConflictError("expected one change of the run at a time, found another; wait for it")
        try:
            yield
        finally:
            self._swapping.release()

    def _answering(self) -> str:
        return self._management.changes.run.id

    def _activated(self) -> str | None:
        """Return which run was activated last, on whichever server; None: none ever was."""
        facts = self._logged()
        return None if facts is None else str(facts["run"])

    def _logged(self) -> Mapping[str, Any] | None:
        latest = self._management.known.told(ChangeKind.model, "", "")
        return None if latest is None else latest[1]

    def _go_along(self, name: str) -> None:
        """Let a run answer that was activated on another server.

        Raises:
            ConflictError: it is not here, or damaged.
            StoreError: the log cannot be read.
        """
        with self._swapping:
            if name == self._answering() or name != self._activated():
                return
            if name not in run_ids(self._runs):
                raise ConflictError(
                    f"expected the run {shown(name)}, which was activated, in the folder of runs of this "
                    "server, found none of that id; copy it there"
                )
            self._swap(_opened(self._runs / name, self._management.changes.run))

    def _swap(self, run: Run, earlier: list[str] | None = None) -> None:
        """Open a run beside the live one, and put it in its place between two requests.

        Args:
            earlier: the runs before it, latest first, for the log; None: the log says it already.
        """
        management, service = self._management, self._management.service
        store, folder = service.live.store, management.folder / SNAPSHOTS
        snapshot = resume_newest(run, store, folder, _log.warning)
        changes = CatalogueChanges(run, management.known, records=False)
        live = LiveRun(run, store, None, service.metrics.batch_visible, handlers=changes.handlers)
        before, keeper = service.live, service.snapshots
        try:
            checks = service.warm_up(live)
            with management.gate.writing():  # nobody hands anything in
                before.submit([]).result()  # and what was handed in is finished
                live.catch_up()
                self._take_over(live, changes, run, earlier)
                service.take_indexes(checks)
        except BaseException:
            live.close()
            raise
        before.close()
        keeper.close()
        held = 0 if snapshot is None else snapshot.offset
        service.snapshots = SnapshotKeeper(live, folder, keeper.settings, held)
        service.encoder.follow(run)
        self._remember(run.id)

    def _take_over(
        self, live: LiveRun, changes: CatalogueChanges, run: Run, earlier: list[str] | None
    ) -> None:
        """Let another live run hear of the log in place of the present one, tell it so, and put it there."""
        management, service, before = self._management, self._management.service, self._management.changes

        def listen(successor: bool = True) -> None:
            before.records, changes.records = not successor, successor

        changes.activated = self.follower.wake
        service.live.hand_over(live, listen)
        try:
            if earlier is not None:
                fields = {"run": run.id, "before": earlier[:MAX_HISTORY]}
                live.submit([LoggedChange(ChangeKind.model, "", "", fields)]).result()
            changes.restore_rules()
        except BaseException:
            try:
                live.hand_over(service.live, lambda: listen(False))
            finally:
                listen(False)
            raise
        service.live, management.changes = live, changes

    def _earlier(self) -> list[str]:
        facts = self._logged() or _active(self._management.folder)
        return list(facts.get("before", []))

    def _remember(self, run: str) -> None:
        text = json.dumps({"run": run, "before": self._earlier()}, indent=2)
        write_text(self._management.folder / ACTIVE, text + "\n")


def active_run(folder: Path, runs: Path) -> str | None:
    """Return the run that a data folder names as active, if it is still there."""
    name = _active(folder).get("run")
    return name if name in run_ids(runs) else None


def reason_against(new: Mapping[str, Any] | None, live: Mapping[str, Any] | None) -> str | None:
    """Return why a run should not take the place of the live one; None: nothing speaks against it.

    Args:
        new: what the last evaluation of the run measured, None: nothing.
        live: the same of the live run.
    """
    if new is None or live is None:
        which = "the run" if new is None else "the live run"
        return f"expected both runs to be judged, found that {which} is not; polyscene evaluate judges it"
    for scenario, judged in live["scenarios"].items():
        other = new["scenarios"].get(scenario)
        if other is None:
            return f"expected the scenarios of the live run, found no judgement of '{scenario}'"
        reason = _reason(scenario, other, judged)
        if reason is not None:
            return reason
    return None


def _reason(scenario: str, new: Mapping[str, Any], live: Mapping[str, Any]) -> str | None:
    differing = [name for name in SAME if new.get(name) != live.get(name)]
    if differing:
        return f"expected both runs to be judged alike in '{scenario}', found other {', '.join(differing)}"
    metric = next((name for name in _metrics(live) if name in _metrics(new)), None)
    if metric is None:
        return f"expected an interval of both runs in '{scenario}', found none; evaluate them with bootstrap"
    (old, old_half), (value, half) = _value(live, metric), _value(new, metric)
    margin = math.hypot(old_half, half)
    if old - value > margin:
        return (
            f"expected a run that is no worse than the live one, found {metric} {value:.4f} in '{scenario}', "
            f"{old - value:.4f} below its {old:.4f}, beyond ±{margin:.4f}"
        )
    return None


def _metrics(judged: Mapping[str, Any]) -> list[str]:
    """Return the metrics that have an interval, NDCG at 10 first."""
    names = [name for name in judged.get("intervals", {}).get(SYSTEM, {}) if name.startswith("ndcg@")]
    return sorted(names, key=lambda name: (name != "ndcg@10", name))


def _value(judged: Mapping[str, Any], metric: str) -> tuple[float, float]:
    low, high = judged["intervals"][SYSTEM][metric]
    return float(judged["models"][SYSTEM][metric]), (float(high) - float(low)) / 2.0


def _opened(folder: Path, live: Run) -> Run:
    try:
        run = Run(folder, live.present, live.index)
        run.system  # noqa: B018 - it is read now, so that a damaged run is refused
    except RunError as error:
        _log.warning("a run cannot be activated: %s", error)
        raise ConflictError(
            f"expected a whole run of this version, found {shown(folder.name)}, which is not; train again"
        ) from error
    return run


def _described(folder: Path, active: bool) -> dict[str, Any]:
    try:
        run = Run(folder)
    except RunError as error:
        _log.warning("a run cannot be read: %s", error)
        return {"run": folder.name, "active": active, "usable": False}
    metrics = run.metrics or {"scenarios": {}}
    return {
        "run": run.id,
        "active": active,
        "usable": True,
        "made": run.manifest["created"],
        "learned_from": run.manifest["learned_from"],
        "scenarios": list(run.scenarios),
        "judged": run.metrics is not None,
        "metrics": {name: one["models"].get(SYSTEM, {}) for name, one in metrics["scenarios"].items()},
        "intervals": {
            name: one.get("intervals", {}).get(SYSTEM, {}) for name, one in metrics["scenarios"].items()
        },
    }


def _active(folder: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads((folder / ACTIVE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RunError(
            f"expected the active run in {folder / ACTIVE}, found {error}; mend it or remove it"
        ) from error
    return values
