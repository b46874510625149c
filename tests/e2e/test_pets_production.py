"""`configs/pets_prod.yaml` itself in the box: TFRecord shards to an endpoint, a published revision and its page.

`make emulated-test` runs it; the stages build on each other, so they are one test.
"""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evergreen.data.pictures import Pixels, encode_png
from evergreen.evaluation.pixel_scores import segmentation_scores
from evergreen.evaluation.segmentation import confusion_of
from tests.browser import CHROMIUM, NO_CHROMIUM
from tests.e2e import pets, space
from tests.e2e.pets import SHARD_RECORDS
from tests.e2e.production import Production, production_in
from tests.e2e.project import first_json
from tests.own_zenml import ROOT
from tests.waiting import wait_until

pytestmark = [pytest.mark.emulated, pytest.mark.timeout(4000)]

COUNT = 320
LOOK_EVERY_S = 5.0
"""Each look is a process of its own, and takes the processor from the run that it looks at."""
LABELS = ("pet", "background", "border")


@pytest.fixture
def production(tmp_path: Path) -> Iterator[Production]:
    with production_in(tmp_path / "box", "pets_prod.yaml") as led:
        yield led


def test_pictures_are_prepared_trained_served_and_published_in_the_box(production: Production, tmp_path: Path) -> None:
    production.python("-m", "tests.e2e.pets", production.environment["EVERGREEN_PETS"] + "/raw", str(COUNT))
    compiled = production.command("prepare", "--dry-run").stdout
    assert '"machineType": "n1-standard-4"' in compiled
    assert "runner    a job of Dataflow in us-central1, up to 8 x n1-standard-4" in compiled
    assert "8 of 8 parts to be prepared; a job of Dataflow in us-central1" in production.dry_run()
    ran = production.run_pipeline()
    status = production.status()
    assert status["champion"], ran.stdout
    version = status["champion"]["version"]
    assert status["endpoint"]["traffic"] == {version: 100}
    recorded = production.recorded("pets")
    assert set(recorded["steps"].values()) == {"completed"}
    assert set(recorded["steps"]) >= {"prepare", "train", "deploy", "publish"}
    assert f"v{version}" in ran.stdout

    scenes = [pets.unseen(number) for number in range(12)]
    files = [tmp_path / f"{number}.png" for number in range(len(scenes))]
    for file, (picture, _) in zip(files, scenes, strict=True):
        file.write_bytes(encode_png(picture))
    masks = _served(production, files, tmp_path / "pictures.jsonl")
    confusions = [confusion_of(truth, mask, 3) for (_, truth), mask in zip(scenes, masks, strict=True)]
    overall, _ = segmentation_scores(np.sum(confusions, axis=0)[np.newaxis])
    majority, _ = segmentation_scores(_all_of_the_largest(np.sum(confusions, axis=0))[np.newaxis])
    assert overall["mean_iou"][0] > majority["mean_iou"][0] + 0.3

    library = tmp_path / "space"
    elsewhere = space.reader(tmp_path, production.environment, library)
    _download_space(library, elsewhere)
    script = Path(space.__file__).with_name("published_pets.py")
    read = _python(elsewhere, script, "evergreen/pets", f"v{version}", *files)
    again = [_mask(one["mask"]) for one in json.loads(read.splitlines()[-1])]
    for mine, theirs in zip(masks, again, strict=True):
        assert np.array_equal(mine, theirs)
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    with space.running(library, elsewhere) as url:
        shown = space.overlay_of(url, files[0], Path(os.environ.get("EVERGREEN_SCREENSHOTS", tmp_path)) / "space.png")
    present = [number for number in range(len(LABELS)) if (masks[0] == number).any()]
    assert shown["legend"] == [LABELS[number] for number in present]
    for number, layer in zip(present, shown["layers"], strict=True):
        covered = np.asarray(Image.open(io.BytesIO(layer)).convert("RGBA"))[..., 3] > 0
        assert np.array_equal(covered, masks[0] == number)
    _arrives_and_is_trained_on_by_a_firing(production)
    assert not (production.home / "refusals.jsonl").exists()


