"""Where Beam runs: on this machine's processors, or on Dataflow, whose job can be compiled and not sent."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, cast

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.kinds import behaviour
from evergreen.preparation.pipeline import build
from evergreen.preparation.plan import Part, Plan
from evergreen.preparation.settings import JOB_PREFIX, DataflowRunnerSettings, LocalRunnerSettings
from evergreen.preparation.wheel import library_wheel
from evergreen.runtime.processes import LIBRARY_ROOT

LOCAL_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
"""By its own name: `DirectRunner` would first fetch another one, Prism, from GitHub."""
_LONGEST = 2_000
_ACTIVE = re.compile(r"already active job named (\S+) with id: ([\w-]+)")
"""What Beam says when Dataflow has a job of this name under way."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BeamJob:
    """A pipeline that `build` makes, `name`d for the work: two of one name are never under way. `most` elements are
    worked on side by side.
    """

    name: str
    most: int
    build: Callable[[beam.Pipeline], None]


class Runner(Protocol):
    """What a job runs on."""

    def options(self, job: BeamJob, folder: Path) -> PipelineOptions:
        """Those of Beam; `folder` is there while the pipeline runs."""

    def preview(self, job: BeamJob) -> str | None:
        """What would be sent elsewhere, as JSON; None: nothing. Nothing is sent, and nobody is asked for anything."""

    def left(self, result: Any) -> str | None:
        """What goes on after this process ends early, of a pipeline with this result; None: nothing."""

    def explained(self, error: Exception) -> str | None:
        """What to do about a failure; None: nobody knows."""


def run(plan: Plan, parts: list[Part], known: Collection[str]) -> None:
    """Prepares the parts into the plan's staging folder, as its runner says; nothing is written of `known` shards.

    Raises:
        EvergreenError: the runner failed.
    """
    run_beam(runner_of(plan), beam_job(plan, parts, known), "the preparation")


def beam_job(plan: Plan, parts: list[Part], known: Collection[str]) -> BeamJob:
    """The preparation of the parts as a job."""
    return BeamJob(f"{JOB_PREFIX}prepare-{plan.key}", len(parts), lambda pipeline: build(pipeline, plan, parts, known))


def runner_of(plan: Plan) -> Runner:
    """What the plan's preparation runs on."""
    return cast("Runner", behaviour(plan.preparation.runner, "running"))


def run_beam(runner: Runner, job: BeamJob, what: str) -> None:
    """Runs a job to its end; `what` it is, in words.

    Raises:
        EvergreenError: the runner failed.
    """
    with TemporaryDirectory(prefix="evergreen-beam-") as folder:
        _run(runner, job, what, Path(folder))


def _run(runner: Runner, job: BeamJob, what: str, folder: Path) -> None:
    pipeline = beam.Pipeline(options=runner.options(job, folder))
    try:
        with _worker_environment(), pipeline:
            job.build(pipeline)
    except EvergreenError:
        raise
    except (KeyboardInterrupt, SystemExit):
        if left := runner.left(getattr(pipeline, "result", None)):
            _log.warning(left)
        raise
    except Exception as error:
        if explained := runner.explained(error):
            raise InputError(explained) from error
        lines = f"{type(error).__name__}: {error}".strip().splitlines()
        reason = " … ".join(dict.fromkeys([lines[0], lines[-1]]))
        raise EvergreenError(f"{what} failed: {reason}"[:_LONGEST]) from error


