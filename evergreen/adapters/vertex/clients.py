"""Google's clients for one project and region, and the way every call goes: repeated when transient, told in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from evergreen.adapters.google.calls import CALL_TIMEOUT_S, LOGIN, Failure, Kind, calling, failure_of, retry_policy
from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.core.errors import EndpointError

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
ADVICE = {
    Kind.CREDENTIALS: f"log in: {LOGIN}",
    Kind.DENIED: "grant roles/aiplatform.user to the account that runs this, and enable aiplatform.googleapis.com",
    Kind.EXHAUSTED: "ask for more quota, or for another machine_type or region",
    Kind.UNANSWERED: "Vertex AI did not answer in time; run again",
}

MAY_BE_DONE = {Kind.CONFLICT, Kind.EXHAUSTED, Kind.UNANSWERED}
"""What the last attempt at a request may fail of though it, or the one before, was carried out."""


class MissingError(EndpointError):
    """Vertex AI does not know the resource."""


def translated(what: str) -> AbstractContextManager[None]:
    """A block of calls to Vertex AI that does `what`.

    Raises:
        MissingError: the resource is not there.
        EndpointError: any other refusal or failure.
    """

    def error_of(failure: Failure) -> EndpointError:
        certain = failure.kind is not Kind.UNANSWERED or failure.transient  # an operation may have failed for good
        advice = ADVICE.get(failure.kind) if certain else None
        message = f"{what}: {failure.reason}{f'; {advice}' if advice else ''}"
        return MissingError(message) if failure.kind is Kind.MISSING else EndpointError(message)

    return calling(error_of)


@dataclass(frozen=True)
class Clients:
    """Opened when first used; `host` says where."""

    host: VertexHostSettings

    @property
    def location(self) -> str:
        """The resource name that everything of the region is below."""
        return f"projects/{self.host.project}/locations/{self.host.region}"

    @property
    def address(self) -> str:
        """The region's API host."""
        return f"{self.host.region}-aiplatform.googleapis.com"

    @cached_property
    def endpoints(self) -> Any:
        """Of the EndpointService."""
        from google.cloud.aiplatform_v1 import EndpointServiceClient

        with translated("opening Vertex AI's endpoint service"):
            return EndpointServiceClient(client_options={"api_endpoint": self.address})

    @cached_property
    def models(self) -> Any:
        """Of the ModelService."""
        from google.cloud.aiplatform_v1 import ModelServiceClient

        with translated("opening Vertex AI's model service"):
            return ModelServiceClient(client_options={"api_endpoint": self.address})

    @cached_property
    def session(self) -> Any:
        """An HTTP session that carries the caller's token."""
        import google.auth
        from google.auth.transport.requests import AuthorizedSession

        with translated("finding Google credentials"):
            credentials, _ = google.auth.default(scopes=[SCOPE])
            return AuthorizedSession(credentials)  # type: ignore[no-untyped-call]  # google.auth has no types

    def call(self, what: str, method: Callable[..., Any], request: Any) -> Any:
        """The answer to the request.

        Raises:
            EndpointError: it was refused, or transient errors went on; MissingError: the resource is not there.
        """
        with translated(what):
            return method(request=request, retry=retry_policy(self.host.retry_timeout_s), timeout=CALL_TIMEOUT_S)

    def call_once(self, what: str, method: Callable[..., Any], request: Any, made: Callable[[], bool]) -> Any | None:
        """The answer to a request that must not be carried out twice; None when it was, and only the answer was lost.

        A transient error does not tell whether Google did it: `made` looks for that before the request is repeated.
        """
        attempts = 0

        def attempt() -> Any | None:
            nonlocal attempts
            attempts += 1
            if attempts > 1 and made():
                return None
            return method(request=request, retry=None, timeout=CALL_TIMEOUT_S)

        with translated(what):
            try:
                return retry_policy(self.host.retry_timeout_s)(attempt)()
            except Exception as error:
                failure = failure_of(error)
                if failure and failure.kind in MAY_BE_DONE and made():
                    return None
                raise

    def call_list(self, what: str, method: Callable[..., Iterable[Any]], request: Any) -> list[Any]:
        """All items of all pages."""
        with translated(what):
            return list(method(request=request, retry=retry_policy(self.host.retry_timeout_s), timeout=CALL_TIMEOUT_S))
