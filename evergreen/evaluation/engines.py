"""Which engine answers in a model's place: engines side by side on this machine, and the fastest that is admitted.

choice = choose(model, evaluator, Trial(engines, Admission(), "avx512_vnni")).choice
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import numpy as np

from evergreen.core.admission import Trial
from evergreen.core.artifacts import SplitName, TrainedModel
from evergreen.core.engines import FP32, TORCH, EngineChoice, EngineVariant, MeasuredEngine, ServedEngines
from evergreen.core.errors import InputError
from evergreen.evaluation.engine_comparison import EngineComparison
from evergreen.evaluation.evaluator import WARM_UP, A, B, Evaluator, Loaded, every

ASKED = 24
"""Instances that each engine answers, one after the other, in turn with the others."""
GAIN = 1.1
"""How much faster int8 must be than float32 to be worth its other answers; timing alone decides nothing below it."""
_STATUS = Path("/proc/self/statm")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Chosen(Generic[B, A]):
    """The engine that serves, loaded, and why it does."""

    loaded: Loaded[B, A]
    choice: EngineChoice


@dataclass(frozen=True)
class _Asked(Generic[B, A]):
    """A loaded engine and the milliseconds of each instance."""

    loaded: Loaded[B, A]
    spent_ms: list[float]
    memory_bytes: int
    size_bytes: int

    @property
    def median_ms(self) -> float:
        """Of one instance."""
        return float(np.median(self.spent_ms))

    def measured(self, name: str, *, admitted: bool, reason: str, **compared: Any) -> MeasuredEngine:
        """The engine's measurements, and whether it may serve."""
        return MeasuredEngine(
            name=name,
            rows_per_s=round(1000 * len(self.spent_ms) / max(sum(self.spent_ms), 1e-9), 1),
            latency_p50_ms=round(self.median_ms, 3),
            latency_p95_ms=round(float(np.quantile(self.spent_ms, 0.95)), 3),
            memory_bytes=self.memory_bytes,
            size_bytes=self.size_bytes,
            admitted=admitted,
            reason=reason,
            **compared,
        )


def choose(model: TrainedModel, evaluator: Evaluator[B, A], trial: Trial) -> Chosen[B, A]:
    """The fastest engine that is admitted, torch among them, or the one of a choice that was made.

    Raises:
        InputError: the engine that was chosen cannot be run here.
    """
    before = _resident()
    torch = evaluator.load(model)
    manifest = trial.engines.manifest
    if trial.made is not None:
        return Chosen(by_chosen(torch, ServedEngines(trial.engines, trial.made)), trial.made)
    if not manifest.variants:
        reason = manifest.refused or "there are no graphs"
        return Chosen(torch, EngineChoice(serves=TORCH, instruction_set=trial.instruction_set, reason=reason))
    instances = _instances(evaluator)
    of_torch = _Asked(torch, [], _growth(torch, instances, before), model.size_bytes)
    asked = _ask(of_torch, instances, trial)
    if FP32 not in asked:
        reason = "its graphs cannot be run on the machine of the evaluation"
        return Chosen(torch, EngineChoice(serves=TORCH, instruction_set=trial.instruction_set, reason=reason))
    judged = _judged(asked, evaluator, trial)
    serves = _fastest(asked, judged)
    reason = _why(serves, asked)
    choice = EngineChoice(
        serves=serves, instruction_set=trial.instruction_set, reason=reason, variants=tuple(judged.values())
    )
    return Chosen(asked[serves].loaded, choice)


def by_chosen(torch: Loaded[B, A], served: ServedEngines) -> Loaded[B, A]:
    """A model that torch has loaded, by the engine that serves it. Raises InputError: it cannot be run here."""
    name = served.choice.serves
    if name == TORCH:
        return torch
    variant = served.engines.manifest.variant(name)
    if variant is None or torch.engine is None:
        names = ", ".join(one.name for one in served.engines.manifest.variants) or "none"
        raise InputError(f"engine {name!r} was chosen, and is not there (has: {names}); evaluate the model again")
    return torch.engine(served.engines, variant)


