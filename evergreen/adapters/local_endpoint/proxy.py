"""Forwards predictions to workers by the traffic split, so that a caller sees no worker die and no version change."""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from collections.abc import Awaitable, Callable

import aiohttp
from aiohttp import web

from evergreen.adapters.local_endpoint.split import SmoothSplit
from evergreen.adapters.local_endpoint.state import EndpointFiles, EndpointState, FrontStatus
from evergreen.adapters.local_endpoint.worker import Worker
from evergreen.core.errors import EndpointError
from evergreen.core.processes import serving_code

LOGGER = logging.getLogger("evergreen.local_endpoint")
TRACE_HEADER = "x-trace-id"
FORWARDED = ("content-type", "content-encoding", "traceparent", TRACE_HEADER)
RETURNED = ("content-type", "retry-after", "x-model-version", TRACE_HEADER)
LOST_ALLOWED = 3


class UnknownVersionError(EndpointError):
    """A request asks for a version that is not deployed."""


class Proxy:
    """The workers, the split over them, and the HTTP application before them."""

    def __init__(self, files: EndpointFiles, state: EndpointState, session: aiohttp.ClientSession) -> None:
        self._files = files
        self._state = state
        self._session = session
        self._split = SmoothSplit({})
        self._workers: dict[str, Worker] = {}
        self._renewing: dict[str, Worker] = {}
        self._retiring: dict[str, asyncio.Task[None]] = {}
        self._change = asyncio.Event()

    def application(self, max_body_bytes: int) -> web.Application:
        """The routes: predictions, health and status."""
        application = web.Application(client_max_size=max_body_bytes, middlewares=[_errors_as_json])
        application.router.add_post("/predict", self._predict)
        application.router.add_post("/versions/{version}/predict", self._predict)
        application.router.add_get("/health", self._health)
        application.router.add_get("/status", self._status)
        return application

    def apply(self, state: EndpointState) -> None:
        """Makes the state true: starts what is new, failed or outdated, moves traffic, retires what is gone."""
        code = serving_code()
        for version in state.versions:
            if version not in self._workers:
                self._workers[version] = self._start(version, state)
            elif self._workers[version].code == code:
                self._workers[version].retry()
            elif version not in self._renewing:
                self._renewing[version] = self._start(version, state)
            else:
                self._renewing[version].retry()
        self._split = SmoothSplit(state.traffic)
        for workers in (self._workers, self._renewing):
            for version in set(workers) - set(state.versions):
                self._retire(workers.pop(version))
        self._state = state
        self._notify()
        applied = {"revision": state.revision, "versions": state.versions, "traffic": state.traffic}
        LOGGER.info("applied", extra={"fields": applied})

    async def stop_workers(self) -> None:
        """Stops every worker; returns when none is left."""
        for workers in (self._workers, self._renewing):
            for worker in workers.values():
                self._retire(worker)
            workers.clear()
        await asyncio.gather(*self._retiring.values())

    def _retire(self, worker: Worker) -> None:
        task = asyncio.create_task(worker.stop())
        key = f"{worker.version} {id(worker):x}"
        self._retiring[key] = task
        task.add_done_callback(lambda _: self._retiring.pop(key, None))

    def _start(self, version: str, state: EndpointState) -> Worker:
        return Worker(version, self._files, state, self._session, self._notify)

    def _notify(self) -> None:
        """Lets renewed workers that are ready take their place, and wakes up whoever waits for a change."""
        for version in [version for version, worker in self._renewing.items() if worker.ready]:
            self._retire(self._workers[version])
            self._workers[version] = self._renewing.pop(version)
        self._change.set()
        self._change = asyncio.Event()

    async def _predict(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name: request.headers[name] for name in FORWARDED if name in request.headers}
        if TRACE_HEADER not in headers and "traceparent" not in headers:
            headers[TRACE_HEADER] = _new_trace_id()
        wanted = request.match_info.get("version")
        deadline = asyncio.get_running_loop().time() + self._state.request_timeout_s
        try:
            async with asyncio.timeout_at(deadline):
                return await self._answer(wanted, body, headers)
        except UnknownVersionError as error:
            return _error(404, str(error), headers)
        except EndpointError as error:
            return _error(503, str(error), headers)
        except TimeoutError:
            reason = f"no answer within {self._state.request_timeout_s:g} s"
            return _error(503, f"{reason}; {self._health_line()}", headers)

    async def _answer(self, wanted: str | None, body: bytes, headers: dict[str, str]) -> web.Response:
        """The answer of the first worker that gives one. A prediction changes nothing, so asking again is safe."""
        lost = 0
        while lost < LOST_ALLOWED:
            worker = self._choose(wanted)
            if worker is None:
                await self._change.wait()
                continue
            try:
                return await self._forward(worker, body, headers)
            except aiohttp.ClientConnectorError:
                worker.suspect()
            except aiohttp.ClientError as error:
                lost += 1
                worker.suspect()
                lost_fields = {"version": worker.version, "error": type(error).__name__, "lost": lost}
                LOGGER.warning("lost", extra={"fields": lost_fields})
        raise EndpointError(f"workers ended {LOST_ALLOWED} times while they answered this request; see their logs")

    def _choose(self, wanted: str | None) -> Worker | None:
        if wanted is not None:
            if wanted not in self._workers:
                deployed = ", ".join(self._workers) or "none"
                raise UnknownVersionError(f"version {wanted[:80]!r} is not deployed (deployed: {deployed})")
            return self._workers[wanted] if self._workers[wanted].ready else None
        if not self._split.traffic:
            raise EndpointError("no version has traffic yet; run the pipeline, or ask /versions/<version>/predict")
        version = self._split.next({name for name, worker in self._workers.items() if worker.ready})
        return self._workers[version] if version else None

    async def _forward(self, worker: Worker, body: bytes, headers: dict[str, str]) -> web.Response:
        worker.in_flight += 1
        try:
            async with self._session.post(
                f"{worker.url}/predict", data=body, headers=headers, skip_auto_headers=("content-type",)
            ) as answer:
                content = await answer.read()
        finally:
            worker.in_flight -= 1
        returned = {name: answer.headers[name] for name in RETURNED if name in answer.headers}
        return web.Response(status=answer.status, body=content, headers=returned)

    async def _health(self, _request: web.Request) -> web.Response:
        ready = any(worker.ready for name, worker in self._workers.items() if name in self._split.traffic)
        content = {"status": "ready" if ready else "not ready", "traffic": self._split.traffic}
        return web.json_response(content, status=200 if ready else 503)

    async def _status(self, _request: web.Request) -> web.Response:
        status = FrontStatus(
            model=self._state.model,
            pid=os.getpid(),
            revision=self._state.revision,
            traffic=self._split.traffic,
            versions={name: worker.status() for name, worker in self._workers.items()},
            renewing={name: worker.status() for name, worker in self._renewing.items()},
            retiring=tuple(key.split()[0] for key in self._retiring),
        )
        return web.json_response(text=status.model_dump_json())

    def _health_line(self) -> str:
        states = [f"{name} {worker.status().state}" for name, worker in self._workers.items()]
        return "versions: " + (", ".join(states) or "none")


def _new_trace_id() -> str:
    return uuid.uuid4().hex


def _error(status: int, message: str, headers: dict[str, str]) -> web.Response:
    trace = headers.get(TRACE_HEADER, "")
    LOGGER.warning("refused", extra={"fields": {"status": status, "reason": message, "trace_id": trace}})
    answer = web.json_response({"error": {"message": message, "trace_id": trace}}, status=status)
    answer.headers[TRACE_HEADER] = trace
    if status == 503:
        answer.headers["retry-after"] = "1"
    return answer


@web.middleware
async def _errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        reason = {
            404: "no such route",
            405: f"{request.method} is not allowed here (allowed: {error.headers.get('Allow', 'none')})",
            413: f"the body is over {request.client_max_size:,} bytes; send the instances in several requests",
        }
        trace = {TRACE_HEADER: request.headers.get(TRACE_HEADER) or _new_trace_id()}
        answer = _error(error.status, f"{reason.get(error.status, error.reason)}: {request.path[:200]}", trace)
        answer.headers.extend({name: value for name, value in error.headers.items() if name == "Allow"})
        return answer
