"""An endpoint that nobody asks: after how long that is told, and whether its machines are given back.

idle: {after: 12h, park: true}
"""

from __future__ import annotations

from evergreen.core.base import Frozen
from evergreen.core.window import Duration


class Idle(Frozen):
    """An endpoint without a request in `after` is told, and parked where `park` says so: it keeps its id and its split,
    and nothing runs, until a version is promoted or `run.py deploy` brings it back.
    """

    after: Duration = "12h"
    park: bool = False
