"""Runs of a model that set out to train: when, what for, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime
from zenml import get_step_context, log_metadata
from zenml.client import Client
from zenml.enums import ExecutionStatus
from zenml.models import PipelineRunResponse
from zenml.steps.step_context import StepContext

from evergreen.core.base import Frozen
from orchestration.runs import deployment_outcome, is_local, model_tag
from orchestration.vertex_runs import ended_on_vertex

TRAINS_KEY = "trains"
"""Metadata of a run that set out to train: when it did."""
REASONS_KEY = "trains_for"
"""Metadata of the same: the reasons, by name."""
OUTCOMES = {
    "live": "trained a version",
    "kept": "left the endpoint as it was",
    "rolled_back": "was rolled back",
    "none": "made no version that passes the gate",
    "waiting": "trained a version that a person is asked about",
    "registered": "registered a version",
}
STOPPED = (ExecutionStatus.STOPPED, ExecutionStatus.CANCELLED)
NEWEST = 10
"""So many of the last ones are looked through."""
Reason = Literal["rows", "configuration", "code", "drift", "quality", "age"]


class LastTraining(Frozen):
    """The last run of a model that set out to train, when it began, what for, and what became of it in words."""

    run: str
    began: AwareDatetime
    outcome: str
    reasons: tuple[str, ...] = ()


def note_training(reasons: Sequence[Reason] = ()) -> None:
    """Notes with the run that its step belongs to that it sets out to train, and what for."""
    run = get_step_context().pipeline_run
    log_metadata(
        metadata={TRAINS_KEY: datetime.now(UTC).isoformat(), REASONS_KEY: " ".join(reasons)},
        run_id_name_or_prefix=run.id,
    )


def last_training(model: str) -> LastTraining | None:
    """The model's last run that set out to train, whatever came of it; None before the first."""
    for run in _trainings(model, 1):
        became = became_words(run.status, deployment_outcome(run))
        reasons = tuple(str(run.run_metadata.get(REASONS_KEY) or "").split())
        return LastTraining(run=run.name, began=_began(run), outcome=became, reasons=reasons)
    return None


def became_words(status: ExecutionStatus, outcome: str | None) -> str:
    """What became of a run by its status and, where it came so far, by the outcome of its deployment."""
    if not status.is_finished:
        return "is under way"
    if outcome in OUTCOMES:
        return OUTCOMES[outcome]
    if status is ExecutionStatus.COMPLETED:
        return "ended, and what became of the endpoint was not noted"
    return "was stopped" if status in STOPPED else "failed"


def judged_since(model: str) -> datetime | None:
    """When the last training began that ended with a decision on its model; None: none did.

    One that failed has used up no reason to train, unless the endpoint was decided on by then.
    """
    ended = (run for run in _trainings(model, NEWEST) if run.status.is_finished)
    return next((_began(run) for run in ended if run.status.is_successful or deployment_outcome(run)), None)


def training_under_way(model: str) -> str | None:
    """The name of another run of the model that trains now, as far as that can be told; None: there is none.

    Of runs by a command of some machine that machine's own lock tells: one that was killed stays running in ZenML.
    """
    own = _own_run()
    for run in _trainings(model, NEWEST):
        if run.id != own and not run.status.is_finished and not is_local(run) and not ended_on_vertex(run):
            return run.name
    return None


def _trainings(model: str, count: int) -> list[PipelineRunResponse]:
    noted = Client().list_pipeline_runs(
        tags=model_tag(model),
        run_metadata=[f"{TRAINS_KEY}:contains:T"],
        sort_by="desc:created",
        size=count,
        hydrate=True,
    )
    return list(noted.items)


def _began(run: PipelineRunResponse) -> datetime:
    return run.created.replace(tzinfo=UTC)


def _own_run() -> UUID | None:
    """The run that the present step belongs to; None outside of steps, as in a plan."""
    context = StepContext.get()
    return context.pipeline_run.id if context else None
