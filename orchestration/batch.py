"""Batch predictions by the champion of a model: its directory, from the artifact store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Protocol, cast

from evergreen.batch.job import Job, Told
from evergreen.batch.plan import Asked, check_output, check_rows, job_of
from evergreen.batch.turns import in_turn
from evergreen.batch.work import Model
from evergreen.core.artifacts import TrainedModel
from evergreen.core.batch import BatchReport, PartStore
from evergreen.core.candidates import no_champion
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.kinds import Settings, behaviour
from evergreen.core.versions import Alias, ModelVersion
from evergreen.preparation.settings import RunnerSettings
from evergreen.tasks import load_task
from orchestration.artifacts import load_artifact
from orchestration.engines import put_engines
from orchestration.record import ZenmlRecord


class BatchRunner(Protocol):
    """What batch predictions run on."""

    def check(self, model: str, version: str, store: PartStore) -> None:
        """Returns when it could predict by the version into the store. Raises InputError or EvergreenError: why not."""

    def run(self, job: Job, told: Told) -> BatchReport:
        """What was predicted."""


def champion_of(model_name: str, to: str = "predict with") -> ModelVersion:
    """The champion, `to` whatever end. Raises EvergreenError: there is none."""
    state = ZenmlRecord(model_name).read()
    champion = state.named(Alias.CHAMPION)
    if champion is None:
        raise EvergreenError(no_champion(model_name, state, to, datetime.now(UTC)))
    return champion


def runner_of(runner: RunnerSettings) -> BatchRunner:
    """What runs them by these settings."""
    return cast("BatchRunner", behaviour(runner, "predicting"))


def predict_all(
    model_name: str,
    asked: Asked,
    output: Settings,
    runner: RunnerSettings,
    told: Told = lambda _: None,
    *,
    run: str | None = None,
) -> BatchReport:
    """Predicts all rows by the model's champion, for a pipeline's `run` or a command. An output is one job's at a time.

    The champion answers by the engine that its endpoint would take on the same processor.

    Raises:
        BusyError: another job writes the output.
        InputError: there is nothing to predict, or it cannot be read or written.
        EvergreenError: there is no champion, or what it takes does not answer; what was predicted stays.

    What is wrong with the champion, and with rows and an output on this machine, is told at once.
    """
    champion = champion_beside(model_name, partial(check_rows, asked), partial(check_output, asked, output))
    trained = load_artifact(champion.artifact, TrainedModel)
    put_engines(champion, trained.path)
    model = Model(str(trained.path), champion.version, champion.examples)
    job = job_of(model_name, model, load_task(trained.path), asked, output)
    return in_turn(job, runner_of(runner).run, told, run)


def champion_beside(model_name: str, *checks: Callable[[], object]) -> ModelVersion:
    """The champion, where nothing else is wrong.

    Raises:
        EvergreenError: all that is wrong with it and by the checks; an InputError where that is all bad input.
    """
    champion, wrong = None, list[EvergreenError]()
    for check in checks:
        try:
            check()
        except EvergreenError as error:
            wrong.append(error)
    try:
        champion = champion_of(model_name)
    except EvergreenError as error:
        wrong.append(error)
    if champion is not None and not wrong:
        return champion
    if len(wrong) == 1:
        raise wrong[0]
    kind = InputError if all(isinstance(error, InputError) for error in wrong) else EvergreenError
    raise kind("\n- ".join([f"{len(wrong)} mistakes:", *map(str, wrong)])) from wrong[0]
