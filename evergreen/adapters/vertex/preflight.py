"""What must answer before a run may hope to deploy: credentials, project, region and a bucket of the project's own."""

from __future__ import annotations

from evergreen.adapters.gcs import StorageError, check_bucket
from evergreen.adapters.vertex.clients import Clients, MissingError
from evergreen.adapters.vertex.names import LIVE
from evergreen.adapters.vertex.ownership import check_owner
from evergreen.adapters.vertex.resource import EndpointResource
from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.core.errors import EndpointError, InputError

PATIENCE_S = 20.0


def check_reachable(host: VertexHostSettings, model: str) -> None:
    """Returns when all answer.

    Raises:
        InputError: the first that does not, and what to do.
    """
    import google.auth
    from google.auth.exceptions import GoogleAuthError

    try:
        google.auth.default()
    except GoogleAuthError as error:
        raise InputError(
            f"no Google credentials for the endpoint of {model} ({error}); run: gcloud auth application-default login"
        ) from error
    patient = host.model_copy(update={"retry_timeout_s": min(host.retry_timeout_s, PATIENCE_S)})
    clients = Clients(patient)
    try:
        EndpointResource(clients, model, LIVE).find()
    except EndpointError as error:
        raise InputError(
            f"Vertex AI does not answer for parameters.host.project '{host.project}' in parameters.host.region "
            f"'{host.region}': {error}; run: gcloud services enable aiplatform.googleapis.com --project {host.project}"
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
