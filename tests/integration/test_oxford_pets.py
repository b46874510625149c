"""The published archives of Oxford-IIIT Pet made into the shards that `configs/pets.yaml` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.oxford_pets.settings import OxfordPetsSettings
from evergreen.core.errors import InputError
from evergreen.core.members import examinable, source_of
from evergreen.data.pictures import decode_mask, decode_picture
from evergreen.data.shards import iter_batches
from evergreen.preparation import Preparation
from evergreen.preparation.plan import Plan, plan_of
from evergreen.preparation.run import prepare
from evergreen.tasks.image_segmentation.images import resize_mask
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from orchestration.configuration import CONFIGS_DIRECTORY, load
from orchestration.preparation import plan_for
from tests.oxford_pets import photo_names, trimap, write_archives

COUNT = 24


COLUMNS = {"id": "id", "image": "image", "mask": "mask", "split": "split"}


def plan(folder: Path, **changes: Any) -> Plan:
    preparation = Preparation(origin=OxfordPetsSettings(path=str(folder / "raw")), image_size=64, **changes)
    task = ImageSegmentation(labels=("pet", "background", "border"), image_size=64)
    return plan_of(preparation, task, FilesSettings(path=str(folder / "prepared"), columns=COLUMNS))


@pytest.mark.usefixtures("zenml_home", "beam_in_this_process")
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
    assert report.intake.words() == (
        f"{COUNT} read of {COUNT + 1} seen; left out: 1 picture that has no trimap or is in no list (Abyssinian_900)"
    )

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


@pytest.mark.usefixtures("beam_in_this_process")
def test_a_photo_that_cannot_be_read_is_named_and_may_be_left_out(tmp_path: Path) -> None:
    write_archives(tmp_path / "raw", COUNT, damaged="Abyssinian_3")
    with pytest.raises(InputError, match=r"1 of 24 rows cannot be used .*\n- Abyssinian_3: unusable image"):
        prepare(plan(tmp_path))
    report, _ = prepare(plan(tmp_path, max_bad_share=0.05))
    assert report.intake.read == COUNT - 1


@pytest.mark.usefixtures("beam_in_this_process")
def test_what_is_wrong_with_the_archives_is_told_in_the_words_of_the_preparation(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"no annotations\.tar\.gz and no images\.tar\.gz in .* set prepare\.origin\.path$"
    ):
        prepare(plan(tmp_path))
    write_archives(tmp_path / "raw", COUNT)
    prepare(plan(tmp_path))
    before = sorted((tmp_path / "prepared").iterdir())
    images = tmp_path / "raw" / "images.tar.gz"
    images.write_bytes(images.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"^images\.tar\.gz cannot be read: .*; download it again$"):
        prepare(plan(tmp_path))
    assert sorted((tmp_path / "prepared").iterdir()) == before
