"""A predictor whose engine may change while it serves: to a faster one that was compared with it, or, when an engine
fails, to the next.

{"event": "engine", "engine": "onnx-int8-u8s8", "reason": "…"}
{"severity": "WARNING", "event": "engine failed", "engine": "int8-u8s8", "error": "…", "next": "fp32"}
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evergreen.core.errors import EvergreenError
from evergreen.core.observation import Observation
from evergreen.core.predictors import Interface, Shape
from evergreen.core.protocols import Predictor
from evergreen.runtime.freed_memory import give_back
from evergreen.serving.engine_plan import EnginePlan

LOGGER = logging.getLogger("evergreen.serving")
MOST_CHARS = 300


@dataclass(frozen=True)
class Engine:
    """One way to answer; `load` raises whatever keeps it from doing so."""

    name: str
    load: Callable[[], Predictor]


class EnginePredictor:
    """Answers by one of several engines, which take the same decoded inputs and give the same kind of outputs.

    A batch on which the engine fails is given to the next one. Where that answers, it answers from now on; where it
    fails too, the batch is to blame.
    """

    def __init__(self, engines: Sequence[Engine], plan: EnginePlan) -> None:
        """Loads the first that can be.

        Raises:
            EvergreenError: none can be loaded.
        """
        self._engines = engines
        self._lock = threading.Lock()
        self._threads: int | None = None
        self._waiting: tuple[int, Predictor] | None = None
        self._last: int | None = None
        """The place behind which nothing could be loaded: weights are not read again for each batch that fails."""
        self._failures: list[str] = []
        found = self._first_from(plan.starts_at) or self._first_from(0)
        if found is None:
            raise EvergreenError(f"no engine can answer for this model: {'; '.join(self._failures)}")
        self._at, self._now = found
        give_back()  # loading needs a graph more than once
        self._tell(self._why(plan))

    @property
    def engine(self) -> str:
        """What computes now."""
        return self._now.engine

    @property
    def takes_turns(self) -> bool:
        """Whether one prediction is made at a time."""
        return self._now.takes_turns

    @property
    def budget(self) -> int:
        """The most work of a batch."""
        return self._now.budget

    @property
    def interface(self) -> Interface:
        """What requests may hold and answers do, the same of every engine."""
        return self._now.interface

    def use_threads(self, count: int) -> None:
        """Lets the calling thread's next predictions use so many threads."""
        self._threads = count
        self._now.use_threads(count)

    def decode(self, instances: Sequence[Any]) -> list[Any]:
        """Validated inputs; every engine takes them. Raises as each does."""
        return self._now.decode(instances)

    def sizes(self, batch: Sequence[Any]) -> Sequence[int]:
        """How much work each input is."""
        return self._now.sizes(batch)

    def predict(self, batch: Sequence[Any]) -> Any:
        """Raw outputs, of the next engine where this one fails."""
        now = self._now
        try:
            return now.predict(batch)
        except (EvergreenError, MemoryError):
            raise
        except Exception as error:
            return self._by_the_next(now, batch, error)

    def shaping(self, parameters: Mapping[str, Any]) -> Shape:
        """What parameters make of predictions."""
        return self._now.shaping(parameters)

    def encode(self, outputs: Any) -> list[dict[str, Any]]:
        """JSON-ready predictions."""
        return self._now.encode(outputs)

    def observe(self, batch: Sequence[Any], outputs: Any) -> list[Observation]:
        """What a log keeps of each row."""
        return self._now.observe(batch, outputs)

    def change_over(self, why_not: Callable[[Predictor, Predictor], str | None]) -> None:
        """Answers by the best engine from now on, unless it cannot be loaded or `why_not(present, best)` says why."""
        best = self._engines[0]
        if self._at == 0:
            return
        loaded: Predictor | None = None
        try:
            loaded = best.load()
            reason = why_not(self._now, loaded)
        except Exception as error:  # whatever it is, the present engine answers on
            _warn(best.name, _said(error), self._now.engine)
            error.__traceback__ = loaded = None  # both hold the other engine
            give_back()
            return
        with self._lock:
            if reason is None and self._at != 0:
                self._at, self._now, self._waiting = 0, loaded, None
        del loaded
        give_back()  # of the two one is left
        self._tell(reason or "it agrees with the other here, and is no slower")

    def _by_the_next(self, failed: Predictor, batch: Sequence[Any], error: Exception) -> Any:
        with self._lock:
            if self._now is not failed:  # another thread has changed it
                return self._now.predict(batch)
            if self._waiting is None and self._at != self._last:
                self._waiting = self._first_from(self._at + 1)
            if self._waiting is None:
                self._last = self._at
                raise error
            at, following = self._waiting
            if self._threads is not None:
                following.use_threads(self._threads)
            try:
                outputs = following.predict(batch)
            except Exception:  # not the engine's fault, then; what it said first is what is told
                raise error from None
            before = self._engines[self._at].name
            _warn(before, type(error).__name__, self._engines[at].name)
            self._at, self._now, self._waiting = at, following, None
        self._tell(_stands_in(before))
        return outputs

    def _why(self, plan: EnginePlan) -> str:
        """Why the engine that was loaded answers: as planned, or in the place of those that could not be."""
        if self._at == plan.starts_at:
            return plan.reason
        failed = self._engines[plan.starts_at : self._at] or self._engines[plan.starts_at :]
        reason = _stands_in(*(engine.name for engine in failed))
        return f"{reason}; {plan.reason}" if plan.starts_at and self._at else reason  # the two are yet compared

    def _first_from(self, start: int) -> tuple[int, Predictor] | None:
        """The first engine from a place on that can be loaded, and its place."""
        for at, engine in enumerate(self._engines[start:], start):
            try:
                return at, engine.load()
            except Exception as error:
                following = self._engines[at + 1].name if at + 1 < len(self._engines) else "none"
                _warn(engine.name, _said(error), following)
                self._failures.append(f"{engine.name}: {_said(error)}")
        return None

    def _tell(self, reason: str) -> None:
        LOGGER.info("engine", extra={"fields": {"engine": self.engine, "reason": reason}})


def _warn(name: str, error: str, following: str) -> None:
    fields = {"engine": name, "error": error, "next": following}
    LOGGER.warning("engine failed", extra={"fields": fields})


def _stands_in(*failed: str) -> str:
    """The reason of an engine that answers in the place of others."""
    return f"it stands in for {' and '.join(failed)}, which failed"


def _said(error: Exception) -> str:
    """What an error says, as far as the project wrote it: others may quote a caller."""
    own = isinstance(error, (EvergreenError, ImportError, OSError))
    return (str(error)[:MOST_CHARS] if own else "") or type(error).__name__
