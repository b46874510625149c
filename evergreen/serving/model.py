"""The model behind the server: loaded in a thread, asked in others, so that health always answers.

It lies where AIP_STORAGE_URI says. What is behind `gs://…` is on this machine for as long as it takes to load it; so is
what instances only name.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from evergreen.core.artifacts import TrainedModel
from evergreen.core.engines import ENGINES_FOLDER
from evergreen.core.errors import InputError
from evergreen.core.fullness import AGAIN, full_of
from evergreen.core.predictors import Interface
from evergreen.core.protocols import Predictor
from evergreen.requestlog.witness import Witness
from evergreen.serving.errors import DrainingError, FullError, NotReadyError
from evergreen.serving.jobs import Job
from evergreen.serving.metrics import BatchMetrics
from evergreen.serving.queue import PredictionQueue
from evergreen.serving.requests import PredictRequest
from evergreen.serving.settings import ServerSettings

LOGGER = logging.getLogger("evergreen.serving")
Load = Callable[[Path], Predictor]
WARM_UPS = 2
WARM_UP_S = 60.0
FETCH_WITHIN_S = 5.0
"""How long an object is tried again that an instance names: meanwhile a thread decodes nothing for others."""
PICTURE_BUCKETS = "EVERGREEN_PICTURE_BUCKETS"
"""Names the buckets out of which requests may name objects; unset: none. The server's account may read more."""


@dataclass(frozen=True)
class _Loaded:
    predictor: Predictor
    version: str


class ServedModel:
    """One model version. `waiting` counts requests that wait or run, `waiting_instances` what they hold."""

    def __init__(self, settings: ServerSettings, load: Load) -> None:
        self._settings = settings
        self._load = load
        self._loaded: _Loaded | None = None
        self._files = ExitStack()
        self._draining = False
        self.batches = BatchMetrics()
        self._queue = PredictionQueue(settings.threads, self.batches)
        self.waiting = 0
        self.waiting_instances = 0

    @property
    def ready(self) -> bool:
        """Whether requests are answered: the model is loaded, and the server does not drain."""
        return self._loaded is not None and not self._draining

    @property
    def version(self) -> str:
        """The trained model's content-hash name; empty until it is loaded."""
        return self._loaded.version if self._loaded else ""

    @property
    def engine(self) -> str:
        """What computes its predictions; empty until it is loaded."""
        return self._loaded.predictor.engine if self._loaded else ""

    @property
    def interface(self) -> Interface:
        """What requests and answers hold; open until it is loaded."""
        return self._loaded.predictor.interface if self._loaded else Interface()

    @property
    def queued(self) -> int:
        """How many requests wait for a batch."""
        return self._queue.held

    def drain(self) -> None:
        """Lets no further request in."""
        self._draining = True

    def load(self) -> None:
        """Loads the model and has it answer its own examples, for first answers take longest.

        Raises whatever keeps it from loading, a damaged file first of all.
        """
        with ExitStack() as stack:
            trained = TrainedModel.open(stack.enter_context(local_model(self._settings)))
            trained.check_files(left_out=trained.weights)  # whatever reads weights checks them, once
            predictor = self._load(trained.path)
            self._warm_up(predictor)
            self._loaded = _Loaded(predictor, trained.version)
            if (trained.path / ENGINES_FOLDER).is_dir():  # another of them may be loaded later
                self._files = stack.pop_all()

    def close(self) -> None:
        """Removes the copy of the model, where there is one."""
        self._files.close()

    def _warm_up(self, predictor: Predictor) -> None:
        """Predicts the examples alone, together, and in all threads at once; one that cannot is logged, and serves."""
        examples = list(predictor.interface.examples)
        try:
            for _ in range(WARM_UPS if examples else 0):
                jobs = [Job(predictor, given) for given in ([example] for example in examples)]
                for job in [*jobs, Job(predictor, examples)]:
                    self._queue.submit(job)
                    job.answer.result(WARM_UP_S)
                together = [Job(predictor, examples) for _ in range(self._settings.threads)]
                for job in together:
                    self._queue.submit(job)
                for job in together:
                    job.answer.result(WARM_UP_S)
        except Exception as error:
            LOGGER.warning("warm-up failed", extra={"fields": {"error": type(error).__name__}})

    def load_in_thread(self, on_done: Callable[[Exception | None], None]) -> None:
        """Starts loading and returns; `on_done` gets what went wrong, or None, in the loading thread."""

        def work() -> None:
            try:
                self.load()
            except Exception as error:
                on_done(error)
            else:
                on_done(None)

        threading.Thread(target=work, name="load", daemon=True).start()

    def check_room(self) -> None:
        """Returns when a request may come in.

        Raises:
            NotReadyError: the model is not loaded, or the server drains.
            FullError: too much waits.
        """
        self._model(1)
        if self.waiting >= self._settings.max_waiting:
            raise FullError(f"{full_of(self.waiting, 'request')}; {AGAIN}")

    @contextmanager
    def place(self) -> Iterator[None]:
        """Counts a request among those that wait or run, from before it is read, until the block ends.

        Raises:
            NotReadyError: there is no place.
        """
        self.check_room()
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    def _model(self, instances: int) -> _Loaded:
        if self._draining:
            raise DrainingError("the server ends; ask again, and another one answers")
        if self._loaded is None:
            raise NotReadyError("the model is still loading; ask again in a second")
        if self.waiting_instances and self.waiting_instances + instances > self._settings.max_waiting_instances:
            raise FullError(f"{full_of(self.waiting_instances, 'instance')}; {AGAIN}")
        return self._loaded

    def share(self, part: float) -> None:
        """Predicts on that part of the cores from now on, at least one; a graph's threads stay as many as they are."""
        self._queue.share(round(self._settings.threads * part))

    async def predict(
        self, request: PredictRequest, time_left_s: float | None = None, witness: Witness | None = None
    ) -> list[dict[str, Any]]:
        """Predictions, one an instance, of which `witness` is told.

        Raises:
            NotReadyError: the model is not loaded, too much waits, or the caller's time was over.
            InstanceError: an instance cannot be used.
            InputError: a parameter cannot be.
        """
        count = len(request.instances)
        predictor = self._model(count).predictor
        shaped = predictor.shaping(request.parameters)
        self.waiting_instances += count
        try:
            predictions = await self._queue.predict(predictor, request.instances, time_left_s, witness)
        finally:
            self.waiting_instances -= count
        return [shaped(prediction) for prediction in predictions]


