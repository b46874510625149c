"""Requests in batches: what came while the last one was predicted is predicted together, and no timer is waited for.

    decode (two threads) → ready → drained, sorted by size, cut into batches → predict (up to four lanes) → answer

Batches are predicted side by side where there is more than one, by torch with a share of the cores each: threads that
work on one batch wait for the slowest of them, so that whatever else the machine does on one core would stop them all.
One batch alone gets every core. A graph shares the threads that it was loaded with among all of them. On a GPU batches
take turns.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from evergreen.core.limits import MAX_DECODED_BYTES
from evergreen.core.protocols import Predictor
from evergreen.requestlog.witness import Witness
from evergreen.serving.batches import Batch, by_job, drained
from evergreen.serving.errors import NotReadyError
from evergreen.serving.jobs import Job, check_rows
from evergreen.serving.metrics import BatchMetrics

MOST_AT_ONCE = 4
DECODERS = 2
LARGE = 32
"""Of requests with more instances, one at a time is decoded, so that others find a thread."""


class PredictionQueue:
    """Shares `cores` out among the batches at work, of which there are four at most: their pictures are in memory."""

    def __init__(self, cores: int = 1, metrics: BatchMetrics | None = None) -> None:
        self._cores = cores
        self._metrics = metrics or BatchMetrics()
        self._new: deque[Job] = deque()
        self._decoding: list[Job] = []
        self._ready: deque[Job] = deque()
        self._batches: deque[Batch] = deque()
        self._shares: list[int] = []
        """Threads of each batch at work."""
        self._decoded: dict[Job, int] = {}
        """Bytes of the requests that are decoded and not answered."""
        self._lock = threading.Lock()
        self._to_decode = threading.Condition(self._lock)
        self._to_predict = threading.Condition(self._lock)
        self._threads: dict[str, list[threading.Thread]] = {"decode": [], "predict": []}

    async def predict(
        self,
        predictor: Predictor,
        instances: list[Any],
        time_left_s: float | None = None,
        witness: Witness | None = None,
    ) -> list[dict[str, Any]]:
        """Predictions, one an instance. When the caller's task is cancelled, what is left of the work is dropped.

        `witness` is told what is predicted on, and what comes of it.

        Raises:
            InstanceError: an instance cannot be used.
            TooLateError: `time_left_s` was over before all was predicted.
            NotReadyError: the machine has no thread for it.
        """
        job = Job(predictor, instances, time_left_s, witness)
        self.submit(job)
        try:
            return await asyncio.wrap_future(job.answer)
        except asyncio.CancelledError:
            self._drop(job)
            raise

    def submit(self, job: Job) -> None:
        """Takes a request in. Raises NotReadyError: the machine has no thread for it."""
        with self._lock:
            self._new.append(job)
            self._to_decode.notify()
            try:
                self._grow("decode", self._decode_all, DECODERS)
                self._grow("predict", self._predict_all, self._lanes(job.predictor))
            except NotReadyError:
                self._new.remove(job)
                raise

    def share(self, cores: int) -> None:
        """Leaves the other cores of this machine to others from now on."""
        self._cores = max(cores, 1)

    @property
    def held(self) -> int:
        """How many requests are kept in memory until their turn comes."""
        with self._lock:
            return len(
                {*self._new, *self._decoding, *self._ready, *(row.job for rows in self._batches for row in rows)}
            )

    def _lanes(self, predictor: Predictor) -> int:
        return 1 if predictor.takes_turns else min(self._cores, MOST_AT_ONCE)

    def _grow(self, kind: str, work: Callable[[], None], most: int) -> None:
        """Starts one more thread where there may be more; raises NotReadyError where none can be had at all."""
        threads = self._threads[kind]
        if len(threads) >= most:
            return
        thread = threading.Thread(target=work, name=f"{kind}-{len(threads)}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the machine has no thread left
            if not threads:
                raise NotReadyError("the server cannot start a thread; ask again later") from error
            return
        threads.append(thread)

    def _drop(self, job: Job) -> None:
        """Forgets work that nobody waits for, and with it the memory that it holds."""
        job.answer.cancel()
        with self._lock:
            for waiting in (self._new, self._ready):
                with suppress(ValueError):
                    waiting.remove(job)
            self._batches = deque(kept for batch in self._batches if (kept := [r for r in batch if r.job is not job]))
            self._release([job])

    def _release(self, jobs: Iterable[Job]) -> None:
        """Counts no longer what those of the requests held that are answered, or whose callers are gone."""
        for job in jobs:
            if job.answer.done():
                self._decoded.pop(job, None)
        self._wake()

    def _wake(self) -> None:
        """Wakes a thread of each kind for which there may be something to do now, and no others: each that wakes takes
        time from one that works. One that finds something wakes the next where there is more.
        """
        if self._new:
            self._to_decode.notify()
        if (self._ready or self._batches) and not self._is_busy():
            self._to_predict.notify()

    def _decode_all(self) -> None:
        while True:
            with self._lock:
                while (job := self._next_new()) is None:
                    self._to_decode.wait()
                self._decoding.append(job)
                self._wake()
            usable = job.decode()
            with self._lock:
                self._decoding.remove(job)
                if usable and not job.answer.done():
                    self._decoded[job] = job.decoded_bytes
                    self._ready.append(job)
                self._wake()
            del job  # an answered request's pictures must not wait for the next one

    def _next_new(self) -> Job | None:
        if sum(self._decoded.values()) > MAX_DECODED_BYTES:
            return None
        busy = any(job.instances > LARGE for job in self._decoding)
        job = next((job for job in self._new if job.instances <= LARGE or not busy), None)
        if job is not None:
            self._new.remove(job)
        return job

    def _predict_all(self) -> None:
        while True:
            with self._lock:
                while (batch := self._next_batch()) is None:
                    self._to_predict.wait()
                share = self._share()
                self._shares.append(share)
                self._wake()
            began = time.monotonic()
            _predict(batch, share)
            self._metrics.observe(batch[0].job.predictor.engine, len(batch), time.monotonic() - began)
            with self._lock:
                self._shares.remove(share)
                self._release(row.job for row in batch)
            del batch

    def _next_batch(self) -> Batch | None:
        if self._is_busy():
            return None
        while True:
            if not self._batches and not self._drain():
                return None
            cut = self._batches.popleft()
            batch = [row for row in cut if row.job.goes_on()]
            if len(batch) < len(cut):
                self._release(row.job for row in cut)
            if batch:
                return batch

    def _is_busy(self) -> bool:
        """Whether no further batch may be predicted beside those at work."""
        return bool(self._shares) and len(self._shares) >= self._most_at_once()

    def _most_at_once(self) -> int:
        waiting = self._batches[0][0].job if self._batches else self._ready[0] if self._ready else None
        return self._lanes(waiting.predictor) if waiting is not None else MOST_AT_ONCE

    def _drain(self) -> bool:
        """Makes batches of all that wait; what another predictor has to do, as after a change of engines, waits."""
        jobs = [job for job in self._ready if job.goes_on()]
        if len(jobs) < len(self._ready):
            self._release(self._ready)
        if jobs:
            predictor = jobs[0].predictor
            alike = [job for job in jobs if job.predictor is predictor]
            self._batches.extend(drained(alike, predictor.budget, self._lanes(predictor)))
        self._ready = deque(job for job in jobs if job.has_rows)
        return bool(self._batches)

    def _share(self) -> int:
        """Threads of the next batch: of the cores that nobody uses, as many as whatever may begin beside it gets."""
        at_work = len(self._shares) + 1
        begin = min(at_work + len(self._batches), MOST_AT_ONCE)
        return max(min(self._cores // begin, self._cores - sum(self._shares)), 1)


def _predict(batch: Batch, threads: int) -> None:
    """Predicts a batch and hands its outputs to its requests; of one that fails each request is predicted alone."""
    predictor = batch[0].job.predictor
    try:
        predictor.use_threads(threads)
        outputs = predictor.predict([row.content for row in batch])
        check_rows(len(outputs), len(batch))
    except BaseException as error:
        requests = list(by_job(batch))
        for job, rows in requests:
            if len(requests) == 1:
                job.fail(error)
            else:
                _predict(batch[rows], threads)
        return
    for job, rows in by_job(batch):
        job.receive(batch[rows], outputs[rows])
