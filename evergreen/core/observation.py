"""What a server notes of one instance and its answer: numbers that tell whether the world moved, never the input.

Observation({"tokens": 53.0, "unknown_share": 0.02, "characters": 241.0}, "business", 0.98, (0.98, 0.02))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Observation:
    """One row of a request log, but for what the request itself tells.

    `features` are numbers of the input by name, `prediction` is the class that the answer names, `score` its
    probability, `probabilities` are in the order of the model's labels: of a picture the shares of its pixels.
    `sketch` counts the input's vocabulary by bucket of a hash. `embedding` is where the served network puts the input,
    where its engine tells that.
    """

    features: Mapping[str, float]
    prediction: str
    score: float
    probabilities: tuple[float, ...]
    sketch: tuple[int, ...] = ()
    embedding: tuple[float, ...] | None = None
