"""Ends runs of a model for good: their jobs or process, the rollout that they are at, and ZenML's word of them.

The order matters. ZenML is told first that the run is stopping, so that it takes no new step and no step is repeated;
then its jobs, or its process, end; only then is the endpoint put back, for nobody changes it any more.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection
from contextlib import suppress

from zenml.client import Client
from zenml.constants import METADATA_ORCHESTRATOR_RUN_ID
from zenml.enums import ExecutionStatus, StackComponentType
from zenml.exceptions import IllegalOperationError
from zenml.models import PipelineRunResponse
from zenml.orchestrators import publish_utils

from evergreen.adapters.hosts import AnyHost
from evergreen.adapters.vertex.failures import MissingError
from evergreen.adapters.vertex.jobs import VertexJobs
from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.fence import FencedEndpoint
from evergreen.core.lease import Claim, Lease
from evergreen.core.rollout import restore
from evergreen.core.versions import Alias
from orchestration.deployment import STOP, lease_of, open_endpoint, state_directory
from orchestration.locks import COMMAND_WAIT_S, model_lease, running_process
from orchestration.record import ZenmlRecord
from orchestration.runs import is_attempt, model_tag

REASON = "stopped by hand"
NEWEST = 50
"""How many of a model's runs are looked at, newest first."""
TERMINATED_WITHIN_S = 90.0
KILLED_WITHIN_S = 10.0
POLL_S = 0.2


class Stopped(Frozen):
    """What became of one run: its `status` in ZenML, and what ended, in words."""

    run: str
    status: str
    ended: str


class Stop(Frozen):
    """The runs that were stopped, and how the endpoint was put back; None where no rollout was under way."""

    runs: tuple[Stopped, ...]
    put_back: str | None


def stop_runs(model: str, host: AnyHost, name: str | None = None) -> Stop:
    """Ends the unfinished runs of the model, or the one of this name, and undoes the rollout that one of them was at.

    So it does with a rollout that a run which is gone left unfinished. Does nothing where there is nothing to end.

    Raises:
        InputError: a run is on another stack than the active one.
        EvergreenError: a job or process did not end in time, or the endpoint cannot be put back.
    """
    runs = _unfinished(model, name)
    stopped = tuple(_stopped(model, run) for run in runs)
    return Stop(runs=stopped, put_back=_put_back(model, host, {run.name for run in runs}, name))


def announce_stop(model: str, name: str) -> None:
    """Tells ZenML that the run of this name is to stop, so that what ends in it now counts as stopped, not failed."""
    for run in _unfinished(model, name):
        _announce(run)


def _unfinished(model: str, name: str | None) -> list[PipelineRunResponse]:
    """Of a name, with the submissions that took its place on other machines."""
    client = Client()
    found = client.list_pipeline_runs(
        tags=model_tag(model),
        name=f"startswith:{name}" if name else None,
        sort_by="desc:created",
        size=NEWEST,
        hydrate=False,
    )
    wanted = [run for run in found.items if name is None or is_attempt(run.name, name)]
    return [client.get_pipeline_run(run.id) for run in wanted if not run.status.is_finished]


def _stopped(model: str, run: PipelineRunResponse) -> Stopped:
    _announce(run)
    ended = _end_process(model, run.name) if _flavor(run) == "local" else _end_jobs(run)
    return Stopped(run=run.name, status=_settle(run), ended=ended)


def _announce(run: PipelineRunResponse) -> None:
    with suppress(IllegalOperationError):  # it has ended by itself meanwhile
        publish_utils.publish_pipeline_run_status_update(run.id, ExecutionStatus.STOPPING, REASON)


def _settle(run: PipelineRunResponse) -> str:
    """ZenML's status of the run, none of whose steps runs any more; what it said of them last is no longer true."""
    client = Client()
    for step in client.get_pipeline_run(run.id).steps.values():
        if not step.status.is_finished:
            with suppress(IllegalOperationError):  # it told its end itself
                publish_utils.publish_step_run_status_update(step.id, ExecutionStatus.STOPPED)
    _announce(run)  # the run's own status follows from those of its steps
    return str(client.get_pipeline_run(run.id).status)