def _ask(torch: _Asked[B, A], instances: Sequence[Mapping[str, Any]], trial: Trial) -> dict[str, _Asked[B, A]]:
    """Each engine's seconds for the same instances, in turn: what slows the machine down meanwhile slows all."""
    asked, load = {TORCH: torch}, torch.loaded.engine
    if load is None:
        raise TypeError("a task that exports models has to load their graphs: `Loaded.engine` is None")
    for variant in _tried(trial):
        before = _resident()
        try:
            loaded = load(trial.engines, variant)
        except InputError as error:
            _log.warning("engine %s is left out: %s", variant.name, error)
            continue
        size = trial.engines.file(variant).stat().st_size
        asked[variant.name] = _Asked(loaded, [], _growth(loaded, instances, before), size)
    for instance in instances:
        for engine in asked.values():
            start = time.perf_counter()
            _answer(engine.loaded, instance)
            engine.spent_ms.append((time.perf_counter() - start) * 1000)
    return asked


def _judged(asked: Mapping[str, _Asked[B, A]], evaluator: Evaluator[B, A], trial: Trial) -> dict[str, MeasuredEngine]:
    """Each engine with its verdict; int8 is compared with float32 in the order of speed, until one is admitted."""
    judged = {
        TORCH: asked[TORCH].measured(TORCH, admitted=True, reason="what the model was trained with"),
        FP32: asked[FP32].measured(FP32, admitted=True, reason="its answers are torch's, checked when it was exported"),
    }
    worth = asked[FP32].median_ms / GAIN
    comparison = EngineComparison(evaluator, asked[FP32].loaded, trial.admission)
    admitted: str | None = None
    for name in _by_speed({name: engine.median_ms for name, engine in asked.items() if name not in judged}):
        engine = asked[name]
        if admitted is not None:
            reason = f"not compared: {admitted} is faster and admitted"
            judged[name] = engine.measured(name, admitted=False, reason=reason)
        elif engine.median_ms > worth:
            reason = f"not compared: it is not {GAIN} × as fast as {FP32}"
            judged[name] = engine.measured(name, admitted=False, reason=reason)
        else:
            verdict = comparison.judge(engine.loaded)
            judged[name] = engine.measured(name, **verdict._asdict())
            admitted = name if verdict.admitted else None
    return {name: judged[name] for name in asked}


def _by_speed(medians_ms: Mapping[str, float]) -> list[str]:
    """The quickest first; of those that differ by less than GAIN the one named first, so that noise decides nothing."""
    ordered: list[str] = []
    for name, spent_ms in medians_ms.items():
        place = next((at for at, other in enumerate(ordered) if spent_ms * GAIN < medians_ms[other]), len(ordered))
        ordered.insert(place, name)
    return ordered


def _fastest(asked: Mapping[str, _Asked[B, A]], judged: Mapping[str, MeasuredEngine]) -> str:
    """Of the admitted, a graph where torch is not clearly faster; on a GPU torch is no rival: a GPU is served by it."""
    rivals = [name for name, engine in judged.items() if engine.admitted]
    if asked[TORCH].loaded.predictor.takes_turns:
        rivals.remove(TORCH)
    return _by_speed({name: asked[name].median_ms for name in reversed(rivals)})[0]


def _why(serves: str, asked: Mapping[str, _Asked[B, A]]) -> str:
    ratio = asked[TORCH].median_ms / max(asked[serves].median_ms, 1e-9)
    return "no graph is faster" if serves == TORCH else f"the fastest that is admitted, {ratio:.1f} × as fast as torch"


def _tried(trial: Trial) -> Sequence[EngineVariant]:
    """The variants that may be chosen, float32 first."""
    variants = trial.engines.manifest.variants
    return [variant for variant in variants if variant.name == FP32 or trial.admission.int8]


def _instances(evaluator: Evaluator[B, A]) -> list[Mapping[str, Any]]:
    """Some test rows, from all over the split, as a client would send them."""
    step = max(1, evaluator.splits.manifest.rows[SplitName.TEST] // ASKED)
    seen, instances = 0, list[Mapping[str, Any]]()
    for batch in evaluator.rows(()):
        instances += [evaluator.instance(batch, row) for row in every(step, len(batch.ids), seen)]
        seen += len(batch.ids)
    return instances[:ASKED]


def _growth(loaded: Loaded[B, A], instances: Sequence[Mapping[str, Any]], before: int) -> int:
    """Bytes by which the process grew since it had `before`, once the engine is warm."""
    for instance in instances[:WARM_UP]:
        _answer(loaded, instance)
    return max(0, _resident() - before)


def _answer(loaded: Loaded[B, A], instance: Mapping[str, Any]) -> None:
    predictor = loaded.predictor
    predictor.encode(predictor.predict(predictor.decode([instance])))


def _resident() -> int:
    """Bytes of memory that the process has now; 0 where the system does not tell."""
    try:
        return int(_STATUS.read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
