"""Requests for predictions that are turned away by their bytes alone, while the server is full.

Under ten times the load that it can answer, nine of ten requests are refused, and what refusing costs is taken from
those that are answered. A usual request, whole in one piece, is refused here without HTTP's parser and the application;
whatever is unusual goes their way, and hears the same.
"""

from __future__ import annotations

import re

from starlette.responses import Response

from evergreen.runtime.http import Trace, origin_refusal
from evergreen.serving.accounts import Accounts
from evergreen.serving.answers import answer_for, mark, reason_of
from evergreen.serving.errors import FullError, NotReadyError
from evergreen.serving.model import ServedModel
from evergreen.serving.settings import ServerSettings

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_MOST_HEAD = 8192
_FRAMING = ("transfer-encoding", "expect", "upgrade", "trailer")
"""Headers by which a body or a connection is another than `content-length` says."""


class TurningAway:
    """Refuses what is refused for want of room, and accounts for it."""

    def __init__(self, settings: ServerSettings, model: ServedModel, accounts: Accounts) -> None:
        self._settings = settings
        self._model = model
        self._accounts = accounts
        self._first = f"POST {settings.predict_route} HTTP/1.1"

    def answer(self, data: bytes) -> Response | None:
        """The refusal of the one whole request that `data` is; None where there is room, or it is none that is known
        here.
        """
        full = self._full()
        headers = None if full is None else self._headers(data)
        if full is None or headers is None:
            return None
        trace = Trace(headers, self._model.version).id
        account = self._accounts.begin("POST", self._settings.predict_route, headers, trace)
        self._accounts.metrics.refused[reason_of(full)] += 1
        response = answer_for(full, trace, self._settings.full_status)
        mark(response.headers, trace, self._model.version)
        account.seen["status"] = response.status_code
        self._accounts.close(account)
        return response

    def _full(self) -> FullError | None:
        try:
            self._model.check_room()
        except FullError as error:
            return error
        except NotReadyError:  # the application says why
            pass
        return None

    def _headers(self, data: bytes) -> dict[str, str] | None:
        """Those of a request for predictions, whose body is there and ends with `data`; None for any other."""
        end = data.find(b"\r\n\r\n", 0, _MOST_HEAD)
        if end < 0:
            return None
        first, *lines = data[:end].decode("latin-1").split("\r\n")
        if first != self._first:
            return None
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip(" \t")
            if not _NAME.fullmatch(name) or name in headers or not (value.isascii() and value.isprintable()):
                return None
            headers[name] = value
        plain = headers.get("content-length") == str(len(data) - end - 4) and "host" in headers
        kept = headers.get("connection", "keep-alive").lower() == "keep-alive"
        if not plain or not kept or any(name in headers for name in _FRAMING):
            return None
        if origin_refusal("POST", headers, self._settings.host, self._settings.allowed_hosts):
            return None
        return headers
