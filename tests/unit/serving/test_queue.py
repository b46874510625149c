import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from evergreen.core.errors import EvergreenError
from evergreen.core.predictors import PlainPredictor
from evergreen.serving.queue import SLICE_INSTANCES, NotReadyError, PredictionQueue, TooLateError

WITHIN_S = 10.0


class Gated(PlainPredictor):
    """Predicts one slice whenever the test lets it, and writes down what was done in which order."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.threads: list[int] = []
        self._begins = threading.Semaphore(0)
        self._goes_on = threading.Semaphore(0)

    def use_threads(self, count: int) -> None:
        self.threads.append(count)

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


def with_queue(test: Callable[[PredictionQueue, Gated, Asked], Coroutine[Any, Any, None]], cores: int = 1) -> Gated:
    """What the model did while the test ran against a queue of its own."""
    gated = Gated()

    async def run() -> None:
        queue = PredictionQueue(cores)

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


def test_a_request_alone_gets_every_core_and_two_at_once_half_of_them_each() -> None:
    async def alone_then_two(_: PredictionQueue, gated: Gated, asked: Asked) -> None:
        first = asked("first", 1)
        await gated.at_work()
        gated.let(1)
        await first
        two = [asked(name, 1) for name in ("second", "third", "fourth")]
        await gated.at_work()
        await gated.at_work()
        gated.let(3)
        await asyncio.gather(first, *two)

    done = with_queue(alone_then_two, cores=2)
    assert done.threads[0] == 2
    assert sorted(done.threads[1:3]) in ([1, 1], [1, 2])  # the first may begin before the second has come
    assert sorted(done.steps[:2]) == ["1 of first", "decode first"]
    assert len(done.steps) == 8


def test_no_more_than_four_requests_are_decoded_at_once_on_many_cores() -> None:
    async def crowd(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        tasks = [asked(str(number), 1) for number in range(6)]
        for _ in range(4):
            await gated.at_work()
        assert queue.held == 2
        assert len(gated.steps) == 4
        gated.let(6)
        await asyncio.gather(*tasks)

    assert 16 <= sum(with_queue(crowd, cores=16).threads[:4]) < 16 + 4


def test_on_many_cores_too_one_large_request_at_a_time_is_decoded_and_small_ones_are_done_beside_it() -> None:
    async def crowd(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        first = asked("first", 2 * SLICE_INSTANCES)
        await gated.at_work()
        second, small = asked("second", SLICE_INSTANCES + 1), asked("small", 1)
        await gated.at_work()
        assert queue.held == 1
        assert [step for step in gated.steps if step.startswith("decode")] == ["decode first", "decode small"]
        gated.let(5)
        await asyncio.gather(first, second, small)
        assert queue.held == 0

    steps = with_queue(crowd, cores=4).steps
    last_of_first = len(steps) - 1 - steps[::-1].index("32 of first")
    assert last_of_first < steps.index("decode second")


def test_large_requests_that_wait_for_each_other_get_every_core() -> None:
    async def crowd(_: PredictionQueue, gated: Gated, asked: Asked) -> None:
        tasks = [asked(str(number), 2 * SLICE_INSTANCES) for number in range(4)]
        gated.let(8)
        await asyncio.gather(*tasks)

    assert with_queue(crowd, cores=8).threads == [8] * 8


def test_what_a_division_leaves_is_given_to_the_next_and_no_more_than_there_is() -> None:
    async def two(_: PredictionQueue, gated: Gated, asked: Asked) -> None:
        tasks = [asked("a", 1), asked("b", 1)]
        await gated.at_work()
        await gated.at_work()
        gated.let(2)
        await asyncio.gather(*tasks)

    assert sorted(with_queue(two, cores=3).threads) in ([1, 2], [1, 3])  # the first may begin before the second comes


def test_one_that_had_every_core_is_followed_by_one_that_has_its_share() -> None:
    async def later(_: PredictionQueue, gated: Gated, asked: Asked) -> None:
        tasks = [asked("alone", 1)]
        await gated.at_work()
        tasks += [asked(str(number), 1) for number in range(6)]
        for _number in range(3):
            await gated.at_work()
        gated.let(1)
        await gated.at_work()
        assert gated.threads[:4] == [8, 1, 1, 1]
        assert gated.threads[4] in (1, 2)
        gated.let(6)
        await asyncio.gather(*tasks)

    with_queue(later, cores=8)


def test_predictions_on_a_gpu_take_turns() -> None:
    async def crowd(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        gated.takes_turns = True
        tasks = [asked(str(number), 1) for number in range(3)]
        await gated.at_work()
        await asyncio.sleep(0.01)
        assert queue.held == 2
        gated.let(3)
        await asyncio.gather(*tasks)

    assert with_queue(crowd, cores=8).threads == [8, 8, 8]


def test_a_machine_without_a_thread_left_is_told_and_the_next_request_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refused(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", no_thread)
            with pytest.raises(NotReadyError, match="cannot start a thread"):
                await queue.predict(gated, ["a"], None)
        assert queue.held == 0
        gated.let(1)
        assert await asked("b", 1) == [{"is": "b"}]

    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with_queue(refused)
