"""Predictions in turn: large requests in slices with small ones between, nothing for callers who left.

A request of 1,000 texts is predicted 32 at a time; another of one text waits for one of these slices, not for all.
One large request at a time is decoded: the next one waits as it came, for decoded pictures are many times as large.

A request that is alone gets every core. Where more wait, up to four are predicted at once with a share of the cores
each: threads that work on one prediction wait for the slowest of them, so that whatever else the machine does on one
core would stop them all. On a GPU predictions take turns.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any

from evergreen.core.errors import EvergreenError, InputError, InstanceError
from evergreen.core.protocols import Predictor
from evergreen.requestlog.witness import Witness

SLICE_INSTANCES = 32
MOST_AT_ONCE = 4
NEW_IN_A_ROW = 4
"""How many small requests may come before a large one that has begun goes on."""


class NotReadyError(EvergreenError):
    """The model is still loading, or more requests wait than the server holds; asking again later helps."""


class TooLateError(NotReadyError):
    """The caller's time was over before the prediction was made."""


class UndecodableError(InputError):
    """A decoder met something in an instance that nobody foresaw; `__cause__` says where."""


class UndecodableInstanceError(UndecodableError, InstanceError):
    """The same, of one instance."""


class PredictionQueue:
    """Shares `cores` out among the requests at work, of which there are four at most: they are decoded in memory."""

    def __init__(self, cores: int = 1) -> None:
        self._cores = cores
        self._most_at_once = min(cores, MOST_AT_ONCE)
        self._new: deque[_Job] = deque()
        self._begun: _Job | None = None
        self._large_at_work = False
        self._in_a_row = 0
        self._shares: list[int] = []
        """Threads of each request at work."""
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []

    async def predict(
        self,
        predictor: Predictor,
        instances: list[Any],
        time_left_s: float | None,
        witness: Witness | None = None,
    ) -> list[dict[str, Any]]:
        """Predictions, one an instance. When the caller's task is cancelled, what is left of the work is dropped.

        `witness` is told what is predicted on, and what comes of it.

        Raises:
            InstanceError: an instance cannot be used.
            TooLateError: `time_left_s` was over before all was predicted.
            NotReadyError: the machine has no thread for it.
        """
        job = _Job(predictor, instances, time_left_s, witness)
        with self._changed:
            self._most_at_once = 1 if predictor.takes_turns else min(self._cores, MOST_AT_ONCE)
            self._new.append(job)
            self._changed.notify()
            self._grow(job)
        try:
            return await asyncio.wrap_future(job.answer)
        except asyncio.CancelledError:
            self._drop(job)
            raise

    @property
    def held(self) -> int:
        """How many requests are kept in memory until their turn comes."""
        return len(self._new) + (self._begun is not None)

    def _grow(self, job: _Job) -> None:
        """Starts one more thread where the requests need it; raises NotReadyError where none can be had at all."""
        if len(self._threads) >= min(len(self._shares) + len(self._new), self._most_at_once):
            return
        thread = threading.Thread(target=self._work, name=f"predict-{len(self._threads)}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the machine has no thread left
            if not self._threads:
                self._new.remove(job)
                raise NotReadyError("the server cannot start a thread; ask again later") from error
            return
        self._threads.append(thread)

    def _drop(self, job: _Job) -> None:
        """Forgets work that nobody waits for, and with it the memory that it holds."""
        job.answer.cancel()
        with self._changed:
            if job in self._new:
                self._new.remove(job)
            if self._begun is job:
                self._begun = None

    def _work(self) -> None:
        while True:
            job, share = self._next()
            goes_on = job.goes_on(share)
            with self._changed:
                self._shares.remove(share)
                if not job.is_small:
                    self._large_at_work = False
                if goes_on and not job.answer.cancelled():
                    self._begun = job
                self._changed.notify_all()
            del job  # an answered request's pictures must not wait for the next one

    def _next(self) -> tuple[_Job, int]:
        """The request whose turn it is, and how many threads its next slice may use."""
        with self._changed:
            while (job := self._take()) is None:
                self._changed.wait()
            self._large_at_work = self._large_at_work or not job.is_small
            share = self._share()
            self._shares.append(share)
            return job, share

    def _share(self) -> int:
        """Cores for a request that begins: of those that nobody uses, as much as whoever may begin beside it gets."""
        smalls = sum(job.is_small for job in self._new)
        large = not self._large_at_work and (self._begun is not None or smalls < len(self._new))
        begin = min(1 + smalls + large, self._most_at_once - len(self._shares))
        free = self._cores - sum(self._shares)
        fair = -(-self._cores // (len(self._shares) + begin))
        return max(min(free // begin, fair), 1)

    def _take(self) -> _Job | None:
        if len(self._shares) >= self._most_at_once:
            return None
        small = next((job for job in self._new if job.is_small), None)
        begun = self._begun
        if begun is not None and (small is None or self._in_a_row >= NEW_IN_A_ROW):
            self._begun, self._in_a_row = None, 0
            return begun
        job = small if begun is not None or self._large_at_work else next(iter(self._new), None)
        if job is not None:
            self._in_a_row += 1
            self._new.remove(job)
        return job


class _Job:
    """One request; `answer` is cancelled when its caller is gone."""

    def __init__(
        self, predictor: Predictor, instances: list[Any], time_left_s: float | None, witness: Witness | None
    ) -> None:
        self.answer: Future[list[dict[str, Any]]] = Future()
        self.is_small = len(instances) <= SLICE_INSTANCES
        self._predictor = predictor
        self._witness = witness
        self._instances = instances
        self._deadline = None if time_left_s is None else time.monotonic() + time_left_s
        self._batch: Sequence[Any] | None = None
        self._predictions: list[dict[str, Any]] = []

    def goes_on(self, threads: int) -> bool:
        """Does the next slice with so many threads; whether another one is to come."""
        if self.answer.cancelled():
            return False
        try:
            self._check_deadline()
            self._predictor.use_threads(threads)
            finished = self._finishes()
        except BaseException as error:
            self._give(error)
            return False
        if finished:
            self._give(None)
        return not finished

    def _finishes(self) -> bool:
        if self._batch is None:
            self._batch = _decoded(self._predictor, self._instances)
            self._instances = []
            self._check_deadline()
        start = len(self._predictions)
        rows = self._batch[start : start + SLICE_INSTANCES]
        outputs = self._predictor.predict(rows)
        made = self._predictor.encode(outputs)
        if len(made) != len(rows):
            raise EvergreenError(f"the model gave {len(made)} predictions for {len(rows)} instances")
        if self._witness is not None:
            self._witness.saw(self._predictor, rows, outputs)
        self._predictions += made
        return len(self._predictions) >= len(self._batch)

    def _check_deadline(self) -> None:
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise TooLateError("the caller's time was over before the prediction was made; ask again later")

    def _give(self, error: BaseException | None) -> None:
        with suppress(InvalidStateError):  # cancelled at this very moment
            if error is None:
                self.answer.set_result(self._predictions)
            else:
                self.answer.set_exception(error)


def _decoded(predictor: Predictor, instances: list[Any]) -> Sequence[Any]:
    """The batch. What a decoder stumbles over is the request's fault, by the name of its instance."""
    try:
        return predictor.decode(instances)
    except EvergreenError:
        raise
    except Exception as error:
        for index, instance in enumerate(instances):
            try:
                predictor.decode([instance])
            except Exception as own:
                reason = "cannot be decoded; check it, and send it apart from others"
                raise UndecodableInstanceError(index, reason) from own
        raise UndecodableError("the instances cannot be decoded together; send them in several requests") from error
