"""What models of texts are measured by, and which way that is good."""

from __future__ import annotations

from evergreen.core.metric import shares
from evergreen.core.reports import MetricName

METRICS = shares(*MetricName.CLASSIFICATION)
CLASS_METRICS = shares(*MetricName.CLASSIFICATION_PER_CLASS)
SPECS = tuple({one.name: one for one in (*METRICS, *CLASS_METRICS)}.values())
"""Of both, each name once."""
