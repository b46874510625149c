"""How the answers of a window are measured once labels of them came, and from where on they are too bad.

quality: {floors: {accuracy: 0.9}, reach: 30d}
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, FiniteFloat

from evergreen.core.base import Frozen
from evergreen.core.metric import MetricName
from evergreen.core.window import Duration

METRICS = (MetricName.ACCURACY, MetricName.MACRO_F1)
"""What labels measure, from 0 to 1."""


class Quality(Frozen):
    """`floors` are the least values of metrics: one that is certainly below, its whole interval, is told.

    Labels may come late: requests are looked for up to `reach` before the window. Fewer than `min_rows` labelled rows
    are not measured.
    """

    floors: dict[str, Annotated[FiniteFloat, Field(ge=0, le=1)]] = {}
    reach: Duration = "30d"
    min_rows: int = Field(30, ge=2)
