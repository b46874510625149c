"""A model as the server answers by it: with its engines where they lie beside it, else with torch.

What is damaged among the engines is told in the log, and costs no model its endpoint.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from evergreen.core.artifacts import VERSION_LENGTH, TrainedModel
from evergreen.core.engines import ENGINES_FOLDER, TORCH, EngineGraph, Engines, ServedEngines, read_engines
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.protocols import Fetch, Predictor
from evergreen.runtime.instructions import instruction_set
from evergreen.serving.engine_check import why_not
from evergreen.serving.engine_plan import EnginePlan, Here, plan_of
from evergreen.serving.engine_trials import EngineTrials
from evergreen.serving.engines import Engine, EnginePredictor
from evergreen.tasks import load_engine, load_predictor

LOGGER = logging.getLogger("evergreen.serving")
_NVIDIA = Path("/dev/nvidiactl")
"""Where there is a GPU whose driver is there; torch, which takes seconds to load, is asked only then."""


@dataclass(frozen=True)
class Loading:
    """How a model is loaded: `asked` names an engine (None: the chosen one), `threads` how many a graph gets, `fetch`
    reads what instances only name, and `bring` puts files of the model's directory there that are not there yet. Where
    engines are compared first, `waits` says whether to wait for that. `trials` remembers those that ended a process.
    """

    asked: str | None = None
    threads: int = 0
    fetch: Fetch | None = None
    bring: Callable[[Path, list[str]], None] = lambda _folder, _names: None
    waits: bool = False
    trials: EngineTrials = field(default_factory=EngineTrials)

    def predictor(self, model_dir: Path) -> Predictor:
        """A predictor of a trained-model directory, by the first engine that can answer.

        Raises:
            InputError: there is no trained model, or it cannot be used.
            EvergreenError: no engine can answer.
        """
        trained = TrainedModel.open(model_dir)
        served = _engines_beside(trained)
        if served is None and self.asked in (None, TORCH):
            return self._by_torch(trained)
        plan = plan_of(served, Here(instruction_set(), _has_gpu(), self.asked))
        engines = [Engine(name, partial(self._by, name, trained, served)) for name in plan.names]
        predictor = self._first_of(engines, plan)
        if served is not None and plan.starts_at:
            comparing = threading.Thread(
                target=predictor.change_over, args=(why_not(_kept(served.engines)),), name="compare", daemon=True
            )
            comparing.start()
            if self.waits:
                comparing.join()
        return predictor

    def _first_of(self, engines: Sequence[Engine], plan: EnginePlan) -> EnginePredictor:
        """By the first engine that can answer; where none is left, one that ended a process is better than none."""
        try:
            return EnginePredictor(engines, plan)
        except EvergreenError:
            if not self.trials.forget():
                raise
            LOGGER.warning("engines are tried again that ended a process: no other can answer")
            return EnginePredictor(engines, plan)

    def _by(self, name: str, trained: TrainedModel, served: ServedEngines | None) -> Predictor:
        """A predictor by the engine of that name, which has answered once."""
        if name == TORCH or served is None:
            return self._by_torch(trained)
        engines = served.engines
        variant = engines.manifest.variant(name)
        if variant is None:
            names = ", ".join(one.name for one in engines.manifest.variants) or "none"
            raise InputError(f"the model has no engine {name!r} (has: {names}, {TORCH})")
        others = {one.file for one in engines.manifest.variants} - {variant.file}
        needed = [entry.name for entry in engines.manifest.files if entry.name not in others]
        self.bring(trained.path, [f"{ENGINES_FOLDER}/{name}" for name in needed])
        engines.check_files(left_out=others)
        with self.trials.trying(f"{engines.manifest.content_hash[:VERSION_LENGTH]}-{Path(variant.file).name}"):
            predictor = load_engine(trained.path, EngineGraph(engines, variant, self.threads), self.fetch)
            for instance in _kept(engines)[:1]:
                predictor.encode(predictor.predict(predictor.decode([instance])))
        return predictor

    def _by_torch(self, trained: TrainedModel) -> Predictor:
        self.bring(trained.path, [entry.name for entry in trained.manifest.files])
        trained.check_files()
        try:
            return load_predictor(trained.path, self.fetch)
        except ModuleNotFoundError as error:
            raise InputError(
                f"{error.name} is not installed, which version {trained.version} needs where no graph of it answers; "
                "build the serving image with ENGINE=torch"
            ) from error


def _engines_beside(trained: TrainedModel) -> ServedEngines | None:
    try:
        return read_engines(trained.path, trained.version)
    except (EvergreenError, OSError) as error:
        LOGGER.warning("engines refused", extra={"fields": {"error": str(error)[:500]}})
        return None


def _kept(engines: Engines) -> list[dict[str, Any]]:
    try:
        return engines.kept_inputs()
    except InputError as error:
        LOGGER.warning("no kept inputs", extra={"fields": {"error": str(error)[:500]}})
        return []


def _has_gpu() -> bool:
    """Whether torch, where it is installed, computes on a GPU here."""
    if not _NVIDIA.exists() or find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())
