"""Whose a bucket is: names of buckets are taken from one space of all the world, and a stranger may have been first."""

from __future__ import annotations

from typing import Any

from evergreen.adapters.gcs.clients import storage_client
from evergreen.adapters.google.calls import CALL_TIMEOUT_S, retry_policy
from evergreen.adapters.vertex.clients import Clients, translated
from evergreen.core.errors import InputError


def check_owner(clients: Clients, uri: str) -> None:
    """Returns when the bucket of `uri` belongs to the host's project; nothing is written to it.

    Raises:
        InputError: it is another project's, whatever that lets others do with it.
        MissingError: there is no such bucket.
        EndpointError: Google does not tell.
    """
    bucket, project = uri.removeprefix("gs://").partition("/")[0], clients.host.project
    owner, ours = _owner(clients, bucket), _number(clients)
    if owner != ours:
        raise InputError(
            f"bucket gs://{bucket} belongs to the project with the number {owner}, not to {project} ({ours}): whoever "
            "owns it could read and replace models; name a bucket of this project in parameters.host.staging"
        )


def _owner(clients: Clients, name: str) -> str:
    with translated(f"asking whose bucket gs://{name} is"):
        bucket = storage_client(project=clients.host.project).bucket(name)
        bucket.reload(retry=retry_policy(clients.host.retry_timeout_s), timeout=CALL_TIMEOUT_S)
        return str(bucket.project_number)


def _number(clients: Clients) -> str:
    """The project's number, which `projects/123` ends with."""
    from google.api_core.exceptions import from_http_response

    url = f"https://cloudresourcemanager.googleapis.com/v3/projects/{clients.host.project}"

    def ask() -> Any:
        answer = clients.session.get(url, timeout=CALL_TIMEOUT_S)
        if answer.status_code != 200:
            raise from_http_response(answer)  # type: ignore[no-untyped-call]  # google.api_core has none
        return answer.json()

    with translated(f"asking for the number of project {clients.host.project}"):
        return str(retry_policy(clients.host.retry_timeout_s)(ask)()["name"]).rpartition("/")[2]
