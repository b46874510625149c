"""What past runs of a model did, and where to look at them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from zenml import get_step_context
from zenml.client import Client
from zenml.enums import ExecutionStatus, StackComponentType
from zenml.models import PipelineRunResponse, StepRunResponse
from zenml.utils.dashboard_utils import get_run_url
from zenml.utils.string_utils import format_name_template

from evergreen.core.artifacts import INTAKE_FACT, LEFT_OUT_FACT
from evergreen.core.base import Frozen
from evergreen.core.batch import BatchReport
from evergreen.core.decision import PromotionDecision
from evergreen.core.deployment import Deployment
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.publication import Publication
from evergreen.core.report import EvaluationReport
from evergreen.core.verdict import Verdict
from orchestration.commit import COMMIT_KEY, commit_of
from orchestration.endpoints import state_directory
from orchestration.locks import is_running
from orchestration.materializers import page_uri
from orchestration.mistakes import shown
from orchestration.notes import note_of, refused
from orchestration.uploaded_code import ROOT
from orchestration.vertex_runs import death_words, ended_on_vertex

Value = TypeVar("Value", bound=Frozen)
OWN_PACKAGES = ("evergreen", "orchestration", "steps", "stacks")
PIPELINE = "training"
BATCH = "batch_prediction"
MONITORING = "monitoring"
DELIVERY = "delivery"
NEWEST = 50
"""How many of a model's runs are looked at, newest first."""
MOST_STEPS = 100
OUTCOME_KEY = "outcome"
"""Metadata of the step `deploy`: what became of the endpoint."""
PREDICTED_KEY = "predicted"
"""Metadata of the step `predict`: what was predicted, in words."""
VERDICT_KEY = "verdict"
"""Metadata of the step `monitor`: its verdict, in words."""
ALERTS_KEY = "alerts"
"""Metadata of the steps that alert: what became of each alert, in words."""
REFRESH_KEY = "refresh"
"""Metadata of the step `identify`: which rows the run reads, in words."""
SCHEDULED_KEY = "scheduled"
"""In what a run's configuration carries beside its own: something like cron has started it."""
CONFIGURATION_KEY = "evergreen_configuration"
"""In the same: the configuration's file, as a person here would type it; a short name may be the user's own."""
_ATTEMPT = re.compile(r"~[0-9]+$")


class RunSummary(Frozen):
    """One run, as `status` shows it; `url` leads to the dashboard when a server is known.

    `outcome` is what became of the endpoint, as `Deployment` has it; null when the run did not come so far.
    `progress` is the step at work, and how far it says it is; `reason` is why the run failed, in the step's words or
    the platform's; `predicted` is what a batch prediction did, `verdict` what monitoring said; each null where there is
    none. `alerts` are what became of each alert, `machines` those that were not to be had, each in a sentence.
    """

    name: str
    status: str
    progress: str | None = None
    reason: str | None = None
    predicted: str | None = None
    verdict: str | None = None
    alerts: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    outcome: str | None
    stack: str | None
    started: datetime | None
    url: str | None


class RunOutcome(Frozen):
    """What a finished run decided and did; `report_page` is where its evaluation page is kept.

    `run` is its name, `run_url` leads to the dashboard when a server is known, `intake` tells what was read of what the
    source holds, and which rows of it are in no split, `alerts` what became of each alert.
    """

    run: str
    run_url: str | None
    report: EvaluationReport
    report_page: str
    decision: PromotionDecision
    deployment: Deployment
    publication: Publication | None = None
    intake: str | None = None
    alerts: tuple[str, ...] = ()


def run_name(options: Mapping[str, Any], given: str | None, pipeline: str = PIPELINE) -> str:
    """The name of a run that is about to begin: the one given, or made as ZenML makes it, of the configuration's form.

    Raises:
        InputError: a run of that name is there, the name may not be given, or the form names what is unknown.
    """
    template = given or options.get("run_name") or f"{pipeline}-{{date}}-{{time}}"
    try:
        name = format_name_template(template, options.get("substitutions"))
    except (KeyError, ValueError) as error:
        raise InputError(f"run name '{template}' cannot be filled in: {error}; use {{date}} and {{time}}") from error
    if _ATTEMPT.search(name):
        raise InputError(f"run name '{name}' ends as that of a run's second submission does; leave out the '~'")
    if any(Client().list_pipeline_runs(name=candidate, size=1, hydrate=False).items for candidate in _names_like(name)):
        raise InputError(f"a run named '{name}' is there already; give another --run-name")
    return name


