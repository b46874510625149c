"""Who may do what: the service accounts of pipeline and server, and Google's own service agents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from commands.cloud.google import Google, GoogleError, in_path
from commands.cloud.needs import Needs
from commands.cloud.places import IMAGE
from commands.machine import Finding
from evergreen.adapters.google.calls import Kind

STRONGER = {
    "roles/aiplatform.user": {"roles/aiplatform.admin"},
    "roles/storage.objectViewer": {"roles/storage.objectAdmin", "roles/storage.objectUser", "roles/storage.admin"},
    "roles/storage.objectUser": {"roles/storage.objectAdmin", "roles/storage.admin"},
    "roles/storage.legacyBucketReader": {"roles/storage.admin", "roles/storage.legacyBucketWriter"},
    "roles/bigquery.jobUser": {"roles/bigquery.user", "roles/bigquery.admin"},
    "roles/bigquery.dataViewer": {"roles/bigquery.dataEditor", "roles/bigquery.dataOwner", "roles/bigquery.admin"},
    "roles/bigquery.readSessionUser": {"roles/bigquery.user", "roles/bigquery.admin"},
    "roles/logging.logWriter": {"roles/logging.admin"},
    "roles/artifactregistry.reader": {
        "roles/artifactregistry.writer",
        "roles/artifactregistry.repoAdmin",
        "roles/artifactregistry.admin",
    },
}
"""Roles that hold all of another's permissions, besides editor and owner."""
BASIC = {"roles/editor", "roles/owner"}
PROJECT_ROLES = ("roles/aiplatform.user", "roles/logging.logWriter")
BIGQUERY_ROLES = ("roles/bigquery.jobUser", "roles/bigquery.readSessionUser")
DATASET_ROLES = {"READER", "WRITER", "OWNER"}
"""What BigQuery calls its roles on a dataset; each may read."""
PIPELINE_BUCKET_ROLES = ("roles/storage.objectUser", "roles/storage.legacyBucketReader")
DATAFLOW_ROLES = ("roles/dataflow.developer", "roles/dataflow.worker")
"""To send jobs, as the step `prepare` does, and to work at them."""
AGENT = ("gcp-sa-aiplatform", "roles/aiplatform.serviceAgent")
"""Google's account that starts pipelines and pulls images, with the role that Google gives it."""
CODE_AGENT = ("gcp-sa-aiplatform-cc", "roles/aiplatform.customCodeServiceAgent")
"""Google's account of custom jobs that name none of their own, which Google makes with the first of them."""


@dataclass(frozen=True)
class Grants:
    """The roles of each member, by one resource's policy; a role under an unknown condition is left out."""

    roles: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, policy: Mapping[str, Any], fulfilled: str = "") -> Grants:
        """The grants of a policy as Google's getIamPolicy answers it; `fulfilled` is a condition known to hold."""
        roles_of: dict[str, set[str]] = {}
        for binding in policy.get("bindings", ()):
            if not (condition := binding.get("condition")) or condition.get("expression") == fulfilled:
                for member in binding.get("members", ()):
                    roles_of.setdefault(member, set()).add(binding["role"])
        return cls({member: frozenset(roles) for member, roles in roles_of.items()})

    def allow(self, member: str, role: str) -> bool:
        """Whether the member has the role, or one that holds it."""
        return bool(self.roles.get(member, frozenset()) & ({role} | STRONGER.get(role, set()) | BASIC))


