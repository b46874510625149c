"""What computes a text classifier's answers, behind one call whatever computes them.

network.run([[101, 6661, 3123, 102]]) → (1, 4) float32 logits, and None or (1, 32) float32 embeddings
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from evergreen.core.protocols import Computing
from evergreen.tasks.libraries import torch_engine, use_threads
from evergreen.tasks.text_classification.tokens import Tokens

Floats = npt.NDArray[np.float32]
TOKENS_PER_BATCH = {"cpu": 1024, "cuda": 16384}
"""On a CPU, what the caches hold; measured."""


class TextNetwork(Computing, Protocol):
    """A network by one engine; its `budget` is of tokens, padded."""

    def run(self, token_ids: Sequence[Sequence[int]]) -> tuple[Floats, Floats | None]:
        """Logits (rows, classes) and, where the engine gives them, embeddings (rows, 32)."""


class TorchTextNetwork:
    """A network of transformers, in the precision that it has, where it is."""

    def __init__(self, model: Any, tokens: Tokens) -> None:
        self._model = model
        self._tokens = tokens

    @property
    def engine(self) -> str:
        """Torch, and its precision where that is half."""
        return torch_engine(self._model)

    @property
    def takes_turns(self) -> bool:
        """On a GPU."""
        return bool(self._model.device.type != "cpu")

    @property
    def budget(self) -> int:
        """Tokens of a batch, padded."""
        return TOKENS_PER_BATCH[self._model.device.type]

    def use_threads(self, count: int) -> None:
        """Lets what the calling thread computes from now on use so many threads."""
        use_threads(count)

    def run(self, token_ids: Sequence[Sequence[int]]) -> tuple[Floats, Floats | None]:
        """Logits (rows, classes)."""
        import torch

        with torch.inference_mode():
            inputs = self._tokens.pad(token_ids)
            logits = self._model(**{name: value.to(self._model.device) for name, value in inputs.items()}).logits
            return logits.float().cpu().numpy(), None
