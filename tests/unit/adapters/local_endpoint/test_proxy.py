"""Bodies that the front holds."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import HttpVersion11, web

from evergreen.adapters.local_endpoint import proxy
from evergreen.adapters.local_endpoint.answers import RefusedError
from evergreen.adapters.local_endpoint.proxy import Bodies
from evergreen.core.limits import SMALL_BODY_BYTES

BEYOND = 1000


class Sent:
    """A body that comes in these chunks and then ends, or stops where `ends` is false."""

    def __init__(self, chunks: list[bytes], ends: bool = True) -> None:
        self._chunks = list(chunks)
        self._ends = ends

    def at_eof(self) -> bool:
        return self._ends and not self._chunks

    async def readany(self) -> bytes:
        if not self._chunks:
            await asyncio.Event().wait()
        return self._chunks.pop(0)


def request_of(sent: Sent, announced: int | None = None) -> web.BaseRequest:
    parts = SimpleNamespace(content=sent, content_length=announced, headers={}, version=HttpVersion11)
    return cast("web.BaseRequest", cast("Any", parts))


async def read(held: Bodies, sent: Sent, announced: int | None = None) -> int | bytes:
    """The body, or the status of its refusal."""
    try:
        async with held.body_of(request_of(sent, announced), asyncio.get_running_loop().time() + 60) as body:
            return bytes(body)
    except RefusedError as refusal:
        return refusal.status


@pytest.mark.parametrize(
    ("sent", "announced", "expected"),
    [
        (Sent([]), None, b""),
        (Sent([b"ab", b"c"]), None, b"abc"),
        (Sent([b"ab"]), 10**10, 413),
        (Sent([b"x" * 600, b"x" * 600]), None, 413),
        (Sent([b"ab"], ends=False), None, 408),
    ],
)
def test_a_body_is_whole_or_refused(
    monkeypatch: pytest.MonkeyPatch, sent: Sent, announced: int | None, expected: int | bytes
) -> None:
    monkeypatch.setattr(proxy, "MAX_BODY_BYTES", 1000)
    monkeypatch.setattr(proxy, "BODY_STALL_S", 0.01)
    assert asyncio.run(read(Bodies(), sent, announced)) == expected


@pytest.mark.parametrize(
    ("within_s", "said"),
    [(60, "the body did not come for 0.01 s;"), (0, "the body did not come before the time of the request was over;")],
)
def test_a_late_body_names_the_limit_that_it_missed(monkeypatch: pytest.MonkeyPatch, within_s: int, said: str) -> None:
    monkeypatch.setattr(proxy, "BODY_STALL_S", 0.01)

    async def late() -> None:
        deadline = asyncio.get_running_loop().time() + within_s
        async with Bodies().body_of(request_of(Sent([], ends=False)), deadline):
            pass

    with pytest.raises(RefusedError, match=said):
        asyncio.run(late())


def test_large_bodies_share_what_they_may_hold_and_give_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "MAX_HELD_BYTES", BEYOND)
    large = [b"x" * (SMALL_BODY_BYTES + BEYOND - 100)]

    async def two() -> list[int | bytes]:
        held = Bodies()
        async with held.body_of(request_of(Sent(large)), asyncio.get_running_loop().time() + 60):
            seen = [await read(held, Sent(large)), await read(held, Sent([b"small"]))]
        return [*seen, len(cast("bytes", await read(held, Sent(large))))]

    assert asyncio.run(two()) == [429, b"small", len(large[0])]


def test_a_body_is_held_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import tracemalloc

    size = 4_000_000
    monkeypatch.setattr(proxy, "MAX_BODY_BYTES", 2 * size)
    chunk = b"x" * 100_000

    async def peak() -> int:
        tracemalloc.start()
        try:
            async with Bodies().body_of(request_of(Sent([chunk] * 40)), asyncio.get_running_loop().time() + 60):
                return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    assert asyncio.run(peak()) < 1.5 * size
