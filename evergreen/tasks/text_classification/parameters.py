"""What a request may ask of its predictions.

{"instances": [{"text": "…"}], "parameters": {"top_k": 2, "threshold": 0.05}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evergreen.core.errors import InputError
from evergreen.core.predictors import Schema, Shape
from evergreen.core.quoting import excerpt, in_json

NAMES = ("threshold", "top_k")


def parameters_schema(classes: int) -> Schema:
    """The parameters that `shape_of` takes."""
    return {
        "type": "object",
        "properties": {
            "top_k": {"type": "integer", "minimum": 1, "maximum": classes},
            "threshold": {"type": "number", "minimum": 0, "maximum": 1},
        },
        "additionalProperties": False,
    }


def shape_of(parameters: Mapping[str, Any], classes: int) -> Shape:
    """Predictions with fewer `probabilities`, the highest first: the `top_k` highest, those of at least `threshold`.

    `label` and `score` stay, whatever the threshold. Without parameters predictions are as they are.

    Raises:
        InputError: what is allowed.
    """
    if unknown := sorted(set(parameters) - set(NAMES)):
        raise InputError(f"unknown parameter {excerpt(unknown[0])} (allowed: {', '.join(NAMES)}); leave it out")
    if not parameters:
        return lambda prediction: prediction
    top_k, threshold = parameters.get("top_k", classes), parameters.get("threshold", 0)
    if type(top_k) is not int or not 1 <= top_k <= classes:
        raise InputError(f"parameter 'top_k' is {in_json(top_k)}; send a whole number from 1 to {classes}")
    if type(threshold) not in (int, float) or not 0 <= threshold <= 1:
        raise InputError(f"parameter 'threshold' is {in_json(threshold)}; send a number from 0 to 1")

    def shaped(prediction: dict[str, Any]) -> dict[str, Any]:
        highest = sorted(prediction["probabilities"].items(), key=lambda item: -item[1])[:top_k]
        return prediction | {"probabilities": {label: value for label, value in highest if value >= threshold}}

    return shaped
