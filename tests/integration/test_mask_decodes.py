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
from evergreen.core.artifacts import SplitName
from evergreen.core.members import measurable, source_of, trainable
from evergreen.data import pictures
from evergreen.data.split_plan import SplitPlan
from evergreen.tasks.image_segmentation import pixel_regression
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from steps.fetch import fetch
from steps.split import split
from steps.validate import validate
from tests.tiny_text import RecordingRun

LABELS = ("body", "background", "border")
FITTED_ON = 3
"""Training pictures of which the pixel regression takes some pixels."""


def test_a_training_mask_is_decoded_to_be_examined_and_to_be_trained_on_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    dataset = fetch.entrypoint(source, source_of(source).identity(None), code="")
    _, set_aside, class_counts = validate.entrypoint(task, dataset, code="")
    splits = split.entrypoint(dataset, SplitPlan(), set_aside, class_counts, code="")
    model = trainable(task).train(splits, RecordingRun.below(tmp_path))
    report = measurable(task).evaluate(model, None, splits)

    masks = [mask for shard in splits.shards(SplitName.TRAIN) for mask in pq.read_table(shard)["mask"].to_pylist()]
    times = Counter(decoded[mask] for mask in masks)
    assert len(set(masks)) == len(masks) == splits.manifest.rows[SplitName.TRAIN]
    assert times == {2: len(masks) - FITTED_ON, 3: FITTED_ON}
    truth = np.concatenate([pictures.decode_mask(mask).ravel() for mask in masks])
    assert splits.manifest.pixels[SplitName.TRAIN] == {str(n): int(k) for n, k in enumerate(np.bincount(truth)) if k}
    assert report.baseline.label == LABELS[int(np.bincount(truth).argmax())]
