"""When a graph may answer in a model's place.

parameters:
  engines: {max_disagreement: 0.005, max_loss: 0.0}
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pydantic import Field

from evergreen.core.base import Frozen
from evergreen.core.engines import EngineChoice, Engines, ServedEngines


class Admission(Frozen):
    """int8 serves where it answers otherwise than float32 for at most `max_disagreement` of the rows, or where the
    primary metric certainly loses at most `max_loss` by it; the first needs no labels, so that up to `max_train_rows`
    training inputs count beside test and validation rows. `int8: false` leaves it out.
    """

    int8: bool = True
    max_disagreement: float = Field(0.01, ge=0, lt=1)
    max_loss: float = Field(0.01, ge=0, lt=1)
    max_train_rows: int = Field(2_000, ge=0)


class Trial(NamedTuple):
    """What a model may be served by, and when, on a processor with these instructions.

    `made` is the choice of an earlier evaluation, by which the model serves already; None: it is to be made. `champion`
    gives the engines of the champion and which of them serves (None: torch does), or raises that they are gone.
    """

    engines: Engines
    admission: Admission
    instruction_set: str
    made: EngineChoice | None = None
    champion: Callable[[], ServedEngines | None] = lambda: None
