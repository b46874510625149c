"""Ends one run for good: its jobs or its process, what these have begun elsewhere, and ZenML's word of it.

The order matters. ZenML is told first that the run is stopping, so that it takes no new step and no step is repeated;
only then its jobs, or its process, end.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from zenml.client import Client
from zenml.enums import ExecutionStatus
from zenml.exceptions import IllegalOperationError
from zenml.models import PipelineRunResponse
from zenml.orchestrators import publish_utils

from evergreen.adapters.vertex.clients import MissingError
from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError, InputError
from orchestration.elsewhere import end_elsewhere
from orchestration.endpoints import state_directory
from orchestration.locks import running_process
from orchestration.runs import is_local
from orchestration.vertex_runs import ended_on_vertex, job_id_of, jobs_of

REASON = "stopped by hand"
TERMINATED_WITHIN_S = 90.0
KILLED_WITHIN_S = 10.0
POLL_S = 0.2


class Stopped(Frozen):
    """What became of one run: its `status` in ZenML, and what ended, in words."""

    run: str
    status: str
    ended: str


def end(model: str, run: PipelineRunResponse) -> Stopped:
    """Ends a run, wherever its own stack has it.

    Raises:
        InputError: its process is another user's.
        EvergreenError: a job or process did not end in time, or its stack is gone and only ZenML could be told.
    """
    announce(run)
    if run.stack is None:
        _settle(run)
        raise EvergreenError(
            "its stack was deleted, so that only ZenML was told: it begins no further step; what it runs now ends by "
            "itself, or in Google's console"
        )
    ended = _end_process(model, run.name) if is_local(run) else _end_jobs(run)
    elsewhere = end_elsewhere(str(run.id), [step.config.parameters for step in run.steps.values()])
    return Stopped(run=run.name, status=_settle(run), ended=", ".join([ended, *elsewhere]))


def announce(run: PipelineRunResponse) -> None:
    """Tells ZenML that the run is to stop, so that what ends in it now counts as stopped, not failed."""
    with suppress(IllegalOperationError):  # it has ended by itself meanwhile
        publish_utils.publish_pipeline_run_status_update(run.id, ExecutionStatus.STOPPING, REASON)


def goes_on(model: str, run: PipelineRunResponse) -> bool:
    """Whether a run that ZenML takes for unfinished may still do something, as far as can be told."""
    if is_local(run):
        return running_process(state_directory(), model, run.name) is not None
    return ended_on_vertex(run) is None


def _settle(run: PipelineRunResponse) -> str:
    """ZenML's status of the run, none of whose steps runs any more; what it said of them last is no longer true."""
    client = Client()
    for step in client.get_pipeline_run(run.id).steps.values():
        if not step.status.is_finished:
            with suppress(IllegalOperationError):  # it told its end itself
                publish_utils.publish_step_run_status_update(step.id, ExecutionStatus.STOPPED)
    announce(run)  # the run's own status follows from those of its steps
    return str(client.get_pipeline_run(run.id).status)


def _end_jobs(run: PipelineRunResponse) -> str:
    """Cancels the run's pipeline job, then the jobs that its steps started: by then nobody starts another one."""
    jobs, job_id = jobs_of(run), job_id_of(run)
    state = "never started"
    if job_id:
        with suppress(MissingError):
            state = jobs.cancel_pipeline(job_id).lower()
    steps = [f"{run.name}-{step}" for step in Client().get_pipeline_run(run.id).steps]
    cancelled = jobs.cancel_custom(steps)
    custom = f", {len(cancelled)} custom jobs cancelled" if cancelled else ""
    return f"pipeline job {state}{custom}"


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
