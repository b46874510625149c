"""What a failed call to Google is, whichever client raised it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pytest
import requests
from google.api_core import exceptions as api
from google.auth.exceptions import DefaultCredentialsError, RefreshError, TransportError

from evergreen.adapters.bigquery.failures import translated as of_tables
from evergreen.adapters.gcs.failures import translated as of_buckets
from evergreen.adapters.google.calls import ADVICE, Failure, Kind, calling, passing_over, retry_policy
from evergreen.adapters.vertex.clients import MissingError, translated
from evergreen.adapters.vertex.jobs import UnreachableError, job_error
from evergreen.core.errors import EndpointError, EvergreenError, InputError

EXPIRED = RefreshError("invalid_grant: expired", {"id_token": "not to be told"})  # type: ignore[no-untyped-call]
BUSY = api.ServiceUnavailable("the region\nis busy.")  # type: ignore[no-untyped-call]  # google.api_core has no types


@pytest.mark.parametrize(
    ("error", "kind", "reason", "transient"),
    [
        (DefaultCredentialsError("none found"), Kind.CREDENTIALS, "none found", False),  # type: ignore[no-untyped-call]
        (api.PermissionDenied("not you"), Kind.DENIED, "not you", False),  # type: ignore[no-untyped-call]
        (api.Unauthorized("who?"), Kind.CREDENTIALS, "who?", False),  # type: ignore[no-untyped-call]
        (api.NotFound("no such model"), Kind.MISSING, "no such model", False),  # type: ignore[no-untyped-call]
        (api.InvalidArgument("no such field"), Kind.INVALID, "no such field", False),  # type: ignore[no-untyped-call]
        (api.FailedPrecondition("ended"), Kind.PRECONDITION, "ended", False),  # type: ignore[no-untyped-call]
        (api.AlreadyExists("there"), Kind.CONFLICT, "there", False),  # type: ignore[no-untyped-call]
        (api.PreconditionFailed("moved"), Kind.PRECONDITION, "moved", False),  # type: ignore[no-untyped-call]
        (api.Aborted("evicted"), Kind.CONFLICT, "evicted", False),  # type: ignore[no-untyped-call]
        (api.LengthRequired("no length"), Kind.REFUSED, "no length", False),  # type: ignore[no-untyped-call]
        (api.from_http_status(200, "stopped"), Kind.UNANSWERED, "stopped", False),  # type: ignore[no-untyped-call]
        (api.MethodNotImplemented("never"), Kind.REFUSED, "never", False),  # type: ignore[no-untyped-call]
        (api.InternalServerError("oops"), Kind.UNANSWERED, "oops", False),  # type: ignore[no-untyped-call]
        (api.Unknown("what?"), Kind.UNANSWERED, "what?", False),  # type: ignore[no-untyped-call]
        (RefreshError("expired", {"error": "x"}), Kind.CREDENTIALS, "expired", False),  # type: ignore[no-untyped-call]
        (api.ResourceExhausted("quota"), Kind.EXHAUSTED, "quota", True),  # type: ignore[no-untyped-call]
        (BUSY, Kind.UNANSWERED, "the region is busy", True),
        (api.RetryError("gave up", BUSY), Kind.UNANSWERED, "the region is busy", True),  # type: ignore[no-untyped-call]
        (api.RetryError("gave up", ValueError("late")), Kind.UNANSWERED, "gave up: late", False),  # type: ignore[no-untyped-call]
        (TransportError("reset"), Kind.UNANSWERED, "reset", True),  # type: ignore[no-untyped-call]
        (TransportError(OSError("no route"), {"a": 1}), Kind.UNANSWERED, "no route", True),  # type: ignore[no-untyped-call]
        (requests.ConnectTimeout(), Kind.UNANSWERED, "ConnectTimeout", True),
        (ConnectionResetError(104, "reset by peer"), Kind.UNANSWERED, "[Errno 104] reset by peer", False),
    ],
)
def test_a_failure_has_one_kind_and_one_line(error: Exception, kind: Kind, reason: str, transient: bool) -> None:
    caught: list[Failure] = []

    def keep(failure: Failure) -> EvergreenError:
        caught.append(failure)
        return EvergreenError(failure.reason)

    with pytest.raises(EvergreenError) as raised, calling(keep):
        raise error
    assert raised.value.__cause__ is error
    assert [(failure.kind, failure.reason, failure.transient) for failure in caught] == [(kind, reason, transient)]


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
        (api.TooManyRequests("slow"), EndpointError, UnreachableError, 1),  # type: ignore[no-untyped-call]
        (api.MethodNotImplemented("never"), EndpointError, EvergreenError, 1),  # type: ignore[no-untyped-call]
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


TRANSLATORS = {
    "endpoints": lambda: translated("asking"),
    "jobs": lambda: calling(job_error("asking")),
    "BigQuery": lambda: of_tables("table news.articles"),
    "Cloud Storage": lambda: of_buckets("gs://news/rows", "set source.path"),
}


@pytest.mark.parametrize("translator", TRANSLATORS.values(), ids=TRANSLATORS)
@pytest.mark.parametrize(
    ("error", "reason", "advice"),
    [
        (EXPIRED, "invalid_grant: expired", "log in: gcloud auth application-default login"),
        (api.Unauthorized("who?"), "who?", "log in: gcloud auth application-default login"),  # type: ignore[no-untyped-call]
        (api.TooManyRequests("slow"), "slow", "quota"),  # type: ignore[no-untyped-call]
        (api.ResourceExhausted("slow"), "slow", "quota"),  # type: ignore[no-untyped-call]
    ],
)
def test_whoever_tells_a_failure_gives_the_advice_of_its_kind_and_no_more_than_its_sentence(
    translator: Callable[[], AbstractContextManager[None]], error: Exception, reason: str, advice: str
) -> None:
    with pytest.raises(EvergreenError) as raised, translator():
        raise error
    before, _, after = str(raised.value).partition(f": {reason}; ")
    assert advice in after, str(raised.value)
    assert "not to be told" not in str(raised.value)
    assert "does not answer" not in before


def test_what_may_have_failed_for_good_is_not_said_to_go_well_later() -> None:
    messages = []
    for error in (INTERNAL, BUSY):
        with pytest.raises(EvergreenError) as raised, translated("deploying"):
            raise error
        messages.append(str(raised.value))
    assert messages == ["deploying: backendError", f"deploying: the region is busy; {ADVICE[Kind.UNANSWERED]}"]


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


def test_a_block_is_left_early_at_the_kinds_that_are_expected_and_no_others() -> None:
    with passing_over(Kind.MISSING):
        raise api.NotFound("gone")  # type: ignore[no-untyped-call]
    for error in (BUSY, ValueError("not a number")):
        with pytest.raises(type(error)), passing_over(Kind.MISSING):
            raise error


REPOSITORY = Path(__file__).resolve().parents[3]
CALLS = "evergreen/adapters/google/calls.py"
ERRORS = {"google.api_core.exceptions", "google.auth.exceptions", "google.cloud.exceptions"}
OF_STATUSES = {
    CALLS,
    "evergreen/adapters/gcs/reading.py",  # where google.api_core is not; hands the status on to `kind_of_status`
    "evergreen/adapters/vertex/prediction.py",  # what the container answers, by its contract
    "commands/cloud/servers.py",  # MLflow's server
    "commands/cloud/google.py",  # hands the status on to `kind_of_status`
}
SPEAK_WITH_GOOGLE = (
    *(f"evergreen/adapters/{name}" for name in ("google", "gcs", "bigquery", "vertex")),
    *("commands/cloud", "orchestration"),
)


def files_of(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for file in sorted(path for folder in folders for path in (REPOSITORY / folder).rglob("*.py")):
        yield str(file.relative_to(REPOSITORY)), ast.parse(file.read_text(encoding="utf-8"))


def errors_imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in ERRORS)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)} & ERRORS


def test_googles_errors_are_told_apart_in_one_module() -> None:
    everywhere = files_of("evergreen", "commands", "orchestration", "steps", "stacks", "pipelines")
    importing = {name for name, tree in everywhere if any(errors_imported(tree))}
    assert importing == {CALLS}


def test_where_google_is_called_nobody_else_looks_at_statuses() -> None:
    def looks(node: ast.AST) -> bool:
        status = isinstance(node, ast.Constant) and type(node.value) is int and 400 <= node.value < 600
        return status or (isinstance(node, ast.Attribute) and node.attr in {"status_code", "HTTPStatus"})

    reading = {name for name, tree in files_of(*SPEAK_WITH_GOOGLE) if any(looks(node) for node in ast.walk(tree))}
    assert reading == OF_STATUSES
