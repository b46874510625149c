"""Where a preparation runs: on this machine's processors, or on Dataflow, whose job can be compiled and not sent."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from evergreen.core.errors import EvergreenError, InputError
from evergreen.preparation.pipeline import build
from evergreen.preparation.plan import Part, Plan
from evergreen.preparation.settings import DataflowRunner, LocalRunner
from evergreen.preparation.wheel import library_wheel
from evergreen.runtime.processes import LIBRARY_ROOT

LOCAL_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
"""By its own name: `DirectRunner` would first fetch another one, Prism, from GitHub."""
_LONGEST = 2_000
_ACTIVE = re.compile(r"already active job named (\S+) with id: ([\w-]+)")
"""What Beam says when Dataflow has a job of this name under way."""
_log = logging.getLogger(__name__)


def run(plan: Plan, parts: list[Part], known: Collection[str]) -> None:
    """Prepares the parts into the plan's staging folder, as its runner says; nothing is written of `known` shards.

    Raises:
        EvergreenError: the runner failed.
    """
    runner = plan.preparation.runner
    with TemporaryDirectory(prefix="evergreen-prepare-") as folder:
        options = _local(runner, parts) if isinstance(runner, LocalRunner) else _dataflow(runner, plan, Path(folder))
        _finish(options, plan, parts, known)


def compiled(plan: Plan, parts: list[Part], known: Collection[str]) -> dict[str, Any]:
    """What Dataflow would be sent: the job, its pool of workers and its transforms. Nobody is asked for anything."""
    from apache_beam.options.pipeline_options import SetupOptions, TestOptions
    from apache_beam.runners.dataflow.internal import apiclient
    from google.protobuf.json_format import MessageToDict

    runner = plan.preparation.runner
    if not isinstance(runner, DataflowRunner):
        raise TypeError(f"compiled for Dataflow alone, not for {runner.kind}")
    with TemporaryDirectory(prefix="evergreen-prepare-") as folder:
        options = _dataflow(runner, plan, Path(folder))
        options.view_as(TestOptions).dry_run = True
        pipeline = beam.Pipeline(options=options)
        build(pipeline, plan, parts, known)
        with _told_to_workers():
            job = pipeline.run().job
    environment = apiclient.Environment(
        proto_pipeline_staged_url=f"{runner.temp.rstrip('/')}/staging/pipeline.pb",
        packages=[],
        options=options,
        environment_version=apiclient._FNAPI_ENVIRONMENT_MAJOR_VERSION,  # the client would look for credentials
        proto_pipeline=job.proto_pipeline,
        pipeline_proto_hash="",
    )
    told = MessageToDict(type(environment.proto).pb(environment.proto))
    components = job.proto_pipeline.components
    pool = told["workerPools"][0]
    pool["images"] = [one["containerImage"] for one in pool.pop("sdkHarnessContainerImages")]
    return {
        "job": MessageToDict(type(job.proto).pb(job.proto)),
        "service_account": told.get("serviceAccountEmail"),
        "region": runner.region,
        "workers": pool,
        "packages": [Path(one).name for one in options.view_as(SetupOptions).extra_packages],
        "transforms": sorted({one.unique_name for one in components.transforms.values() if one.unique_name}),
    }


def _finish(options: PipelineOptions, plan: Plan, parts: list[Part], known: Collection[str]) -> None:
    runner, pipeline = plan.preparation.runner, beam.Pipeline(options=options)
    try:
        with _told_to_workers(), pipeline:
            build(pipeline, plan, parts, known)
    except EvergreenError:
        raise
    except (KeyboardInterrupt, SystemExit):
        sent = getattr(pipeline, "result", None)
        if isinstance(runner, DataflowRunner) and sent is not None:
            job = sent.job_id()
            _log.warning("Dataflow goes on with job %s, and with its cost; end it: %s", job, _cancelling(runner, job))
        raise
    except Exception as error:
        if isinstance(runner, DataflowRunner) and (active := _ACTIVE.search(str(error))):
            raise InputError(
                f"Dataflow works at job {active[1]} of an earlier command already; wait until it has ended, or end it: "
                f"{_cancelling(runner, active[2])}"
            ) from error
        lines = f"{type(error).__name__}: {error}".strip().splitlines()
        told = " … ".join(dict.fromkeys([lines[0], lines[-1]]))
        raise EvergreenError(f"the preparation failed: {told}"[:_LONGEST]) from error


def _cancelling(runner: DataflowRunner, job: str) -> str:
    return f"gcloud dataflow jobs cancel {job} --region {runner.region} --project {runner.project}"


@contextmanager
def _told_to_workers() -> Iterator[None]:
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


def _local(runner: LocalRunner, parts: list[Part]) -> PipelineOptions:
    workers = min(runner.workers or len(os.sched_getaffinity(0)), len(parts))
    return PipelineOptions(
        flags=[], runner=LOCAL_RUNNER, direct_running_mode="multi_processing", direct_num_workers=workers
    )


def _dataflow(runner: DataflowRunner, plan: Plan, folder: Path) -> PipelineOptions:
    temp = runner.temp.rstrip("/")
    return PipelineOptions(
        flags=[],
        runner="DataflowRunner",
        project=runner.project,
        region=runner.region,
        job_name=f"evergreen-prepare-{plan.key}",
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
