"""What BigQuery's clients raise, told as the project's errors, each with what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

from evergreen.adapters.google.calls import ADVICE, Failure, Kind, calling, failure_of, retry_policy
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.quoting import without_rows

_LONGEST_WAIT_S = 30.0
_ROLES = (
    "roles/bigquery.jobUser on the project, roles/bigquery.readSessionUser, and roles/bigquery.dataViewer on the data"
)


class PastStateError(InputError):
    """BigQuery does not keep the table as it was at the moment that is asked for."""


def translated(what: str, present: Callable[[], str] | None = None) -> AbstractContextManager[None]:
    """Raises InputError for what a person can set right, EvergreenError where BigQuery does not answer.

    `what` names the table or query, `present` tells what there is instead of it.
    """
    return calling(lambda failure: _error_of(what, replace(failure, reason=_sentence(failure.reason)), present))


def transient_retry(deadline_s: float) -> Any:
    """Backoff on what any service of Google's takes for transient, and on BigQuery's own reasons."""
    from google.cloud.bigquery import DEFAULT_RETRY

    return retry_policy(deadline_s, DEFAULT_RETRY._predicate, _LONGEST_WAIT_S)


@contextmanager
def unseen() -> Iterator[None]:
    """Ends the block early where the account may not look at a table, or its name is none that can be looked up."""
    try:
        yield
    except Exception as error:
        failure = failure_of(error)
        if failure is None or not (failure.kind in {Kind.MISSING, Kind.INVALID} or is_access_denied(failure)):
            raise


def is_access_denied(failure: Failure) -> bool:
    """Whether the account lacks a role; what else is forbidden is a quota, say."""
    return failure.kind is Kind.DENIED and "accessDenied" in _reasons(failure.error)


def _error_of(what: str, failure: Failure, present: Callable[[], str] | None) -> EvergreenError:
    if failure.kind is Kind.CREDENTIALS:
        return InputError(failure.message("no credentials for BigQuery"))
    if failure.kind is Kind.MISSING:
        there = present() if present else ""
        return InputError(f"{what} not found: {failure.reason}{there}; set source.table or its query")
    if re.search(r"Invalid (snapshot time|time travel timestamp)", failure.reason, re.IGNORECASE):
        return PastStateError(f"{what}: {failure.reason}; read it as it is now")
    return _of_call(what, failure)


def _of_call(what: str, failure: Failure) -> EvergreenError:
    message, reasons = failure.reason, _reasons(failure.error)
    needed = re.search(r"(\d+) or higher required", message)
    if "bytesBilledLimitExceeded" in reasons or needed:
        least = needed[1] if needed else "more"
        return InputError(f"{what}: {message}; set source.maximum_bytes_billed to {least}, or narrow the window")
    if failure.kind is Kind.EXHAUSTED or reasons & {"quotaExceeded", "rateLimitExceeded"}:
        return EvergreenError(f"{what}: {message}; {ADVICE[Kind.EXHAUSTED]}")
    if failure.kind is Kind.DENIED:
        return InputError(f"{what} may not be read: {message}; the account needs {_ROLES}")
    if "that can be used for partition elimination" in message:
        return InputError(f"{what}: {message}; set `window`, and source.columns.timestamp to that column")
    if failure.kind in {Kind.INVALID, Kind.REFUSED, Kind.CONFLICT, Kind.PRECONDITION}:
        return InputError(f"BigQuery refuses {what}: {message}; correct source or its query")
    return EvergreenError(f"BigQuery does not answer for {what}: {without_rows(message)}; {ADVICE[Kind.UNANSWERED]}")


def _reasons(error: Exception) -> set[str]:
    details = getattr(error, "errors", None) or []
    return {detail["reason"] for detail in details if isinstance(detail, dict) and "reason" in detail}


def _sentence(reason: str) -> str:
    """Google's sentence, without the request before it and the fields of the job after it."""
    sentence = re.sub(r"^(GET|POST|PUT|PATCH|DELETE) \S+: ", "", reason)
    return re.split(r"; reason: | Location: \S+ Job ID: ", sentence)[0].rstrip(".")
