"""Graphs of tiny models, put beside them as a deployment does it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from evergreen.core.artifacts import FileEntry, TrainedModel
from evergreen.core.engines import (
    FP32,
    KEPT_INPUTS_NAME,
    EngineChoice,
    Engines,
    EnginesManifest,
    EngineVariant,
    ServedEngines,
    add_engines,
)
from evergreen.engines.export import export, projection
from evergreen.engines.quantize import quantize
from evergreen.runtime.instructions import instruction_set

INT8 = "int8-u8s8-reduced"


def add_text_engines(model: TrainedModel, kept: Sequence[dict[str, Any]], folder: Path, **changes: Any) -> TrainedModel:
    """The text model with fp32 and int8 beside it; `changes` are of the choice, which is int8 on this processor."""
    folder.mkdir()
    rows = {0: "rows", 1: "tokens"}
    export(
        _text_module(model.path),
        _tokens(),
        {"input_ids": rows, "attention_mask": rows, "logits": {0: "rows"}, "row_embedding": {0: "rows"}},
        folder / "fp32.onnx",
    )
    assert quantize(folder / "fp32.onnx", INT8, folder / "int8.onnx")
    variants = (EngineVariant(name=FP32, file="fp32.onnx"), EngineVariant(name=INT8, file="int8.onnx", batched=False))
    return _added(model, variants, kept, folder, changes)


def add_picture_engines(
    model: TrainedModel, size: int, kept: Sequence[dict[str, Any]], folder: Path, **changes: Any
) -> TrainedModel:
    """The segmentation model with fp32 beside it."""
    from evergreen.tasks.image_segmentation.class_graph import CLASSES_FILE, write_class_graph

    folder.mkdir()
    pictures = {0: "pictures"}
    export(
        _picture_module(model.path),
        _pixels(size),
        {"pixels": pictures, "logits": pictures, "row_embedding": pictures},
        folder / "fp32.onnx",
    )
    write_class_graph(folder / CLASSES_FILE)
    return _added(model, (EngineVariant(name=FP32, file="fp32.onnx"),), kept, folder, {"serves": FP32} | changes)


def _added(
    model: TrainedModel,
    variants: tuple[EngineVariant, ...],
    kept: Sequence[dict[str, Any]],
    folder: Path,
    changes: dict[str, Any],
) -> TrainedModel:
    (folder / KEPT_INPUTS_NAME).write_text(json.dumps(list(kept)), encoding="utf-8")
    entries = tuple(FileEntry.of(path, folder) for path in sorted(folder.iterdir()))
    engines = Engines.write(folder, EnginesManifest(files=entries, model=model.version, variants=variants))
    usual = {"serves": INT8, "instruction_set": instruction_set(), "reason": "it is the fastest"}
    add_engines(model.path, ServedEngines(engines, EngineChoice(**{**usual, **changes})))
    return model


def damage(path: Path, change: Callable[[bytes], bytes] = lambda content: content[: len(content) // 2]) -> None:
    """Writes the file anew, so that what it is linked with stays as it is."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(change(content))


def _text_module(model_dir: Path) -> Any:
    import torch
    import transformers

    model = transformers.AutoModelForSequenceClassification.from_pretrained(model_dir, dtype=torch.float32)
    brought = torch.from_numpy(projection(model.config.hidden_size))

    class Answers(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            given = self.model(input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True)
            return given.logits, given.hidden_states[-1].mean(dim=1) @ brought

    return Answers()


def _tokens() -> dict[str, Any]:
    import torch

    return {"input_ids": torch.ones(2, 12, dtype=torch.int64), "attention_mask": torch.ones(2, 12, dtype=torch.int64)}


def _picture_module(model_dir: Path) -> Any:
    import torch

    from evergreen.tasks import load_task
    from evergreen.tasks.image_segmentation.model import ARCHITECTURES, as_floats, normalised
    from evergreen.tasks.image_segmentation.settings import ImageSegmentation

    task = load_task(model_dir)
    assert isinstance(task, ImageSegmentation)
    architecture = ARCHITECTURES[task.architecture]
    network = architecture.load(model_dir)
    brought = torch.from_numpy(projection(3))

    class Answers(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pixels: Any) -> Any:
            values = normalised(as_floats(pixels), architecture.mean, architecture.std)
            return self.network(pixel_values=values).logits, values.mean(dim=(2, 3)) @ brought

    return Answers()


def _pixels(size: int) -> dict[str, Any]:
    import torch

    return {"pixels": torch.zeros(2, size, size, 3, dtype=torch.uint8)}