def _arrives_and_is_trained_on_by_a_firing(production: Production) -> None:
    """A firing prepares the shard that arrived, by a job of Dataflow, and trains on it; the next one rests."""
    made = production.command("schedule", "--cron", "0 3 1 1 *").stdout
    schedule = made.splitlines()[0].rpartition("(")[2].rstrip(")")
    before = _newest_run(production)
    jobs = _jobs(production)
    production.python(
        "-m", "tests.e2e.pets", production.environment["EVERGREEN_PETS"] + "/raw", str(COUNT + SHARD_RECORDS)
    )
    assert "1 of 9 parts to be prepared" in production.dry_run()

    _fire(production, schedule)
    after = _newest_run(production)
    assert {after["steps"][name] for name in ("prepare", "fetch", "train", "evaluate", "promote")} == {"completed"}
    arrived = {f"train-00008.tfrec:{number}" for number in range(1, SHARD_RECORDS + 1)}
    assert arrived == _ids(after) - _ids(before)
    assert arrived & set(after["splits"]["train"])
    assert len(_jobs(production) - jobs) == 1
    assert "none of 9 parts to be prepared; nothing runs" in production.dry_run()

    shards, jobs, held = _prepared(production), _jobs(production), _bucket_bytes(production)
    _fire(production, schedule)
    rested = _newest_run(production)["steps"]
    assert rested["prepare"] == "completed"
    assert {rested[name] for name in ("fetch", "validate", "split", "train", "evaluate")} == {"cached"}
    assert (_prepared(production), _jobs(production)) == (shards, jobs)
    assert _bucket_bytes(production) - held < 1_000_000
    production.command("schedule", "--delete")


def _fire(production: Production, schedule: str) -> None:
    """Returns when the run that a firing began has succeeded."""
    before = production.status()["last_run"]["name"]
    production.fire(schedule)
    wait_until(lambda: production.status()["last_run"]["name"] != before, timeout_s=300, every_s=LOOK_EVERY_S)
    wait_until(lambda: production.status()["last_run"]["status"] != "running", timeout_s=1500, every_s=LOOK_EVERY_S)
    assert production.status()["last_run"]["status"] == "completed"


def _newest_run(production: Production) -> dict[str, Any]:
    """Its steps and splits."""
    return dict(first_json(production.python("-m", "tests.e2e.newest_run").stdout))


def _ids(run: dict[str, Any]) -> set[str]:
    return set().union(*run["splits"].values())


def _jobs(production: Production) -> set[str]:
    """The jobs of Dataflow that the box has run."""
    return {file.stem for file in production.home.glob("gateway/dataflow/*.json")}


def _prepared(production: Production) -> dict[str, int]:
    """When each object below the prepared folder was written."""
    folder = production.environment["EVERGREEN_PETS"].removeprefix("gs://") + "/prepared"
    files = production.home.glob(f"gcs/buckets/{folder}/**/*")
    return {file.name: file.stat().st_mtime_ns for file in files if file.is_file()}


def _bucket_bytes(production: Production) -> int:
    """What all buckets hold."""
    return sum(file.stat().st_size for file in production.home.glob("gcs/buckets/**/*") if file.is_file())


def _served(production: Production, files: list[Path], table: Path) -> list[Pixels]:
    """The masks of the endpoint."""
    table.write_text("".join(json.dumps({"image": str(file)}) + "\n" for file in files), encoding="utf-8")
    lines = production.command("predict", "--input", str(table)).stdout.splitlines()
    return [_mask(json.loads(line)["mask"]) for line in lines if line.startswith("{")]


def _mask(encoded: str) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))


def _all_of_the_largest(confusion: Any) -> Any:
    """What the confusion, truth by answer, were if every pixel were given to the largest class."""
    largest = np.zeros_like(confusion)
    largest[:, confusion.sum(axis=1).argmax()] = confusion.sum(axis=1)
    return largest


def _download_space(folder: Path, environment: dict[str, str]) -> None:
    code = (
        "import sys; from huggingface_hub import snapshot_download; "
        "snapshot_download('evergreen/pets-demo', repo_type='space', local_dir=sys.argv[1])"
    )
    _python(environment, "-c", code, folder)


def _python(environment: dict[str, str], *arguments: object) -> str:
    command = [sys.executable, *map(str, arguments)]
    home = environment["HOME"]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(ROOT) not in done.stdout
    return done.stdout
