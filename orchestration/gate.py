"""The metrics that a gate names, checked against the task that owns them, before any step.

line 23: parameters.gate.minimum.acuracy: unknown metric 'acuracy'; did you mean 'accuracy'?
         allowed: accuracy, macro_f1, macro_precision, macro_recall
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evergreen.core.metric import MetricSpec
from orchestration.document import Document
from orchestration.mistakes import Mistake, YamlPath, unknown

PATH: YamlPath = ("parameters", "gate")
OPPOSITE = {"minimum": "maximum", "maximum": "minimum"}
BOUNDS = ("minimum", "maximum", "class_floors", "slice_floors")
MARGINS = ("margin", "value_margin")


def check_gate(
    document: Document, metrics: Sequence[MetricSpec], class_metrics: Sequence[MetricSpec]
) -> Iterator[Mistake]:
    """Mistakes in the thresholds of `parameters.gate`; what is no number there is for the gate's own check to tell."""
    given = (document.values.get("parameters") or {}).get("gate")
    if not isinstance(given, Mapping):
        return
    for field in (*BOUNDS, *MARGINS):
        known = {spec.name: spec for spec in (class_metrics if field == "class_floors" else metrics)}
        thresholds = given.get(field)
        for name, value in thresholds.items() if isinstance(thresholds, Mapping) else ():
            path = (*PATH, field, name)
            if name not in known:
                yield unknown(path, f"metric {str(name)!r}", known)
            elif wrong := _wrong(field, known[name], value):
                yield Mistake(path, wrong)


def _wrong(field: str, spec: MetricSpec, value: Any) -> str | None:
    """What is wrong with a threshold of a metric that the task has."""
    if OPPOSITE.get(field) and (field == "minimum") != spec.higher:
        return (
            f"{spec.name} is better when {spec.better}, so a {field} would keep out good models; set {OPPOSITE[field]}"
        )
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    unit = f" {spec.unit}".rstrip()
    if field in BOUNDS and not spec.possible(value):
        return f"{spec.name} is {spec.range()}{unit}, got {value:g}, which it cannot be"
    if field in MARGINS and spec.span is not None and abs(value) > spec.span:
        return f"{spec.name} is {spec.range()}{unit}, got {value:g}, which is more than it can differ by"
    return None
