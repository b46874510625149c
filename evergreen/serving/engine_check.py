"""Whether a faster engine may answer on this processor, which is another than the one that it was judged on.

Both are asked the kept inputs, one by one and in turn, while the present one answers requests.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from evergreen.core.observation import Observation
from evergreen.core.protocols import Predictor

MOST_OTHERWISE = 1 / 64
"""Of the kept inputs: an admitted graph answers up to 1 in 100 otherwise, one whose products overflow far more."""
MOST_SHIFT = 0.05
"""How far its probabilities, or a picture's shares of classes, may be off on average: half of their distances' sum."""


def why_not(instances: Sequence[Any]) -> Callable[[Predictor, Predictor], str | None]:
    """What tells of a present predictor and a better one why the present one answers on; None: the better one may."""

    def compare(present: Predictor, better: Predictor) -> str | None:
        if not instances:
            return "there are no kept inputs to compare the two by"
        rows = [(_asked(present, instance), _asked(better, instance)) for instance in instances]
        otherwise = [one.prediction != other.prediction for (one, _), (other, _) in rows]
        share, shift = statistics.mean(otherwise), statistics.mean(_shift(one, other) for (one, _), (other, _) in rows)
        if share > MOST_OTHERWISE or shift > MOST_SHIFT:
            return f"{better.engine} answers {share:.1%} of the kept inputs otherwise here, by {shift:.3f} on average"
        slow, fast = (statistics.median(seconds) for seconds in zip(*((a, b) for (_, a), (_, b) in rows), strict=True))
        if fast > slow:
            return f"{better.engine} takes {fast / slow:.2f} of the time of {present.engine} here"
        return None

    return compare


def _asked(predictor: Predictor, instance: Any) -> tuple[Observation, float]:
    """What is noted of the answer, and the seconds that it took."""
    batch = predictor.decode([instance])
    started = time.perf_counter()
    outputs = predictor.predict(batch)
    seconds = time.perf_counter() - started
    (noted,) = predictor.observe(batch, outputs)
    return noted, seconds


def _shift(one: Observation, other: Observation) -> float:
    distances = (abs(a - b) for a, b in zip(one.probabilities, other.probabilities, strict=True))
    return sum(distances) / 2
