"""A training batch on its way to the device, and what the network reads of it there."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evergreen.tasks.image_segmentation.logits import IGNORED, segmentation_loss
from evergreen.tasks.image_segmentation.model import ARCHITECTURES
from evergreen.tasks.image_segmentation.pictures import Sample, View
from evergreen.tasks.image_segmentation.trainable import collate, on_device

SIZE, ROWS, CLASSES = 16, 3, 4
AS_IT_IS = View(1.0, 0.0, 0.0, mirrored=False, brightness=1.0, contrast=1.0, saturation=1.0)


def samples(view: View | None) -> list[Sample]:
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, (ROWS, SIZE, SIZE, 3), dtype=np.uint8)
    masks = generator.choice([0, 1, 2, 3, 255], (ROWS, SIZE, SIZE)).astype(np.uint8)
    return [Sample(picture, mask, view) for picture, mask in zip(pictures, masks, strict=True)]


def test_a_batch_travels_as_bytes_four_a_pixel() -> None:
    batch = collate(samples(None))
    assert {name: tensor.dtype for name, tensor in batch.items()} == dict.fromkeys(batch, torch.uint8)
    assert sum(tensor.nbytes for tensor in batch.values()) == ROWS * SIZE * SIZE * 4
    views = collate(samples(AS_IT_IS))["views"]
    assert views.nbytes == ROWS * len(AS_IT_IS) * 4


@pytest.mark.parametrize("architecture", ["unet", "segformer"])
@pytest.mark.parametrize("view", [None, AS_IT_IS, AS_IT_IS._replace(mirrored=True)])
def test_the_network_reads_normalised_floats_and_marked_labels(architecture: str, view: View | None) -> None:
    network = ARCHITECTURES[architecture]  # type: ignore[index]  # of its names
    rows = samples(view)
    read = on_device(network, 255, collate(rows))
    pictures = np.stack([row.picture for row in rows]) / 255
    expected = ((pictures - np.array(network.mean)) / np.array(network.std)).transpose(0, 3, 1, 2)
    labels = np.stack([row.mask for row in rows]).astype(np.int64)
    labels[labels == 255] = IGNORED
    if view is not None and view.mirrored:
        expected, labels = expected[..., ::-1], labels[..., ::-1]
    np.testing.assert_allclose(read["pixel_values"].numpy(), expected, atol=2e-5)
    assert read["labels"].dtype == torch.int64
    assert np.array_equal(read["labels"].numpy(), labels)


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_loss_is_the_mean_over_the_pixels_that_count(weight: float) -> None:
    logits = torch.randn(ROWS, CLASSES, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    labels = on_device(ARCHITECTURES["unet"], 255, collate(samples(None)))["labels"]
    mean = torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORED)
    loss = segmentation_loss({"logits": logits}, labels, weight)
    assert torch.allclose(loss, mean) if weight == 0 else loss > mean
    nothing = torch.full_like(labels, IGNORED)
    assert segmentation_loss({"logits": logits}, nothing, 0.0) == 0
