"""Whether interfaces, buckets, registry and images are there, and in the right region."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from commands.cloud.build_regions import OPEN_REGIONS, VARIABLE, build_region
from commands.cloud.google import Google, GoogleError, in_path
from commands.cloud.needs import Needs
from commands.machine import Finding
from evergreen.adapters.google.calls import Kind

SERVICES = (
    "aiplatform.googleapis.com",
    "artifactregistry.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "compute.googleapis.com",
    "iam.googleapis.com",
    "logging.googleapis.com",
    "serviceusage.googleapis.com",
    "storage.googleapis.com",
)
BIGQUERY_SERVICES = ("bigquery.googleapis.com", "bigquerystorage.googleapis.com")
IMAGE = re.compile(
    r"(?P<location>[a-z0-9-]+)-docker\.pkg\.dev/(?P<project>[^/]+)/(?P<repository>[^/]+)/"
    r"(?P<package>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]+))?"
)
DATAFLOW_SERVICE = "dataflow.googleapis.com"
DELIVERY_SERVICES = ("iamcredentials.googleapis.com", "sts.googleapis.com")
"""What GitHub signs in by."""
APPLY = "python -m stacks.apply vertex"
"""A stack keeps the names that it was registered with."""
CONTINENTS = {"EU": "europe-", "US": "us-", "ASIA": "asia-"}


def check_services(google: Google, needs: Needs) -> Iterator[Finding]:
    """Google's interfaces that are switched off."""
    names = [
        *SERVICES,
        *(BIGQUERY_SERVICES if needs.bigquery else ()),
        *([DATAFLOW_SERVICE] if needs.dataflow else ()),
    ]
    parent = f"projects/{google.project}"
    asked = [f"{parent}/services/{name}" for name in (*names, *DELIVERY_SERVICES)]
    answer = google.get("serviceusage", f"v1/{parent}/services:batchGet", names=asked)
    enabled = {
        str(service["name"]).rpartition("/")[2]
        for service in answer.get("services", ())
        if service["state"] == "ENABLED"
    }
    missing = [name for name in names if name not in enabled]
    message = f"not enabled: {', '.join(missing)}" if missing else f"all {len(names)} are enabled"
    yield Finding("services", not missing, message, enable(google.project, *missing))
    if absent := [name for name in DELIVERY_SERVICES if name not in enabled]:
        message = f"not enabled: {', '.join(absent)}; only delivery from GitHub needs them"
        yield Finding("services", False, message, enable(google.project, *absent), note=True)


def enable(project: str, *services: str) -> str:
    """The line that switches services on."""
    return f"gcloud services enable {' '.join(services)} --project {project}"


def check_buckets(google: Google, needs: Needs) -> Iterator[Finding]:
    """Buckets that are missing, somebody else's, or elsewhere."""
    for bucket in needs.buckets:
        create = (
            f"--project {google.project} --location {needs.region} "
            "--uniform-bucket-level-access --public-access-prevention"
        )
        name = f"{google.project}-{bucket}"
        another = f"gcloud storage buckets create gs://{name} {create}\nexport EVERGREEN_BUCKET=gs://{name}\n{APPLY}"
        try:
            resource = google.find("storage", f"storage/v1/b/{in_path(bucket)}")
        except GoogleError as error:
            if error.kind is not Kind.DENIED:
                raise
            message = (
                f"gs://{bucket} is there, and these credentials may not see it: it is another project's, or you lack "
                "roles/storage.legacyBucketReader on it"
            )
            yield Finding("bucket", False, message, another)
            continue
        if resource is None:
            fix = f"gcloud storage buckets create gs://{bucket} {create}"
            yield Finding("bucket", False, f"there is no gs://{bucket}", fix)
            continue
        owner = str(resource.get("projectNumber", google.number))
        if owner != google.number:
            ours = f"{google.project} ({google.number})"
            message = f"gs://{bucket} belongs to the project with the number {owner}, not to {ours}"
            yield Finding("bucket", False, message, another)
            continue
        location = str(resource["location"])
        fine = _near(location, needs.region)
        message = f"gs://{bucket} is in {location.lower()}" + ("" if fine else f", the pipeline in {needs.region}")
        fix = f"gcloud storage buckets create gs://{bucket}-{needs.region} {create}\nexport EVERGREEN_BUCKET=gs://{bucket}-{needs.region}\n{APPLY}"
        yield Finding("bucket", fine, message, fix)


def check_build_region(google: Google, needs: Needs) -> Iterator[Finding]:  # noqa: ARG001 - nothing tells it but a build
    """Whether every project may build images where this one would."""
    region = os.environ.get(VARIABLE) or build_region(needs.region)
    message = f"images are built in {region}"
    if region in OPEN_REGIONS:
        yield Finding("build region", True, message)
    else:
        message = f"{message}, where new projects may not build; docs/production.md tells of it"
        yield Finding("build region", False, message, f"export {VARIABLE}={build_region(region)}", note=True)


def check_images(google: Google, needs: Needs) -> Iterator[Finding]:
    """Images that are not in their registry, or whose registry is not there."""
    for image in needs.images:
        parts = IMAGE.fullmatch(image)
        if parts is None:
            message = f"{image} is in no Artifact Registry, so it was not looked for"
            yield Finding("image", True, message)
            continue
        location, project, repository = parts["location"], parts["project"], parts["repository"]
        parent = f"v1/projects/{project}/locations/{location}/repositories/{repository}"
        if google.find("artifactregistry", parent) is None:
            fix = (
                f"gcloud artifacts repositories create {repository} --repository-format docker "
                f"--location {location} --project {project}"
            )
            yield Finding("registry", False, f"there is no repository {repository} in {location} of {project}", fix)
            continue
        version = f"versions/{parts['digest']}" if parts["digest"] else f"tags/{parts['tag'] or 'latest'}"
        fine = google.find("artifactregistry", f"{parent}/packages/{in_path(parts['package'])}/{version}") is not None
        yield Finding("image", fine, f"{image} is {'there' if fine else 'not in its registry'}", _build(parts))


def _build(parts: re.Match[str]) -> str:
    """Under a tag that names one version: what was known by digest alone, or as the latest, gets one."""
    tag = parts["tag"] if parts["tag"] and parts["tag"] != "latest" else "1.0"
    return f'eval "$(python run.py images --tag {tag})"'


def _near(location: str, region: str) -> bool:
    """Whether the bucket is in the region, or in a multi-region of its continent."""
    continent = CONTINENTS.get(location.upper())
    return location.lower() == region or (continent is not None and region.startswith(continent))
