"""What of the world is a reason to train: what verdicts say of requests, and the time that passed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from evergreen.core.versions import ModelVersion
from evergreen.core.when import Cause, When, causes, unheard, verdicts_that_count
from orchestration.trainings import judged_since
from orchestration.verdicts import MOST, newest_verdicts


@dataclass(frozen=True)
class World:
    """The reasons, and what is told where rules that read verdicts hear nothing."""

    causes: tuple[Cause, ...] = ()
    told: str | None = None

    @property
    def words(self) -> str:
        """The reasons, as they follow a `for`."""
        return " and ".join(cause.words for cause in self.causes)


def world_of(model: str, champion: ModelVersion, began: datetime, when: When) -> World:
    """What speaks for another model than the champion, whose training `began` then."""
    if not (when.reads_verdicts or when.max_age):
        return World()
    now, since = datetime.now(UTC), max(began, judged_since(model) or began)
    verdicts = newest_verdicts(model, MOST, since) if when.reads_verdicts else []
    counted = verdicts_that_count(verdicts, champion.version, since, now)
    return World(causes(when, counted, since, now), unheard(when, verdicts, counted))
