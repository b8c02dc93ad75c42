"""Goes along with which run was activated last, on whichever server: the log says it, every server follows.

A server that has not got that run stays with its own, says so, and looks again now and then: the run may be
on its way.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, Thread

from polyscene.core.errors import PolysceneError

_log = logging.getLogger(__name__)

SECONDS_BEFORE_RETRY = 5.0


class ActivationFollower:
    """Compares what was activated with what answers, whenever there is reason to.

    Args:
        activated: returns the id of the run that was activated last; None: none ever was.
        active: returns the id of the run that answers here.
        go_along: lets a run answer here.

    Attributes:
        behind: why another run answers here than the one that was activated; None: it does not.
    """

    def __init__(
        self,
        activated: Callable[[], str | None],
        active: Callable[[], str],
        go_along: Callable[[str], None],
    ) -> None:
        self._activated, self._active, self._go_along = activated, active, go_along
        self.behind: str | None = None
        self._woken, self._stopping = Event(), Event()
        self._passed_over: str | None = None
        self._thread = Thread(target=self._run, name="the follower of activations", daemon=True)

    def start(self, pinned: bool = False) -> None:
        """Go along with what was activated before this server started, and from now on.

        Args:
            pinned: whether the run that answers was asked for by name, and stays until one is activated.
        """
        self._passed_over = self._activated() if pinned else None
        self.look()
        self._thread.start()

    def wake(self) -> None:
        """Say that a run was activated, which may be the one that answers."""
        self._passed_over = None
        self._woken.set()

    def look(self) -> None:
        """Go along, where there is anything to go along with."""
        wanted = self._activated()
        if wanted is None or wanted == self._active():
            self.behind = None
            return
        if wanted == self._passed_over:
            self.behind = f"the run {wanted} was activated; this server was started with another by name"
            return
        try:
            self._go_along(wanted)
        except PolysceneError as error:
            self._tell(str(error))
        else:
            self.behind = None

    def close(self) -> None:
        """Stop; a swap that is under way is finished."""
        self._stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.wait(None if self.behind is None else SECONDS_BEFORE_RETRY)
            self._woken.clear()
            if self._stopping.is_set():
                return
            try:
                self.look()
            except Exception:  # noqa: BLE001 - the thread lives on, and whoever looks at the service is told
                _log.exception("an activation was not followed")
                self.behind = "a bug keeps this server from following an activation; its log says more"

    def _tell(self, reason: str) -> None:
        if reason != self.behind:
            _log.warning("this server does not follow an activation: %s", reason)
        self.behind = reason
