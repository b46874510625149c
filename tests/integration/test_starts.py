"""From which champions a training goes on, asked in `identify`, before anything is fetched; in a real ZenML store."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.artifacts import HeldOut, HeldOutManifest, RecordedSplitPlan, TrainedModel, TrainedModelManifest
from evergreen.core.coverage import Coverage
from evergreen.core.errors import InputError
from evergreen.core.refresh import Backfill, Refresh
from evergreen.core.versions import ModelVersion, crown, nominate
from evergreen.data.split_plan import SplitPlan
from evergreen.tasks.text_classification.settings import TextClassification

pytestmark = pytest.mark.usefixtures("zenml_home")
TASK = TextClassification(encoder="our-lab/encoder", labels=("a", "b"))
INCREMENTAL = Refresh(data="incremental")
ANEW = r"train once with refresh: {data: all} and task.warm_start: false"
BACKFILL = Backfill.model_validate({"start": "2026-05-01T00:00:00Z", "end": "2026-05-02T00:00:00Z"})


@pytest.fixture(autouse=True)
def outside_a_step(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """`identify` is called as a function, and no weights are looked for; what set out to train is listed."""
    trains: list[str] = []
    monkeypatch.setattr("steps.identify.log_metadata", lambda *_: None)
    monkeypatch.setattr("steps.identify.is_scheduled", lambda: False)
    monkeypatch.setattr("steps.identify.note_training", lambda _reasons: trains.append("trains"))
    monkeypatch.setattr("orchestration.nights.Recipe.pretrained", "weights")
    monkeypatch.setattr("evergreen.tasks.text_classification.trainable.TextTraining.check", lambda _: "encoder")
    return trains


@pytest.fixture
def rows(tmp_path: Path) -> FilesSettings:
    path = tmp_path / "rows.csv"
    lines = (f"{number},text {number},{'ab'[number % 2]},2026-05-01,2026-05-01T12:00:00Z" for number in range(40))
    path.write_text("id,text,label,day,arrived\n" + "\n".join(lines), encoding="utf-8")
    columns = {"id": "id", "text": "text", "label": "label", "timestamp": "day", "arrived": "arrived"}
    return FilesSettings(path=str(path), columns=columns)


def champion(folder: Path, plan: SplitPlan | None = SplitPlan(), task: TextClassification = TASK) -> str:
    """The name of a model whose champion was trained so, on rows that all went away."""
    from zenml import save_artifact

    from orchestration.record import ZenmlRecord

    noted = RecordedSplitPlan(**plan.model_dump()) if plan else None
    manifest = TrainedModelManifest(
        files=(), task=task.model_dump(mode="json"), trained_on="rows", seed=0, split_plan=noted
    )
    name = f"m-{uuid4().hex[:8]}"
    for part in ("model", "held"):
        (folder / part).mkdir(exist_ok=True)
    kept: dict[str, Any] = {
        "artifact": TrainedModel.write(folder / "model", manifest),
        "held_out": HeldOut.write(folder / "held", HeldOutManifest(files=(), rows=0)),
        "coverage": Coverage(),
    }
    saved = {what: str(save_artifact(value, f"{what}-{name}").id) for what, value in kept.items()}
    plain: dict[str, Any] = {"judged_against": None, "metrics": {}, "examples": (), "recipe": "then", "run": "gone"}
    record, version = ZenmlRecord(name), ModelVersion(version="a1", report=saved["artifact"], **saved, **plain)
    record.add(version)
    record.move(nominate(record.read(), "a1"))
    record.move(crown(record.read(), "a1"))
    return name


def identify(
    model: str,
    source: FilesSettings,
    refresh: Refresh = INCREMENTAL,
    *,
    task: TextClassification = TASK,
    **changes: Any,
) -> Any:
    from steps import identify as module

    given = {"split": SplitPlan(), "seed": 0, "refresh": refresh, **changes}
    return module.identify.entrypoint(model, source, task, **given)


@pytest.mark.parametrize("changed", [{"labels": ("a", "b", "c")}, {"encoder": "our-lab/other"}])
def test_another_label_or_encoder_is_refused_before_anything_is_fetched(
    rows: FilesSettings, tmp_path: Path, outside_a_step: list[str], changed: dict[str, Any]
) -> None:
    model, other = champion(tmp_path), TASK.model_copy(update=changed)
    (field,) = changed
    with pytest.raises(InputError, match=rf"trained with {field} .*, task.{field} is .*; {ANEW}$"):
        identify(model, rows, task=other)
    with pytest.raises(InputError, match=rf"{ANEW}, before the backfill$"):
        identify(model, rows, task=other, backfill=BACKFILL)
    with pytest.raises(InputError, match=r"; set task.warm_start: false for this run$"):
        identify(model, rows, Refresh(data="all"), task=other.model_copy(update={"warm_start": True}))
    assert outside_a_step == []
    identify(model, rows, Refresh(data="all"), task=other)
    identify(model, rows)
    assert outside_a_step == ["trains", "trains"]


@pytest.mark.parametrize("changed", [{"seed": 1}, {"train": 0.7, "test": 0.2}, {"train": 0.7, "validation": 0.2}])
def test_another_split_plan_is_refused_where_a_model_goes_on_from_the_champion(
    rows: FilesSettings, tmp_path: Path, changed: dict[str, Any]
) -> None:
    model, plan = champion(tmp_path), SplitPlan.model_validate(changed)
    for backfill in (None, BACKFILL):
        with pytest.raises(InputError, match=rf"by split\.\w+: .*, and it is .* would be tested on; .* {ANEW}"):
            identify(model, rows, split=plan, backfill=backfill)
    warm = TASK.model_copy(update={"warm_start": True})
    with pytest.raises(InputError, match=r"would be tested on; .*, or set task.warm_start: false for this run$"):
        identify(model, rows, Refresh(data="all"), task=warm, split=plan)
    identify(model, rows, Refresh(data="all"), split=plan)
    identify(model, rows, split=SplitPlan(near_duplicate_similarity=None))


def test_a_champion_of_which_no_split_plan_was_noted_is_gone_on_from(
    rows: FilesSettings, tmp_path: Path, outside_a_step: list[str]
) -> None:
    identify(champion(tmp_path, plan=None), rows, split=SplitPlan(seed=1))
    assert outside_a_step == ["trains"]
