"""ScheduleService: pipelines started by cron, in the schedule's own time zone (`TZ=Europe/Berlin 0 3 * * *`).

`fire` starts a run at once, as its cron time would: `POST /box/projects/…/schedules/ID:fire` at the REST port.
"""

from __future__ import annotations

import datetime
import logging
import re
import threading
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter
from google.cloud import aiplatform_v1 as v1
from google.protobuf import empty_pb2, json_format

from cloudbox.errors import ApiError, failed_precondition, invalid
from cloudbox.rpc import Method, raw
from cloudbox.vertex.listing import page
from cloudbox.vertex.masks import apply_mask
from cloudbox.vertex.operations import Operations
from cloudbox.vertex.pipeline_spec import tasks_of
from cloudbox.vertex.pipelines import Pipelines
from cloudbox.vertex.store import Store, location_of, new_id, now

log = logging.getLogger(__name__)

State = v1.Schedule.State
LONGEST_SLEEP_S = 30.0
_UPDATABLE = ("display_name", "cron", "start_time", "end_time", "max_run_count", "max_concurrent_run_count",
              "max_concurrent_active_run_count", "allow_queueing", "create_pipeline_job_request")  # fmt: skip
_CRON = re.compile(r"(?:(?:CRON_)?TZ=(?P<zone>\S+)\s+)?(?P<fields>.+)")


class Schedules:
    """The schedules of the service, and the clock that fires them."""

    def __init__(self, store: Store, operations: Operations, pipelines: Pipelines) -> None:
        self._store = store
        self._operations = operations
        self._pipelines = pipelines
        self._wake = threading.Event()
        self._closed = False

    def methods(self) -> dict[str, Method]:
        """The methods of ScheduleService by name."""
        return {
            "CreateSchedule": Method(self.create, v1.CreateScheduleRequest),
            "GetSchedule": Method(lambda request: self.get(request.name), v1.GetScheduleRequest),
            "ListSchedules": Method(self.list_schedules, v1.ListSchedulesRequest),
            "UpdateSchedule": Method(self.update, v1.UpdateScheduleRequest),
            "PauseSchedule": Method(self.pause, v1.PauseScheduleRequest),
            "ResumeSchedule": Method(self.resume, v1.ResumeScheduleRequest),
            "DeleteSchedule": Method(self.delete, v1.DeleteScheduleRequest),
        }

    def start(self) -> None:
        """Start the clock; firings missed while the service was down are skipped unless `catch_up` is set."""
        with self._store.lock:
            for schedule in self._store.listed(v1.Schedule):
                if schedule.state == State.ACTIVE and not schedule.catch_up:
                    self._plan(schedule)
        threading.Thread(target=self._tick, name="schedules", daemon=True).start()

    def close(self) -> None:
        """Stop the clock."""
        self._closed = True
        self._wake.set()

    def get(self, name: str) -> Any:
        """The schedule of this name. Raises ApiError(NOT_FOUND)."""
        return self._store.get(v1.Schedule, name)

    def create(self, request: Any) -> Any:
        """CreateSchedule of a pipeline."""
        schedule = request.schedule
        _check(schedule)
        schedule.name = f"{location_of(request.parent)}/schedules/{new_id()}"
        schedule.state = State.ACTIVE
        schedule.create_time = schedule.update_time = now()
        schedule.start_time = schedule.start_time or now()
        self._plan(schedule)
        return schedule

    def list_schedules(self, request: Any) -> Any:
        """ListSchedules."""
        below = self._store.listed(v1.Schedule, f"{location_of(request.parent)}/schedules")
        schedules, token = page(below, request)
        return v1.ListSchedulesResponse(schedules=schedules, next_page_token=token)

    def update(self, request: Any) -> Any:
        """UpdateSchedule: the next run is planned anew."""
        with self._store.lock:
            schedule = self.get(request.schedule.name)
            apply_mask(schedule, request.schedule, request.update_mask.paths, _UPDATABLE)
            _check(schedule)
            schedule.update_time = now()
            self._plan(schedule)
        return schedule

    def pause(self, request: Any) -> Any:
        """PauseSchedule: no run starts until it is resumed."""
        with self._store.lock:
            schedule = self._in_state(request.name, State.ACTIVE)
            schedule.state, schedule.next_run_time, schedule.last_pause_time = State.PAUSED, None, now()
            self._store.put(schedule)
        return empty_pb2.Empty()

    def resume(self, request: Any) -> Any:
        """ResumeSchedule: from the next cron time on."""
        with self._store.lock:
            schedule = self._in_state(request.name, State.PAUSED)
            schedule.state, schedule.last_resume_time = State.ACTIVE, now()
            self._plan(schedule)
        return empty_pb2.Empty()

    def delete(self, request: Any) -> Any:
        """DeleteSchedule; its runs stay."""
        schedule = self.get(request.name)
        self._store.delete(schedule.name)
        return self._operations.finished(schedule.name, v1.DeleteOperationMetadata(), empty_pb2.Empty())

    def fire(self, request: Any) -> Any:
        """A run of the schedule now; returns its PipelineJob."""
        with self._store.lock:
            schedule = self.get(request.name)
            asked = schedule.create_pipeline_job_request
            name = str(asked.pipeline_job.pipeline_spec["pipelineInfo"]["name"])
            stamp = now().strftime("%Y%m%d%H%M%S")
            run = v1.CreatePipelineJobRequest(
                parent=asked.parent or location_of(schedule.name),
                pipeline_job=asked.pipeline_job,
                pipeline_job_id=f"{asked.pipeline_job_id or name}-{stamp}-{new_id()[-4:]}",
            )
            job = self._pipelines.create(run, schedule.name)
            schedule.started_run_count += 1
            schedule.last_scheduled_run_response = {"scheduled_run_time": now(), "run_response": f"OK: {job.name}"}
            self._store.put(schedule)
        return job

    def _in_state(self, name: str, state: Any) -> Any:
        schedule = self.get(name)
        if schedule.state != state:
            raise failed_precondition(f"Schedule `{name}` is {schedule.state.name}, not {state.name}.")
        return schedule

    def _plan(self, schedule: Any) -> None:
        """Write the schedule with its next run after now, or as COMPLETED when none is left."""
        upcoming = next_time(schedule.cron, max(now(), schedule.start_time))
        spent = schedule.max_run_count and schedule.started_run_count >= schedule.max_run_count
        if schedule.state != State.ACTIVE or spent or (schedule.end_time and upcoming > schedule.end_time):
            schedule.next_run_time = None
            schedule.state = State.COMPLETED if schedule.state == State.ACTIVE else schedule.state
        else:
            schedule.next_run_time = upcoming
        self._store.put(schedule)
        self._wake.set()

    def _tick(self) -> None:
        while not self._closed:
            self._wake.clear()
            active = [
                candidate
                for candidate in self._store.listed(v1.Schedule)
                if candidate.state == State.ACTIVE and candidate.next_run_time
            ]
            for schedule in active:
                if schedule.next_run_time <= now():
                    self._fire_due(schedule.name)
            pauses = [
                (candidate.next_run_time - now()).total_seconds()
                for candidate in active
                if candidate.next_run_time > now()
            ]
            self._wake.wait(min([LONGEST_SLEEP_S, *pauses]))

    def _fire_due(self, name: str) -> None:
        with self._store.lock:
            schedule = self._store.find(v1.Schedule, name)
            if schedule is None or schedule.state != State.ACTIVE:
                return
            try:
                if may_start(schedule, self._pipelines.running_of(name)):
                    self.fire(schedule)
                elif not schedule.allow_queueing:
                    log.warning("schedule %s: its last run has not ended; this one is skipped", name)
            except ApiError as error:
                log.warning("schedule %s: %s", name, error.message)
            self._plan(self.get(name))


