"""What a proof has made in the project, removed, and looked for again: nothing of it may go on costing money.

Found by its labels, folder and names alone, so that what a killed proof has left is found as well.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.proof.plan import CONTRACT_MODEL, ENVIRONMENT, LABEL, MODELS, TABLE

ATTEMPTS = 3
LOOK_EVERY_S = 1.0
FILES = ("proof/", *(f"locks/{model}.json" for model in MODELS.values()))
"""Prefixes of objects: folders, and the leases of the models' endpoints."""
JOBS = tuple(f"{model}-" for model in MODELS.values())
"""How names of custom jobs begin: each is named as the run, and the step, that it was made for."""
PATIENCE_S = 1800
ENDED = {"SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED", "PARTIALLY_SUCCEEDED"}
"""Of pipeline jobs and custom jobs, without the prefix."""
OURS = (f'labels.evergreen_environment="{ENVIRONMENT}"', f'labels.evergreen_model="{CONTRACT_MODEL}"')


@dataclass(frozen=True)
class Place:
    """Where the proof ran; `bucket` is `gs://name`."""

    project: str
    region: str
    bucket: str

    @property
    def parent(self) -> str:
        return f"projects/{self.project}/locations/{self.region}"

    @property
    def options(self) -> dict[str, str]:
        return {"api_endpoint": f"{self.region}-aiplatform.googleapis.com"}


def remove(place: Place) -> list[str]:
    """Removes everything; returns what is left, each with the line that removes it by hand."""
    left = list[str]()
    for _ in range(ATTEMPTS):
        left = [line for part in PARTS for line in _attempted(part, place)]
        if not left:
            break
    return left


def _attempted(part: Part, place: Place) -> list[str]:
    """What of a part is left; its failure hides no other part."""
    try:
        return list(part(place))
    except Exception as error:
        name = part.__name__.strip("_")
        print(f"{name}: {type(error).__name__}: {str(error).splitlines()[0]}", file=sys.stderr)
        return [f"{name} of the proof were not all removed; look at them in {place.project}"]


def _runs(place: Place) -> Iterator[str]:
    """Cancelled, and waited for: until it has ended, a run may still make what is removed next."""
    from google.cloud import aiplatform_v1 as v1

    client: Any = v1.PipelineServiceClient(client_options=place.options)
    ours = [job for job in client.list_pipeline_jobs(parent=place.parent) if LABEL in job.labels]
    yield from _cancelled(ours, client.cancel_pipeline_job, client.get_pipeline_job)


def _custom_jobs(place: Place) -> Iterator[str]:
    """Those of a step operator, which go on when the pipeline's task that waited for them was cancelled."""
    from google.cloud import aiplatform_v1 as v1

    client: Any = v1.JobServiceClient(client_options=place.options)
    ours = [job for job in client.list_custom_jobs(parent=place.parent) if job.display_name.startswith(JOBS)]
    yield from _cancelled(ours, client.cancel_custom_job, client.get_custom_job)


def _cancelled(jobs: Iterable[Any], cancel: Any, get: Any) -> Iterator[str]:
    """Returns when none of them is under way any more; names those that go on."""
    running = [job.name for job in jobs if not _has_ended(job)]
    for name in running:
        cancel(name=name)
    deadline = time.monotonic() + PATIENCE_S
    for name in running:
        while not _has_ended(get(name=name)):
            if time.monotonic() > deadline:
                yield f"{name} does not end"
                break
            time.sleep(LOOK_EVERY_S)


def _has_ended(job: Any) -> bool:
    return str(job.state.name).partition("STATE_")[2] in ENDED


def _endpoints(place: Place) -> Iterator[str]:
    from google.cloud import aiplatform_v1 as v1

    client: Any = v1.EndpointServiceClient(client_options=place.options)
    for endpoint in _listed(client.list_endpoints, place):
        for deployed in client.get_endpoint(name=endpoint.name).deployed_models:
            # Only what has no traffic can be undeployed; the last one always can.
            client.undeploy_model(
                endpoint=endpoint.name,
                deployed_model_id=deployed.id,
                traffic_split=_split_without(client, endpoint, deployed),
            ).result(timeout=PATIENCE_S)
        client.delete_endpoint(name=endpoint.name).result(timeout=PATIENCE_S)
    for endpoint in _listed(client.list_endpoints, place):
        number = endpoint.name.rpartition("/")[2]
        yield f"gcloud ai endpoints delete {number} --region {place.region} --project {place.project}"


def _split_without(client: Any, endpoint: Any, deployed: Any) -> dict[str, int]:
    """All the traffic for another deployed model; none where there is no other."""
    others = [other.id for other in client.get_endpoint(name=endpoint.name).deployed_models if other.id != deployed.id]
    return {others[0]: 100} if others else {}


def _models(place: Place) -> Iterator[str]:
    from google.cloud import aiplatform_v1 as v1

    client: Any = v1.ModelServiceClient(client_options=place.options)
    for model in _listed(client.list_models, place):
        client.delete_model(name=model.name.partition("@")[0]).result(timeout=PATIENCE_S)
    for model in _listed(client.list_models, place):
        number = model.name.rpartition("/")[2].partition("@")[0]
        yield f"gcloud ai models delete {number} --region {place.region} --project {place.project}"


def _tables(place: Place) -> Iterator[str]:
    from google.cloud import bigquery

    bigquery.Client(project=place.project).delete_table(f"{place.project}.{TABLE}", not_found_ok=True)
    yield from ()


def _files(place: Place) -> Iterator[str]:
    from google.cloud import storage

    bucket = storage.Client(project=place.project).bucket(place.bucket.removeprefix("gs://"))
    for prefix in FILES:
        for blob in bucket.list_blobs(prefix=prefix):
            blob.delete()
        if list(bucket.list_blobs(prefix=prefix, max_results=1)):
            yield f"gcloud storage rm {place.bucket}/{prefix} --recursive"


def _listed(method: Any, place: Place) -> list[Any]:
    """Each once, by name."""
    resources = {
        resource.name: resource
        for wanted in OURS
        for resource in method(request={"parent": place.parent, "filter": wanted})
    }
    return list(resources.values())


Part = Callable[[Place], Iterator[str]]
PARTS: tuple[Part, ...] = (_runs, _custom_jobs, _endpoints, _models, _tables, _files)