def attempt_name(name: str, number: int) -> str:
    """The name of the `number`th submission of a run, from 1: ZenML gives a name once.

    It ends as no run's own name may, so that nobody's run is taken for one.
    """
    return name if number == 1 else f"{name}~{number}"


def is_attempt(run: str, name: str) -> bool:
    """Whether a run is one of the submissions of the run of this name."""
    return _ATTEMPT.sub("", run) == name


def submissions(model: str, name: str | None = None) -> list[PipelineRunResponse]:
    """The model's newest runs, newest first; of a name, what took its place on other machines, and that run."""
    pages = [
        Client().list_pipeline_runs(
            tags=model_tag(model), name=template, sort_by="desc:created", size=NEWEST, hydrate=False
        )
        for template in (_names_like(name) if name else [None])
    ]
    return [run for page in pages for run in page.items if name is None or is_attempt(run.name, name)]


def newest_submission(model: str, name: str) -> PipelineRunResponse | None:
    """The run of this name, or what took its place last; None where the orchestrator took neither."""
    newest = next(iter(submissions(model, name)), None)
    return Client().get_pipeline_run(newest.id) if newest else None


def _names_like(name: str) -> list[str]:
    """What ZenML is asked for: the submissions after the first one, then the first."""
    return [f"startswith:{attempt_name(name, 2)[:-1]}", name]


def has_ended(model: str, name: str) -> bool:
    """Whether the model's run of this name is finished, as far as ZenML knows."""
    runs = Client().list_pipeline_runs(tags=model_tag(model), name=name, size=1, hydrate=False)
    return any(run.status.is_finished for run in runs.items)


def is_local(run: PipelineRunResponse) -> bool:
    """Whether a process of some machine runs it, started by the command itself."""
    return run.stack is not None and run.stack.components[StackComponentType.ORCHESTRATOR][0].flavor_name == "local"


def runs_here() -> bool:
    """Whether the active stack runs a pipeline in the very process that starts it."""
    return Client().active_stack_model.components[StackComponentType.ORCHESTRATOR][0].flavor_name == "local"


def model_tag(model: str) -> str:
    """The tag that every run of a model carries."""
    return f"model={model}"


def marked(
    options: Mapping[str, Any], model: str, *, configuration: Path | None = None, scheduled: bool = False
) -> dict[str, Any]:
    """What a pipeline is started with, and what its runs are known by: the tag of the model, the commit of the code,
    the file of the `configuration`, and whether it is `scheduled` by something that is no schedule of ZenML's.
    """
    extra = dict(options.get("extra") or {})
    if configuration:
        extra[CONFIGURATION_KEY] = shown(configuration)
    if scheduled:
        extra[SCHEDULED_KEY] = True
    if commit := commit_of(ROOT):
        extra[COMMIT_KEY] = commit
    return {**options, "tags": [*(options.get("tags") or []), model_tag(model)], "extra": extra}


def last_runs(model: str, limit: int = 5, *, of: str | None = None) -> list[RunSummary]:
    """The latest runs `of` a pipeline of a model, newest first; None: trainings, and deliveries of what they made."""
    named = of or f'oneof:["{PIPELINE}", "{DELIVERY}"]'
    runs = Client().list_pipeline_runs(
        tags=model_tag(model), pipeline_name=named, sort_by="desc:created", size=limit, hydrate=True
    )
    return [_summary(run, model) for run in runs.items]


def _summary(run: PipelineRunResponse, model: str) -> RunSummary:
    status, reason = _status(run, model)
    steps = steps_of(run)
    return RunSummary(
        name=run.name,
        status=status,
        progress=_progress(steps) if status == ExecutionStatus.RUNNING else None,
        reason=reason,
        predicted=_noted(steps, "predict", PREDICTED_KEY),
        verdict=_noted(steps, "monitor", VERDICT_KEY),
        alerts=_alerts(steps),
        machines=_machines_refused(run, steps),
        outcome=_deployment_outcome(steps),
        stack=run.stack.name if run.stack else None,
        started=run.start_time,
        url=get_run_url(run),
    )