@contextmanager
def local_model(settings: ServerSettings) -> Iterator[Path]:
    """The directory: where it is, or a checked copy of what `gs://…` holds, removed once the model is in memory.

    Raises:
        EvergreenError: it is not there, cannot be read, or is damaged.
    """
    if not settings.storage_uri.startswith("gs://"):
        yield settings.model_dir
        return
    from evergreen.adapters.gcs import copy_from  # brings requests, which no other server needs

    with TemporaryDirectory(prefix="model-") as folder:
        yield copy_from(settings.storage_uri, Path(folder), by_engines=True)


def bring_from(storage_uri: str) -> Callable[[Path, list[str]], None]:
    """What puts files there that a model's directory lacks where it is a copy out of `gs://…`."""

    def bring(model_dir: Path, names: list[str]) -> None:
        if storage_uri.startswith("gs://"):
            from evergreen.adapters.gcs import bring

            bring(storage_uri, model_dir, names)

    return bring


def read_object(address: str, max_bytes: int) -> bytes:
    """The content of a `gs://` address that an instance names.

    Raises:
        InputError: nothing is there, it is larger than `max_bytes`, or lies in no bucket of PICTURE_BUCKETS.
        EvergreenError: Cloud Storage does not answer.
    """
    allowed = os.environ.get(PICTURE_BUCKETS, "").replace(",", " ").split()
    if not allowed:
        raise InputError(
            f"no bucket is read here; send base64, or name the bucket in {PICTURE_BUCKETS} (parameters.host.env)"
        )
    if address.removeprefix("gs://").partition("/")[0] not in allowed:
        raise InputError(f"it is in none of the buckets that are read here ({', '.join(allowed)})")
    from evergreen.adapters.gcs import objects  # brings requests, which no other server needs

    with objects(address, "name an object that is there", FETCH_WITHIN_S) as bucket:
        return bucket.read(address, max_bytes)
