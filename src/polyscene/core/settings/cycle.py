"""`[cycle]`: what a night's run must show before it answers."""

from __future__ import annotations

from pydantic import Field

from polyscene.core.settings.block import Strict


class CycleSettings(Strict):
    """What a night's run must show before it answers."""

    judged_share: float = Field(
        0.3, gt=0, lt=1, description="latest share of the new events by which the run is judged"
    )
    min_choices: int = Field(50, ge=1, description="so many must be judged, else nothing is promoted")
    max_choices: int = Field(2_000, ge=1, description="a sample of so many is judged, of new and of old ones")
    max_loss: float = Field(0.05, ge=0, description="share of the live run's NDCG@10 that may be lost")
    exam_share: float = Field(
        0.02, ge=0, lt=1, description="share of the choices that no cycle trains on, to see what is forgotten"
    )
    max_forgetting: float = Field(0.05, ge=0, description="the same on the exam, where it is certain")
    skips: bool = Field(True, description="choices count by what their items earn for being shown")
    prior_clicks: float = Field(10.0, gt=0, description="as if every item had earned so many as expected")
    hours: float = Field(1.0, gt=0, description="rewards belong to a decision for so long")
    max_decisions: int = Field(2_000, ge=1, description="the latest so many are valued off-policy")
    refit_growth: float = Field(
        0.2,
        ge=0,
        description="a run is trained anew when its events have grown by this share since it last was; "
        "until then it learns on; 0: every cycle trains anew",
    )
    refit_nights: int = Field(30, ge=1, description="no more cycles than so many learn on one after another")
    refit_distance: float = Field(
        0.1,
        ge=0,
        description="a run is trained anew when slates of its posterior differ from a refit's in this share "
        "of their items, beyond chance; 0: it is not looked at",
    )
    lessons: int = Field(2_000, ge=1, description="new choices from which the fusion learns on, a sample")
    replay: int = Field(500, ge=0, description="choices kept beside a run, to be learned from again")