def _status(run: PipelineRunResponse, model: str) -> tuple[str, str | None]:
    """The status of a run, and why it failed.

    ZenML's status, but for a run that ended without its word: one of this machine that was killed stays `running`
    there, and is `abandoned` here; of one on Vertex AI that is not finished there, Vertex AI is asked.
    """
    pipeline = run.pipeline.name if run.pipeline else PIPELINE
    if is_local(run) and not run.status.is_finished and not is_running(state_directory(), model, pipeline):
        return "abandoned", None
    if run.status.is_failed:
        raised = step_failure(run)
        return str(run.status), raised.message if raised else death_words(run)
    if not run.status.is_finished and (ended := ended_on_vertex(run)):
        return ended, death_words(run)
    return str(run.status), None


def steps_of(run: PipelineRunResponse) -> dict[str, StepRunResponse]:
    """The steps by name, with their metadata; ZenML's own `steps` asks each time, and for the metadata once a step."""
    listed = Client().list_run_steps(pipeline_run_id=run.id, exclude_retried=True, size=MOST_STEPS, hydrate=True)
    return {step.name: step for step in listed.items}


def _progress(steps: Mapping[str, StepRunResponse]) -> str | None:
    """The steps at work, each with how far it says it is."""
    working = [step for step in steps.values() if step.status == ExecutionStatus.RUNNING]
    progress = [f"{step.name}: {note_of(step).progress}" if note_of(step).progress else step.name for step in working]
    return "; ".join(progress) or None


def machines_refused(run: PipelineRunResponse) -> tuple[str, ...]:
    """Of each step whose machine was not to be had: which ones, Google's words, and which one was instead."""
    return _machines_refused(run, steps_of(run))


def _machines_refused(run: PipelineRunResponse, steps: Mapping[str, StepRunResponse]) -> tuple[str, ...]:
    of_steps = [f"{name}: {reason}" for name, step in steps.items() for reason in refused(step.run_metadata)]
    return (*refused(run.run_metadata), *of_steps)


def is_scheduled() -> bool:
    """Whether the step that asks runs in a firing of a schedule, or in a run that something like cron has started."""
    run = get_step_context().pipeline_run
    return run.schedule is not None or bool(run.config.extra.get(SCHEDULED_KEY))


def configuration_of(run: PipelineRunResponse) -> str | None:
    """The file of a run's configuration, as whoever started it would type it; None where nothing tells."""
    named = run.config.extra.get(CONFIGURATION_KEY)
    return str(named) if named else None


def deployment_outcome(run: PipelineRunResponse) -> str | None:
    """What became of the endpoint in a run, one of `Deployment`'s outcomes; None where it did not come so far."""
    return _deployment_outcome(steps_of(run))


def _deployment_outcome(steps: Mapping[str, StepRunResponse]) -> str | None:
    return _noted(steps, "deploy", OUTCOME_KEY)


def _noted(steps: Mapping[str, StepRunResponse], name: str, key: str) -> str | None:
    """What a step has noted under the key; None where it did not come so far."""
    noted = steps[name].run_metadata.get(key) if name in steps else None
    return str(noted) if noted else None


def alerts_of(run: PipelineRunResponse) -> tuple[str, ...]:
    """What became of each alert of a run, in words; none where there was nothing to tell."""
    return _alerts(steps_of(run))


def _alerts(steps: Mapping[str, StepRunResponse]) -> tuple[str, ...]:
    noted = (step.run_metadata.get(ALERTS_KEY) for step in steps.values())
    return tuple(str(words) for one in noted if isinstance(one, list | tuple) for words in one)


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
        alerts=alerts_of(run),
    )


def delivered_by(run_id: UUID) -> tuple[Deployment, Publication | None, tuple[str, ...]]:
    """What a finished run of a delivery did, and what became of its alerts."""
    run = Client().get_pipeline_run(run_id)
    published = _output(run, "publish", "publication", Publication) if "publish" in run.steps else None
    return _output(run, "deploy", "deployment", Deployment), published, alerts_of(run)


