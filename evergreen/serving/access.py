"""ASGI middleware around each request: its trace id, whether this server may be asked so, its account, its faults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast
from urllib.parse import unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evergreen.runtime.http import (
    Trace,
    expect_refusal,
    origin_refusal,
    repeated_refusal,
    target_host,
    target_path,
)
from evergreen.serving.accounts import LEFT, Accounts, log_fault
from evergreen.serving.answers import error_response, mark
from evergreen.serving.model import ServedModel
from evergreen.serving.settings import ServerSettings


class Observed:
    """Traces and accounts for each request, and turns a fault of ours into a plain 500.

    Requests under foreign names are refused where `settings` let the server listen on loopback.
    """

    def __init__(self, app: ASGIApp, *, settings: ServerSettings, model: ServedModel, accounts: Accounts) -> None:
        self._app = app
        self._model = model
        self._accounts = accounts
        self._host = settings.host
        self._allowed_hosts = settings.allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope)
        scope["path"] = unquote(target_path(_target(scope)))  # of a whole URL, the server below takes all for a path
        trace = Trace(given, self._model.version).id
        account = self._accounts.begin(scope["method"], scope["path"], given, trace)
        seen = account.seen
        scope.setdefault("state", {}).update(request_log=seen, witness=account.witness)

        async def traced_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                mark(MutableHeaders(raw=message.setdefault("headers", [])), trace, self._model.version)
            await send(message)

        try:
            refusal = self._refusal(scope, given)
            app = self._app if refusal is None else error_response(*refusal, trace)
            await app(scope, receive, traced_send)
        except Exception as error:
            log_fault(error, trace)
            if seen["status"] == LEFT:
                response = error_response(500, "the server failed on this request; its log has the trace id", trace)
                await response(scope, receive, traced_send)
        finally:
            self._accounts.close(account)

    def _refusal(self, scope: Scope, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """Status and reason for headers that contradict or ask for what is not done, and for foreign names in them, or
        in a target that is a URL.
        """
        if repeated := repeated_refusal(headers.keys()):
            return 400, repeated
        if expects := expect_refusal(headers):
            return 417, expects
        for named in (headers, target_host(_target(scope))):
            if refusal := origin_refusal(scope["method"], named, self._host, self._allowed_hosts):
                return refusal
        return None


def _target(scope: Scope) -> str:
    """The request's target as it was sent, but for a query."""
    return cast("bytes", scope["raw_path"]).decode("latin-1")
