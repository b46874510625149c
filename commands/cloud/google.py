"""Google's REST interfaces, read with the caller's credentials.

Google("news-project").get("storage", "storage/v1/b/news-bucket")["location"]
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any
from urllib.parse import quote

from evergreen.adapters.google.calls import OK, Kind, calling, kind_of_status
from evergreen.core.errors import EvergreenError

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TIMEOUT_S = 30.0
CLOCK = "https://oauth2.googleapis.com/token"
"""Any address of Google's: each answer tells the time."""


class GoogleError(EvergreenError):
    """Google refused a question; `kind` is what of."""

    def __init__(self, message: str, kind: Kind) -> None:
        super().__init__(message)
        self.kind = kind


class UnaskedError(GoogleError):
    """The question did not reach Google: there are no credentials, or there is no way to it."""


class Google:
    """One project's view of Google; `session` is a requests session with a token (default: Google's credentials)."""

    def __init__(self, project: str, session: Any | None = None) -> None:
        self.project = project
        self._given = session

    @cached_property
    def session(self) -> Any:
        """The session in use.

        Raises:
            GoogleError: this machine has no credentials.
        """
        if self._given is not None:
            return self._given
        import google.auth
        from google.auth.transport.requests import AuthorizedSession

        with calling(lambda failure: UnaskedError(f"no Google credentials: {failure.reason}", failure.kind)):
            credentials, _ = google.auth.default(scopes=[SCOPE])
        return AuthorizedSession(credentials)  # type: ignore[no-untyped-call]  # google.auth has no types

    @cached_property
    def number(self) -> str:
        """The project's number, by which Google names its service agents."""
        return str(self.get("cloudresourcemanager", f"v1/projects/{self.project}")["projectNumber"])

    def clock_ahead_s(self) -> float | None:
        """By how many seconds this machine's clock is ahead of Google's; None where Google tells no time.

        Nobody signs in for it: with a clock that is off, nobody could.

        Raises:
            GoogleError: there are no credentials, or no answer.
        """
        import requests

        with calling(lambda failure: UnaskedError(f"{CLOCK} does not answer: {failure.reason}", failure.kind)):
            answer = requests.Session.request(self.session, "HEAD", CLOCK, timeout=TIMEOUT_S)
        date = answer.headers.get("Date")
        return (datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds() if date else None

    def get(self, service: str, path: str, **query: Any) -> dict[str, Any]:
        """The answer of `https://<service>.googleapis.com/<path>`.

        Raises:
            GoogleError: anything but 200.
        """
        return self._ask("GET", service, path, params=query)

    def post(self, service: str, path: str) -> dict[str, Any]:
        """The answer to an empty question; only methods that read are called so.

        Raises:
            GoogleError: anything but 200.
        """
        return self._ask("POST", service, path, json={})

    def find(self, service: str, path: str, **query: Any) -> dict[str, Any] | None:
        """As `get`, but None when there is no such thing."""
        try:
            return self.get(service, path, **query)
        except GoogleError as error:
            if error.kind is not Kind.MISSING:
                raise
            return None

    def _ask(self, method: str, service: str, path: str, **options: Any) -> dict[str, Any]:
        address, session = f"{service}.googleapis.com", self.session
        with calling(lambda failure: UnaskedError(f"{address} does not answer: {failure.reason}", failure.kind)):
            response = session.request(method, f"https://{address}/{path}", timeout=TIMEOUT_S, **options)
        if response.status_code != OK:
            raise GoogleError(f"{address}: {_reason(response)}", kind_of_status(response.status_code))
        answer: dict[str, Any] = response.json()
        return answer


def in_path(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe="")


def _reason(response: Any) -> str:
    """Google's first sentence."""
    try:
        message = str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = str(response.text)
    return f"{response.status_code} {' '.join(message.split())[:200]}"
