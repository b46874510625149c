"""A segmentation model's graphs, run by ONNX Runtime: no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evergreen.core.engines import EMBEDDING, LOGITS, EngineVariant
from evergreen.data.pictures import Pixels
from evergreen.engines.session import Graph
from evergreen.tasks.image_segmentation.images import resize_picture
from evergreen.tasks.image_segmentation.outputs import PictureOutputs

_PIXELS_PER_BATCH = 8 * 128 * 128


class OnnxPictureNetwork:
    """One variant, asked at `size` x `size`; pictures of one that is not batched go through it alone."""

    takes_turns = False
    budget = _PIXELS_PER_BATCH

    def __init__(self, graph: Graph, classes: Graph, variant: EngineVariant, size: int) -> None:
        self._graph, self._classes, self._variant, self._size = graph, classes, variant, size

    @property
    def engine(self) -> str:
        """ONNX Runtime and the variant."""
        return f"onnx-{self._variant.name}"

    @property
    def pixels(self) -> int:
        """Pixels of each picture."""
        return self._size**2

    def use_threads(self, count: int) -> None:
        """Nothing: a graph has the threads that it was loaded with."""

    def run(self, pictures: Sequence[Pixels]) -> PictureOutputs:
        """Masks of the pictures' own sizes, and embeddings."""
        step = max(1, self.budget // self.pixels) if self._variant.batched else 1
        masks: list[Pixels] = []
        embeddings = []
        for start in range(0, len(pictures), step):
            some = pictures[start : start + step]
            resized = np.stack([resize_picture(picture, self._size, self._size) for picture in some])
            given = self._graph.run({"pixels": resized})
            masks += [self._mask(logits, picture) for logits, picture in zip(given[LOGITS], some, strict=True)]
            embeddings.append(given[EMBEDDING])
        return PictureOutputs(masks, np.concatenate(embeddings) if embeddings else None)

    def _mask(self, logits: npt.NDArray[Any], picture: Pixels) -> Pixels:
        size = np.array(picture.shape[:2], dtype=np.int64)
        return self._classes.run({"logits": logits, "size": size})["classes"]
