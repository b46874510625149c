"""All checks of Google Cloud, in the order in which one puts things right."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from commands.cloud.accounts import check_accounts
from commands.cloud.google import Google, GoogleError, UnaskedError
from commands.cloud.needs import Needs, needs_of
from commands.cloud.networks import check_network, check_perimeter
from commands.cloud.places import check_buckets, check_build_region, check_images, check_services, enable
from commands.cloud.quota import check_quota
from commands.cloud.servers import check_mlflow, check_secrets, check_zenml
from commands.cloud.sinks import check_sinks
from commands.cloud.wheels import check_wheels
from commands.machine import Finding
from commands.project import Project
from evergreen.adapters.google.calls import ADVICE, LOGIN, Kind

MOST_AHEAD_S = 120.0
"""Google takes a few minutes for the age of a signature; an answer under way is no more than seconds."""
READERS = ("roles/viewer", "roles/iam.securityReviewer")
"""Who may look at a project has the first, who may read the policies of its buckets and accounts the second."""
CHECKS: dict[str, tuple[str, Callable[[Google, Needs], Iterator[Finding]]]] = {
    "services": ("serviceusage.googleapis.com", check_services),
    "bucket": ("storage.googleapis.com", check_buckets),
    "accounts": (
        "cloudresourcemanager.googleapis.com iam.googleapis.com artifactregistry.googleapis.com",
        check_accounts,
    ),
    "network": ("compute.googleapis.com", check_network),
    "perimeter": ("accesscontextmanager.googleapis.com cloudresourcemanager.googleapis.com", check_perimeter),
    "build region": ("cloudbuild.googleapis.com", check_build_region),
    "image": ("artifactregistry.googleapis.com", check_images),
    "request log": ("logging.googleapis.com bigquery.googleapis.com", check_sinks),
    "quota": ("serviceusage.googleapis.com", check_quota),
}
"""Each check with the services that it asks."""


def needs_of_active_stack(project: Project) -> Needs | None:
    """What project and active stack need of Google Cloud; None when both live elsewhere."""
    return needs_of(project, project.components, tuple(project.steps))


def examine_cloud(needs: Needs, google: Google | None = None) -> Iterator[Finding]:
    """Every finding; one that cannot be made is a finding too, and hides no other."""
    google = google or Google(needs.project)
    yield from check_clock(google)
    yield from check_zenml(needs)
    yield from check_mlflow(needs)
    yield from check_secrets(needs)
    yield from check_wheels(needs)
    try:
        yield Finding("project", True, f"{google.project}, number {google.number}")
    except GoogleError as error:
        yield Finding("project", False, str(error), _way_in(error, google.project))
        if isinstance(error, UnaskedError):
            return  # without credentials or network no other question is answered
    yield from check_google(google, needs)


def check_clock(google: Google) -> Iterator[Finding]:
    """Whether this machine's clock is right: Google takes no signature from the past or the future, ZenML no token."""
    try:
        ahead_s = google.clock_ahead_s()
    except GoogleError:
        return  # told by the next question
    if ahead_s is not None and abs(ahead_s) > MOST_AHEAD_S:
        way = "ahead of" if ahead_s > 0 else "behind"
        message = f"this machine's clock is {abs(ahead_s):,.0f} s {way} Google's; sign-in fails with another time"
        yield Finding("clock", False, message, "sudo timedatectl set-ntp true")


def check_google(google: Google, needs: Needs) -> Iterator[Finding]:
    """What Google's interfaces tell of the project; a check that Google refuses is one finding."""
    for name, (services, check) in CHECKS.items():
        try:
            yield from check(google, needs)
        except GoogleError as error:
            yield Finding(name, False, f"not checked: {error}", _way_in(error, google.project, services))


def _way_in(error: GoogleError, project: str, services: str = "cloudresourcemanager.googleapis.com") -> str:
    """What lets the doctor look: a login, another time, or the service switched on and the right to read it."""
    if error.kind is Kind.CREDENTIALS:
        return LOGIN
    if error.kind in ADVICE:
        return f"# {ADVICE[error.kind]}"
    readers = [
        f"gcloud projects add-iam-policy-binding {project} --member user:YOU --role {role} --condition None"
        for role in READERS
    ]
    return "\n".join([enable(project, services), *readers])
