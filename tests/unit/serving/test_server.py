"""The sockets that the server listens on."""

import asyncio
import socket

from evergreen.serving.server import _bind


def test_an_answer_is_sent_at_once_and_waits_for_no_acknowledgement() -> None:
    class Accepting(asyncio.Protocol):
        def __init__(self) -> None:
            self.sends_at_once = asyncio.get_running_loop().create_future()

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted = transport.get_extra_info("socket")
            self.sends_at_once.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    async def ask() -> int:
        accepting, listener = Accepting(), _bind("127.0.0.1", 0)
        async with await asyncio.get_running_loop().create_server(lambda: accepting, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            sends_at_once: int = await accepting.sends_at_once
            writer.close()
        return sends_at_once

    assert asyncio.run(ask()) == 1
