"""One run of a pipeline: tasks in DAG order, independent ones in parallel, states and errors kept in `job_detail`."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from google.cloud import aiplatform_v1 as v1

from cloudbox.errors import ApiError
from cloudbox.home import Home
from cloudbox.vertex.custom_jobs import CustomJobs
from cloudbox.vertex.pipeline_spec import Task
from cloudbox.vertex.provisioning import check_driver, task_error
from cloudbox.vertex.store import Store, location_of, now
from cloudbox.vertex.task_runs import TaskRun

log = logging.getLogger(__name__)

State = v1.PipelineState
TaskState = v1.PipelineTaskDetail.State
ENDED = (State.PIPELINE_STATE_SUCCEEDED, State.PIPELINE_STATE_FAILED, State.PIPELINE_STATE_CANCELLED)
PARALLEL = 4
"""Tasks of one run at a time: on Vertex each has its own machine, here all share one."""


class PipelineRun:
    """Runs the tasks of one pipeline job; `run` returns when the last has ended."""

    def __init__(self, home: Home, store: Store, jobs: CustomJobs, job: Any, folder: Path) -> None:
        self._home = home
        self._store = store
        self._jobs = jobs
        self._job = job
        self._folder = folder
        self._cancelled = threading.Event()
        self._current: dict[str, str] = {}
        self._states: dict[str, Any] = {}
        self._produced: dict[str, dict[str, Any]] = {}

    def cancel(self) -> None:
        """Start nothing more, and stop what runs."""
        self._cancelled.set()
        for name in list(self._current.values()):
            self._jobs.cancel(name)

    def run(self, tasks: list[Task], parameters: dict[str, Any]) -> None:
        """Run every task, and write the end of the job."""
        try:
            self._begin(tasks)
            self._run_all(tasks, parameters)
            self._finish()
        except Exception as error:
            log.exception("pipeline %s failed", self._job.name)
            self._end(State.PIPELINE_STATE_FAILED, f"{type(error).__name__}: {error}")

    def _begin(self, tasks: list[Task]) -> None:
        details = [
            v1.PipelineTaskDetail(task_id=number, task_name=task.name, state=TaskState.PENDING, create_time=now())
            for number, task in enumerate(tasks, start=1)
        ]
        self._states = {task.name: TaskState.PENDING for task in tasks}
        with self._store.lock:
            job = self._read()
            if job.state == State.PIPELINE_STATE_PENDING:
                job.state = State.PIPELINE_STATE_RUNNING
            job.start_time = job.update_time = now()
            job.job_detail.task_details = details
            self._store.put(job)

    def _run_all(self, tasks: list[Task], parameters: dict[str, Any]) -> None:
        fast = self._job.runtime_config.failure_policy == v1.PipelineFailurePolicy.PIPELINE_FAILURE_POLICY_FAIL_FAST
        waiting, running = list(tasks), dict[Future[None], Task]()
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix=self._job.name) as pool:
            while waiting or running:
                failed = TaskState.FAILED in self._states.values()
                for task in list(waiting):
                    fate = self._fate(task, stop=fast and failed)
                    if fate is not None:
                        waiting.remove(task)
                        self._set(task.name, fate)
                    elif all(self._states[name] == TaskState.SUCCEEDED for name in task.after):
                        waiting.remove(task)
                        running[pool.submit(self._run_task, task, parameters)] = task
                if running:
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        del running[future]
                        future.result()

    def _fate(self, task: Task, *, stop: bool) -> Any | None:
        """How a waiting task ends without a start; None while it may still start."""
        if self._cancelled.is_set():
            return TaskState.CANCELLED
        upstream = [self._states[name] for name in task.after]
        lost = (TaskState.FAILED, TaskState.NOT_TRIGGERED, TaskState.CANCELLED)
        return TaskState.NOT_TRIGGERED if stop or any(state in lost for state in upstream) else None

    def _run_task(self, task: Task, parameters: dict[str, Any]) -> None:
        failed: list[str] = []
        for attempt in range(task.retries + 1):
            error = self._attempt(task, parameters, failed)
            if error is None or self._cancelled.is_set():
                break
            log.warning("task %s, attempt %d: %s", task.name, attempt + 1, error["message"][:500])
        if self._cancelled.is_set():
            self._set(task.name, TaskState.CANCELLED)
        elif error is None:
            self._set(task.name, TaskState.SUCCEEDED)
        else:
            self._set(task.name, TaskState.FAILED, error=error)

    def _attempt(self, task: Task, parameters: dict[str, Any], failed: list[str]) -> dict[str, Any] | None:
        """The error that the task ended in; None when it succeeded."""
        try:
            check_driver(self._home, task.name)
            run = TaskRun(self._job, task, self._folder, parameters, self._produced)
        except ApiError as refused:
            return task_error(refused, self._job.name, task.name, has_job=False)
        if self._cancelled.is_set():
            return None
        try:
            created = self._jobs.create(location_of(self._job.name), run.job(), task.memory_bytes)
        except ApiError as refused:
            return task_error(refused, self._job.name, task.name, has_job=True)
        self._current[task.name] = created.name
        self._set(task.name, TaskState.RUNNING, executor_detail=run.detail(created.name, failed))
        if self._cancelled.is_set():
            self._jobs.cancel(created.name)
        job = self._jobs.wait(created.name)
        del self._current[task.name]
        if job.state == v1.JobState.JOB_STATE_SUCCEEDED:
            self._produced[task.name] = run.outputs()
            return None
        failed.append(created.name)
        return {"code": job.error.code or 9, "message": job.error.message or f"The task ended as {job.state.name}."}

    def _set(self, task: str, state: Any, **fields: Any) -> None:
        with self._store.lock:
            self._states[task] = state
            job = self._read()
            details = list(job.job_detail.task_details)
            for detail in details:
                if detail.task_name == task:
                    detail.state = state
                    if state == TaskState.RUNNING:
                        detail.start_time = now()
                    else:
                        detail.end_time = now()
                    for name, value in fields.items():
                        setattr(detail, name, value)
            job.job_detail.task_details = details
            job.update_time = now()
            self._store.put(job)
        log.info("%s: task %s %s", self._job.name.rpartition("/")[2], task, state.name)

    def _finish(self) -> None:
        failed = [name for name, state in self._states.items() if state == TaskState.FAILED]
        if self._cancelled.is_set():
            self._end(State.PIPELINE_STATE_CANCELLED)
        elif failed:
            names = ", ".join(failed)
            self._end(
                State.PIPELINE_STATE_FAILED,
                f"The DAG failed because some tasks failed. The failed tasks are: [{names}].; "
                f"Job ({self._job.name}) is failed due to the above error.",
            )
        else:
            self._end(State.PIPELINE_STATE_SUCCEEDED)

    def _end(self, state: Any, message: str = "") -> None:
        with self._store.lock:
            job = self._read()
            job.state = state
            job.end_time = job.update_time = now()
            if message:
                job.error = {"code": 9, "message": message}
            self._store.put(job)
        log.info("pipeline %s %s", self._job.name.rpartition("/")[2], state.name)

    def _read(self) -> Any:
        return self._store.get(v1.PipelineJob, self._job.name)
