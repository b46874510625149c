"""The comparison of the networks for pictures, in short."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import networks
from tests.tiny_images import scenes, task_with, write_splits


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """So small a model only loses by sharing its work."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_the_plain_head_learns_more_than_the_majority_and_deeplabv3plus_more_than_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = scenes(130)
    splits = write_splits(tmp_path / "splits", {"train": rows[:112], "validation": rows[112:116], "test": rows[116:]})
    task = task_with(image_size=64, batch_size=4, epochs=3)
    results = networks.measure(task, splits, [1], tmp_path, ("deeplab", "deeplabv3plus"))
    (plain,), (whole,) = results.values()
    assert plain.majority < plain.mean_iou < whole.mean_iou
    networks.report(task, results, as_json=True)
    printed = capsys.readouterr().out
    assert all(f"\n{name} " in printed for name in ("majority class", "deeplab", "deeplabv3plus"))
