"""What is measured, in the form that Prometheus reads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from polyscene.core.types import Slate
from polyscene.representation.index_choice import IndexCheck
from polyscene.serving.stores.contract import LoggedEvent, Receipt

SECONDS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
CONTENT_TYPE = CONTENT_TYPE_LATEST
HOUR = 3_600
"""The last use of a key is told no finer."""


class ProcessMetrics:
    """What belongs to the process and to no tenant: every tenant is told it."""

    def __init__(self) -> None:
        self.open_requests = Gauge(
            "polyscene_open_requests", "Requests that the process is answering.", registry=None
        )
        self.without_tenant = Counter(
            "polyscene_requests_without_tenant",
            "Requests to a process of several tenants that no tenant's key came with, by status.",
            ("status",),
            registry=None,
        )

    def collectors(self) -> tuple[Collector, ...]:
        """Return all of them."""
        return self.open_requests, self.without_tenant


class Metrics:
    """The measurements of one service, apart from those of any other in the process.

    Args:
        tenant: name that every sample gets as the label `tenant`; "": no such label.
    """

    def __init__(self, tenant: str = "") -> None:
        self.registry = _Registry(tenant)
        self.requests = Histogram(
            "polyscene_request_seconds",
            "Time to answer a request, by endpoint and status.",
            ("endpoint", "status"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._events = Counter(
            "polyscene_events", "Events acknowledged, new or known before.", ("kind",), registry=self.registry
        )
        self._actions = Counter(
            "polyscene_actions",
            "New events, by scenario and action; clicks by slates are the click rate.",
            ("scenario", "action"),
            registry=self.registry,
        )
        self._freshness = Histogram(
            "polyscene_event_visible_seconds",
            "Time from an event's arrival until requests see it.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.slates = Counter(
            "polyscene_slates", "Slates given, by scenario.", ("scenario",), registry=self.registry
        )
        self._explored = Counter(
            "polyscene_slates_explored",
            "Slates with a place that was drawn by chance, by scenario.",
            ("scenario",),
            registry=self.registry,
        )
        self._drift = Counter(
            "polyscene_drift",
            "Changes that were detected, by scenario and stream.",
            ("scenario", "stream"),
            registry=self.registry,
        )
        self._index_recall = Gauge(
            "polyscene_index_recall",
            "Share of the nearest vectors that an index finds, by scenario, view and kind, measured when the "
            "run became live; 1 where all are compared.",
            ("scenario", "view", "kind"),
            registry=self.registry,
        )
        self._last_use = Gauge(
            "polyscene_key_last_use_seconds",
            "Hour in which a key was last used, in seconds since 1970; forgotten at the end of the process.",
            ("key",),
            registry=self.registry,
        )

    def batch_visible(self, seconds: float, receipt: Receipt) -> None:
        """Count a batch of events."""
        self._events.labels("duplicate" if receipt.repeated else "new").inc(receipt.accepted)
        self._events.labels("duplicate").inc(receipt.duplicates)
        for _, entry in receipt.fresh:
            if isinstance(entry, LoggedEvent):
                self._actions.labels(entry.scenario, entry.action).inc()
        self._freshness.observe(seconds)

    def slate_given(self, slate: Slate) -> None:
        """Count a slate, and whether chance had a hand in it."""
        self.slates.labels(slate.scenario).inc()
        drawn = any(place.propensity < 1.0 for place in slate.items)
        self._explored.labels(slate.scenario).inc(drawn)

    def drift_watched(self, scenario: str, streams: Iterable[str]) -> None:
        """Tell that no change was detected yet."""
        for stream in streams:
            self._drift.labels(scenario, stream)

    def drift_detected(self, scenario: str, stream: str) -> None:
        """Count a change."""
        self._drift.labels(scenario, stream).inc()

    def indexes_checked(self, checks: Mapping[tuple[str, str], IndexCheck]) -> None:
        """Tell what the indexes of the run that is live from now on find, by scenario and view."""
        self._index_recall.clear()
        for (scenario, view), check in checks.items():
            self._index_recall.labels(scenario, view, check.kind).set(check.live_recall)

    def key_used(self, name: str) -> None:
        """Remember roughly when a key was last used."""
        self._last_use.labels(name).set(int(time.time()) // HOUR * HOUR)

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Ask for a number whenever the measurements are read."""
        self.registry.register(_Asked(name, text, value))

    def include(self, process: ProcessMetrics) -> None:
        """Also tell what belongs to the process."""
        self.registry.process = process

    def text(self) -> bytes:
        """Return all measurements."""
        return generate_latest(self.registry)


class _Registry(CollectorRegistry):
    """Gives every sample the label of its tenant."""

    def __init__(self, tenant: str) -> None:
        super().__init__()
        self._labels = {"tenant": tenant} if tenant else {}
        self.process: ProcessMetrics | None = None

    def collect(self) -> Iterator[Metric]:
        process = () if self.process is None else self.process.collectors()
        for family in chain(super().collect(), *(collector.collect() for collector in process)):
            family.samples = [one._replace(labels={**one.labels, **self._labels}) for one in family.samples]
            yield family


class _Asked(Collector):
    def __init__(self, name: str, text: str, value: Callable[[], float]) -> None:
        self._name, self._text, self._value = name, text, value

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily(self._name, self._text, value=self._value())
