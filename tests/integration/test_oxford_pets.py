"""The published archives of Oxford-IIIT Pet made into the shards that `configs/pets.yaml` reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from evergreen.core.members import examinable, source_of
from evergreen.data.pictures import decode_mask, decode_picture
from evergreen.data.shards import iter_batches
from evergreen.preparation.run import prepare
from evergreen.tasks.image_segmentation.images import resize_mask
from orchestration.configuration import CONFIGS_DIRECTORY, load
from orchestration.preparation import plan_for
from tests.oxford_pets import photo_names, trimap, write_archives

COUNT = 24


@pytest.mark.usefixtures("zenml_home")
def test_the_archives_become_the_shards_that_the_configuration_trains_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.training import training

    monkeypatch.setenv("PETS", str(tmp_path / "pets"))
    write_archives(tmp_path / "pets", COUNT)
    document = yaml.safe_load((CONFIGS_DIRECTORY / "pets.yaml").read_text(encoding="utf-8"))
    document["parameters"]["prepare"]["image_size"] = 64
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    given = load(tmp_path / "small.yaml", training).parameters
    report, _ = prepare(plan_for(given.prepare, given.task, given.source))
    assert (report.parts, report.written, report.intake.read) == (4, 4, COUNT)

    dataset = source_of(given.source).read(None, tmp_path / "rows")
    rows = {row["id"]: row for batch in iter_batches(dataset.shards) for row in batch.to_pylist()}
    assert sorted(rows) == sorted(photo_names(COUNT))
    for number, name in enumerate(photo_names(COUNT)):
        assert decode_picture(rows[name]["image"]).shape == (64, 64, 3)
        assert np.array_equal(decode_mask(rows[name]["mask"]), resize_mask(trimap(number) - 1, 64, 64))
        assert rows[name]["split"] == ("train" if number % 3 else "test")
        assert rows[name]["breed"] == name.rpartition("_")[0].replace("_", " ")
    lenient = given.task.model_copy(update={"rules": given.task.rules.model_copy(update={"min_rows": COUNT})})
    assert examinable(lenient).examine(dataset).rows == COUNT
    assert prepare(plan_for(given.prepare, given.task, given.source))[0].written == 0
