"""Engines of a version: which of them serves it, and how they come beside its model on the way to a host."""

from __future__ import annotations

from pathlib import Path

from zenml.logger import get_logger

from evergreen.core.engines import Engines, ServedEngines, add_engines
from evergreen.core.report import EvaluationReport
from evergreen.core.sections import EngineTable
from evergreen.core.versions import ModelVersion
from evergreen.runtime.asides import beside_the_point
from orchestration.artifacts import load_artifact

logger = get_logger(__name__)


def served_engines(engines: str | None, report: str | None) -> ServedEngines | None:
    """The engines of a version and which of them serves, by the artifacts of both; None: its release made none.

    Raises:
        EvergreenError: they are gone.
    """
    if engines is None or report is None:
        return None
    table = load_artifact(report, EvaluationReport).section(EngineTable)
    return ServedEngines(load_artifact(engines, Engines), table.choice) if table else None


def put_engines(version: ModelVersion, model_dir: Path) -> None:
    """Puts the graphs of a version, and which of them serves, into its model's directory.

    Nothing where an earlier release made none, or none could be made; where they are lost or damaged, or the disk is
    full, that is told and torch answers: a version without engines is as good, only slower.
    """
    with beside_the_point(f"the engines of version {version.version}: torch answers"):
        served = served_engines(version.engines, version.report)
        if served is not None and served.engines.manifest.variants:
            add_engines(model_dir, served)
