"""What a predictor is where its author says nothing else: the verbs that every model needs are `decode`, `predict` and
`encode`.

class PricePredictor(PlainPredictor): …
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evergreen.core.errors import InputError
from evergreen.core.observation import Observation

Shape = Callable[[dict[str, Any]], dict[str, Any]]
"""What a request's parameters make of one prediction."""


Schema = Mapping[str, Any]
"""JSON Schema, as OpenAPI 3.1 takes it."""


@dataclass(frozen=True)
class Interface:
    """What requests may hold and answers do, for whoever writes a client: schemas of one each, open where unknown.

    `examples` are instances that every version of the task answers: a server asks itself for them before callers do.
    """

    instance: Schema = field(default_factory=dict)
    prediction: Schema = field(default_factory=lambda: {"type": "object"})
    parameters: Schema = field(default_factory=lambda: {"type": "object", "additionalProperties": False})
    examples: tuple[Any, ...] = ()


class PlainPredictor(ABC):
    """Inputs cost the same, whatever they are; requests have no parameters; one engine computes, on the CPU."""

    engine = "python"
    takes_turns = False
    budget = 32

    @property
    def interface(self) -> Interface:
        """Open: instances may be anything."""
        return Interface()

    def use_threads(self, count: int) -> None:  # noqa: B027 - what takes one thread has nothing to do
        """Nothing: it takes one."""

    def sizes(self, batch: Sequence[Any]) -> list[int]:
        """One each."""
        return [1] * len(batch)

    def shaping(self, parameters: Mapping[str, Any]) -> Shape:
        """Predictions as they are. Raises InputError naming the first parameter."""
        return shaping_of(parameters)

    @abstractmethod
    def decode(self, instances: Sequence[Any]) -> list[Any]:
        """Validated inputs. Raises InstanceError naming the first instance that cannot be used."""

    @abstractmethod
    def predict(self, batch: Sequence[Any]) -> Any:
        """Raw outputs, one a row, in the order given."""

    @abstractmethod
    def encode(self, outputs: Any) -> list[dict[str, Any]]:
        """JSON-ready predictions, one a row."""

    def observe(self, batch: Sequence[Any], outputs: Any) -> list[Observation]:  # noqa: ARG002 - others tell of inputs
        """The class and its score, where the predictions name them."""
        return [_observed(prediction) for prediction in self.encode(outputs)]


def shaping_of(parameters: Mapping[str, Any]) -> Shape:
    """Predictions as they are.

    Raises:
        InputError: there are parameters.
    """
    if parameters:
        raise InputError(f"unknown parameter {sorted(parameters)[0][:80]!r} (allowed: none); leave it out")
    return lambda prediction: prediction


def _observed(prediction: Mapping[str, Any]) -> Observation:
    probabilities = prediction.get("probabilities", {})
    return Observation(
        features={},
        prediction=str(prediction.get("label", "")),
        score=float(prediction.get("score", "nan")),
        probabilities=tuple(float(value) for value in probabilities.values()),
    )
