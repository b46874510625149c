"""Prepares a copy of Oxford-IIIT Pet on the Hub as configs/pets.yaml shows it: prints what came of it as JSON.

`python tests/integration/cloudbox/pets_of_the_hub.py FOLDER TOKEN`, led to a Hub by the environment.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from huggingface_hub import HfApi

from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.errors import InputError
from evergreen.core.members import source_of
from evergreen.data.pictures import decode_mask, encode_png
from evergreen.preparation import LocalRunnerSettings, Preparation
from evergreen.preparation.plan import Plan, plan_of
from evergreen.preparation.run import prepare
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from tests.beam import in_this_process
from tests.e2e.pets import draw
from tests.oxford_pets import trimap
from tests.rows import rows_of

NAME = "evergreen/oxford-pets"
COUNT = 12
CONFIGURATION = Path(__file__).parents[3] / "configs" / "pets.yaml"


def upload(token: str) -> None:
    """Two splits of Parquet, as the Hub keeps pictures."""
    api = HfApi(token=token)
    api.create_repo(NAME, repo_type="dataset")
    for split, numbers in ("train", range(8)), ("test", range(8, COUNT)):
        rows = pa.table(
            {
                "photo": [{"bytes": encode_png(draw(number)[0]), "path": None} for number in numbers],
                "trimap": [{"bytes": encode_png(trimap(number)), "path": None} for number in numbers],
            }
        )
        content = io.BytesIO()
        pq.write_table(rows, content)
        api.upload_file(
            path_or_fileobj=content, path_in_repo=f"data/{split}-00000.parquet", repo_id=NAME, repo_type="dataset"
        )


def shown() -> dict[str, Any]:
    """The parameters of pets.yaml with the origin that stands there as a comment."""
    lines: list[str] = []
    for line in CONFIGURATION.read_text(encoding="utf-8").splitlines():
        if line.startswith("    # origin:") or line.startswith("    #   "):
            lines.append(line.replace("# ", "", 1))
        elif not line.startswith("    origin:"):
            lines.append(line)
    return dict(yaml.safe_load("\n".join(lines))["parameters"])


def plan(folder: Path, name: str, **columns: str) -> Plan:
    parameters = shown()
    origin = parameters["prepare"]["origin"]
    origin |= {"name": name, "columns": {**origin["columns"], **columns}}
    preparation = Preparation.model_validate(parameters["prepare"]).model_copy(
        update={"image_size": 64, "runner": LocalRunnerSettings(workers=1)}
    )
    source = {**parameters["source"], "path": str(folder)}
    source["columns"] = {name: column for name, column in source["columns"].items() if name not in ("breed", "species")}
    return plan_of(preparation, ImageSegmentation.model_validate(parameters["task"]), FilesSettings(**source))


def failure(plan: Plan) -> str:
    try:
        prepare(plan)
    except InputError as error:
        return str(error)
    return "none"


def main(folder: Path, token: str) -> None:
    upload(token)
    given = plan(folder / "prepared", NAME, image="photo")
    report, _ = prepare(given)
    again, _ = prepare(given)
    dataset = source_of(FilesSettings(path=given.folder, columns=dict(given.columns))).read(None, folder / "rows")
    rows = rows_of(dataset.shards)
    classes = {row["id"]: sorted({int(value) for value in decode_mask(row["mask"]).ravel()}) for row in rows}
    seen = {
        "origin": report.origin,
        "written": [report.written, again.written],
        "splits": {row["id"]: row["split"] for row in rows},
        "classes": classes,
        "sizes": sorted({decode_mask(row["mask"]).shape for row in rows}),
        "wrong column": failure(plan(folder / "other", NAME)),
        "wrong name": failure(plan(folder / "other", "evergreen/nothing")),
    }
    sys.stdout.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    with in_this_process():
        main(Path(sys.argv[1]), sys.argv[2])
