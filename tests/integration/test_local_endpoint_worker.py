import asyncio
import os
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from evergreen.adapters.local_endpoint.state import EndpointFiles
from evergreen.adapters.local_endpoint.worker import YIELDS, Worker
from tests.endpoint_states import endpoint_state


def with_worker(path: Path, command: tuple[str, ...], test: Callable[[Worker], Coroutine[Any, Any, None]]) -> None:
    """Runs the test with a worker of that command."""
    state = endpoint_state(worker_command=command, startup_timeout_s=10)
    files = EndpointFiles(path)
    files.log("v").parent.mkdir(parents=True)

    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            worker = Worker("v", files, state, session, lambda: None)
            try:
                await test(worker)
            finally:
                await worker.stop()

    asyncio.run(run())


async def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


def restarted(worker: Worker, times: int) -> bool:
    return worker.status().restarts >= times


def test_a_version_in_back_off_is_started_again_at_once_when_asked_for(tmp_path: Path) -> None:
    async def ask(worker: Worker) -> None:
        for restarts in range(1, 6):  # unasked, the pauses alone would take 1 + 2 + 4 + 8 + 16 s
            await until(lambda: worker.status().state == "failed")
            assert worker.status().failure == "ended with exit code 1"
            worker.retry()
            assert worker.status().state == "starting"
            await until(partial(restarted, worker, restarts))

    with_worker(tmp_path, ("false",), ask)


def test_a_start_that_was_on_its_way_when_asked_for_is_not_judged(tmp_path: Path) -> None:
    async def ask(worker: Worker) -> None:
        await until(lambda: worker.status().restarts == 1)
        assert worker.status().state == "failed"  # the second start runs
        worker.retry()
        states = set()
        while worker.status().restarts == 1:
            states.add(worker.status().state)
            await asyncio.sleep(0.005)
        assert states == {"starting"}
        await until(lambda: worker.status().state == "failed")
        assert worker.status().restarts == 2

    with_worker(tmp_path, ("sh", "-c", "sleep 0.3; exit 1"), ask)


def test_a_version_that_did_not_fail_is_left_alone(tmp_path: Path) -> None:
    async def ask(worker: Worker) -> None:
        await until(lambda: worker.status().pid is not None)
        before = worker.status()
        worker.retry()
        await asyncio.sleep(0.2)
        assert worker.status() == before

    with_worker(tmp_path, ("sleep", "30"), ask)


def test_a_worker_yields_the_processor_to_its_front(tmp_path: Path) -> None:
    async def see(worker: Worker) -> None:
        await until(lambda: worker.status().pid is not None)
        assert os.getpriority(os.PRIO_PROCESS, worker.status().pid or 0) == min(19, os.nice(0) + YIELDS)

    with_worker(tmp_path, ("sleep", "60"), see)
