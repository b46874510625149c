"""Networks and perimeters: what an organization's policies took away from the project, or let no request out of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from commands.cloud.google import Google, GoogleError
from commands.cloud.needs import Needs
from commands.machine import Finding
from evergreen.adapters.google.calls import Kind

VERTEX = "aiplatform.googleapis.com"
UNREADABLE = {Kind.DENIED, Kind.MISSING}
"""What the doctor is answered where it may not look, or where the service that would tell is switched off."""


def check_network(google: Google, needs: Needs) -> Iterator[Finding]:
    """Whether there is the network `default`, which an organization's policy may leave out of new projects.

    Workers of Dataflow alone are put there, where the configuration names no subnetwork for them.
    """
    if needs.dataflow is None or needs.dataflow.subnetwork is not None:
        return
    if google.find("compute", f"compute/v1/projects/{google.project}/global/networks/default") is not None:
        yield Finding("network", True, "there is the network 'default'")
        return
    fix = (
        f"gcloud compute networks create default --project {google.project} --subnet-mode auto\n"
        f"gcloud compute networks subnets update default --project {google.project} --region {needs.region} "
        "--enable-private-ip-google-access"
    )
    message = (
        "there is no network 'default' (constraints/compute.skipDefaultNetworkCreation leaves it out): "
        "workers of Dataflow need it; set parameters.prepare.runner.subnetwork, or make it"
    )
    yield Finding("network", False, message, fix)


def check_perimeter(google: Google, needs: Needs) -> Iterator[Finding]:
    """Whether VPC Service Controls surround the project: dedicated endpoints do not work inside of a perimeter."""
    if not needs.dedicated:
        return
    try:
        around = [name for name, status in _perimeters(google) if _holds(status, google.number)]
    except GoogleError as error:
        if error.kind not in UNREADABLE:
            raise
        message = (
            "whether VPC Service Controls surround the project was not asked, since only who may read the "
            "organization's access policies is told: inside of a perimeter an endpoint needs private_service_connect"
        )
        yield Finding(
            "perimeter", False, message, "gcloud access-context-manager policies list --organization ID", True
        )
        return
    if around:
        message = (
            f"the perimeter {around[0]} holds {VERTEX}, where dedicated endpoints are not supported; "
            "set host.dedicated: false and host.private_service_connect"
        )
        yield Finding("perimeter", False, message)
    else:
        yield Finding("perimeter", True, f"no perimeter of VPC Service Controls holds {VERTEX} of this project")


def _perimeters(google: Google) -> Iterator[tuple[str, dict[str, Any]]]:
    """Title and status of every perimeter of the project's organization; none outside of any."""
    ancestry = google.post("cloudresourcemanager", f"v1/projects/{google.project}:getAncestry").get("ancestor", ())
    ids = [ancestor["resourceId"]["id"] for ancestor in ancestry if ancestor["resourceId"]["type"] == "organization"]
    for organization in ids:
        policies = google.get("accesscontextmanager", "v1/accessPolicies", parent=f"organizations/{organization}")
        for policy in policies.get("accessPolicies", ()):
            listed = google.get("accesscontextmanager", f"v1/{policy['name']}/servicePerimeters")
            for perimeter in listed.get("servicePerimeters", ()):
                yield str(perimeter.get("title") or perimeter["name"]), dict(perimeter.get("status") or {})


def _holds(status: dict[str, Any], number: str) -> bool:
    return f"projects/{number}" in status.get("resources", ()) and VERTEX in status.get("restrictedServices", ())
