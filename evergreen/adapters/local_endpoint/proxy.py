"""The front's HTTP: refuses what it can before a body is read, forwards the rest, so that a caller sees no worker die.

A request whose worker died is repeated once at most; one whose worker hung is not, for it may be what hung it. Bodies,
which are held until their answers are there, are bounded in size, in time and together.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import unquote

import aiohttp
from aiohttp import HttpVersion11, web

from evergreen.adapters.local_endpoint.answers import OverloadedError, Pace, Refusals, RefusedError
from evergreen.adapters.local_endpoint.fleet import Fleet
from evergreen.adapters.local_endpoint.page import accepts_html, page
from evergreen.adapters.local_endpoint.requests import RefusalLog
from evergreen.adapters.local_endpoint.shadow import Answer, Copies
from evergreen.adapters.local_endpoint.worker import Worker
from evergreen.core.errors import InputError
from evergreen.core.limits import BODY_STALL_S, MAX_BODY_BYTES, MAX_HELD_BYTES, SMALL_BODY_BYTES
from evergreen.runtime.http import (
    SHARE_HEADER,
    TIME_LEFT_HEADER,
    TRACE_HEADER,
    UNLOGGED_HEADER,
    Trace,
    expect_refusal,
    media_refusal,
    origin_refusal,
    repeated_refusal,
    target_host,
    target_path,
    time_left_s,
)

LOGGER = logging.getLogger("evergreen.local_endpoint")
RETURNED = ("content-type", "retry-after", "x-model-version", TRACE_HEADER)
ONE_VERSION = re.compile(r"/versions/([^/]+)/predict")
ROUTES = {"/predict": "predict", "/health": "health", "/status": "status"}
METHODS = {"predict": ("POST",), "health": ("GET", "HEAD"), "status": ("GET", "HEAD"), "page": ("GET", "HEAD")}
VERSION_ROUTES = ("/metrics", "/openapi.json")
OF_VERSIONS = "each version has its own, on this machine at the port that GET /status names"
NO_LIMIT = aiohttp.ClientTimeout(total=None)
LOST_STATUS = 502
"""What is noted of a version whose worker ended while it answered; the request is repeated."""


class Proxy:
    """Answers every request to the endpoint; predictions that it refuses itself are noted in `log`, and `copies` are
    made of those that it answers.
    """

    def __init__(
        self,
        fleet: Fleet,
        session: aiohttp.ClientSession,
        log: RefusalLog | None = None,
        copies: Copies | None = None,
    ) -> None:
        self._copies = copies or Copies(fleet, session)
        self._fleet = fleet
        self._session = session
        self._log = log
        self._bodies = Bodies()
        self._refusals = Refusals()
        self._pace = Pace()

    async def __call__(self, request: web.BaseRequest, own_questions_only: bool = False) -> web.StreamResponse:
        """The answer, whatever happens; predictions are refused where there is room for `own_questions_only`."""
        started = time.monotonic()
        trace = Trace(request.headers)
        version = ONE_VERSION.fullmatch(target_path(request.raw_path))
        route = "predict" if version else _route(request)
        try:
            self._check(request, route, own_questions_only)
            if route == "predict":
                return await self._predict(request, unquote(version[1]) if version else None, trace)
            if route == "page":
                return page(self._fleet.files, self._fleet.state)
            return self._health() if route == "health" else web.json_response(text=self._status())
        except RefusedError as refusal:
            if isinstance(refusal, OverloadedError):
                await self._pace.wait()
            if route == "predict" and _is_traffic(request, version):
                self._note(refusal.version or trace.asked, trace, refusal.status, started)
            return self._refusals.answer(refusal, trace.id, route)
        except Exception as error:
            frames = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)][-8:]
            fault = {"trace_id": trace.id, "error": type(error).__name__, "frames": frames}
            LOGGER.error("fault", extra={"fields": fault})  # noqa: TRY400 - a traceback may quote the request
            own = RefusedError(500, "the endpoint failed on this request; its log has the trace id", closes=True)
            return self._refusals.answer(own, trace.id, route)

    def _note(self, version: str, trace: Trace, status: int, started: float) -> None:
        if self._log is not None:
            self._log.note(version, trace.id, status, time.monotonic() - started)

    def _check(self, request: web.BaseRequest, route: str, own_questions_only: bool) -> None:
        self._check_headers(request)
        if route == "other":
            has = ", ".join(ROUTES)
            path = _path(request)
            next_step = OF_VERSIONS if path in VERSION_ROUTES else "ask for one of these"
            raise RefusedError(404, f"no such route: {path[:200]} (has: {has}); {next_step}")
        if request.method not in METHODS[route]:
            allow = ",".join(METHODS[route])
            raise RefusedError(405, f"{request.method} is not allowed here (allowed: {allow})", allow=allow)
        if route == "predict":
            _check_prediction(request, own_questions_only)

    def _check_headers(self, request: web.BaseRequest) -> None:
        state = self._fleet.state
        if repeated := repeated_refusal(name for name, _ in request.headers.items()):
            raise RefusedError(400, repeated, closes=True)
        if expects := expect_refusal(request.headers):
            raise RefusedError(417, expects, closes=True)
        for headers in (request.headers, target_host(request.raw_path)):
            if refusal := origin_refusal(request.method, headers, state.host, state.allowed_hosts):
                raise RefusedError(*refusal, closes=True)

    async def _predict(self, request: web.BaseRequest, wanted: str | None, trace: Trace) -> web.Response:
        loop = asyncio.get_running_loop()
        within_s = self._fleet.state.request_timeout_s
        if (left_s := _time_left_s(request)) is not None:
            within_s = min(within_s, left_s)
        if not within_s:
            raise RefusedError(503, f"{TIME_LEFT_HEADER} says that no time is left; send more, or leave it out")
        deadline = loop.time() + within_s
        worker = self._fleet.choose(wanted)
        headers = {"content-type": request.headers["content-type"]}
        if not _is_traffic(request, wanted):
            headers[UNLOGGED_HEADER] = "1"
        async with self._bodies.body_of(request, deadline) as body:
            try:
                async with asyncio.timeout_at(deadline):
                    answer = await self._answer(worker, wanted, body, headers, deadline, trace=trace)
            except TimeoutError as error:
                raise RefusedError(503, f"no answer within {within_s:g} s; {self._fleet.states()}") from error
            if UNLOGGED_HEADER not in headers:
                self._copies.watch(answer, body)
            return answer

    async def _answer(
        self,
        worker: Worker | None,
        wanted: str | None,
        body: bytearray,
        headers: dict[str, str],
        deadline: float,
        *,
        trace: Trace,
    ) -> Answer:
        """The answer of the first worker that gives one. A prediction changes nothing, so asking again is safe."""
        repeated = False
        while True:
            if worker is None or not worker.ready:
                worker = self._fleet.choose(wanted)
            if worker is None:
                await self._fleet.wait()
                continue
            if overload := worker.overload:
                raise OverloadedError.by(overload, worker.version)
            headers[TRACE_HEADER] = trace.ask(worker.version)
            headers[SHARE_HEADER] = str(self._fleet.share(worker.version))
            asked = time.monotonic()
            with worker.holding(len(body)) as service:
                try:
                    return await self._forward(service.url, body, headers, deadline)
                except aiohttp.ClientConnectorError:
                    worker.suspect()  # nothing was sent
                except aiohttp.ClientError as error:
                    worker.suspect()
                    lost = {"version": worker.version, "error": type(error).__name__, "hung": service.hung}
                    LOGGER.warning("lost", extra={"fields": {**lost, "trace_id": trace.id}})
                    if repeated or service.hung:
                        how = "hung" if service.hung else "ended twice"
                        reason = f"the worker {how} while it answered this request, which is not repeated; see its log"
                        raise RefusedError(503, reason) from error
                    repeated = True
                    if UNLOGGED_HEADER not in headers:  # its caller sees an answer, and the version failed all the same
                        self._note(worker.version, trace, LOST_STATUS, asked)
            worker = None

    async def _forward(self, url: str, body: bytearray, headers: dict[str, str], deadline: float) -> Answer:
        began = asyncio.get_running_loop().time()
        left_s = max(0.0, deadline - began)
        sent = {**headers, TIME_LEFT_HEADER: str(int(left_s * 1000))}
        async with self._session.post(f"{url}/predict", data=body, headers=sent, timeout=NO_LIMIT) as answer:
            content = await answer.read()
        returned = {name: answer.headers[name] for name in RETURNED if name in answer.headers}
        took_s = asyncio.get_running_loop().time() - began
        return Answer(status=answer.status, body=content, headers=returned, took_s=took_s)

    def _health(self) -> web.Response:
        ready = self._fleet.ready
        content = {"status": "ready" if ready else "not ready", "traffic": self._fleet.traffic}
        return web.json_response(content, status=200 if ready else 503)

    def _status(self) -> str:
        shadow = self._copies.report()
        # without copies as it always was, for commands of older code
        return self._fleet.status(shadow).model_dump_json(exclude=None if shadow else {"shadow"})


def _route(request: web.BaseRequest) -> str:
    path = _path(request)
    if path == "/" and accepts_html(request.headers):
        return "page"
    return ROUTES.get(path, "other")


def _check_prediction(request: web.BaseRequest, own_questions_only: bool) -> None:
    if own_questions_only:
        raise OverloadedError.by("too many connections")
    media_type = request.headers.get("content-type", "")
    if not media_type.strip():
        raise RefusedError(415, "content-type is missing; send 'content-type: application/json'")
    if reason := media_refusal(media_type, request.headers.get("content-encoding", "")):
        raise RefusedError(415, reason)


def _path(request: web.BaseRequest) -> str:
    return unquote(target_path(request.raw_path))


def _is_traffic(request: web.BaseRequest, version: object) -> bool:
    """Whether a prediction counts: one that asks for a version, or says that it is no traffic, does not."""
    return version is None and UNLOGGED_HEADER not in request.headers


def _time_left_s(request: web.BaseRequest) -> float | None:
    try:
        return time_left_s(request.headers)
    except InputError as error:
        raise RefusedError(400, str(error)) from error


class Bodies:
    """Reads bodies of at most MAX_BODY_BYTES; what large ones hold together stays below MAX_HELD_BYTES."""

    def __init__(self) -> None:
        self._held = 0

    @asynccontextmanager
    async def body_of(self, request: web.BaseRequest, deadline: float) -> AsyncIterator[bytearray]:
        """The body, uncopied, which counts as held until the block ends; `deadline` is of the loop's clock.

        Raises:
            RefusedError: it is too large, comes too late or is no body, or those of others hold all there is.
        """
        if (request.content_length or 0) > MAX_BODY_BYTES:
            raise _too_large()
        await _invite(request)
        body, held = bytearray(), 0
        try:
            async for chunk in _chunks(request, deadline):
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise _too_large()
                beyond = max(0, len(body) - SMALL_BODY_BYTES)
                self._held += beyond - held
                held = beyond
                if self._held > MAX_HELD_BYTES:
                    raise OverloadedError.by("large requests fill the endpoint already")
            yield body
        finally:
            self._held -= held


async def _chunks(request: web.BaseRequest, deadline: float) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    while not request.content.at_eof():
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + BODY_STALL_S)):
                chunk = await request.content.readany()
        except TimeoutError as error:
            late = "before the time of the request was over" if loop.time() >= deadline else f"for {BODY_STALL_S:g} s"
            raise RefusedError(408, f"the body did not come {late}; send it at once", closes=True) from error
        except (web.RequestPayloadError, ValueError) as error:
            raise RefusedError(400, "the body is not as its headers say; send it whole", closes=True) from error
        yield chunk


async def _invite(request: web.BaseRequest) -> None:
    """Asks for a body whose sender waits to be asked, now that nothing speaks against it."""
    if "expect" not in request.headers or request.version < HttpVersion11:
        return
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # what counts as the answer begins after it


def _too_large() -> RefusedError:
    return RefusedError(413, f"the body is over {MAX_BODY_BYTES:,} bytes; send the instances in several requests")
