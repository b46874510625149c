"""The model behind the server: loaded in a thread, asked in a bounded pool, so that health always answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evergreen.core.artifacts import TrainedModel
from evergreen.core.errors import EvergreenError
from evergreen.core.protocols import Predictor
from evergreen.serving.settings import ServerSettings
from evergreen.serving.storage import local_model

Load = Callable[[Path], Predictor]


class NotReadyError(EvergreenError):
    """The model is still loading, or more requests wait than the server holds; asking again later helps."""


@dataclass(frozen=True)
class _Loaded:
    predictor: Predictor
    version: str


class ServedModel:
    """One model version. One prediction runs at a time: a batch already uses every core.

    `waiting` counts requests that wait or run.
    """

    def __init__(self, settings: ServerSettings, load: Load) -> None:
        self._settings = settings
        self._load = load
        self._loaded: _Loaded | None = None
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="predict")
        self.waiting = 0

    @property
    def ready(self) -> bool:
        """Whether the model is loaded."""
        return self._loaded is not None

    @property
    def version(self) -> str:
        """The trained model's content-hash name; empty until it is loaded."""
        return self._loaded.version if self._loaded else ""

    def load(self) -> None:
        """Loads the model; raises whatever keeps it from loading, a damaged file first of all."""
        with local_model(self._settings) as model_dir:
            trained = TrainedModel.open(model_dir)
            trained.check_files()
            self._loaded = _Loaded(self._load(trained.path), trained.version)

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

    async def predict(self, instances: list[Any]) -> list[dict[str, Any]]:
        """Predictions, one an instance, from one call of the predictor.

        Raises:
            NotReadyError: the model is not loaded, or too many requests wait.
            InstanceError: an instance cannot be used.
        """
        if self._loaded is None:
            raise NotReadyError("the model is still loading; ask again in a second")
        if self.waiting >= self._settings.max_waiting:
            raise NotReadyError(f"{self.waiting} requests are waiting already; ask again in a second")
        self.waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, _predict, self._loaded.predictor, instances)
        finally:
            self.waiting -= 1


def _predict(predictor: Predictor, instances: list[Any]) -> list[dict[str, Any]]:
    predictions = predictor.encode(predictor.predict(predictor.decode(instances)))
    if len(predictions) != len(instances):
        raise EvergreenError(f"the model gave {len(predictions)} predictions for {len(instances)} instances")
    return predictions
