"""Groups that raw files' names tell, kept through a preparation by Beam and into the splits."""

from collections import defaultdict
from pathlib import Path

import pytest

from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.artifacts import SplitName
from evergreen.core.members import source_of
from evergreen.data.split import split
from evergreen.data.split_plan import SplitPlan
from evergreen.preparation import LocalRunnerSettings, Preparation
from evergreen.preparation.plan import plan_of
from evergreen.preparation.run import prepare
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from tests.pictures import mask, picture
from tests.rows import rows_of

FILMS = [f"film{number}" for number in range(24)]


@pytest.mark.usefixtures("beam_in_this_process")
def test_the_group_in_a_files_name_decides_after_a_preparation(tmp_path: Path) -> None:
    for number, name in enumerate(f"{film}_{frame}.png" for film in FILMS for frame in range(3)):
        for folder, content in ("images", picture(number, (32, 32))), ("masks", mask(1, (32, 32))):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / name).write_bytes(content)
    origin = FilesSettings(
        format="image_folders", path=str(tmp_path / "images"), masks=str(tmp_path / "masks"), group_pattern=r"^(\w+)_"
    )
    columns = {"id": "id", "image": "image", "mask": "mask", "group": "film"}
    source = FilesSettings(path=str(tmp_path / "prepared"), columns=columns)
    task = ImageSegmentation(labels=("ground", "thing"), image_size=32)
    _, summary = prepare(
        plan_of(Preparation(origin=origin, image_size=32, runner=LocalRunnerSettings(workers=1)), task, source)
    )
    assert (summary.rows, summary.bad) == (72, 0)

    splits = split(
        source_of(source).read(None, tmp_path / "rows"), SplitPlan(train=0.5, validation=0.2, test=0.3), tmp_path / "s"
    )
    places = defaultdict(set)
    for name in SplitName.ALL:
        for row in rows_of(splits.shards(name)):
            assert row["id"].startswith(f"{row['group']}_")
            places[row["group"]].add(name)
    assert places.keys() == set(FILMS)
    assert all(len(names) == 1 for names in places.values())
