"""What a failed call to Google is, whichever client raised it."""

from __future__ import annotations

from contextlib import suppress

import pytest
import requests
from google.api_core import exceptions as api
from google.auth.exceptions import DefaultCredentialsError, TransportError

from evergreen.adapters.google.calls import Failure, Kind, calling, retry_policy
from evergreen.adapters.vertex.clients import MissingError, translated
from evergreen.adapters.vertex.jobs import UnreachableError, job_error
from evergreen.core.errors import EndpointError, EvergreenError, InputError

BUSY = api.ServiceUnavailable("the region\nis busy.")  # type: ignore[no-untyped-call]  # google.api_core has no types


@pytest.mark.parametrize(
    ("error", "kind", "reason", "code"),
    [
        (DefaultCredentialsError("none found"), Kind.CREDENTIALS, "none found", None),  # type: ignore[no-untyped-call]
        (api.PermissionDenied("not you"), Kind.DENIED, "not you", 403),  # type: ignore[no-untyped-call]
        (api.Unauthorized("who?"), Kind.DENIED, "who?", 401),  # type: ignore[no-untyped-call]
        (api.NotFound("no such model"), Kind.MISSING, "no such model", 404),  # type: ignore[no-untyped-call]
        (api.InvalidArgument("no such field"), Kind.REFUSED, "no such field", 400),  # type: ignore[no-untyped-call]
        (api.ResourceExhausted("quota"), Kind.UNANSWERED, "quota", 429),  # type: ignore[no-untyped-call]
        (BUSY, Kind.UNANSWERED, "the region is busy", 503),
        (api.RetryError("gave up", BUSY), Kind.UNANSWERED, "the region is busy", 503),  # type: ignore[no-untyped-call]
        (TransportError("reset"), Kind.UNANSWERED, "reset", None),  # type: ignore[no-untyped-call]
        (requests.ConnectTimeout(), Kind.UNANSWERED, "ConnectTimeout", None),
        (ConnectionResetError(104, "reset by peer"), Kind.UNANSWERED, "[Errno 104] reset by peer", None),
    ],
)
def test_a_failure_has_one_kind_and_one_line(error: Exception, kind: Kind, reason: str, code: int | None) -> None:
    caught: list[Failure] = []

    def keep(failure: Failure) -> EvergreenError:
        caught.append(failure)
        return EvergreenError(failure.reason)

    with pytest.raises(EvergreenError) as raised, calling(keep):
        raise error
    assert raised.value.__cause__ is error
    assert [(one.kind, one.reason, one.code) for one in caught] == [(kind, reason, code)]


def test_what_is_no_call_to_google_stays_as_it_is() -> None:
    for error in (ValueError("not a number"), InputError("two formats"), FileNotFoundError(2, "gone", "model")):
        with pytest.raises(type(error)) as raised, translated("reading the endpoint"):
            raise error
        assert raised.value is error


@pytest.mark.parametrize(
    ("error", "of_endpoints", "of_jobs", "exit_code"),
    [
        (api.NotFound("gone"), MissingError, MissingError, 1),  # type: ignore[no-untyped-call]
        (api.Forbidden("not you"), EndpointError, InputError, 2),  # type: ignore[no-untyped-call]
        (BUSY, EndpointError, UnreachableError, 1),
        (api.BadRequest("no"), EndpointError, EvergreenError, 1),  # type: ignore[no-untyped-call]
    ],
)
def test_endpoints_and_jobs_tell_a_failure_each_as_its_own_error(
    error: Exception, of_endpoints: type[EvergreenError], of_jobs: type[EvergreenError], exit_code: int
) -> None:
    with pytest.raises(of_endpoints, match="asking: ") as endpoint, translated("asking"):
        raise error
    with pytest.raises(of_jobs, match="asking: ") as job, calling(job_error("asking")):
        raise error
    assert (type(endpoint.value), type(job.value), job.value.exit_code) == (of_endpoints, of_jobs, exit_code)


INTERNAL = api.InternalServerError("backendError")  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("error", "also", "attempts"),
    [
        (BUSY, (), 3),
        (requests.ConnectionError(), (), 3),
        (INTERNAL, (INTERNAL,), 3),
        (INTERNAL, (), 1),
        (api.BadRequest("no"), (), 1),  # type: ignore[no-untyped-call]
    ],
)
def test_transient_errors_alone_are_repeated_and_what_a_service_adds(
    error: Exception, also: tuple[Exception, ...], attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    made: list[int] = []

    def attempt() -> None:
        made.append(1)
        if len(made) < 3:
            raise error

    with suppress(type(error)):
        retry_policy(60, lambda failed: failed in also)(attempt)()
    assert len(made) == attempts
