"""The Hugging Face Hub when it fails: what is asked again, and what a wrong name is told apart from an outage by."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import TypeVar

from evergreen.core.errors import InputError

RETRY_WAITS_S = (0.5, 2.0, 5.0)
_BUSY = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)

T = TypeVar("T")
_log = logging.getLogger(__name__)


def retried(call: Callable[[], T]) -> T:
    """What `call` gives, asked again after RETRY_WAITS_S where the Hub is busy, failing or out of reach."""
    for wait_s in RETRY_WAITS_S:
        try:
            return call()
        except Exception as error:
            if not is_outage(error):
                raise
            _log.warning("the Hugging Face Hub does not answer (%s); asking again in %g s", first_line(error), wait_s)
            time.sleep(wait_s)
    return call()


def is_outage(error: BaseException) -> bool:
    """Whether the Hub failed or was out of reach, rather than said no; its client hides the reason as a cause."""
    from httpx2 import HTTPError, LocalProtocolError
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    for cause in _with_causes(error):
        if isinstance(cause, OfflineModeIsEnabled):
            return False
        if isinstance(cause, HfHubHTTPError):
            status = cause.response.status_code
            return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _BUSY
        if isinstance(cause, LocalProtocolError):
            return False  # the request was never sent
        if isinstance(cause, HTTPError | ConnectionError | TimeoutError):
            return True
    return False


def is_out_of_reach(error: BaseException) -> bool:
    """Whether the Hub gave no answer at all: it failed, or its client was set not to ask (HF_HUB_OFFLINE)."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    return is_outage(error) or any(isinstance(cause, OfflineModeIsEnabled) for cause in _with_causes(error))


def token_in(variable: str, instead: str) -> str:
    """The token in an environment variable, without the white space that files end in.

    Raises:
        InputError: it is not set, or holds what no header can; `instead` is what else to do.
    """
    token = os.environ.get(variable, "").strip()
    if not token:
        raise InputError(f"environment variable {variable} is not set; {instead}")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(f"environment variable {variable} holds more than a token: spaces or strange characters")
    return token


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or else its type."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
