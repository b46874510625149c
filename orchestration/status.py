"""Everything a person asks of a model at a glance."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from uuid import UUID

from zenml.client import Client
from zenml.utils.dashboard_utils import get_server_dashboard_url

from evergreen.adapters.kinds import AnyHost
from evergreen.core.approval import Answer, Standing
from evergreen.core.base import Frozen
from evergreen.core.deployment import EndpointStatus
from evergreen.core.lease import HeldLease
from evergreen.core.versions import Alias, ModelVersion, RecordState
from evergreen.core.window import Interval
from evergreen.runtime.asides import beside_the_point
from orchestration.chain import Chain, chain_of
from orchestration.endpoints import lease_of, open_endpoint
from orchestration.firings import LostFiring, Schedule, schedule_of
from orchestration.mirrors import tracking_address
from orchestration.record import ZenmlRecord
from orchestration.runs import BATCH, MONITORING, RunSummary, last_runs, report_page
from orchestration.schedules import schedule_beside

RUNS_BESIDE = 3


class Covered(Frozen):
    """Which rows a version and those that it goes back to were trained on.

    Those of the `intervals` of event time that arrived before `until`, null where none tells, and `edge_rows` more.
    `added` are those that another version lacks: the previous champion, or the one that its training started from.
    """

    until: datetime | None
    intervals: tuple[Interval, ...]
    gaps: tuple[Interval, ...]
    added: tuple[Interval, ...]
    edge_rows: int


class AskedAbout(Frozen):
    """What became of the question to let a version through: `until` when it stands (null: without an end), the `answer`
    (null: there is none), and all of it in `words`.
    """

    standing: Standing
    until: datetime | None
    answer: Answer | None
    words: str


class Status(Frozen):
    """Versions by alias, endpoint, latest runs; `report_page` and `coverage` are the champion's, `mlflow` is the
    address of tracking.

    `lease` is who changes versions and traffic now, null when nobody does or it cannot be read. `schedule` is null
    where there is none, `lost_firings` are those of it that became no run. `dashboard` is null while ZenML works on
    this machine alone, where no server shows one, `coverage` where it is not known, which counts as covering nothing.
    `missing` says what of the champion an incremental run needs and cannot read, and what to do; null: nothing.
    `chain` leads from what requests said to what the training after that has changed, null where it cannot be read.
    `approvals` are of the versions that a person was asked about, oldest first.
    `runs` are trainings and deliveries of versions that were approved. Batch predictions and monitoring have schedules
    and runs of their own; `last_run` is the newest training, delivery or batch prediction.
    """

    model: str
    champion: ModelVersion | None
    previous: ModelVersion | None
    candidate: ModelVersion | None
    endpoint: EndpointStatus
    lease: HeldLease | None
    last_run: RunSummary | None
    runs: tuple[RunSummary, ...]
    schedule: Schedule | None
    lost_firings: tuple[LostFiring, ...]
    report_page: str | None
    mlflow: str | None
    dashboard: str | None
    coverage: Covered | None = None
    missing: str | None = None
    batch_schedule: Schedule | None = None
    batch_runs: tuple[RunSummary, ...] = ()
    monitoring_schedule: Schedule | None = None
    monitoring_runs: tuple[RunSummary, ...] = ()
    chain: Chain | None = None
    approvals: dict[str, AskedAbout] = {}


def status_of(model_name: str, host: AnyHost) -> Status:
    """The status of a model; the endpoint is asked itself."""
    state = ZenmlRecord(model_name).read()
    champion = state.named(Alias.CHAMPION)
    runs, batch_runs = last_runs(model_name), last_runs(model_name, RUNS_BESIDE, of=BATCH)
    schedule, lost = schedule_of(model_name)
    of_batches, lost_batches = schedule_of(schedule_beside(model_name, BATCH))
    of_monitoring, lost_monitoring = schedule_of(schedule_beside(model_name, MONITORING))
    return Status(
        model=model_name,
        champion=champion,
        previous=state.named(Alias.PREVIOUS),
        candidate=state.named(Alias.CANDIDATE),
        endpoint=open_endpoint(model_name, host).status(),
        lease=_lease(model_name, host),
        last_run=max([*runs[:1], *batch_runs[:1]], key=_began, default=None),
        runs=tuple(runs),
        schedule=schedule,
        lost_firings=(*lost, *lost_batches, *lost_monitoring),
        batch_schedule=of_batches,
        batch_runs=tuple(batch_runs),
        monitoring_schedule=of_monitoring,
        monitoring_runs=tuple(last_runs(model_name, RUNS_BESIDE, of=MONITORING)),
        coverage=covered(champion, state.named(Alias.PREVIOUS)),
        missing=_missing(champion),
        report_page=report_page(champion.report) if champion else None,
        mlflow=tracking_address(),
        dashboard=get_server_dashboard_url(),
        chain=_chain(model_name, state),
        approvals=_approvals(state),
    )


def _approvals(state: RecordState) -> dict[str, AskedAbout]:
    now = datetime.now(UTC)
    return {
        version: AskedAbout(
            standing=question.standing(now), until=question.until, answer=question.answer, words=question.words(now)
        )
        for version, question in state.questions.items()
    }


def _began(run: RunSummary) -> float:
    """Seconds since 1970; one that has not begun is the newest."""
    return run.started.timestamp() if run.started else math.inf


def covered(version: ModelVersion | None, before: ModelVersion | None) -> Covered | None:
    """What a version covers, and what of that the one before it lacks; None where it was not recorded, or is lost."""
    if version is None or version.coverage is None:
        return None
    from evergreen.core.coverage import Coverage, difference, gaps, intervals
    from orchestration.artifacts import read_artifact

    def kept(artifact: str) -> Coverage:
        return read_artifact(Client().get_artifact_version(UUID(artifact)), Coverage)

    with beside_the_point(f"what version {version.version} covers"):
        coverage = kept(version.coverage)
        earlier = kept(before.coverage) if before and before.coverage else Coverage()
        return Covered(
            until=coverage.until,
            intervals=intervals(coverage),
            gaps=gaps(coverage),
            added=difference(coverage, earlier),
            edge_rows=len(coverage.keys),
        )
    return None


def _missing(champion: ModelVersion | None) -> str | None:
    if champion is None or not (champion.coverage and champion.held_out):  # every row counts as new
        return None
    from orchestration.artifacts import missing_of_champion

    with beside_the_point("whether what the champion keeps of its rows is there"):
        return missing_of_champion({"Coverage": champion.coverage, "HeldOut": champion.held_out})
    return None


def _chain(model_name: str, state: RecordState) -> Chain | None:
    with beside_the_point("what led to the last training, and what came of it"):
        return chain_of(model_name, state.aliases.get(Alias.CHAMPION), state.questions)
    return None


def _lease(model_name: str, host: AnyHost) -> HeldLease | None:
    with beside_the_point("who holds the lease"):
        return lease_of(model_name, host).read().held
    return None
