"""Engines of a version, put beside its model on the way to a host."""

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


def put_engines(version: ModelVersion, model_dir: Path) -> None:
    """Puts the graphs of a version, and which of them serves, into its model's directory.

    Nothing where an earlier release made none, or none could be made; where they are lost or damaged, or the disk is
    full, that is told and torch serves: a version without engines is as good, only slower.
    """
    if version.engines is None:
        return
    with beside_the_point(f"the engines of version {version.version}: torch serves it"):
        table = load_artifact(version.report, EvaluationReport).section(EngineTable)
        engines = load_artifact(version.engines, Engines)
        if table is None or not engines.manifest.variants:
            return
        add_engines(model_dir, ServedEngines(engines, table.choice))
