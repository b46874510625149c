"""Champions in a real ZenML store, and what a night after them reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

from evergreen.core.coverage import Coverage
from evergreen.core.members import source_of
from evergreen.core.part import Part, PartOfSource
from evergreen.core.refresh import Refresh
from evergreen.core.training import Incumbent
from evergreen.core.versions import Alias, ModelVersion, crown, nominate
from evergreen.data.freshness import coverage_after
from tests.dated_rows import source

DAILY = Refresh(data="incremental", replay_share=0, min_new_rows=2)


def version(name: str, coverage: Coverage | None) -> ModelVersion:
    from zenml import save_artifact

    artifact = str(save_artifact(Incumbent(version=name), f"anything-{name}").id)
    kept = None if coverage is None else str(save_artifact(coverage, f"coverage-{name}").id)
    plain: dict[str, Any] = {"version": name, "artifact": artifact, "report": artifact, "recipe": name, "run": "run"}
    tested = None if coverage is None else artifact
    return ModelVersion(**plain, judged_against=None, metrics={}, examples=(), coverage=kept, held_out=tested)


def make_champion(model: str, one: ModelVersion) -> None:
    from orchestration.record import ZenmlRecord

    record = ZenmlRecord(model)
    record.add(one)
    record.move(nominate(record.read(), one.version))
    record.move(crown(record.read(), one.version))


def champion(model: str) -> ModelVersion:
    from orchestration.record import ZenmlRecord

    named = ZenmlRecord(model).read().named(Alias.CHAMPION)
    assert named is not None
    return named


def with_coverage(part: Part) -> PartOfSource:
    """As the step that reads rows has it."""
    from orchestration.freshness import load_coverage

    return part.beside(load_coverage(part.covered))


def night(model: str, path: Path, folder: Path, **changes: Any) -> tuple[int, Coverage]:
    """How many rows a run reads now, and what a version of it would cover."""
    from orchestration.freshness import rows_to_read
    from orchestration.record import ZenmlRecord

    named = ZenmlRecord(model).read().named(Alias.CHAMPION)
    read = rows_to_read(source(path), named, DAILY.model_copy(update=changes), None, None)
    dataset = source_of(source(path)).read_new(with_coverage(read.part), folder / uuid4().hex)
    return dataset.manifest.rows, coverage_after(dataset, with_coverage(read.part), None, source(path))
