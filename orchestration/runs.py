"""What past runs of a model did, and where to look at them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from zenml.client import Client
from zenml.enums import StackComponentType
from zenml.models import PipelineRunResponse
from zenml.utils.dashboard_utils import get_run_url

from evergreen.core.artifacts import INTAKE_FACT, LEFT_OUT_FACT
from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.publication import Publication
from evergreen.core.reports import Deployment, EvaluationReport, PromotionDecision
from orchestration.deployment import state_directory
from orchestration.locks import is_running
from orchestration.materializers import page_uri

Value = TypeVar("Value", bound=Frozen)
OWN_PACKAGES = ("evergreen", "orchestration", "steps", "stacks")
OUTCOME_KEY = "outcome"
"""Metadata of the step `deploy`: what became of the endpoint."""


class RunSummary(Frozen):
    """One run, as `status` shows it; `url` leads to the dashboard when a server is known.

    `outcome` is what became of the endpoint: live, kept, rolled_back or none; null when the run did not come so far.
    """

    name: str
    status: str
    outcome: str | None
    stack: str | None
    started: datetime | None
    url: str | None


class RunOutcome(Frozen):
    """What a finished run decided and did; `report_page` is where its evaluation page is kept.

    `run` is its name, `run_url` leads to the dashboard when a server is known, `intake` tells what was read of what the
    source holds, and which rows of it are in no split.
    """

    run: str
    run_url: str | None
    report: EvaluationReport
    report_page: str
    decision: PromotionDecision
    deployment: Deployment
    publication: Publication | None = None
    intake: str | None = None


def model_tag(model: str) -> str:
    """The tag that every run of a model carries."""
    return f"model={model}"


def last_runs(model: str, limit: int = 5) -> list[RunSummary]:
    """The latest runs of a model, newest first."""
    found = Client().list_pipeline_runs(tags=model_tag(model), sort_by="desc:created", size=limit, hydrate=True)
    return [
        RunSummary(
            name=run.name,
            status=_status(run, model),
            outcome=_deployment_outcome(run),
            stack=run.stack.name if run.stack else None,
            started=run.start_time,
            url=get_run_url(run),
        )
        for run in found.items
    ]


def _status(run: PipelineRunResponse, model: str) -> str:
    """ZenML's status; a run of this machine that was killed stays `running` there, and is `abandoned` here."""
    local = run.stack is not None and run.stack.components[StackComponentType.ORCHESTRATOR][0].flavor_name == "local"
    if local and not run.status.is_finished and not is_running(state_directory(), model):
        return "abandoned"
    return str(run.status)


def _deployment_outcome(run: PipelineRunResponse) -> str | None:
    deploy = run.steps.get("deploy")
    noted = deploy.run_metadata.get(OUTCOME_KEY) if deploy else None
    return str(noted) if noted else None


def outcome_of(run_id: UUID) -> RunOutcome:
    """The outcome of a finished run."""
    run = Client().get_pipeline_run(run_id)
    return RunOutcome(
        run=run.name,
        run_url=get_run_url(run),
        report=_output(run, "evaluate", "report", EvaluationReport),
        report_page=page_uri(run.steps["evaluate"].outputs["report"][0].uri),
        decision=_output(run, "promote", "decision", PromotionDecision),
        deployment=_output(run, "deploy", "deployment", Deployment),
        publication=_output(run, "publish", "publication", Publication) if "publish" in run.steps else None,
        intake=_intake(run),
    )


def _intake(run: PipelineRunResponse) -> str | None:
    """What the run's dataset and splits note of their making; None where an earlier version made them."""
    made = (("fetch", "dataset"), ("split", "splits"))
    return made_in_words([run.steps[step].outputs[name][0].run_metadata for step, name in made if step in run.steps])


def made_in_words(notes: Sequence[Mapping[str, object]]) -> str | None:
    """Lines of what stands beside a dataset and its splits, of rows read and left out; None where nothing does."""
    return "\n".join(str(one[fact]) for one in notes for fact in (INTAKE_FACT, LEFT_OUT_FACT) if one.get(fact)) or None


def newest_run(model: str) -> PipelineRunResponse | None:
    """The model's newest run, however it is."""
    found = Client().list_pipeline_runs(tags=model_tag(model), sort_by="desc:created", size=1, hydrate=True)
    return next(iter(found.items), None)


def run_failure(model: str, but: UUID | None, error: RuntimeError) -> Exception:
    """What a step of the model's newest run raised, as an error of this process; or that the orchestrator tells more.

    A step that ran elsewhere leaves its exception with the run, unless it failed around its own code; the orchestrator
    only says that it failed. `but` is the newest run of before: where there is none newer, the orchestrator refused the
    run itself, and its `error` is all that is known.
    """
    run = newest_run(model)
    if run is None or run.id == but:
        return error
    failed = {name: one for name, one in run.steps.items() if one.status.is_failed}
    for name, one in failed.items():
        if one.exception_info and one.exception_info.message:
            kind = _own_class(one.exception_info.source)
            foreign = "" if kind else f" ({(one.exception_info.source or 'an error').rpartition('.')[2]})"
            message = f"step '{name}' of run {run.name} failed: {one.exception_info.message}{foreign}"
            return (InputError if kind and issubclass(kind, InputError) else EvergreenError)(message)
    where = f"step '{next(iter(failed))}' of run {run.name}" if failed else f"run {run.name}"
    return EvergreenError(f"{where} failed, look at its logs on the orchestrator: {' '.join(str(error).split())}")


def _own_class(source: str | None) -> type[EvergreenError] | None:
    """The class at `source` (`package.module.Name`), where it is an error of the project; only our own are imported."""
    module, _, name = (source or "").rpartition(".")
    if module.partition(".")[0] not in OWN_PACKAGES:
        return None
    found = getattr(importlib.import_module(module), name, None)
    return found if isinstance(found, type) and issubclass(found, EvergreenError) else None


def report_page(artifact: str) -> str | None:
    """Where the page of a report is kept, by the report's artifact id; None when the report was deleted."""
    try:
        return page_uri(Client().get_artifact_version(UUID(artifact)).uri)
    except KeyError:
        return None


def _output(run: PipelineRunResponse, step: str, name: str, expected: type[Value]) -> Value:
    try:
        value: Any = run.steps[step].outputs[name][0].load()
    except (KeyError, IndexError) as error:
        raise EvergreenError(f"run {run.name} ({run.status}) has no output '{name}' of step '{step}'") from error
    if not isinstance(value, expected):
        raise EvergreenError(f"output '{name}' of run {run.name} is a {type(value).__name__}, not {expected.__name__}")
    return value
