"""What must answer before a run may hope to deploy: credentials, project, region and a bucket of the project's own."""

from __future__ import annotations

from typing import Any

from evergreen.adapters.gcs import StorageError, check_bucket
from evergreen.adapters.gcs.clients import storage_client
from evergreen.adapters.google.calls import ADVICE, CALL_TIMEOUT_S, Failure, Kind, calling, checked, retry_policy
from evergreen.adapters.vertex.clients import Clients, MissingError, translated
from evergreen.adapters.vertex.names import LIVE
from evergreen.adapters.vertex.regions import region_doubt
from evergreen.adapters.vertex.resource import EndpointResource
from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.core.errors import EndpointError, EvergreenError, InputError

PATIENCE_S = 20.0
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def check_reachable(host: VertexHostSettings, model: str) -> None:
    """Returns when all answer.

    Raises:
        InputError: the first that does not, and what to do.
    """
    _sign_in(model)
    patient = host.model_copy(update={"retry_timeout_s": min(host.retry_timeout_s, PATIENCE_S)})
    clients = Clients(patient)
    try:
        EndpointResource(clients, model, LIVE).find()
    except EndpointError as error:
        raise InputError(
            f"Vertex AI does not answer for parameters.host.project '{host.project}' in parameters.host.region "
            f"'{host.region}'{region_doubt(host.region)}: {error}; {_if_doubted(host.region)}"
            f"run: gcloud services enable aiplatform.googleapis.com --project {host.project}"
        ) from error
    try:
        check_owner(clients, host.staging)
    except MissingError:
        pass  # what to do about it is told next
    except EndpointError as error:
        raise InputError(
            f"it cannot be told whose bucket parameters.host.staging is: {error}; run: "
            f"gcloud services enable cloudresourcemanager.googleapis.com --project {host.project}"
        ) from error
    try:
        check_bucket(host.staging)
    except StorageError as error:
        bucket = host.staging.removeprefix("gs://").partition("/")[0]
        raise InputError(
            f"parameters.host.staging cannot be used: {error}; create it with: "
            f"gcloud storage buckets create gs://{bucket} --project {host.project} --location {host.region}"
        ) from error


def _sign_in(model: str) -> None:
    """Asks for a token, once: an expired login would be repeated by every call, until its patience ends."""
    import google.auth
    from google.auth.transport.requests import Request

    def missing(failure: Failure) -> InputError:
        return InputError(failure.message(f"no Google credentials for the endpoint of {model}"))

    def refused(failure: Failure) -> EvergreenError:
        if failure.kind is Kind.UNANSWERED:
            return EvergreenError(failure.message("Google does not answer for the credentials"))
        return InputError(
            f"Google refuses the credentials for the endpoint of {model} ({failure.reason}): they have expired, "
            f"or this machine's clock is off; {ADVICE[Kind.CREDENTIALS]}"
        )

    with calling(missing):
        credentials, _ = google.auth.default(scopes=[SCOPE])
    with calling(refused):
        credentials.refresh(Request())  # type: ignore[no-untyped-call]  # google.auth has no types


def _if_doubted(region: str) -> str:
    """What to do about a region that is not known here."""
    return "set parameters.host.region and GOOGLE_CLOUD_REGION; where it is right, " if region_doubt(region) else ""


def check_owner(clients: Clients, uri: str) -> None:
    """Returns when the bucket of `uri` belongs to the host's project; nothing is written to it.

    Names of buckets are taken from one space of all the world, and a stranger may have been first.

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
    url = f"https://cloudresourcemanager.googleapis.com/v3/projects/{clients.host.project}"

    def ask() -> Any:
        return checked(clients.session.get(url, timeout=CALL_TIMEOUT_S)).json()

    with translated(f"asking for the number of project {clients.host.project}"):
        return str(retry_policy(clients.host.retry_timeout_s)(ask)()["name"]).rpartition("/")[2]
