"""What a text classifier gives for a batch, and what a log keeps of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evergreen.core.observation import Observation, sketch_of
from evergreen.tasks.text_classification.tokens import TokenizedText


@dataclass(frozen=True)
class TextOutputs:
    """`probabilities`: (rows, classes) float32, in the order of the labels; `embeddings`: (rows, 32) float32."""

    probabilities: npt.NDArray[np.float32]
    embeddings: npt.NDArray[np.float32] | None = None

    def __len__(self) -> int:
        """Rows."""
        return len(self.probabilities)

    def __getitem__(self, rows: slice) -> TextOutputs:
        """Some of the rows."""
        return TextOutputs(self.probabilities[rows], None if self.embeddings is None else self.embeddings[rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """The probabilities, for NumPy."""
        return np.array(self.probabilities, dtype=dtype, copy=copy)


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Probabilities of (rows, classes) logits."""
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: npt.NDArray[np.float32] = exponents / exponents.sum(axis=1, keepdims=True)
    return probabilities


def observations(batch: Sequence[TokenizedText], outputs: TextOutputs, labels: tuple[str, ...]) -> list[Observation]:
    """What a log keeps of each row."""
    best = outputs.probabilities.argmax(axis=1)
    embeddings = outputs.embeddings
    return [
        Observation(
            features={
                "tokens": float(len(text.ids)),
                "unknown_share": text.unknown / len(text.ids),
                "characters": float(text.characters),
            },
            prediction=labels[best[row]],
            score=float(outputs.probabilities[row, best[row]]),
            probabilities=tuple(outputs.probabilities[row].tolist()),
            sketch=sketch_of(text.ids),
            embedding=None if embeddings is None else tuple(embeddings[row].tolist()),
        )
        for row, text in enumerate(batch)
    ]
