"""One message to an address that takes JSON by POST, of whichever service.

The address is a secret: whoever has it can write there. So no error of this module holds it, nor the words of a library
that quotes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from threading import Thread
from urllib.parse import urlsplit

from evergreen.adapters.google.calls import failure_of, retry_policy, unavailable
from evergreen.core.alerts import ChannelError, ChannelFailure
from evergreen.core.errors import EvergreenError

CONNECT_S, READ_S = 5.0, 10.0
RETRY_S = 12.0
"""How long attempts are repeated: after one that got no answer in READ_S there is one more."""
MOST_S = 40.0
"""After which nobody waits any longer: an answer may come byte by byte, each in time."""
TRANSIENT = frozenset({429, 502, 503, 504})
CLOSED = frozenset({401, 403})
GONE = frozenset({404, 410})
SLOW = "try again later, and see whether the service is slow, or a proxy on the way"
UNREACHABLE = "check the address's host and port, and whether this machine's network, proxy or firewall lets it through"


def post(url: str, content: Mapping[str, str]) -> None:
    """Returns once the address, one that `is_address`, has taken the content. No redirect is followed: it would lead
    the message elsewhere.

    Raises:
        ChannelError: it answers with another status than 2xx, or does not answer in time.
    """
    sent: Future[None] = Future()

    def send() -> None:
        try:
            retry_policy(RETRY_S)(partial(_attempt, url, content))()
            sent.set_result(None)
        except Exception as error:  # whatever requests raises, with the address in its words
            sent.set_exception(error if isinstance(error, EvergreenError) else ChannelError(_failure(error)))

    Thread(target=send, daemon=True).start()
    try:
        sent.result(MOST_S)
    except TimeoutError:
        failure = ChannelFailure(reason=f"it has not answered whole within {MOST_S:g} s", fix=SLOW)
        raise ChannelError(failure) from None


def _attempt(url: str, content: Mapping[str, str]) -> None:
    import requests

    answer = requests.post(url, json=content, timeout=(CONNECT_S, READ_S), allow_redirects=False, stream=True)
    with answer:
        if answer.status_code in TRANSIENT:
            raise unavailable(f"status {answer.status_code}")
        if not 200 <= answer.status_code < 300:
            raise ChannelError(_refused(answer.status_code))


def _refused(status: int, often: str = "") -> ChannelFailure:
    return ChannelFailure(reason=f"it answers with status {status}{often}", fix=_advice(status))


def _advice(status: int) -> str:
    """What to do about an answer with this status."""
    if status == 429:
        return "it takes no more for now: try again later, and raise alerts.cool_down if this goes on"
    if status >= 500:
        return "the fault is the service's own, the address was found: see how the service is, and try again later"
    if status in CLOSED:
        return "it does not let this sender in: make a new address with the service, and set the variable to it"
    if status in GONE:
        return "it knows no such address, or not any more: make a new one with the service, and set the variable to it"
    if status >= 400:
        return "it does not take JSON of this form (docs/alerts.md has it): give an address that does"
    return "no redirect is followed: give the address itself that it leads to"


def is_address(url: str) -> bool:
    """Whether it is one of HTTP."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _failure(error: Exception) -> ChannelFailure:
    import requests

    failure = failure_of(error)
    last = failure.error if failure else error
    if isinstance(last, requests.Timeout):
        return ChannelFailure(reason=f"it does not answer within {READ_S:g} s", fix=SLOW)
    if isinstance(last, requests.ConnectionError):
        return ChannelFailure(reason="it cannot be reached", fix=UNREACHABLE)
    if failure and failure.reason.startswith("status "):
        return _refused(int(failure.reason.removeprefix("status ")), ", again and again")
    return ChannelFailure(reason=f"it was not taken ({type(last).__name__})")
