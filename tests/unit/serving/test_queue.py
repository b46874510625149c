import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pytest

from evergreen.core.errors import EvergreenError, InstanceError
from evergreen.core.predictors import PlainPredictor
from evergreen.requestlog.witness import Witness
from evergreen.serving.errors import NotReadyError, TooLateError
from evergreen.serving.metrics import BatchMetrics
from evergreen.serving.queue import PredictionQueue

WITHIN_S = 10.0
SLICE = PlainPredictor.budget


class Gated(PlainPredictor):
    """Predicts one batch whenever the test lets it, and writes down what was done in which order."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.threads: list[int] = []
        self.decoded: list[str] = []
        self._begins = threading.Semaphore(0)
        self._goes_on = threading.Semaphore(0)

    def use_threads(self, count: int) -> None:
        self.threads.append(count)

    def decode(self, instances: Sequence[str]) -> list[Any]:
        for place, instance in enumerate(instances):
            if instance == "bad":
                raise InstanceError(place, "is bad")
        self.decoded.append(instances[0])
        return list(instances)

    def predict(self, batch: Sequence[str]) -> list[str]:
        self._begins.release()
        assert self._goes_on.acquire(timeout=WITHIN_S)
        self.batches.append(list(batch))
        if "fault" in batch:
            raise ZeroDivisionError
        return list(batch)

    def encode(self, outputs: Sequence[str]) -> list[dict[str, Any]]:
        return [{"is": output} for output in outputs]

    async def at_work(self) -> None:
        """Returns when the next batch is about to be predicted."""
        assert await asyncio.to_thread(self._begins.acquire, timeout=WITHIN_S)

    def let(self, batches: int) -> None:
        self._goes_on.release(batches)


Asked = Callable[..., asyncio.Task[list[dict[str, Any]]]]
Test = Callable[[PredictionQueue, Gated, Asked], Coroutine[Any, Any, None]]


def with_queue(test: Test, cores: int = 1, gated: Gated | None = None) -> Gated:
    """What the model did while the test ran against a queue of its own."""
    gated = gated or Gated()

    async def run() -> None:
        queue = PredictionQueue(cores)

        def asked(*instances: str, time_left_s: float | None = None) -> asyncio.Task[list[dict[str, Any]]]:
            return asyncio.create_task(queue.predict(gated, list(instances), time_left_s))

        await test(queue, gated, asked)

    asyncio.run(run())
    return gated


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():
            await asyncio.sleep(0.001)


async def decoded(queue: PredictionQueue, gated: Gated, requests: int) -> None:
    """Returns when so many requests were decoded and wait for a batch, or are in one."""
    await until(lambda: len(gated.decoded) == requests and not queue._decoding)


def test_what_came_while_a_batch_was_predicted_is_the_next_one_and_no_timer_is_waited_for() -> None:
    async def come(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        tasks = [asked("alone")]
        await gated.at_work()
        tasks += [asked(name) for name in "abc"]
        await decoded(queue, gated, 4)
        gated.let(2)
        assert [answer for (answer,) in await asyncio.gather(*tasks)] == [{"is": name} for name in ("alone", *"abc")]

    assert [sorted(batch) for batch in with_queue(come).batches] == [["alone"], ["a", "b", "c"]]


def test_what_nobody_waits_for_any_more_is_in_no_batch() -> None:
    async def leave(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        tasks = [asked("running")]
        await gated.at_work()
        left = [asked("left", *["more"] * more) for more in (0, 99, 4)]
        tasks.append(asked("stays"))
        await decoded(queue, gated, 5)
        assert queue.held == 4
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        assert queue.held == 1
        gated.let(2)
        await asyncio.gather(*tasks)
        assert queue.held == 0

    assert with_queue(leave).batches == [["running"], ["stays"]]


def test_a_large_request_whose_caller_leaves_within_it_is_forgotten() -> None:
    async def leave(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        large = asked(*["large"] * 3 * SLICE)
        await gated.at_work()
        large.cancel()
        await asyncio.gather(large, return_exceptions=True)
        small = asked("small")
        gated.let(2)
        await small
        assert queue.held == 0

    assert [(batch[0], len(batch)) for batch in with_queue(leave).batches] == [("large", SLICE), ("small", 1)]


def test_nobody_waits_for_more_than_what_was_drained_before_him_however_large_requests_are() -> None:
    async def crowd(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        tasks = [asked(*["first"] * 5 * SLICE), asked(*["second"] * 5 * SLICE)]
        await gated.at_work()
        await decoded(queue, gated, 2)
        tasks.append(asked("small"))
        await decoded(queue, gated, 3)
        gated.let(12)
        await asyncio.gather(*tasks)

    batches = with_queue(crowd).batches
    (with_small,) = [number for number, batch in enumerate(batches) if "small" in batch]
    assert with_small <= 4, "two slices that were drained before him, and two with him"
    assert all(len(batch) <= SLICE for batch in batches)


def test_an_instance_that_cannot_be_used_fails_its_own_request_alone() -> None:
    async def mixed(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        first = asked("running")
        await gated.at_work()
        good, bad = asked("good"), asked("fine", "bad")
        with pytest.raises(InstanceError, match=r"instances\[1\]: is bad"):
            await bad
        gated.let(2)
        assert await first + await good == [{"is": "running"}, {"is": "good"}]

    with_queue(mixed)


def test_of_a_batch_that_fails_each_request_is_predicted_alone() -> None:
    async def mixed(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        first = asked("running")
        await gated.at_work()
        tasks = [asked("good"), asked("fault"), asked("better", "best")]
        await decoded(queue, gated, 4)
        gated.let(5)
        await first
        good, fault, best = await asyncio.gather(*tasks, return_exceptions=True)
        assert (good, best) == ([{"is": "good"}], [{"is": "better"}, {"is": "best"}])
        assert isinstance(fault, ZeroDivisionError)

    batches = with_queue(mixed).batches
    assert sorted(map(len, batches[2:])) == [1, 1, 2]


@pytest.mark.parametrize("short", ["predict", "encode"])
def test_what_comes_out_short_is_an_error_of_those_whom_it_concerns(short: str) -> None:
    class Short(Gated):
        def predict(self, batch: Sequence[str]) -> list[str]:
            return super().predict(batch)[short == "predict" and "short" in batch :]

        def encode(self, outputs: Sequence[str]) -> list[dict[str, Any]]:
            return super().encode(outputs)[short == "encode" and "short" in outputs :]

    async def mixed(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        first = asked("running")
        await gated.at_work()
        bad, good = asked("short", "too"), asked("good")
        await decoded(queue, gated, 3)
        gated.let(4)
        with pytest.raises(EvergreenError, match="1 predictions for 2"):
            await bad
        assert await first + await good == [{"is": "running"}, {"is": "good"}]

    with_queue(mixed, gated=Short())


def test_work_that_comes_too_late_for_its_caller_is_in_no_batch() -> None:
    async def late(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        first = asked("running")
        await gated.at_work()
        hurried, gone = asked("hurried", time_left_s=0.05), asked("gone", time_left_s=-1.0)
        with pytest.raises(TooLateError):
            await gone
        await asyncio.sleep(0.06)
        patient = asked("patient", time_left_s=60.0)
        await until(lambda: "patient" in gated.decoded and not queue._decoding)
        gated.let(2)
        with pytest.raises(TooLateError):
            await hurried
        await asyncio.gather(first, patient)

    assert with_queue(late).batches == [["running"], ["patient"]]


def test_one_batch_alone_gets_every_core_and_several_a_share_of_them() -> None:
    async def alone_then_more(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        first = asked("alone")
        await gated.at_work()
        tasks = [asked(str(number)) for number in range(6)]
        await decoded(queue, gated, 7)
        for _number in range(3):
            await gated.at_work()
        assert gated.threads == [8, 1, 1, 1], "no core is left beside the one that had all"
        gated.let(20)
        await asyncio.gather(first, *tasks)

    with_queue(alone_then_more, cores=8)


def test_what_waits_is_divided_among_the_cores() -> None:
    async def crowd(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        tasks = [asked("alone")]
        await gated.at_work()
        first = asked("first")
        await gated.at_work()
        tasks += [asked(str(number)) for number in range(8)]
        await decoded(queue, gated, 10)
        gated.let(20)
        await asyncio.gather(first, *tasks)

    done = with_queue(crowd, cores=2)
    assert sorted(len(batch) for batch in done.batches) == [1, 1, 4, 4]
    assert sorted(done.threads[2:]) in ([1, 1], [1, 2])  # the other lane may be done before the last batch begins


def test_no_more_than_four_batches_are_predicted_at_once_on_many_cores() -> None:
    async def crowd(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        tasks = []
        for number in range(4):
            tasks.append(asked(str(number)))
            await gated.at_work()
        tasks += [asked(str(number)) for number in range(4, 9)]
        await decoded(queue, gated, 9)
        await asyncio.sleep(0.02)
        assert len(gated.threads) == 4
        gated.let(9)
        await asyncio.gather(*tasks)

    with_queue(crowd, cores=16)


def test_a_queue_that_shares_the_machine_leaves_cores_to_others() -> None:
    async def crowd(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        queue.share(1)
        tasks = [asked(str(number)) for number in range(4)]
        await gated.at_work()
        await decoded(queue, gated, 4)
        gated.let(4)
        await asyncio.gather(*tasks)

    assert set(with_queue(crowd, cores=8).threads) == {1}


def test_predictions_on_a_gpu_take_turns() -> None:
    async def crowd(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        gated.takes_turns = True
        tasks = [asked("alone")]
        await gated.at_work()
        tasks += [asked(name) for name in "abc"]
        await decoded(queue, gated, 4)
        await asyncio.sleep(0.02)
        assert len(gated.threads) == 1
        gated.let(2)
        await asyncio.gather(*tasks)

    done = with_queue(crowd, cores=8)
    assert (done.threads, [len(batch) for batch in done.batches]) == ([8, 8], [1, 3])


def test_pictures_wait_as_they_came_while_decoded_ones_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evergreen.serving.queue.MAX_DECODED_BYTES", 100)

    class Pictures(Gated):
        def decode(self, instances: Sequence[str]) -> list[Any]:
            super().decode(instances)
            return [np.zeros(101, dtype=np.uint8) for _ in instances]

        def predict(self, batch: Sequence[Any]) -> list[str]:
            return super().predict(["picture"] * len(batch))

    async def crowd(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        tasks = [asked("first")]
        await gated.at_work()
        tasks.append(asked("second"))
        await asyncio.sleep(0.02)
        assert (gated.decoded, queue.held) == (["first"], 1)
        left = asked("left")
        left.cancel()
        gated.let(2)
        await asyncio.gather(*tasks)

    assert with_queue(crowd, gated=Pictures()).decoded == ["first", "second"]


def test_pictures_that_were_drained_and_came_too_late_count_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evergreen.serving.queue.MAX_DECODED_BYTES", 100)

    class Pictures(Gated):
        budget = 1

        def decode(self, instances: Sequence[str]) -> list[Any]:
            super().decode(instances)
            return [np.zeros(40, dtype=np.uint8) for _ in instances]

        def predict(self, batch: Sequence[Any]) -> list[str]:
            return super().predict(["picture"] * len(batch))

    async def late(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        running = asked("running")
        await gated.at_work()
        first, hurried = asked("first"), asked("hurried", time_left_s=1.0)
        await decoded(queue, gated, 3)
        gated.let(1)
        await running
        await gated.at_work()  # on the first; the hurried one is in the batch behind it
        await asyncio.sleep(1.05)
        gated.let(1)
        await first
        with pytest.raises(TooLateError):
            await hurried
        await until(lambda: not queue._decoded)

    with_queue(late, gated=Pictures())


def test_requests_for_another_predictor_are_never_in_the_same_batch() -> None:
    async def change(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        tasks = [asked("running")]
        await gated.at_work()
        tasks.append(asked("before"))
        tasks.append(asyncio.create_task(queue.predict(after, ["after"])))
        await decoded(queue, gated, 2)
        await decoded(queue, after, 1)
        gated.let(2)
        after.let(1)
        await asyncio.gather(*tasks)

    after = Gated()
    assert with_queue(change).batches == [["running"], ["before"]]
    assert after.batches == [["after"]]


def test_a_witness_sees_every_row_with_its_outputs_and_its_place_before_the_answer() -> None:
    async def ask() -> None:
        seen, gated = Witness(), Gated()
        gated.let(9)
        names = [f"{number:02}" for number in range(2 * SLICE)]
        await PredictionQueue(2).predict(gated, names, None, seen)
        rows = [zip(part.indices, part.batch, part.outputs, strict=True) for part in seen.parts]
        assert sorted(chain(*rows)) == [(place, name, name) for place, name in enumerate(names)]

    asyncio.run(ask())


def test_batches_are_measured() -> None:
    async def ask() -> list[str]:
        metrics, gated = BatchMetrics(), Gated()
        gated.let(1)
        queue = PredictionQueue(1, metrics)
        await queue.predict(gated, ["a", "b"])
        await until(lambda: any("count" in line for line in metrics.lines()))
        return metrics.lines()

    assert 'evergreen_batch_rows_sum{engine="python"} 2.000000' in asyncio.run(ask())


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
        assert await asked("b") == [{"is": "b"}]

    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with_queue(refused)


def test_one_request_wakes_one_idle_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    next_batch = PredictionQueue._next_batch

    def noted(queue: PredictionQueue) -> Any:
        looked.append(threading.current_thread().name)
        return next_batch(queue)

    monkeypatch.setattr(PredictionQueue, "_next_batch", noted)

    async def test(queue: PredictionQueue, gated: Gated, asked: Asked) -> None:
        def all_sleep() -> bool:
            return len(vars(queue._to_predict)["_waiters"]) == 4

        gated.let(5)
        for name in "abcd":  # a lane is started with each
            await asked(name)
        await until(all_sleep)
        looked.clear()
        await asked("e")
        await until(all_sleep)
        assert len(set(looked)) <= 2, looked  # the one that predicts, and at most one that it hands over to

    with_queue(test, cores=4)
