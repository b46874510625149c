"""A model's champion scored on labelled rows of any source: by the engine that serves it, told what it was trained on.

Nothing is trained, registered, promoted or deployed.
"""

from __future__ import annotations

from contextlib import suppress

from zenml.client import Client
from zenml.logger import get_logger

from evergreen.core.admission import Admission, Trial
from evergreen.core.artifacts import HeldOut, ResolvedWindow, Splits, TrainedModel
from evergreen.core.coverage import Coverage
from evergreen.core.errors import EvergreenError
from evergreen.core.members import SourceSettings, TaskSettings, source_of
from evergreen.core.report import EvaluationReport
from evergreen.core.versions import ModelVersion
from evergreen.data.labelled import TrainedOn
from evergreen.data.latest import latest_rows
from evergreen.runtime.instructions import instruction_set
from evergreen.tasks.scored import Live, scored
from orchestration.artifacts import load_artifact, load_of_champion, read_artifact
from orchestration.batch import champion_of
from orchestration.engines import served_engines
from orchestration.scratch import scratch_directory

logger = get_logger(__name__)


def score_champion(
    model_name: str, source: SourceSettings, task: TaskSettings, window: ResolvedWindow | None
) -> EvaluationReport:
    """The report of the champion on the rows of the source, those of the window where there is one.

    Raises:
        InputError: the rows cannot be read, have no labels or others than the champion's, or are of another task.
        EvergreenError: there is no champion, or its model, its engine or its splits are gone.
    """
    champion = champion_of(model_name, "evaluate")
    logger.info("reading the rows of %s", " ".join(source.read_from.values()))
    read = source_of(source).read(window, scratch_directory("dataset"))
    dataset = latest_rows(read, scratch_directory("latest"))
    live = Live(load_artifact(champion.artifact, TrainedModel), _trained_on(champion, source), _serving(champion))
    logger.info("%s rows are read; version %s answers them", f"{dataset.manifest.rows:,}", champion.version)
    return scored(task, live, dataset, scratch_directory("scored"))


def _serving(champion: ModelVersion) -> Trial | None:
    """The engine by which the champion serves; None: by torch, or what its task has."""
    served = served_engines(champion.engines, champion.report)
    return Trial(served.engines, Admission(), instruction_set(), served.choice) if served else None


def _trained_on(champion: ModelVersion, source: SourceSettings) -> TrainedOn:
    """Its splits; and its coverage, where that speaks of rows of this source, told apart by the same columns."""
    splits = _splits(champion)
    if champion.coverage is None:
        return TrainedOn(splits)
    with suppress(EvergreenError):  # what is lost, `status` tells: the rows of its own run are known by its splits
        coverage = load_of_champion(champion.coverage, Coverage)
        same_rows = coverage.read_from in (None, source.read_from) and coverage.known_by in (None, source.known_by)
        held_out = load_of_champion(champion.held_out, HeldOut) if same_rows and champion.held_out else None
        return TrainedOn(splits, coverage if same_rows else Coverage(), held_out)
    logger.warning("which rows the versions before champion %s were trained on is lost", champion.version)
    return TrainedOn(splits)


def _splits(champion: ModelVersion) -> Splits:
    try:
        run = Client().get_pipeline_run(champion.run, allow_name_prefix_match=False)
        return read_artifact(run.steps["split"].outputs["splits"][0], Splits)
    except (KeyError, IndexError, EvergreenError) as error:
        raise EvergreenError(
            f"run {champion.run}, of which champion {champion.version} is, or its splits are gone: nothing tells which "
            "rows it was trained on, nor what simple models score; run its configuration again with --no-cache"
        ) from error