def batch_report_of(run_id: UUID) -> BatchReport:
    """What a finished run of batch prediction did."""
    return _output(Client().get_pipeline_run(run_id), "predict", "predictions", BatchReport)


def verdict_of(run_id: UUID) -> tuple[Verdict, tuple[str, ...], str]:
    """What a finished run of monitoring said, what became of its alerts, and where its page is kept."""
    run = Client().get_pipeline_run(run_id)
    page = page_uri(run.steps["monitor"].outputs["verdict"][0].uri)
    return _output(run, "monitor", "verdict", Verdict), alerts_of(run), page


def scored_report_of(run_id: UUID) -> tuple[EvaluationReport, str]:
    """The report of a finished run of evaluation, and where its page is kept."""
    run = Client().get_pipeline_run(run_id)
    report = _output(run, "score", "report", EvaluationReport)
    return report, page_uri(run.steps["score"].outputs["report"][0].uri)


def _intake(run: PipelineRunResponse) -> str | None:
    """What the run notes of the choice of its rows, and of the making of its dataset and splits."""
    made = (("fetch", "dataset"), ("split", "splits"))
    notes = [run.steps[step].outputs[name][0].run_metadata for step, name in made if step in run.steps]
    chosen = run.steps["identify"].run_metadata.get(REFRESH_KEY)
    return "\n".join(str(one) for one in (chosen, made_in_words(notes)) if one) or None


def made_in_words(notes: Sequence[Mapping[str, object]]) -> str | None:
    """Lines of what stands beside a dataset and its splits, of rows read and left out; None where nothing does."""
    return (
        "\n".join(str(facts[fact]) for facts in notes for fact in (INTAKE_FACT, LEFT_OUT_FACT) if facts.get(fact))
        or None
    )


def run_failure(model: str, name: str, error: RuntimeError) -> Exception:
    """What a step of the model's run of this name raised, as an error here; or that the orchestrator tells more.

    A step that ran elsewhere leaves its exception with the run, unless it failed around its own code; the orchestrator
    only says that it failed. Where there is no run of the name, the orchestrator refused it itself, and its `error` is
    all that is known.
    """
    run = newest_submission(model, name)
    if run is None:
        return error
    if run.status in {ExecutionStatus.STOPPING, ExecutionStatus.STOPPED}:
        return EvergreenError(f"run {run.name} was stopped; `status` shows what the endpoint serves")
    raised = step_failure(run)
    if raised is not None:
        message = f"step '{raised.step}' of run {run.name} failed: {raised.message}"
        return (InputError if raised.of_input else EvergreenError)(message)
    if words := death_words(run):
        return EvergreenError(f"run {run.name} failed: {words}")
    failed = next((name for name, step in run.steps.items() if step.status.is_failed), None)
    where = f"step '{failed}' of run {run.name}" if failed else f"run {run.name}"
    return EvergreenError(f"{where} failed, look at its logs on the orchestrator: {' '.join(str(error).split())}")


class StepFailure(Frozen):
    """What a step raised; `of_input` tells whether a person has to give something else."""

    step: str
    message: str
    of_input: bool


def step_failure(run: PipelineRunResponse) -> StepFailure | None:
    """What the first failed step of a run raised; None where none left its exception with the run."""
    for name, step in run.steps.items():
        raised = step.exception_info if step.status.is_failed else None
        if raised and raised.message:
            kind = _own_class(raised.source)
            foreign = "" if kind else f" ({(raised.source or 'an error').rpartition('.')[2]})"
            of_input = kind is not None and issubclass(kind, InputError)
            return StepFailure(step=name, message=f"{raised.message}{foreign}", of_input=of_input)
    return None


def _own_class(source: str | None) -> type[EvergreenError] | None:
    """The class at `source` (`package.module.Name`), where it is an error of the project; only our own are imported."""
    module, _, name = (source or "").rpartition(".")
    if module.partition(".")[0] not in OWN_PACKAGES:
        return None
    member = getattr(importlib.import_module(module), name, None)
    return member if isinstance(member, type) and issubclass(member, EvergreenError) else None


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
