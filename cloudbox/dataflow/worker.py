"""What a job's container runs: `python worker.py gs://bucket/staging/pipeline.pb`, with the packages that came along.

It knows nothing of the box, since the Python of the job's image runs it. The transforms run in one process, on as many
threads as there are processors.
"""

from __future__ import annotations

import hashlib
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

EMBEDDED = "beam:env:embedded_python:v1"
WHEEL = ".whl"


def main(address: str) -> None:
    """Runs the pipeline to its end, or raises what it raises."""
    from apache_beam.portability.api import beam_runner_api_pb2 as api

    pipeline = api.Pipeline.FromString(fetched(address))
    for number, environment in enumerate(pipeline.components.environments.values()):
        _install(environment, Path(os.environ["TMPDIR"]) / f"packages-{number}")
        environment.urn, environment.payload = EMBEDDED, b""
        del environment.dependencies[:]
    _run(pipeline)


def fetched(address: str) -> bytes:
    """The content of an object."""
    from google.cloud.storage import Client

    bucket, _, name = address.removeprefix("gs://").partition("/")
    return bytes(Client().bucket(bucket).blob(name).download_as_bytes())


def _install(environment: Any, folder: Path) -> None:
    """Unpacks the wheels that were staged for an environment, where this process finds them first.

    Raises:
        ValueError: what lies in the bucket is not what was staged.
    """
    from apache_beam.portability.api import beam_runner_api_pb2 as api

    for dependency in environment.dependencies:
        place = api.ArtifactUrlPayload.FromString(dependency.type_payload)
        if not place.url.endswith(WHEEL):
            continue
        content = fetched(place.url)
        if hashlib.sha256(content).hexdigest() != place.sha256:
            raise ValueError(f"{place.url} is not what was staged: its SHA-256 is not {place.sha256}")
        folder.mkdir(exist_ok=True)
        wheel = folder / place.url.rpartition("/")[2]
        wheel.write_bytes(content)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)  # of the job's own wheel
        sys.path.insert(0, str(folder))


def _run(pipeline: Any) -> None:
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    options = PipelineOptions(flags=[], direct_num_workers=os.cpu_count() or 1)
    FnApiRunner().run_via_runner_api(pipeline, options).wait_until_finish()


if __name__ == "__main__":
    main(sys.argv[1])
