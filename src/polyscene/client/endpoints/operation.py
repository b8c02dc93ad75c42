"""What those do who run a service: rules, models, health and measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from polyscene.client import admin_answers
from polyscene.client.endpoint import endpoint
from polyscene.client.requests import Parts, Repeat


class Rules:
    """Asks for the rules of a scenario, and replaces them."""

    @endpoint("GET /v1/rules/{scenario}", admin_answers.Rules)
    def get_rules(self, scenario: str) -> Parts:
        """Return the rules that hold, and the version by which decisions name them."""
        return Parts({"scenario": scenario})

    @endpoint("PUT /v1/rules/{scenario}", admin_answers.RulesChange)
    def put_rules(self, scenario: str, rules: Sequence[Mapping[str, object]]) -> Parts:
        """Let these be all rules of a scenario, for the next request and after a restart."""
        return Parts({"scenario": scenario}, body={"rules": rules})

    @endpoint("DELETE /v1/rules/{scenario}", admin_answers.RulesChange)
    def delete_rules(self, scenario: str) -> Parts:
        """Let the rules of the configuration hold again."""
        return Parts({"scenario": scenario})


class Models:
    """Asks which runs there are, and lets one answer."""

    @endpoint("GET /v1/models", admin_answers.Models)
    def list_models(self) -> Parts:
        """Return every run of the project, oldest first."""
        return Parts()

    @endpoint("POST /v1/models/{run}/activate", admin_answers.Activation, Repeat.unless_done, slow=True)
    def activate_model(self, run: str, *, force: bool = False) -> Parts:
        """Let a run answer from now on; `force`: also where it is worse, or that cannot be told."""
        return Parts({"run": run}, {"force": force})

    @endpoint("POST /v1/models/rollback", admin_answers.Activation, Repeat.unless_done, slow=True)
    def roll_back_model(self) -> Parts:
        """Let the run answer that did so before the present one."""
        return Parts()


class Health:
    """Asks how the process is."""

    @endpoint("GET /health/live", admin_answers.Live)
    def live(self) -> Parts:
        """Return as long as the process answers."""
        return Parts()

    @endpoint("GET /health/ready", admin_answers.Ready, answers=(503,))
    def ready(self) -> Parts:
        """Return whether requests can be sent; that they cannot is an answer, and no error."""
        return Parts()

    @endpoint("GET /metrics", str)
    def metrics(self) -> Parts:
        """Return measurements in the text form of Prometheus."""
        return Parts()
