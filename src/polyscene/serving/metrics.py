"""What is measured, in the form that Prometheus reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from polyscene.serving.stores.contract import Receipt

SECONDS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The measurements of one service, apart from those of any other in the process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "polyscene_request_seconds",
            "Time to answer a request, by endpoint and status.",
            ("endpoint", "status"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.open_requests = Gauge(
            "polyscene_open_requests", "Requests that are being answered.", registry=self.registry
        )
        self._events = Counter(
            "polyscene_events", "Events acknowledged, new or known before.", ("kind",), registry=self.registry
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

    def batch_visible(self, seconds: float, receipt: Receipt) -> None:
        """Count a batch of events."""
        self._events.labels("duplicate" if receipt.repeated else "new").inc(receipt.accepted)
        self._events.labels("duplicate").inc(receipt.duplicates)
        self._freshness.observe(seconds)

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Ask for a number whenever the measurements are read."""
        self.registry.register(_Asked(name, text, value))

    def text(self) -> bytes:
        """Return all measurements."""
        return generate_latest(self.registry)


class _Asked(Collector):
    def __init__(self, name: str, text: str, value: Callable[[], float]) -> None:
        self._name, self._text, self._value = name, text, value

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily(self._name, self._text, value=self._value())
