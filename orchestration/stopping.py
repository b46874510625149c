"""Stops runs of a model: each is ended for good, then the rollout that one of them was at is undone.

The order matters: only when the runs have ended is the endpoint put back, for nobody changes it any more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from uuid import UUID

from zenml.client import Client
from zenml.models import PipelineRunResponse

from evergreen.adapters.kinds import AnyHost
from evergreen.core.base import Frozen
from evergreen.core.errors import EvergreenError
from evergreen.core.fence import FencedEndpoint
from evergreen.core.lease import Claim, Lease
from evergreen.core.replicas import relax
from evergreen.core.rollout import restore
from evergreen.core.versions import Alias
from evergreen.runtime.hold import is_gone
from orchestration.deployment import STOP
from orchestration.ending import Stopped, announce, end, goes_on
from orchestration.endpoints import lease_of, open_endpoint
from orchestration.locks import COMMAND_WAIT_S, model_lease
from orchestration.record import ZenmlRecord
from orchestration.runs import has_ended, is_attempt, submissions
from orchestration.schedules import end_firing, firings_under_way
from orchestration.vertex_runs import job_id_of


class Stop(Frozen):
    """The runs that were stopped, how the endpoint was put back (None: no rollout was undone), and what is `left`.

    What is left is a sentence each: a run that could not be ended, a rollout that could not be undone.
    """

    runs: tuple[Stopped, ...]
    put_back: str | None
    left: tuple[str, ...] = ()


def stop_runs(model: str, host: AnyHost, name: str | None = None) -> Stop:
    """Ends the unfinished runs of the model, or the one of this name, and undoes the rollout that one of them was at.

    So it does with a rollout that a run which is gone left unfinished, and, unless a name is given, with firings of the
    model's schedules that ZenML does not know yet. Does nothing where there is nothing to end. What cannot be ended
    keeps nothing else from its end; it is `left`.
    """
    stopping = _Stopping(model, name)
    stopping.end_runs()
    if name is None:
        stopping.end_firings()
        stopping.end_runs()  # of firings that told ZenML of themselves meanwhile
    put_back = stopping.put_back(host)
    return Stop(runs=tuple(stopping.runs), put_back=put_back, left=tuple(stopping.left))


def announce_stop(model: str, name: str) -> None:
    """Tells ZenML that the run of this name is to stop, so that what ends in it now counts as stopped, not failed."""
    for run in _unfinished(model, name):
        announce(run)


def under_way(model: str) -> list[str]:
    """The model's runs that may still change its endpoint, by name; firings that ZenML does not know, by their jobs.

    Raises:
        EvergreenError: Vertex AI does not tell which firings there are.
    """
    runs = [run for run in _unfinished(model, None) if goes_on(model, run)]
    known = {job_id_of(run) for run in runs}
    return [*(run.name for run in runs), *(job for job in firings_under_way(model) if job not in known)]


def unfinished_business(model: str, host: AnyHost, name: str | None) -> list[str]:
    """What `stop_runs` would have to end now, in words."""
    rollout = lease_of(model, host).read().lease.rollout
    concerned = rollout is not None and (name is None or is_attempt(rollout.run, name))
    rollouts = [f"the rollout of version {rollout.version} by {rollout.run}"] if rollout and concerned else []
    return [*(f"run {run.name}" for run in _unfinished(model, name)), *rollouts]


def _unfinished(model: str, name: str | None) -> list[PipelineRunResponse]:
    """Of a name, with the submissions that took its place on other machines."""
    client = Client()
    return [client.get_pipeline_run(run.id) for run in submissions(model, name) if not run.status.is_finished]


class _Stopping:
    """One call of `stop_runs`: what it has ended so far, and what it could not end."""

    def __init__(self, model: str, name: str | None) -> None:
        self.runs: list[Stopped] = []
        self.left: list[str] = []
        self._model = model
        self._name = name
        self._tried: set[UUID] = set()

    def end_runs(self) -> None:
        for run in _unfinished(self._model, self._name):
            if run.id not in self._tried:
                self._tried.add(run.id)
                self._end(f"run {run.name}", partial(end, self._model, run))

    def end_firings(self) -> None:
        try:
            jobs = firings_under_way(self._model)
        except EvergreenError as error:
            self.left.append(f"firings of the model's schedules: {error}")
            return
        for job in jobs:
            self._end(f"firing {job}", partial(_end_firing, job))

    def put_back(self, host: AnyHost) -> str | None:
        try:
            return self._put_back(host)
        except EvergreenError as error:
            self.left.append(f"the rollout: {error}")
            return None

    def _end(self, what: str, action: Callable[[], Stopped]) -> None:
        try:
            self.runs.append(action())
        except Exception as error:  # whatever the stack of an old run raises: the others end all the same
            self.left.append(f"{what}: {str(error).strip() or type(error).__name__}")

    def _put_back(self, host: AnyHost) -> str | None:
        """Takes the lease from a run that has ended, or finds it free, and undoes the rollout noted with it."""
        ended = {stopped.run for stopped in self.runs}
        seen = lease_of(self._model, host).read()
        holder, noted = seen.holder, seen.lease.rollout
        if holder is not None and not self._is_over(ended, seen.lease):
            if noted is not None and self._is_meant(noted.run):  # whoever is at work answers for the traffic
                held = seen.sentence(f"model '{self._model}'")
                self.left.append(f"the rollout of version {noted.version} by {noted.run}: {held}")
            return None
        if holder is None and (noted is None or not self._is_meant(noted.run)):
            return None
        over = partial(self._is_over, ended)
        with model_lease(lease_of(self._model, host), self._model, STOP, COMMAND_WAIT_S, over) as claim:
            return _undo(self._model, host, claim)

    def _is_over(self, ended: Collection[str], lease: Lease) -> bool:
        """Whether whoever holds the lease does nothing any more, or may not: a run that has ended, by whomever."""
        holder = lease.holder
        if holder is None or not self._is_meant(holder.run):
            return False
        return holder.run in ended or is_gone(holder) or has_ended(self._model, holder.run)

    def _is_meant(self, run: str) -> bool:
        return self._name is None or is_attempt(run, self._name)


def _end_firing(job: str) -> Stopped:
    return Stopped(run=job, status="not known to ZenML", ended=f"pipeline job {end_firing(job)}")


def _undo(model: str, host: AnyHost, claim: Claim) -> str | None:
    noted = claim.rollout
    if noted is None:
        return None
    state, _ = ZenmlRecord(model).settle()
    champion = state.aliases.get(Alias.CHAMPION)
    endpoint = FencedEndpoint(open_endpoint(model, host), claim.fence)
    outcome = f"version {noted.version} is champion, it stays live"
    if champion != noted.version:
        cause = EvergreenError("its run was stopped")
        restore(endpoint, noted.version, noted.champion, noted.before, cause)
        if noted.version not in {*noted.before.traffic, *noted.before.ready}:
            endpoint.undeploy(noted.version)  # one that was still being deployed, once that has ended
        shares = {version: share for version, share in endpoint.status().traffic.items() if share}
        outcome = f"the traffic is as before the rollout of {noted.version}: {shares or 'nothing is live'}"
    endpoint.clear()  # a successor of the champion, and what was only there to ask the newcomer
    relax(endpoint)
    if champion == noted.version in noted.before.outdated:
        undone = champion in endpoint.status().outdated
        outcome = f"version {champion} " + (
            "serves on with older code, its renewal is undone" if undone else "was renewed, it stays live"
        )
    claim.note(None)
    return outcome
