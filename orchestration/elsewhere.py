"""What a run's steps have begun outside Vertex AI Pipelines, by the runners of batch predictions and preparations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, cast

from pydantic import TypeAdapter

from evergreen.batch.settings import AnyBatchRunner
from evergreen.core.kinds import behaviour
from evergreen.preparation.settings import RunnerSettings


class Ending(Protocol):
    """What ends the jobs that a runner has elsewhere."""

    def end(self, run: str) -> str:
        """Ends those of a run, by its id; what that was, in words, empty for nothing. Raises EvergreenError."""


def end_elsewhere(run: str, parameters: Iterable[Mapping[str, Any]]) -> list[str]:
    """Ends what a run, by its id, has had begun by steps of these parameters; what that was, in words.

    Raises:
        EvergreenError: a job has not ended in time, or where it runs nobody answers.
    """
    runners = [runner for runner in _runners(parameters) if runner.ending]
    ended = [cast("Ending", behaviour(runner, "ending")).end(run) for runner in runners]
    return [words for words in ended if words]


def _runners(parameters: Iterable[Mapping[str, Any]]) -> list[RunnerSettings]:
    """A step of a batch prediction has its `runner`, one of a preparation the preparation's."""
    given = [asked.get("runner") or (asked.get("preparation") or {}).get("runner") for asked in parameters]
    adapter: TypeAdapter[RunnerSettings] = TypeAdapter(AnyBatchRunner)
    return [adapter.validate_python(runner) for runner in given if runner]