@contextmanager
def _worker_environment() -> Iterator[None]:
    """What processes on this machine are given: they are started by name, find the library, and warn of nothing."""
    changes = {
        "PYTHONPATH": os.pathsep.join([str(LIBRARY_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "PYTHONWARNINGS": "ignore",
    }
    before = {name: os.environ.get(name) for name in changes}
    logger = logging.getLogger("apache_beam")
    level = logger.level
    os.environ.update(changes)
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class LocalRunner:
    """Processes on this machine."""

    def __init__(self, settings: LocalRunnerSettings) -> None:
        self.settings = settings

    def options(self, job: BeamJob, folder: Path) -> PipelineOptions:  # noqa: ARG002 - the protocol's
        """Beam's own runner, with no more processes than elements."""
        workers = min(self.settings.workers or len(os.sched_getaffinity(0)), job.most)
        return PipelineOptions(
            flags=[], runner=LOCAL_RUNNER, direct_running_mode="multi_processing", direct_num_workers=workers
        )

    def preview(self, job: BeamJob) -> None:
        """Nothing leaves this machine."""

    def left(self, result: Any) -> None:
        """Nothing: the processes end with this one."""

    def explained(self, error: Exception) -> None:
        """Beam says it itself."""


class DataflowRunner:
    """A job of Dataflow's."""

    def __init__(self, settings: DataflowRunnerSettings) -> None:
        self.settings = settings

    def options(self, job: BeamJob, folder: Path) -> PipelineOptions:
        """The job, its machines, and the library's wheel, which lies in `folder`."""
        runner = self.settings
        temp = runner.temp.rstrip("/")
        return PipelineOptions(
            flags=[],
            runner="DataflowRunner",
            project=runner.project,
            region=runner.region,
            job_name=job.name,
            temp_location=f"{temp}/temp",
            staging_location=f"{temp}/staging",
            sdk_container_image=runner.image,
            sdk_location="container",
            extra_packages=[str(library_wheel(folder))],
            machine_type=runner.machine_type,
            max_num_workers=runner.max_workers,
            disk_size_gb=runner.disk_gb,
            service_account_email=runner.service_account,
            subnetwork=runner.subnetwork,
            use_public_ips=runner.public_ips,
            labels=[f"{name}={value}" for name, value in runner.labels.items()],
        )

    def preview(self, job: BeamJob) -> str:
        """The compiled job."""
        return json.dumps(self.compiled(job), indent=2)

    def compiled(self, job: BeamJob) -> dict[str, Any]:
        """What Dataflow would be sent: the job, its pool of workers and its transforms."""
        from apache_beam.options.pipeline_options import SetupOptions, TestOptions
        from apache_beam.runners.dataflow.internal import apiclient
        from google.protobuf.json_format import MessageToDict

        runner = self.settings
        with TemporaryDirectory(prefix="evergreen-beam-") as folder:
            options = self.options(job, Path(folder))
            options.view_as(TestOptions).dry_run = True
            pipeline = beam.Pipeline(options=options)
            job.build(pipeline)
            with _worker_environment():
                sent = pipeline.run().job
        environment = apiclient.Environment(
            proto_pipeline_staged_url=f"{runner.temp.rstrip('/')}/staging/pipeline.pb",
            packages=[],
            options=options,
            environment_version=apiclient._FNAPI_ENVIRONMENT_MAJOR_VERSION,  # the client would look for credentials
            proto_pipeline=sent.proto_pipeline,
            pipeline_proto_hash="",
        )
        environment_values = MessageToDict(type(environment.proto).pb(environment.proto))
        components = sent.proto_pipeline.components
        pool = environment_values["workerPools"][0]
        pool["images"] = [image["containerImage"] for image in pool.pop("sdkHarnessContainerImages")]
        return {
            "job": MessageToDict(type(sent.proto).pb(sent.proto)),
            "service_account": environment_values.get("serviceAccountEmail"),
            "region": runner.region,
            "workers": pool,
            "packages": [Path(package).name for package in options.view_as(SetupOptions).extra_packages],
            "transforms": sorted(
                {transform.unique_name for transform in components.transforms.values() if transform.unique_name}
            ),
        }

    def left(self, result: Any) -> str | None:
        """The job goes on, once it was sent."""
        if result is None:
            return None
        job = result.job_id()
        return f"Dataflow goes on with job {job}, and with its cost; end it: {self._cancelling(job)}"

    def explained(self, error: Exception) -> str | None:
        """That an earlier command's job is under way."""
        active = _ACTIVE.search(str(error))
        return active and (
            f"Dataflow works at job {active[1]} of an earlier command already; wait until it has ended, or end it: "
            f"{self._cancelling(active[2])}"
        )

    def _cancelling(self, job: str) -> str:
        return f"gcloud dataflow jobs cancel {job} --region {self.settings.region} --project {self.settings.project}"
