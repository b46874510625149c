"""An engine for texts that computes nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evergreen.tasks.text_classification.network import Floats
from tests.tiny_text import LABELS


class Hashed:
    """An engine whose answer follows from a text's own tokens alone, to the last bit."""

    engine, takes_turns, budget = "hashed", False, 200

    def use_threads(self, count: int) -> None:
        pass

    def run(self, token_ids: Sequence[Sequence[int]]) -> tuple[Floats, Floats | None]:
        drawn = [np.random.default_rng(list(ids)).standard_normal(len(LABELS)) for ids in token_ids]
        return np.array(drawn, dtype=np.float32), None
