"""Bodies that the front holds until their answers are there: bounded in size, in time and together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import HttpVersion11, web

from evergreen.adapters.local_endpoint.answers import OverloadedError, RefusedError
from evergreen.core.limits import BODY_STALL_S, MAX_BODY_BYTES, MAX_HELD_BYTES, SMALL_BODY_BYTES


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
                    raise OverloadedError("large requests fill the endpoint already; ask again in a second")
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
            raise RefusedError(408, "the body did not come in time; send it at once", closes=True) from error
        except (web.RequestPayloadError, ValueError) as error:
            raise RefusedError(400, "the body is not as its headers say; send it whole", closes=True) from error
        yield chunk


async def _invite(request: web.BaseRequest) -> None:
    """Asks for a body whose sender waits to be asked, now that nothing speaks against it."""
    expected = request.headers.get("expect")
    if expected is None or request.version < HttpVersion11:
        return
    if expected.lower() != "100-continue":
        raise RefusedError(417, "the Expect header asks for more than '100-continue'; leave it out", closes=True)
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # what counts as the answer begins after it


def _too_large() -> RefusedError:
    return RefusedError(413, f"the body is over {MAX_BODY_BYTES:,} bytes; send the instances in several requests")