def _end_jobs(run: PipelineRunResponse) -> str:
    """Cancels the run's pipeline job, then the jobs that its steps started: by then nobody starts another one."""
    jobs = _jobs(run)
    job_id = run.run_metadata.get(METADATA_ORCHESTRATOR_RUN_ID) or run.orchestrator_run_id
    state = "never started"
    if job_id:
        with suppress(MissingError):
            state = jobs.cancel_pipeline(str(job_id)).lower()
    steps = [f"{run.name}-{step}" for step in Client().get_pipeline_run(run.id).steps]
    cancelled = jobs.cancel_custom(steps)
    custom = f", {len(cancelled)} custom jobs cancelled" if cancelled else ""
    return f"pipeline job {state}{custom}"


def _jobs(run: PipelineRunResponse) -> VertexJobs:
    from zenml.integrations.gcp.orchestrators import VertexOrchestrator

    stack = Client().active_stack
    components = run.stack.components[StackComponentType.ORCHESTRATOR] if run.stack else []
    if not isinstance(stack.orchestrator, VertexOrchestrator) or stack.orchestrator.id not in {
        one.id for one in components
    }:
        where = run.stack.name if run.stack else "a stack that was deleted"
        raise InputError(
            f"run {run.name} is on stack '{where}', active is '{stack.name}'; zenml stack set {where}, then run again"
        )
    credentials, project = stack.orchestrator._get_authentication()  # as it signs in itself: service connectors too
    return VertexJobs(stack.orchestrator.config.project or project, stack.orchestrator.config.location, credentials)


def _flavor(run: PipelineRunResponse) -> str:
    return run.stack.components[StackComponentType.ORCHESTRATOR][0].flavor_name if run.stack else ""


def _end_process(model: str, run: str) -> str:
    """Ends the process of this machine that runs it: SIGTERM, which lets it clean up, at last SIGKILL."""
    directory = state_directory()
    pid = running_process(directory, model, run)
    if pid is None:
        return "its process has ended"
    for number, within_s in ((signal.SIGTERM, TERMINATED_WITHIN_S), (signal.SIGKILL, KILLED_WITHIN_S)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return f"process {pid} ended"
        except PermissionError as error:
            raise InputError(f"process {pid} of model '{model}' is another user's; stop it as that user") from error
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if running_process(directory, model, run) != pid:
                return f"process {pid} ended" if number == signal.SIGTERM else f"process {pid} was killed"
            time.sleep(POLL_S)
    raise EvergreenError(f"process {pid} of model '{model}' does not end; look at it with `ps {pid}`")


def _put_back(model: str, host: AnyHost, ended: Collection[str], name: str | None) -> str | None:
    """Takes the lease from a run that has ended, or finds it free, and undoes the rollout that is noted with it."""
    seen = lease_of(model, host).read()
    holder, noted = seen.holder, seen.lease.rollout
    if holder is not None and holder.run not in ended:
        return None  # somebody is at work, and answers for the traffic
    if holder is None and (noted is None or (name is not None and not is_attempt(noted.run, name))):
        return None

    def over(lease: Lease) -> bool:
        return lease.holder is not None and lease.holder.run in ended

    with model_lease(lease_of(model, host), model, STOP, COMMAND_WAIT_S, over) as claim:
        return _undo(model, host, claim)


def _undo(model: str, host: AnyHost, claim: Claim) -> str | None:
    noted = claim.rollout
    if noted is None:
        return None
    record = ZenmlRecord(model)
    record.settle()
    champion = record.read().aliases.get(Alias.CHAMPION)
    endpoint = FencedEndpoint(open_endpoint(model, host), claim.fence)
    told = f"version {noted.version} is champion, it stays live"
    if champion != noted.version:
        cause = EvergreenError("its run was stopped")
        restore(endpoint, noted.version, noted.champion, noted.before, cause)
        if noted.version not in {*noted.before.traffic, *noted.before.ready}:
            endpoint.undeploy(noted.version)  # one that was still being deployed, once that has ended
        shares = {version: share for version, share in endpoint.status().traffic.items() if share}
        told = f"the traffic is as before the rollout of {noted.version}: {shares or 'nothing is live'}"
    endpoint.clear()  # a successor of the champion, and what was only there to ask the newcomer
    if champion == noted.version in noted.before.outdated:
        undone = champion in endpoint.status().outdated
        told = f"version {champion} " + (
            "serves on with older code, its renewal is undone" if undone else "was renewed, it stays live"
        )
    claim.note(None)
    return told
