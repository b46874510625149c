"""Shards worked on in processes of this machine: one a core, each with the model and one thread of its own.

A process ends with the command that started it, however that ends.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.synchronize import Semaphore

from evergreen.batch.work import Done, Model, Shard, Traits, Work, predict_shard, traits_of
from evergreen.core.errors import EvergreenError
from evergreen.runtime.processes import usable_cores

_LOOKS_EVERY_S = 0.5
_WAITING = 2
"""Shards that wait for each process: what bounds memory, however many rows there are."""


class Here:
    """This very process, with all its cores."""

    workers = 1

    @property
    def threads(self) -> int:
        """Those of a prediction."""
        return usable_cores()

    def traits(self, model: Model) -> Traits:
        """What the model's examples show."""
        return traits_of(model, self.threads)

    def done(self, work: Work, shards: Iterable[Shard]) -> Iterator[Done]:
        """What came of each, in order."""
        for shard in shards:
            yield predict_shard(work, shard, work.engine)


class Pool:
    """Some processes of this machine."""

    def __init__(self, executor: ProcessPoolExecutor, workers: int) -> None:
        self._executor = executor
        self.workers = workers

    @property
    def threads(self) -> int:
        """Those of a prediction: each process has its own core."""
        return 1

    def traits(self, model: Model) -> Traits:
        """What the model's examples show; the process that is asked has then loaded it."""
        with _processes_live():
            with _deaf_to_ctrl_c():
                asked = self._executor.submit(traits_of, model, self.threads)
            return asked.result()

    def done(self, work: Work, shards: Iterable[Shard]) -> Iterator[Done]:
        """What came of each, in order.

        Raises:
            EvergreenError: a process ended, or what predicting a shard raises.
        """
        waiting: deque[Future[Done]] = deque()
        with _processes_live():
            for shard in shards:
                with _deaf_to_ctrl_c():
                    waiting.append(self._executor.submit(predict_shard, work, shard, work.engine))
                if len(waiting) >= self.workers * _WAITING:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


@contextmanager
def processes(count: int) -> Iterator[Here | Pool]:
    """So many of this machine; of one, this very process."""
    if count == 1:
        yield Here()
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy threads' locks, and a GPU's state
    ending = context.Semaphore(0)  # an event waits for processes that hear it, and some may be gone
    executor = ProcessPoolExecutor(count, context, initializer=_begin, initargs=(os.getpid(), ending))
    try:
        yield Pool(executor, count)
    except BaseException as error:
        if not isinstance(error, Exception):  # Ctrl-C: shards at work are not waited for; who goes on makes them again
            for _ in range(count):
                ending.release()
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _processes_live() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise EvergreenError(
            "a process that predicts was ended, most likely for lack of memory; give the same command again, which "
            "goes on where it ended, with fewer --workers"
        ) from error


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Within the block it waits. Processes that are started there never hear it: a terminal sends it to them too, and
    they are their parent's to end.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(parent: int, ending: Semaphore) -> None:
    """Begins a process of the pool: without its parent it would wait for work for ever."""
    threading.Thread(target=_end_with, args=(parent, ending), name="parent", daemon=True).start()


def _end_with(parent: int, ending: Semaphore) -> None:
    while os.getppid() == parent and not ending.acquire(timeout=_LOOKS_EVERY_S):
        pass
    os._exit(1)
