import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from evergreen.core.errors import EvergreenError
from evergreen.serving.queue import SLICE_INSTANCES, PredictionQueue, TooLateError

WITHIN_S = 10.0


class Gated:
    """Predicts one slice whenever the test lets it, and writes down what was done in which order."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self._begins = threading.Semaphore(0)
        self._goes_on = threading.Semaphore(0)

    def decode(self, instances: Sequence[str]) -> list[str]:
        self.steps.append(f"decode {instances[0]}")
        return list(instances)

    def predict(self, batch: Sequence[str]) -> list[str]:
        self._begins.release()
        assert self._goes_on.acquire(timeout=WITHIN_S)
        self.steps.append(f"{len(batch)} of {batch[0]}")
        return list(batch)

    def encode(self, outputs: Sequence[str]) -> list[dict[str, Any]]:
        return [{"is": output} for output in outputs]

    async def at_work(self) -> None:
        """Returns when the next slice is about to be predicted."""
        assert await asyncio.to_thread(self._begins.acquire, timeout=WITHIN_S)

    def let(self, slices: int) -> None:
        self._goes_on.release(slices)


Asked = Callable[[str, int], asyncio.Task[list[dict[str, Any]]]]


def with_queue(test: Callable[[PredictionQueue, Gated, Asked], Coroutine[Any, Any, None]]) -> Gated:
    """What the model did while the test ran against a queue of its own."""
    gated = Gated()

    async def run() -> None:
        queue = PredictionQueue()

        def asked(name: str, instances: int) -> asyncio.Task[list[dict[str, Any]]]:
            return asyncio.create_task(queue.predict(gated, [name] * instances, None))

        await test(queue, gated, asked)

    asyncio.run(run())
    return gated


def test_what_nobody_waits_for_any_more_is_forgotten_at_once() -> None:
    async def leave(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        running = asked("running", 1)
        await gated.at_work()
        left = [asked("left", size) for size in (1, 100, 5)]
        await asyncio.sleep(0)
        assert queue.held == 3
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        assert queue.held == 0
        gated.let(1)
        assert await running == [{"is": "running"}]

    assert with_queue(leave).steps == ["decode running", "1 of running"]


def test_a_large_request_whose_caller_leaves_within_it_is_forgotten() -> None:
    async def leave(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        large = asked("large", 3 * SLICE_INSTANCES)
        await gated.at_work()
        large.cancel()
        await asyncio.gather(large, return_exceptions=True)
        small = asked("small", 1)
        gated.let(2)
        await small
        assert queue.held == 0

    assert with_queue(leave).steps == ["decode large", "32 of large", "decode small", "1 of small"]


def test_small_requests_come_between_the_slices_of_one_large_one_and_the_next_large_one_waits_undecoded() -> None:
    async def crowd(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        tasks = [asked("first", 2 * SLICE_INSTANCES)]
        await gated.at_work()
        tasks += [asked("second", SLICE_INSTANCES + 1), asked("small", SLICE_INSTANCES)]
        await asyncio.sleep(0)
        gated.let(5)
        await asyncio.gather(*tasks)
        assert queue.held == 0

    assert with_queue(crowd).steps == [
        *("decode first", "32 of first"),
        *("decode small", "32 of small"),
        "32 of first",
        *("decode second", "32 of second", "1 of second"),
    ]


def test_small_requests_do_not_keep_a_large_one_waiting_for_good() -> None:
    async def crowd(_: PredictionQueue, gated: Gated, asked: Asked) -> None:
        tasks = [asked("large", 2 * SLICE_INSTANCES)]
        await gated.at_work()
        tasks += [asked("small", 1) for _ in range(9)]
        await asyncio.sleep(0)
        gated.let(11)
        await asyncio.gather(*tasks)

    predicted = [step for step in with_queue(crowd).steps if not step.startswith("decode")]
    assert predicted.index("32 of large", 1) <= 5


def test_what_is_late_or_comes_out_short_is_an_error() -> None:
    class Short(Gated):
        def encode(self, outputs: Sequence[str]) -> list[dict[str, Any]]:
            return super().encode(outputs)[1:]

    async def run() -> None:
        short = Short()
        short.let(1)
        with pytest.raises(EvergreenError, match="1 predictions for 2"):
            await PredictionQueue().predict(short, ["a", "b"], None)
        with pytest.raises(TooLateError):
            await PredictionQueue().predict(short, ["a"], -1.0)

    asyncio.run(run())
