import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

import pytest

from evergreen.runtime.connections import IDLE_S, HeadTimer, Refused, Room

T = TypeVar("T")


@dataclass(eq=False)
class Caller:
    """A connection that notes when it is closed for another."""

    gone: list[bool] = field(default_factory=list)

    def give_way(self) -> None:
        self.gone.append(True)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_connection_that_is_idle_for_longest_gives_way_and_none_that_works() -> None:
    clock = Clock()
    room = Room(3, clock, guests=0)
    works, first, second, late = (Caller() for _ in range(4))
    for caller in (works, first, second):
        assert room.enter(caller)
    room.works(works)
    room.works(first)
    clock.now = 1.0
    room.rests(first)
    clock.now = 1.0 + IDLE_S
    assert room.enter(late)
    assert (second.gone, first.gone, works.gone, room.open) == ([True], [], [], 3)
    assert room.enter(Caller())
    assert (first.gone, works.gone) == ([True], [])


def test_a_connection_whose_first_request_may_be_under_way_does_not_give_way() -> None:
    clock = Clock()
    room = Room(1, clock, guests=0)
    new = Caller()
    assert room.enter(new)
    clock.now = IDLE_S / 2
    assert not room.enter(Caller())
    assert not new.gone


def test_bytes_that_trickle_in_do_not_make_a_connection_younger() -> None:
    clock = Clock()
    room = Room(1, clock, guests=0)
    trickling = Caller()
    room.enter(trickling)
    clock.now = IDLE_S
    room.rests(trickling)
    assert room.enter(Caller())
    assert trickling.gone


def test_guests_are_let_in_when_all_work_and_take_the_place_of_who_leaves() -> None:
    room = Room(2, Clock(), guests=2)
    regular, other, guest, second, refused = (Caller() for _ in range(5))
    assert [room.enter(caller) for caller in (regular, other, guest, second, refused)] == [True] * 4 + [False]
    assert [room.is_guest(caller) for caller in (regular, other, guest, second)] == [False, False, True, True]
    room.leave(other)
    assert [room.is_guest(caller) for caller in (guest, second)] == [False, True]
    room.leave(other)
    assert room.open == 3


def test_a_guest_comes_before_a_newcomer_and_no_more_than_the_limit_are_let_in() -> None:
    clock = Clock()
    room = Room(1, clock, guests=1)
    regular, guest, newcomer = Caller(), Caller(), Caller()
    assert room.enter(regular)
    assert room.enter(guest)
    room.works(guest)
    clock.now = IDLE_S
    assert room.enter(newcomer)
    assert (regular.gone, room.is_guest(guest), room.is_guest(newcomer), room.open) == ([True], False, True, 2)


def run(test: Callable[[Room], Coroutine[Any, Any, T]]) -> T:
    async def within() -> T:
        return await test(Room(1, asyncio.get_running_loop().time))

    return asyncio.run(within())


@pytest.mark.parametrize("sent", [100, 50_000])
def test_a_refusal_is_seen_by_a_caller_whose_request_is_never_read(sent: int) -> None:
    class AtOnce(asyncio.Protocol):
        def __init__(self, room: Room) -> None:
            self._room = room

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            Refused(self._room, transport).refuse(HTTPStatus.SERVICE_UNAVAILABLE, "full")

    async def ask(room: Room) -> list[bytes]:
        server = await asyncio.get_running_loop().create_server(lambda: AtOnce(room), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        seen = []
        for _ in range(30):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST / HTTP/1.1\r\n\r\n" + b"x" * sent)
            seen.append((await reader.read())[9:12])
            writer.close()
            await writer.wait_closed()
        server.close()
        async with asyncio.timeout(5):
            while room.lingering:
                await asyncio.sleep(0)
        return seen

    assert run(ask) == [b"503"] * 30


def test_a_head_timer_ends_once_and_further_bytes_win_no_time() -> None:
    async def wait(room: Room) -> int:
        assert not room.open
        ended = asyncio.Event()
        calls: list[None] = []

        def too_slow() -> None:
            calls.append(None)
            ended.set()

        stopped = HeadTimer(0.0, lambda: calls.append(None))
        stopped.start()
        stopped.stop()
        timer = HeadTimer(0.01, too_slow)
        for _again in range(5):
            timer.start()
        await ended.wait()
        return len(calls)

    assert run(wait) == 1
