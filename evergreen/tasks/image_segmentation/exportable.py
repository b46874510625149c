"""A segmentation model as graphs: pixels in, logits and 32 numbers of what was seen out; a second graph makes classes
of logits, at any size.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evergreen.core.artifacts import SplitName, Splits
from evergreen.core.engines import EMBEDDING, FP32_FILE, LOGITS
from evergreen.data.pictures import decode_picture
from evergreen.engines.export import check, export, projection
from evergreen.engines.session import Graph
from evergreen.tasks.image_segmentation.class_graph import CLASSES_FILE, write_class_graph
from evergreen.tasks.image_segmentation.images import encode_jpeg, resize_picture
from evergreen.tasks.image_segmentation.model import ARCHITECTURES, Architecture, as_floats, normalised
from evergreen.tasks.image_segmentation.servable import instance_of
from evergreen.tasks.image_segmentation.settings import ImageSegmentation

if TYPE_CHECKING:
    import torch

ROWS = {0: "pictures"}
_ODD_ROWS = 3


class ImageExport:
    """Exports segmentation models."""

    def __init__(self, task: ImageSegmentation) -> None:
        self._task = task

    def export(self, model_dir: Path, out_dir: Path) -> None:
        """Writes the float32 graph of a trained model, for any number of pictures of the task's size, and the graph of
        classes.

        Raises:
            ExportRefusedError: there is none.
            OSError: the disk is full.
        """
        path = out_dir / FP32_FILE
        architecture, size = ARCHITECTURES[self._task.architecture], self._task.image_size
        module = _module(architecture.load(model_dir), architecture)
        dynamic = {"pixels": ROWS, LOGITS: ROWS, EMBEDDING: ROWS}
        export(module, {"pixels": _pixels(2, size)}, dynamic, path)
        check(Graph(path), module, [{"pixels": _pixels(rows, size)} for rows in (1, _ODD_ROWS)])
        write_class_graph(out_dir / CLASSES_FILE)

    def kept_inputs(self, splits: Splits, count: int) -> list[dict[str, str]]:
        """The first `count` pictures of the validation split at the task's size, as a client would send them: JPEGs."""
        from evergreen.data.shards import first_rows

        size = self._task.image_size
        rows = first_rows(splits.shards(SplitName.VALIDATION), ["image"], count)
        pictures = (resize_picture(decode_picture(row["image"]), size, size) for row in rows)
        return [instance_of(encode_jpeg(picture)) for picture in pictures]


def _module(network: Any, architecture: Architecture) -> torch.nn.Module:
    import torch

    class Seen(torch.nn.Module):
        """Logits of pixels, and the mean of the encoder's last features, brought to fewer numbers."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network
            self.features: torch.Tensor | None = None
            _last(network).register_forward_hook(self._keep)

        def _keep(self, _module: Any, _given: Any, features: Any) -> None:
            self.features = features[0] if not isinstance(features, torch.Tensor) else features

        def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            """(pictures, classes, h, w) and (pictures, 32)."""
            inputs = normalised(as_floats(pixels), architecture.mean, architecture.std)
            logits = self.network(pixel_values=inputs).logits
            features, self.features = self.features, None
            if features is None:
                raise RuntimeError("the encoder gave no features")
            matrix = torch.from_numpy(projection(int(features.shape[1])))
            return logits, features.mean(dim=(2, 3)) @ matrix

    return Seen().eval()


def _last(network: Any) -> Any:
    """The module whose output is what the encoder sees last: (pictures, width, h, w)."""
    encoder = getattr(network, network.base_model_prefix)
    return encoder.layer[-1] if hasattr(encoder, "layer") else encoder


def _pixels(pictures: int, size: int) -> torch.Tensor:
    """Noise: (pictures, size, size, 3) uint8."""
    import torch

    drawn = np.random.default_rng(pictures).integers(0, 256, (pictures, size, size, 3), dtype=np.uint8)
    return torch.from_numpy(drawn)
