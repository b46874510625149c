"""The live champion on labelled rows: a report and its page, no training.

$ python run.py evaluate --config local.yaml --source may.csv
version     3fa41c02be17
accuracy    0.931 (95 % interval 0.914 to 0.947) on 812 labelled rows; always answering 'sports' scores 0.262
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from commands.alone import run_alone
from commands.project import Configured, Project, open_project
from evergreen.core.base import Frozen
from evergreen.core.errors import InputError
from evergreen.core.members import source_of
from evergreen.core.metric import Metric
from evergreen.core.spelled import spelled

if TYPE_CHECKING:
    from zenml.pipelines.pipeline_definition import Pipeline

    from evergreen.adapters.kinds import AnyHost
    from evergreen.core.artifacts import ResolvedWindow
    from evergreen.core.members import SourceSettings
    from evergreen.core.report import EvaluationReport
    from orchestration.configuration import Configuration

_TRAINING_ALONE = frozenset({"run_name", "schedule", "parameters", "steps"})
"""Keys of a configuration that another pipeline has in its own way."""


class Scored(Frozen):
    """What `--json` prints: the metrics of a version on `rows` labelled rows, of which it was trained on `trained_on`.

    `unlabelled` rows were left out; `report` is where the page is kept, `run` what made it.
    """

    model: str
    version: str
    run: str
    source: str
    rows: int
    trained_on: int
    unlabelled: int
    metrics: dict[str, Metric]
    report: str


@dataclass(frozen=True)
class EvaluationProject(Configured):
    """A training configuration as one of the pipeline of evaluation."""

    configuration: Configuration
    model_name: str
    host: AnyHost
    scheduled: bool = False

    @property
    def pipeline(self) -> Pipeline:
        """Evaluation."""
        from pipelines.evaluation import evaluation

        return evaluation


def main(args: argparse.Namespace) -> int:
    """Scores the champion on the rows of the configuration's source, or of --source, and says what came of it.

    It writes nothing but its own report, so that it goes on beside a training of the model and keeps none out; it has a
    lock of its own, by which `stop` finds its process.
    """
    given = open_project(args.config, args.name, args.window)
    given.check_stack()
    from orchestration.batch import champion_of

    champion_of(given.model_name, "evaluate")  # better told before a run begins
    source = _source(args.source, given) if args.source else None
    if source is not None and not given.is_on_vertex:
        check_rows(source, given.backfill.window if given.backfill else None)
    project = EvaluationProject(evaluation_of(given.configuration, source), given.model_name, given.host)
    from orchestration.runs import scored_report_of

    with progress_on_stderr():
        run = run_alone(project, args)
    if run is None:
        return 0
    report, page = scored_report_of(run.id)
    if args.json:
        print(_scored(project.model_name, run.name, report, page).model_dump_json())
    else:
        from evergreen.pages.terminal import evaluation_lines

        print(evaluation_lines(report, page))
    return 0


def check_rows(source: SourceSettings, window: ResolvedWindow | None) -> None:
    """Returns when the rows of `--source` are there. Raises InputError, EvergreenError: why not."""
    with spelled({"source.path": "--source"}):
        source_of(source).identity(window)


@contextmanager
def progress_on_stderr() -> Iterator[None]:
    """Within the block a person reads on stderr how far the scoring is, and what it warns of; stdout, on which ZenML's
    console writes, is the result's alone. ZenML keeps the lines with the step, as it keeps others.
    """
    from zenml.logger import ZenMLLoggingHandler

    from evergreen.evaluation import evaluate
    from orchestration import scoring

    shown = logging.StreamHandler(sys.stderr)
    shown.setFormatter(logging.Formatter("%(message)s"))
    handlers = (shown, ZenMLLoggingHandler())
    loggers = [logging.getLogger(module.__name__) for module in (scoring, evaluate)]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.INFO)
        logger.propagate = False
        for handler in handlers:
            logger.addHandler(handler)
    try:
        yield
    finally:
        for logger, (level, propagates) in zip(loggers, before, strict=True):
            for handler in handlers:
                logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagates


def evaluation_of(given: Configuration, source: SourceSettings | None) -> Configuration:
    """A training configuration for the pipeline of evaluation: `score` runs where and as `evaluate` does; another
    source is read whole, or in the stretch that was asked for.
    """
    parameters = dict(given.document["parameters"])
    wanted = ["model_name", "source", "task", "backfill", *(["window"] if source is None else [])]
    if source is not None:
        parameters["source"] = source.model_dump(mode="json")
    steps = given.document.get("steps") or {}
    options = {
        key: value for key, value in (steps.get("evaluate") or {}).items() if key not in {"parameters", "outputs"}
    }
    options.pop("experiment_tracker", None)
    document: dict[str, Any] = {
        **{key: value for key, value in given.document.items() if key not in _TRAINING_ALONE},
        "parameters": {name: parameters[name] for name in wanted if name in parameters},
        **({"steps": {"score": options}} if options else {}),
    }
    machines = {"score": given.machines["evaluate"]} if "evaluate" in given.machines else {}
    return replace(given, document=document, machines=machines)


def _source(place: str, given: Project) -> SourceSettings:
    """The rows of `--source`: of a YAML file's source, or at a place, read as the configuration's own are.

    Raises:
        InputError: it is none, or on this machine while the steps run elsewhere.
    """
    from evergreen.batch.places import source_at
    from orchestration.origins import named_source

    if place.endswith((".yaml", ".yml")):
        return named_source(place, {}, None)
    if given.is_on_vertex and "://" not in place:
        raise InputError(f"--source {place} is on this machine, and steps run on Vertex AI; copy it to gs:// first")
    try:
        return source_at(place, given.source)
    except ValueError as error:  # pydantic's, of several lines
        raise InputError(f"--source: {' '.join(str(error).split())}") from error


def _scored(model: str, run: str, report: EvaluationReport, page: str) -> Scored:
    from evergreen.core.sections import ScoredRows

    rows = report.section(ScoredRows)
    return Scored(
        model=model,
        version=report.version,
        run=run,
        source=rows.source if rows else "",
        rows=report.rows,
        trained_on=rows.trained_on if rows else 0,
        unlabelled=rows.unlabelled if rows else 0,
        metrics=report.metrics,
        report=page,
    )
