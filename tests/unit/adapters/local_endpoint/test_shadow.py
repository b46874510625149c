"""Copies of answered requests: when they are made, and that nothing of theirs is waited for."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Coroutine
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web

from evergreen.adapters.local_endpoint import shadow
from evergreen.adapters.local_endpoint.fleet import Fleet
from evergreen.adapters.local_endpoint.shadow import Answer, Copies
from evergreen.adapters.local_endpoint.state import ShadowOrder
from evergreen.core.shadow import ShadowReport

BODY = bytearray(b'{"instances": [{"text": "a late goal"}]}')
SPORT = json.dumps({"predictions": [{"label": "sport"}]}).encode()
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def order(share: float = 1.0, for_s: float = 60.0, version: str = "b") -> ShadowOrder:
    return ShadowOrder(version=version, share=share, until=time.time() + for_s)


def answer(status: int = 200, body: bytes = SPORT) -> Answer:
    return Answer(status=status, body=body, headers={}, took_s=0.01)


async def says_sport(_request: web.Request) -> web.Response:
    return web.Response(body=SPORT)


async def hangs(_request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    return web.Response()


def with_copies(handler: Handler, test: Callable[[Copies], Coroutine[Any, Any, None]], ready: bool = True) -> None:
    """Runs the test with a worker of version `b` that answers so."""

    async def run() -> None:
        application = web.Application()
        application.router.add_post("/predict", handler)
        runner = web.AppRunner(application, shutdown_timeout=0.01)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        worker = SimpleNamespace(service=SimpleNamespace(url=url))
        fleet = cast("Fleet", SimpleNamespace(standby=lambda version: worker if ready and version == "b" else None))
        async with aiohttp.ClientSession() as session:
            copies = Copies(fleet, session)
            try:
                await test(copies)
            finally:
                await copies.stop()
                await runner.cleanup()

    asyncio.run(run())


def reported(copies: Copies) -> ShadowReport:
    report = copies.report()
    assert report is not None
    return report


async def until(copies: Copies, condition: Callable[[ShadowReport], bool]) -> ShadowReport:
    async with asyncio.timeout(5):
        while not condition(reported(copies)):
            await asyncio.sleep(0.005)
    return reported(copies)


def sent(copies: Copies, count: int = 1, one: Answer | None = None) -> None:
    """Has so many requests answered, as a connection does that wrote all of each answer."""
    for _ in range(count):
        given = one or answer()
        copies.watch(given, BODY)
        if given.sent is not None:
            given.sent()


def test_a_copy_is_made_only_once_the_client_has_its_answer() -> None:
    async def ask(copies: Copies) -> None:
        copies.follow(order())
        given = answer()
        copies.watch(given, BODY)
        await asyncio.sleep(0.05)
        assert reported(copies).copies == 0
        assert given.sent is not None
        given.sent()
        report = await until(copies, lambda report: report.copies == 1)
        assert (report.agreement, report.failed, report.instances) == (1.0, 0, 1)

    with_copies(says_sport, ask)


def test_a_fifth_of_the_answered_requests_is_every_fifth() -> None:
    async def ask(copies: Copies) -> None:
        copies.follow(order(share=0.2))
        given = [answer() for _ in range(20)]
        for one in given:
            copies.watch(one, BODY)
        assert [number for number, one in enumerate(given) if one.sent] == [4, 9, 14, 19]
        refused = answer(status=400)
        for _ in range(5):
            copies.watch(refused, BODY)
        assert refused.sent is None

    with_copies(says_sport, ask)


def test_a_copy_says_that_it_is_no_traffic_and_goes_to_the_version_alone() -> None:
    seen: list[web.Request] = []

    async def note(request: web.Request) -> web.Response:
        seen.append(request)
        assert await request.read() == bytes(BODY)
        return web.Response(body=SPORT)

    async def ask(copies: Copies) -> None:
        copies.follow(order())
        sent(copies)
        await until(copies, lambda report: report.copies == 1)

    with_copies(note, ask)
    assert seen[0].headers["x-unlogged"] == "1"


def test_one_that_hangs_is_behind_and_what_finds_no_room_is_dropped_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "TIMEOUT_S", 0.1)

    async def ask(copies: Copies) -> None:
        copies.follow(order())
        await asyncio.sleep(0)
        began = time.monotonic()
        sent(copies, 1000)
        assert time.monotonic() - began < 0.5
        assert reported(copies).dropped == 1000 - shadow.MOST_WAITING
        report = await until(copies, lambda report: report.failed == 2)
        assert report.copies == 2

    with_copies(hangs, ask)


def test_what_waits_is_bounded_in_bytes_and_what_is_large_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "MOST_WAITING_BYTES", 2 * len(BODY))

    async def ask(copies: Copies) -> None:
        copies.follow(order())
        sent(copies, 5)
        assert reported(copies).dropped == 3
        await until(copies, lambda report: report.copies == 2)
        sent(copies, 1, answer(body=b" " * (shadow.MOST_ANSWER_BYTES + 1)))
        assert reported(copies).dropped == 4

    with_copies(says_sport, ask)


@pytest.mark.parametrize("status", [500, 400, 503])
def test_what_the_version_does_not_answer_is_counted_as_failed(status: int) -> None:
    async def fails(_request: web.Request) -> web.Response:
        return web.Response(status=status)

    async def ask(copies: Copies) -> None:
        copies.follow(order())
        sent(copies, 3)
        await until(copies, lambda report: report.failed == 3)

    with_copies(fails, ask)


def test_an_answer_that_is_none_of_ours_ends_nothing() -> None:
    async def babbles(_request: web.Request) -> web.Response:
        return web.Response(body=b"<html>")

    async def ask(copies: Copies) -> None:
        copies.follow(order())
        sent(copies, 2)
        assert (await until(copies, lambda report: report.failed == 2)).agreement is None

    with_copies(babbles, ask)


def test_a_version_that_is_not_ready_or_has_traffic_is_not_asked() -> None:
    async def ask(copies: Copies) -> None:
        copies.follow(order())
        sent(copies, 2)
        assert (await until(copies, lambda report: report.dropped == 2)).copies == 0

    with_copies(says_sport, ask, ready=False)


def test_a_slow_version_works_no_larger_part_of_the_time_than_its_share() -> None:
    begins: list[float] = []

    async def slow(_request: web.Request) -> web.Response:
        begins.append(time.monotonic())
        await asyncio.sleep(0.02)
        return web.Response(body=SPORT)

    async def ask(copies: Copies) -> None:
        copies.follow(order(share=0.2))
        sent(copies, 20)
        await until(copies, lambda report: report.copies == 4)

    with_copies(slow, ask)
    assert begins[-1] - begins[0] >= 3 * 0.02 / 0.2


def test_an_order_that_is_followed_goes_on_another_begins_anew_and_none_ends_it() -> None:
    async def ask(copies: Copies) -> None:
        first = order()
        copies.follow(first)
        sent(copies)
        await until(copies, lambda report: report.copies == 1)
        copies.follow(first)
        assert reported(copies).copies == 1
        copies.follow(order(for_s=90))
        assert reported(copies).copies == 0
        copies.follow(None)
        given = answer()
        copies.watch(given, BODY)
        assert (given.sent, copies.report()) == (None, None)

    with_copies(says_sport, ask)


def test_an_order_whose_time_is_over_is_followed_no_more() -> None:
    async def ask(copies: Copies) -> None:
        copies.follow(order(for_s=-1))
        assert copies.report() is None
        copies.follow(order(for_s=0.05))
        await asyncio.sleep(0.1)
        given = answer()
        copies.watch(given, BODY)
        assert (given.sent, copies.report()) == (None, None)

    with_copies(says_sport, ask)