def check_accounts(google: Google, needs: Needs) -> Iterator[Finding]:
    """Every account that is needed, with the roles that it lacks."""
    project = Grants.of(google.post("cloudresourcemanager", f"v1/projects/{google.project}:getIamPolicy"))
    pipeline, serving = needs.pipeline_account, needs.serving_account
    if pipeline and (yield from _exists(google, "pipeline", pipeline)):
        roles = [
            *PROJECT_ROLES,
            *(BIGQUERY_ROLES if needs.bigquery else ()),
            *(DATAFLOW_ROLES if needs.dataflow else ()),
        ]
        yield from _on_project(google, project, "pipeline", f"serviceAccount:{pipeline}", roles)
        for bucket in needs.buckets:
            yield from _on_bucket(google, project, bucket, f"serviceAccount:{pipeline}", PIPELINE_BUCKET_ROLES)
        if needs.dataset:
            yield _may_read(google, project, needs, pipeline)
        if needs.dataflow:  # its workers pull their image themselves
            yield from _may_pull(google, project, "pipeline", needs.dataflow.image, f"serviceAccount:{pipeline}")
        yield _may_act_as(google, project, pipeline, pipeline)  # custom jobs of its steps run as itself
    yield from _agents(google, project)
    if serving and (yield from _exists(google, "server", serving)):
        yield from _on_project(google, project, "server", f"serviceAccount:{serving}", ["roles/logging.logWriter"])
        yield from _reads_models(google, project, needs.models, f"serviceAccount:{serving}")
        if pipeline:
            yield _may_act_as(google, project, pipeline, serving)
        yield from _may_pull(google, project, "server", needs.serving_image or "", f"serviceAccount:{serving}")


def _exists(google: Google, name: str, email: str) -> Any:
    """A finding when there is no such account; returns whether there is."""
    exists = google.find("iam", f"v1/projects/-/serviceAccounts/{in_path(email)}") is not None
    if not exists:
        account, _, domain = email.partition("@")
        home = domain.partition(".")[0] or google.project
        fix = f"gcloud iam service-accounts create {account} --project {home}"
        yield Finding(name, False, f"there is no service account {email}", fix)
    return exists


def _on_project(google: Google, grants: Grants, name: str, member: str, roles: list[str]) -> Iterator[Finding]:
    lacking = [role for role in roles if not grants.allow(member, role)]
    for role in lacking:
        fix = (
            f"gcloud projects add-iam-policy-binding {google.project} --member {member} --role {role} --condition None"
        )
        yield Finding(name, False, f"{_short(member)} lacks {role} on {google.project}", fix)
    if not lacking:
        yield Finding(name, True, f"{_short(member)} has its {len(roles)} roles on {google.project}")


def _on_bucket(google: Google, project: Grants, bucket: str, member: str, roles: tuple[str, ...]) -> Iterator[Finding]:
    """On the bucket itself or on the whole project; a bucket that is not there is told elsewhere."""
    try:
        policy = google.find("storage", f"storage/v1/b/{in_path(bucket)}/iam")
    except GoogleError as error:
        if error.kind is not Kind.DENIED:
            raise
        fix = (
            f"gcloud projects add-iam-policy-binding {google.project} --member user:YOU "
            "--role roles/iam.securityReviewer --condition None"
        )
        yield Finding("bucket", False, f"who may use gs://{bucket} was not told: {error}", fix)
        return
    if policy is None:
        return
    grants = Grants.of(policy)
    for role in roles:
        if not grants.allow(member, role) and not project.allow(member, role):
            fix = (
                f"gcloud storage buckets add-iam-policy-binding gs://{bucket} --member {member} --role {role} "
                "--condition None"
            )
            yield Finding("bucket", False, f"{_short(member)} lacks {role} on gs://{bucket}", fix)


def _reads_models(google: Google, project: Grants, models: str, member: str) -> Iterator[Finding]:
    """The folder of models is enough, by a condition: who asks a server of pictures can name any object it may read."""
    bucket, _, folder = models.removeprefix("gs://").rstrip("/").partition("/")
    try:
        policy = google.find("storage", f"storage/v1/b/{in_path(bucket)}/iam", optionsRequestedPolicyVersion=3)
    except GoogleError as error:
        if error.kind is not Kind.DENIED:
            raise
        return  # told with the pipeline's roles there
    if not bucket or policy is None:
        return
    role = "roles/storage.objectViewer"
    prefix = f"projects/_/buckets/{bucket}/objects/{folder}/" if folder else f"projects/_/buckets/{bucket}/objects/"
    condition = f"resource.name.startsWith('{prefix}')"
    alike = Grants.of(policy, condition), Grants.of(policy, condition.replace("'", '"'))
    if any(grants.allow(member, role) for grants in (*alike, project)):
        return
    fix = (
        f"gcloud storage buckets add-iam-policy-binding gs://{bucket} --member {member} --role {role} "
        f'--condition "expression={condition},title=models"'
    )
    yield Finding("bucket", False, f"{_short(member)} lacks {role} on gs://{bucket}/{folder}".rstrip("/"), fix)