def may_start(schedule: Any, running: int) -> bool:
    """Whether another run may start beside those that have not ended.

    Google's `max_concurrent_run_count` bounds how many runs are being started, and says nothing of those that run.
    """
    return not schedule.max_concurrent_active_run_count or running < schedule.max_concurrent_active_run_count


def next_time(cron: str, after: datetime.datetime) -> datetime.datetime:
    """The next time in UTC that a cron line with optional `TZ=` names. Raises ApiError(INVALID_ARGUMENT)."""
    match = _CRON.fullmatch(cron.strip())
    if not match or len(match.group("fields").split()) != 5:
        raise invalid(f"Invalid cron `{cron}`: five fields are expected, after an optional TZ=….")
    try:
        zone = ZoneInfo(match.group("zone") or "UTC")
        upcoming = croniter(match.group("fields"), after.astimezone(zone)).get_next(datetime.datetime)
    except (ValueError, ZoneInfoNotFoundError) as error:
        raise invalid(f"Invalid cron `{cron}`: {error}.") from error
    return datetime.datetime.fromtimestamp(upcoming.timestamp(), datetime.UTC)


def _check(schedule: Any) -> None:
    next_time(schedule.cron, now())
    if not schedule.display_name:
        raise invalid("Schedule.display_name is required.")
    if schedule.max_concurrent_run_count < 1:
        raise invalid("Schedule.max_concurrent_run_count is at least 1.")
    spec = json_format.MessageToDict(raw(schedule).create_pipeline_job_request.pipeline_job.pipeline_spec)
    if "name" not in spec.get("pipelineInfo", {}):
        raise invalid("The box schedules pipelines: create_pipeline_job_request has no compiled pipeline_spec.")
    tasks_of(spec)
