"""Bodies of requests: bounded in size, in time and in what all of them hold together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from evergreen.core.errors import InputError
from evergreen.core.limits import BODY_STALL_S, BODY_TIMEOUT_S, MAX_WAITING_BYTES, SMALL_BODY_BYTES
from evergreen.serving.queue import NotReadyError
from evergreen.serving.requests import BodyTooLargeError

T = TypeVar("T")


class SlowBodyError(InputError):
    """A sender stopped within its body, or takes too long for it."""


class Bodies:
    """Reads bodies of at most `limit` bytes; what large ones hold together stays below MAX_WAITING_BYTES."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    @asynccontextmanager
    async def body_of(self, request: Request) -> AsyncIterator[bytearray]:
        """The body, uncopied, which counts as held until the block ends.

        Raises:
            BodyTooLargeError: it is announced, or turns out, to be larger than the limit.
            SlowBodyError: it does not come in time.
            NotReadyError: the bodies of others hold all there is.
        """
        announced = request.headers.get("content-length", "")
        if announced.isdigit() and int(announced[:20]) > self._limit:
            raise self._too_large()
        body, held = bytearray(), 0
        try:
            async for chunk in _chunks(request):
                body += chunk
                if len(body) > self._limit:
                    raise self._too_large()
                beyond = max(0, len(body) - SMALL_BODY_BYTES)
                self._held += beyond - held
                held = beyond
                if self._held > MAX_WAITING_BYTES:
                    raise NotReadyError("large requests fill the server already; ask again in a second")
            yield body
        finally:
            self._held -= held

    def _too_large(self) -> BodyTooLargeError:
        return BodyTooLargeError(
            f"the body is larger than {self._limit} bytes; split the instances over several requests"
        )


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    stream = request.stream()
    last = asyncio.get_running_loop().time() + BODY_TIMEOUT_S
    while True:
        stalled = asyncio.get_running_loop().time() + BODY_STALL_S
        try:
            async with asyncio.timeout_at(min(last, stalled)):
                chunk = await anext(stream, None)
        except TimeoutError as error:
            raise SlowBodyError("the body did not come in time; send it at once") from error
        if chunk is None:
            return
        yield chunk


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What the work gives; it is cancelled when the caller leaves.

    Raises:
        ClientDisconnect: the caller left.
    """
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return await working
    finally:
        for task in (working, leaving):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await leaving


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