def _may_read(google: Google, project: Grants, needs: Needs, email: str) -> Finding:
    """Whether the account may read the dataset, by the dataset's own list or by the project's policy."""
    home, _, dataset = str(needs.dataset).partition(":")
    resource = google.find("bigquery", f"bigquery/v2/projects/{home}/datasets/{dataset}")
    if resource is None:
        fix = f"bq --location={needs.dataset_location} mk --dataset {home}:{dataset}"
        return Finding("dataset", False, f"there is no dataset {home}:{dataset}", fix)
    role = "roles/bigquery.dataViewer"
    enough = DATASET_ROLES | {role} | STRONGER[role]
    entries = [entry for entry in resource.get("access", ()) if entry.get("userByEmail") == email]
    if any(entry.get("role") in enough for entry in entries) or project.allow(f"serviceAccount:{email}", role):
        return Finding("dataset", True, f"{email} may read {home}:{dataset}")
    grant = f'GRANT `{role}` ON SCHEMA `{home}`.{dataset} TO "serviceAccount:{email}"'
    location = resource.get("location", needs.dataset_location)
    fix = f"bq --location={location} --project_id={home} query --nouse_legacy_sql '{grant}'"
    return Finding("dataset", False, f"{email} may not read {home}:{dataset}", fix)


def _may_pull(google: Google, project: Grants, name: str, image: str, member: str) -> Iterator[Finding]:
    """By the repository's own policy or its project's; an image or repository that is not there is told elsewhere."""
    parts = IMAGE.fullmatch(image)
    if parts is None:
        return
    home, location, repository = parts["project"], parts["location"], parts["repository"]
    resource = f"v1/projects/{home}/locations/{location}/repositories/{repository}"
    policy = google.find("artifactregistry", f"{resource}:getIamPolicy")
    if policy is None:
        return
    role, at_home = "roles/artifactregistry.reader", home == google.project
    if Grants.of(policy).allow(member, role) or (at_home and project.allow(member, role)):
        yield Finding(name, True, f"{_short(member)} may pull from {repository} in {location} of {home}")
        return
    fix = (
        f"gcloud artifacts repositories add-iam-policy-binding {repository} --location {location} --project {home} "
        f"--member {member} --role {role}"
    )
    yield Finding(name, False, f"{_short(member)} lacks {role} on {repository} in {location} of {home}", fix)


def _may_act_as(google: Google, project: Grants, pipeline: str, account: str) -> Finding:
    role, member = "roles/iam.serviceAccountUser", f"serviceAccount:{pipeline}"
    policy = google.post("iam", f"v1/projects/-/serviceAccounts/{in_path(account)}:getIamPolicy")
    if Grants.of(policy).allow(member, role) or project.allow(member, role):
        return Finding("accounts", True, f"{_short(member)} may act as {account}")
    fix = f"gcloud iam service-accounts add-iam-policy-binding {account} --member {member} --role {role}"
    return Finding("accounts", False, f"{_short(member)} may not act as {account}: it lacks {role} on it", fix)


def _agents(google: Google, project: Grants) -> Iterator[Finding]:
    agent, role = AGENT
    member = f"serviceAccount:service-{google.number}@{agent}.iam.gserviceaccount.com"
    fine = project.allow(member, role)
    fix = (
        f"gcloud beta services identity create --service aiplatform.googleapis.com --project {google.project}\n"
        f"gcloud projects add-iam-policy-binding {google.project} --member {member} --role {role} --condition None"
    )
    yield Finding(
        "service agent", fine, f"{_short(member)} {'has' if fine else 'lacks'} {role} on {google.project}", fix
    )
    agent, role = CODE_AGENT
    member = f"serviceAccount:service-{google.number}@{agent}.iam.gserviceaccount.com"
    if not project.allow(member, role):
        message = (
            f"{_short(member)} has no {role} yet: Google makes it with the project's first custom job that names no "
            "account, and every job here names one"
        )
        yield Finding("service agent", False, message, note=True)


def _short(member: str) -> str:
    return member.removeprefix("serviceAccount:")
