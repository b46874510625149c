"""How often the mask of one row is decoded on its way through the steps of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from evergreen.adapters.shapes.settings import ShapesSettings
from evergreen.core.artifacts import DirectoryArtifact, SplitName
from evergreen.core.members import measurable, source_of, trainable
from evergreen.core.part import Part
from evergreen.data import pictures
from evergreen.data.shards import first_rows
from evergreen.data.split_plan import SplitPlan
from evergreen.tasks.image_segmentation import pixel_regression
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from orchestration.materializers import DirectoryMaterializer
from orchestration.pages import SAMPLE_ROWS
from steps.fetch import fetch
from steps.split import split
from steps.validate import validate
from tests.tiny_text import RecordingRun

LABELS = ("body", "background", "border")
FITTED_ON = 3
"""Training pictures of which the pixel regression takes some pixels."""


@pytest.fixture
def store(zenml_home: Path, tmp_path: Path) -> Path:
    """A folder in ZenML's default artifact store, which takes paths below its own folder only."""
    from zenml.client import Client

    return Path(Client().active_stack.artifact_store.path) / tmp_path.name


def test_a_training_mask_is_decoded_to_be_examined_and_to_be_trained_on_and_no_more(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: Counter[bytes] = Counter()
    opened = pictures._opened

    @contextmanager
    def counted(encoded: bytes, *given: Any) -> Iterator[Any]:
        decoded[encoded] += 1
        with opened(encoded, *given) as image:
            yield image

    monkeypatch.setattr(pictures, "_opened", counted)
    monkeypatch.setattr(pixel_regression, "PICTURES", FITTED_ON)
    source = ShapesSettings(count=60, size=32)
    task = ImageSegmentation(labels=LABELS, image_size=32, epochs=1, batch_size=8, precision="fp32")
    dataset, _ = fetch.entrypoint(source, source_of(source).identity(None), Part(), code="")
    saved(dataset, store / "dataset")
    _, set_aside, class_counts = validate.entrypoint(task, dataset, code="")
    splits, held_out = split.entrypoint(dataset, SplitPlan(), set_aside, class_counts, Part(), code="")
    assert held_out.manifest.rows == 0
    saved(class_counts, store / "class_counts")
    saved(splits, store / "splits")
    model = trainable(task).train(splits, RecordingRun.below(tmp_path))
    report = measurable(task).evaluate(model, None, splits)

    masks = [mask for shard in splits.shards(SplitName.TRAIN) for mask in pq.read_table(shard)["mask"].to_pylist()]
    shown = [row["mask"] for row in first_rows(dataset.shards, ["mask"], SAMPLE_ROWS)]
    times = Counter(decoded[mask] - (mask in shown) for mask in masks)
    assert len(set(masks)) == len(masks) == splits.manifest.rows[SplitName.TRAIN]
    assert times == {2: len(masks) - FITTED_ON, 3: FITTED_ON}
    truth = np.concatenate([pictures.decode_mask(mask).ravel() for mask in masks])
    assert splits.manifest.pixels[SplitName.TRAIN] == {str(n): int(k) for n, k in enumerate(np.bincount(truth)) if k}
    assert report.baseline.label == LABELS[int(np.bincount(truth).argmax())]


def saved(artifact: DirectoryArtifact[Any], place: Path) -> None:
    """Keeps an artifact with its page, as ZenML does after a step."""
    place.mkdir(parents=True)
    materializer = DirectoryMaterializer(str(place))
    materializer.save(artifact)
    assert materializer.save_visualizations(artifact)
