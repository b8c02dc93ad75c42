"""Several projects in one process, strictly apart: a request reaches one of them by its key, or none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from polyscene.core.errors import ConfigError, Problem
from polyscene.core.settings.service import ServiceSettings
from polyscene.serving.auth import Key
from polyscene.serving.metrics import ProcessMetrics
from polyscene.serving.service import Service

CALLER = "polyscene.caller"
"""Where the scope of a request says who asks."""
NO_KEY = "no key"


@dataclass(frozen=True)
class Caller:
    """Who asks: which tenant, by which key.

    Attributes:
        key: None: the service asks nobody for a key.
    """

    service: Service
    key: Key | None

    @property
    def name(self) -> str:
        """The name of the key."""
        return NO_KEY if self.key is None else self.key.name


class Tenants:
    """The services of a process.

    Args:
        services: at least one; what concerns the whole process is set by the first.

    Attributes:
        settings: of the whole process.
        stopping: whether the process is about to end: it answers, and wants no new requests.

    Raises:
        ConfigError: two have the same name or share a key, or one of several asks for no keys.
    """

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = tuple(services)
        self._demand_apart()
        self.settings: ServiceSettings = self._services[0].settings
        self.process = ProcessMetrics()
        self.stopping = False
        for service in self._services:
            service.metrics.include(self.process)

    def __iter__(self) -> Iterator[Service]:
        return iter(self._services)

    def __len__(self) -> int:
        return len(self._services)

    @property
    def only(self) -> Service | None:
        """The one service, if there is one."""
        return self._services[0] if len(self._services) == 1 else None

    @property
    def keyless(self) -> Caller | None:
        """Who asks without a key, where no key is asked for."""
        service = self.only
        return Caller(service, None) if service is not None and service.keys is None else None

    def find(self, key: str) -> Caller | None:
        """Return who asks by a key; None: nobody knows it, or more than one do."""
        callers = []
        for service in self._services:  # all of them, so that the time tells nothing
            known = None if service.keys is None else service.keys.find(key)
            if known is not None:
                callers.append(Caller(service, known))
        return callers[0] if len(callers) == 1 else None

    def close(self) -> None:
        """Write what waits, then close everything."""
        for service in self._services:
            service.close()

    def _demand_apart(self) -> None:
        names = [service.name for service in self._services]
        double = next((name for name in names if names.count(name) > 1), None)
        if double is not None:
            remedy = "give each configuration a 'name' of its own"
            raise _mixed("one name for each", f"'{double}' twice", remedy)
        if len(names) > 1 and any(service.keys is None for service in self._services):
            raise _mixed("keys: they tell the tenants apart", "--no-auth", "leave it out, or serve one alone")
        digests = [
            {one.sha256 for one in service.keys.known}
            for service in self._services
            if service.keys is not None
        ]
        if len(set().union(*digests)) < sum(map(len, digests)):
            raise _mixed("keys of each tenant's own", "one in two key files", "remove it from one of them")


def _mixed(expected: str, found: str, remedy: str) -> ConfigError:
    return ConfigError(Problem("these projects cannot be served together", expected, found, remedy))
