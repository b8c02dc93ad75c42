"""What Prometheus asks and Grafana shows is what the service tells."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from polyscene.runs.run import Run
from polyscene.serving.app import build_app
from polyscene.serving.auth import KeyFile, Scope
from polyscene.serving.service import Service
from polyscene.serving.tenants import Tenants

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/dashboards/polyscene.json").read_text())
TARGETS = [
    pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
]
SCRAPE_LABELS = {"instance", "job"}
"""What Prometheus itself adds."""


@pytest.fixture(scope="module")
def sample_labels(run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Return the labels of every sample that a service of several tenants tells after some requests."""
    folder = tmp_path_factory.mktemp("service")
    services, keys = [], []
    for name in ("a", "b"):
        file = KeyFile(folder / name / "keys.json")
        keys.append({"Authorization": "Bearer " + file.add("all", [Scope.admin])})
        services.append(Service.open(Run(run.folder), folder / name, file, name=name))
    tenants = Tenants(services)
    client = TestClient(build_app(tenants), "http://anywhere.example", headers=keys[0])
    slate = client.post("/v1/recommendations", json={"user": "u", "scenario": "shop"}).json()
    event = {"user": "u", "scenario": "shop", "item": slate["items"][0]["id"]}
    assert client.post("/v1/events", json=event).status_code == 200
    client.get("/v1/users", headers={"Authorization": "none"})
    text = client.get("/metrics").text
    tenants.close()
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


def selectors(query: Any) -> Iterator[Any]:
    """Yield every series that a query names."""
    if isinstance(query, promql_parser.VectorSelector):
        yield query
    elif isinstance(query, promql_parser.MatrixSelector):
        yield query.vector_selector
    for part in ("expr", "lhs", "rhs", "param"):
        if getattr(query, part, None) is not None:
            yield from selectors(getattr(query, part))
    for argument in getattr(query, "args", []):
        yield from selectors(argument)


def parsed(expression: str) -> Any:
    return promql_parser.parse(expression.replace("$__rate_interval", "1m").replace("$tenant", ".*"))


@pytest.mark.parametrize("expression", TARGETS)
def test_a_panel_asks_for_what_is_told(expression: str, sample_labels: dict[str, set[str]]) -> None:
    series = list(selectors(parsed(expression)))
    assert series
    for one in series:
        assert one.name in sample_labels
        matched = {matcher.name for matcher in one.matchers.matchers}
        assert matched <= sample_labels[one.name] | SCRAPE_LABELS
        assert "tenant" in matched
    grouped = {name for group in re.findall(r"by \(([^)]*)\)", expression) for name in group.split(", ")}
    assert grouped <= set().union(*(sample_labels[one.name] for one in series)) | SCRAPE_LABELS


@pytest.mark.parametrize("expression", ["rate(polyscene_slates_total[1m]", "sum by (x"])
def test_a_wrong_query_is_noticed(expression: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parsed(expression)


def test_every_measurement_is_shown(sample_labels: dict[str, set[str]]) -> None:
    asked = " ".join(str(target.values[0]) for target in TARGETS)
    families = {re.sub(r"_(total|created|bucket|count|sum)$", "", name) for name in sample_labels}
    assert {family for family in families if family not in asked} == set()


def test_legends_name_labels_that_are_there(sample_labels: dict[str, set[str]]) -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            series = list(selectors(parsed(target["expr"])))
            known = set().union(*(sample_labels[one.name] for one in series)) | SCRAPE_LABELS
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= known


def test_panels_do_not_overlap_and_say_what_they_show() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + column, place["y"] + row)
            for column in range(place["w"])
            for row in range(place["h"])
        }
        assert not cells & taken
        assert max(column for column, _ in cells) < 24
        taken |= cells
        assert panel["title"]
        assert panel["description"].endswith(".")
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_grafana_finds_its_source_and_its_dashboards() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    source = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())["datasources"][0]
    used = {part["datasource"]["uid"] for panel in DASHBOARD["panels"] for part in (panel, *panel["targets"])}
    assert used == {source["uid"]}
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert source["url"] == "http://prometheus:9090"
    provider = yaml.safe_load((provisioning / "dashboards/polyscene.yaml").read_text())["providers"][0]
    mounts = dict(volume.split(":")[:2] for volume in compose["grafana"]["volumes"])
    assert mounts["./grafana/dashboards"] == provider["options"]["path"]
    home = compose["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (DEPLOY / "grafana" / "dashboards" / Path(home).name).exists()
    assert Path(home).parent == Path(provider["options"]["path"])


def test_prometheus_asks_the_servers_with_a_key() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    assert set(config) == {"global", "scrape_configs"}
    (job,) = config["scrape_configs"]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    hosts = [target.split(":") for group in job["static_configs"] for target in group["targets"]]
    assert {name for name, _ in hosts} == {name for name in compose["services"] if name.startswith("server-")}
    assert {port for _, port in hosts} == {"8000"}
    assert job["metrics_path"] == "/metrics"
    secret = job["authorization"]["credentials_file"].removeprefix("/run/secrets/")
    assert secret in compose["services"]["prometheus"]["secrets"]
