"""The process of Cloud Storage: `python -m cloudbox.storage --home H`; it starts the emulator and ends with it."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

from cloudbox.box import HOST, Box, open_box
from cloudbox.home import Home
from cloudbox.storage.emulator import command
from cloudbox.storage.front import HEAD_BYTES, Front


async def run(box: Box) -> int:
    """The exit status: 0 after SIGTERM or SIGINT, 1 when the emulator has ended by itself."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    emulator = await asyncio.create_subprocess_exec(*command(box), stdin=asyncio.subprocess.DEVNULL)
    server = await asyncio.start_server(Front(box).serve, HOST, box.port("gcs"), limit=HEAD_BYTES)
    stopping, ended = asyncio.create_task(stopped.wait()), asyncio.create_task(emulator.wait())
    await asyncio.wait([stopping, ended], return_when=asyncio.FIRST_COMPLETED)
    server.close()
    if not ended.done():
        emulator.terminate()
        await ended
    return 0 if stopping.done() else 1


def main() -> int:
    """Runs Cloud Storage of a home's box."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    return asyncio.run(run(open_box(Home(parser.parse_args().home))))


if __name__ == "__main__":
    raise SystemExit(main())
