"""The model behind the server: loaded in a thread, asked in others, so that health always answers.

It lies where AIP_STORAGE_URI says. What is behind `gs://…` is on this machine for as long as it takes to load it; so is
what instances only name.
"""

from __future__ import annotations

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
from evergreen.core.protocols import Predictor
from evergreen.requestlog.witness import Witness
from evergreen.serving.queue import NotReadyError, PredictionQueue
from evergreen.serving.settings import ServerSettings

Load = Callable[[Path], Predictor]
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
        self._queue = PredictionQueue(settings.threads)
        self.waiting = 0
        self.waiting_instances = 0

    @property
    def ready(self) -> bool:
        """Whether the model is loaded."""
        return self._loaded is not None

    @property
    def version(self) -> str:
        """The trained model's content-hash name; empty until it is loaded."""
        return self._loaded.version if self._loaded else ""

    @property
    def engine(self) -> str:
        """What computes its predictions; empty until it is loaded."""
        return self._loaded.predictor.engine if self._loaded else ""

    def load(self) -> None:
        """Loads the model; raises whatever keeps it from loading, a damaged file first of all."""
        with ExitStack() as stack:
            trained = TrainedModel.open(stack.enter_context(local_model(self._settings)))
            has_engines = (trained.path / ENGINES_FOLDER).is_dir()
            trained.check_files(left_out=trained.weights if has_engines else ())
            self._loaded = _Loaded(self._load(trained.path), trained.version)
            if has_engines:  # another of them may be loaded later
                self._files = stack.pop_all()

    def close(self) -> None:
        """Removes the copy of the model, where there is one."""
        self._files.close()

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
            NotReadyError: the model is not loaded, or too much waits.
        """
        self._model(1)
        if self.waiting >= self._settings.max_waiting:
            raise NotReadyError(f"{self.waiting} requests are waiting already; ask again in a second")

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
        if self._loaded is None:
            raise NotReadyError("the model is still loading; ask again in a second")
        if self.waiting_instances and self.waiting_instances + instances > self._settings.max_waiting_instances:
            raise NotReadyError(f"{self.waiting_instances} instances are waiting already; ask again in a second")
        return self._loaded

    async def predict(
        self, instances: list[Any], time_left_s: float | None = None, witness: Witness | None = None
    ) -> list[dict[str, Any]]:
        """Predictions, one an instance, of which `witness` is told.

        Raises:
            NotReadyError: the model is not loaded, too much waits, or the caller's time was over.
            InstanceError: an instance cannot be used.
        """
        loaded = self._model(len(instances))
        self.waiting_instances += len(instances)
        try:
            return await self._queue.predict(loaded.predictor, instances, time_left_s, witness)
        finally:
            self.waiting_instances -= len(instances)


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

    with objects(address, "name an object that is there") as bucket:
        return bucket.read(address, max_bytes)
