"""How the answers of a window are measured once labels of them came, and from where on they are too bad.

quality: {floors: {accuracy: 0.9}, reach: 30d}
"""

from __future__ import annotations

from pydantic import Field

from evergreen.core.base import Frozen
from evergreen.core.window import Duration


class Quality(Frozen):
    """`floors` are the least values of metrics: one that is certainly below, its whole interval, is told.

    Labels may come late: requests are looked for up to `reach` before the window. Fewer than `min_rows` labelled rows
    are not measured.
    """

    floors: dict[str, float] = {}
    reach: Duration = "30d"
    min_rows: int = Field(30, ge=2)
