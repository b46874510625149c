"""A text classifier's graph, run by ONNX Runtime: no torch, no transformers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evergreen.core.engines import EMBEDDING, LOGITS, EngineVariant
from evergreen.engines.session import Graph
from evergreen.tasks.text_classification.network import TOKENS_PER_BATCH, Floats
from evergreen.tasks.text_classification.tokens import LEAST_LENGTH


class OnnxTextNetwork:
    """One variant; rows of one that is not batched go through it alone, and so unpadded."""

    takes_turns = False
    budget = TOKENS_PER_BATCH["cpu"]

    def __init__(self, graph: Graph, variant: EngineVariant, pad_id: int, *, pad_left: bool = False) -> None:
        self._graph, self._variant = graph, variant
        self._pad_id, self._pad_left = pad_id, pad_left

    @property
    def engine(self) -> str:
        """ONNX Runtime and the variant."""
        return f"onnx-{self._variant.name}"

    def use_threads(self, count: int) -> None:
        """Nothing: a graph has the threads that it was loaded with."""

    def run(self, token_ids: Sequence[Sequence[int]]) -> tuple[Floats, Floats | None]:
        """Logits (rows, classes) and embeddings (rows, 32)."""
        if self._variant.batched:
            return self._run(token_ids)
        parts = [self._run([ids]) for ids in token_ids]
        logits, embeddings = (np.concatenate(part) for part in zip(*parts, strict=True))
        return logits, embeddings

    def _run(self, token_ids: Sequence[Sequence[int]]) -> tuple[Floats, Floats]:
        longest = max(LEAST_LENGTH, *map(len, token_ids))
        ids = np.full((len(token_ids), longest), self._pad_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, numbers in enumerate(token_ids):
            place = slice(longest - len(numbers), longest) if self._pad_left else slice(0, len(numbers))
            ids[row, place], mask[row, place] = numbers, 1
        given = self._graph.run({"input_ids": ids, "attention_mask": mask})
        return given[LOGITS], given[EMBEDDING]
