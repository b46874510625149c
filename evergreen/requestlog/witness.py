"""What a request was predicted on and answered with, kept until its answer is out and noted only then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from evergreen.core.protocols import Predictor


@dataclass(frozen=True)
class Part:
    """Some of a request's rows: decoded `batch`, raw `outputs`, and where each was in the request."""

    predictor: Predictor
    batch: Sequence[Any]
    outputs: Any
    indices: Sequence[int]


@dataclass
class Witness:
    """Collects the parts in which one request is predicted; `instances` are kept where inputs are to be noted."""

    keeps_inputs: bool = False
    instances: Sequence[Any] = ()
    parts: list[Part] = field(default_factory=list)

    def came(self, instances: Sequence[Any]) -> None:
        """Notes what is asked."""
        if self.keeps_inputs:
            self.instances = instances

    def saw(self, predictor: Predictor, batch: Sequence[Any], outputs: Any, indices: Sequence[int]) -> None:
        """Notes what some rows were predicted on and what came of it, and where they were asked; in any thread."""
        self.parts.append(Part(predictor, batch, outputs, indices))

    @property
    def rows(self) -> int:
        """How many rows were noted."""
        return sum(len(part.batch) for part in self.parts)
