"""Days of a model of pictures whose camera wears out: noise, then darkness, each told; what the champion lost is
measured; one retraining starts by itself and recovers. `make days` runs them, with each network by configuration alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from evergreen.core.verdict import Verdict
from tests.days import Day, new_rows
from tests.e2e.lived import champion_of, runs_of, trained_rows
from tests.e2e.project import FEW, Project, first_json
from tests.local_place import LocalPlace
from tests.picture_days import Camera, Photo, PictureDays, write_parquet
from tests.tiny_images import IGNORED, LABELS

pytestmark = [pytest.mark.e2e, pytest.mark.days, pytest.mark.timeout(3600)]

FIRST_ROWS, ASKED, JOINING, APART = 400, 120, 12, 60
NETWORKS: dict[str, dict[str, Any]] = {
    "unet": {"architecture": "unet"},
    "deeplabv3plus": {"architecture": "deeplabv3plus"},
    "segformer": {"architecture": "segformer", "learning_rate": 5e-4},
}
"""All that differs between them."""
TASK: dict[str, Any] = {
    "kind": "image_segmentation",
    "labels": list(LABELS),
    "ignore_label": IGNORED,
    "image_size": 32,
    "batch_size": 8,
    "epochs": 4,
    "learning_rate": 3e-3,
    "schedule": "cosine",
    "evaluations_per_epoch": 1,
    "augmentation": {"min_crop": 1, "colour": 0},
}
PARAMETERS: dict[str, Any] = {
    "split": {"train": 0.6, "validation": 0.2, "test": 0.2, "near_duplicate_distance": None},
    "gate": {"baselines": "report"},
    "engines": {"max_train_rows": FEW},
}
MONITORING: dict[str, Any] = {
    "drift": {"min_rows": 100, "min_requests": 50, "level": 0.001, "min_shift": 0.3, "min_share_shift": 0.2}
}


@pytest.mark.parametrize("network", NETWORKS)
def test_a_degraded_stream_is_told_and_one_retraining_recovers(project: Project, network: str) -> None:
    camera = Camera()
    state, parameters = project.zenml / "evergreen", {**PARAMETERS, "task": {**TASK, **NETWORKS[network]}}
    place = LocalPlace(project.home, state, lambda *told: project.run(*told).stdout, write_parquet)
    days = PictureDays(place, parameters, MONITORING)
    assert "new to a first model" in days.first(camera.usual(FIRST_ROWS))
    first = champion_of(project.status(days.config))
    quiet = days.day(1, camera.usual(ASKED), JOINING)
    assert_quiet(quiet, f"{new_rows(JOINING)} new to champion {first}")

    noisy = camera.noisy(ASKED)
    noisy_quality = days.ask(noisy)
    assert "grain" in moved(days.end(2, noisy))
    usual, degraded = (taken(APART) for taken in (camera.usual, camera.degraded))
    before = scored(project, days, "degraded", degraded)
    assert before < scored(project, days, "usual", usual) - 0.1

    dark = camera.dark(ASKED)
    dark_quality = days.ask(dark)
    assert {"brightness", "red", "green", "blue"} <= moved(days.end(3, dark))
    assert noisy_quality < quiet.quality - 0.05
    assert dark_quality < quiet.quality - 0.2
    night = days.night()
    assert f"{new_rows(JOINING, ASKED, ASKED)} new to champion {first}" in night
    assert "trains, for the last window drifted" in night
    assert "brightness" in night

    second = champion_of(project.status(days.config))
    assert second != first
    assert scored(project, days, "degraded", degraded) > before + 0.1
    after = days.day(4, camera.degraded(ASKED), JOINING)
    assert_quiet(after, f"{new_rows(JOINING)} new to champion {second}")
    assert after.quality > max(noisy_quality, dark_quality)
    assert_one_retraining(project, days)


def assert_quiet(day: Day, new: str) -> None:
    """Monitoring and the training by schedule are successes that change nothing."""
    assert (day.verdict.requests, day.verdict.enough, day.verdict.drifted) == (ASKED, True, False), day.verdict.words
    assert new in day.night
    assert "rows alone are no reason to train" in day.night


def moved(verdict: Verdict) -> set[str]:
    """What raised an alarm, by name."""
    assert verdict.drifted, verdict.words
    return {one.name or one.evidence for one in verdict.alarms}


def scored(project: Project, days: PictureDays, name: str, rows: Sequence[Photo]) -> float:
    """The champion's mean IoU on rows that no training saw."""
    source = write_parquet(project.home / name, list(days.columns.values()), days.apart(name, rows))
    printed = project.run("evaluate", "--config", days.config, "--source", source, "--json").stdout
    found: Mapping[str, Any] = first_json(printed)
    assert (found["rows"], found["trained_on"]) == (len(rows), 0)
    return float(found["metrics"]["mean_iou"]["value"])


def assert_one_retraining(project: Project, days: PictureDays) -> None:
    """Beside the first model; every run is a success, and the chain leads from drift to recovery."""
    runs = runs_of(project, days.model)
    assert {run["status"] for run in runs} == {"completed"}
    assert [len(rows) for rows in trained_rows(runs)] == [FIRST_ROWS, JOINING + 2 * ASKED]
    chain = project.status(days.config)["chain"]
    assert chain["training"]["reasons"] == ["drift"]
    assert (chain["training"]["outcome"], chain["recovery"]["says"]) == ("trained a version", "quiet")
