"""What models of pictures are measured by, and which way that is good."""

from __future__ import annotations

from evergreen.core.metric import shares
from evergreen.core.reports import MetricName

METRICS = shares(*MetricName.SEGMENTATION)
CLASS_METRICS = shares(*MetricName.SEGMENTATION_PER_CLASS)
SPECS = tuple({one.name: one for one in (*METRICS, *CLASS_METRICS)}.values())
"""Of both, each name once."""
