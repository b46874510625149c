"""Whether interfaces, buckets, registry and images are there, and in the right region."""

from __future__ import annotations

import re
from collections.abc import Iterator

from commands.cloud.google import Google, in_path
from commands.cloud.needs import Needs
from commands.machine import Finding

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
CONTINENTS = {"EU": "europe-", "US": "us-", "ASIA": "asia-"}


def check_services(google: Google, needs: Needs) -> Iterator[Finding]:
    """Google's interfaces that are switched off."""
    names = [*SERVICES, *(BIGQUERY_SERVICES if needs.bigquery else ())]
    parent = f"projects/{google.project}"
    answer = google.get(
        "serviceusage", f"v1/{parent}/services:batchGet", names=[f"{parent}/services/{name}" for name in names]
    )
    enabled = {str(one["name"]).rpartition("/")[2] for one in answer.get("services", ()) if one["state"] == "ENABLED"}
    missing = [name for name in names if name not in enabled]
    message = f"not enabled: {', '.join(missing)}" if missing else f"all {len(names)} are enabled"
    yield Finding("services", not missing, message, enable(google.project, *missing))


def enable(project: str, *services: str) -> str:
    """The line that switches services on."""
    return f"gcloud services enable {' '.join(services)} --project {project}"


def check_buckets(google: Google, needs: Needs) -> Iterator[Finding]:
    """Buckets that are missing, somebody else's, or elsewhere."""
    for bucket in needs.buckets:
        found = google.find("storage", f"storage/v1/b/{in_path(bucket)}")
        create = (
            f"--project {google.project} --location {needs.region} "
            "--uniform-bucket-level-access --public-access-prevention"
        )
        if found is None:
            fix = f"gcloud storage buckets create gs://{bucket} {create}"
            yield Finding("bucket", False, f"there is no gs://{bucket}", fix)
            continue
        owner = str(found.get("projectNumber", google.number))
        if owner != google.number:
            ours = f"{google.project} ({google.number})"
            message = f"gs://{bucket} belongs to the project with the number {owner}, not to {ours}"
            name = f"{google.project}-{bucket}"
            fix = f"gcloud storage buckets create gs://{name} {create}\nexport EVERGREEN_BUCKET=gs://{name}"
            yield Finding("bucket", False, message, fix)
            continue
        location = str(found["location"])
        fine = _near(location, needs.region)
        message = f"gs://{bucket} is in {location.lower()}" + ("" if fine else f", the pipeline in {needs.region}")
        fix = f"gcloud storage buckets create gs://{bucket}-{needs.region} {create}\nexport EVERGREEN_BUCKET=gs://{bucket}-{needs.region}"
        yield Finding("bucket", fine, message, fix)


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
    registry = f"{parts['location']}-docker.pkg.dev/{parts['project']}/{parts['repository']}"
    return (
        f"gcloud builds submit . --config infra/cloudbuild.yaml --project {parts['project']} --substitutions "
        f"_REGISTRY={registry},_TAG={parts['tag'] or 'latest'},_BASE_DIGEST=$BASE_DIGEST"
    )


def _near(location: str, region: str) -> bool:
    """Whether the bucket is in the region, or in a multi-region of its continent."""
    continent = CONTINENTS.get(location.upper())
    return location.lower() == region or (continent is not None and region.startswith(continent))
