"""Google's clients for one project and region, and the way every call goes: repeated when transient, told in words.

Long-running operations have deadlines of our own; one that a killed run left behind is waited for, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from evergreen.adapters.google.calls import (
    CALL_TIMEOUT_S,
    Failure,
    Kind,
    calling,
    failure_of,
    passing_over,
    retry_policy,
)
from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.core.errors import EndpointError

if TYPE_CHECKING:
    from google.auth.transport.requests import AuthorizedSession
    from google.cloud.aiplatform_v1 import EndpointServiceClient, JobServiceClient, ModelServiceClient

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
ADVICE = {
    Kind.DENIED: "grant roles/aiplatform.user to the account that runs this, and enable aiplatform.googleapis.com",
    Kind.EXHAUSTED: "ask for more quota, or for another machine_type or region",
}
FIRST_POLL_S = 0.2
LONGEST_POLL_S = 15.0


T = TypeVar("T")

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
        message = failure.message(what, ADVICE)
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
    def endpoints(self) -> EndpointServiceClient:
        """Of the EndpointService."""
        from google.cloud.aiplatform_v1 import EndpointServiceClient

        with translated("opening Vertex AI's endpoint service"):
            return EndpointServiceClient(client_options={"api_endpoint": self.address})

    @cached_property
    def models(self) -> ModelServiceClient:
        """Of the ModelService."""
        from google.cloud.aiplatform_v1 import ModelServiceClient

        with translated("opening Vertex AI's model service"):
            return ModelServiceClient(client_options={"api_endpoint": self.address})

    @cached_property
    def jobs(self) -> JobServiceClient:
        """Of the JobService."""
        from google.cloud.aiplatform_v1 import JobServiceClient

        with translated("opening Vertex AI's job service"):
            return JobServiceClient(client_options={"api_endpoint": self.address})

    @cached_property
    def session(self) -> AuthorizedSession:
        """An HTTP session that carries the caller's token."""
        import google.auth
        from google.auth.transport.requests import AuthorizedSession

        with translated("finding Google credentials"):
            credentials, _ = google.auth.default(scopes=[SCOPE])
            return AuthorizedSession(credentials)  # type: ignore[no-untyped-call]  # google.auth has no types

    def call(self, what: str, method: Callable[..., T], request: object) -> T:
        """The answer to the request.

        Raises:
            EndpointError: it was refused, or transient errors went on; MissingError: the resource is not there.
        """
        with translated(what):
            return method(request=request, retry=retry_policy(self.host.retry_timeout_s), timeout=CALL_TIMEOUT_S)

    def call_once(self, what: str, method: Callable[..., T], request: object, made: Callable[[], bool]) -> T | None:
        """The answer to a request that must not be carried out twice; None when it was, and only the answer was lost.

        A transient error does not tell whether Google did it: `made` looks for that before the request is repeated.
        """
        attempts = 0

        def attempt() -> T | None:
            nonlocal attempts
            attempts += 1
            if attempts > 1 and made():
                return None
            return method(request=request, retry=None, timeout=CALL_TIMEOUT_S)

        with translated(what):
            try:
                answer: T | None = retry_policy(self.host.retry_timeout_s)(attempt)()
            except Exception as error:
                failure = failure_of(error)
                if failure and failure.kind in MAY_BE_DONE and made():
                    return None
                raise
        return answer

    def call_list(self, what: str, method: Callable[..., Iterable[T]], request: object) -> list[T]:
        """All items of all pages."""
        with translated(what):
            return list(method(request=request, retry=retry_policy(self.host.retry_timeout_s), timeout=CALL_TIMEOUT_S))


def finish(what: str, operation: Any, deadline_s: float) -> Any:
    """What the operation gave; it is cancelled when it does not end in time, or when waiting for it is interrupted.

    Raises:
        EndpointError: it failed, took longer than `deadline_s`, or could not be asked about until then.
    """
    deadline = time.monotonic() + deadline_s

    def done() -> bool:
        left_s = max(deadline - time.monotonic(), FIRST_POLL_S)
        return bool(operation.done(retry=retry_policy(left_s)))  # it goes on while Google cannot be asked about it

    try:
        with translated(what):
            if in_time(done, deadline):
                return operation.result()
    except BaseException:  # also Ctrl-C, or a task that is ended
        if not operation.operation.done:
            cancel(operation)
        raise
    cancel(operation)
    raise EndpointError(
        f"{what}: not done within {deadline_s:g} s, so it was to be cancelled; look at its log, or set "
        "parameters.host.startup_timeout_s higher"
    )


def wait_until_idle(clients: Clients, resource: str, deadline_s: float) -> bool:
    """Whether no operation on the resource is under way any more; waits for that until the deadline."""
    return in_time(lambda: not _under_way(clients, resource), time.monotonic() + deadline_s)


def in_time(done: Callable[[], bool], deadline: float) -> bool:
    """Whether it is done by the deadline, a time of the monotonic clock; asks with growing pauses."""
    pause = FIRST_POLL_S
    while not done():
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return False
        time.sleep(min(pause, left_s))
        pause = min(pause * 1.5, LONGEST_POLL_S)
    return True


def _under_way(clients: Clients, resource: str) -> bool:
    request = {"name": resource, "page_token": ""}
    while True:
        try:
            answer = clients.call("looking for operations", clients.endpoints.list_operations, request)
        except MissingError:  # nothing goes on where there is nothing
            return False
        if any(not operation.done for operation in answer.operations):
            return True
        if not answer.next_page_token:
            return False
        request["page_token"] = answer.next_page_token


def cancel(operation: Any) -> None:
    """Asks for its end, which Google only promises to try."""
    with passing_over(*Kind):  # it may have ended meanwhile; what is left of it is cleaned up by the caller
        operation.cancel()
