"""The keyword model with the fault that its version's name asks for; the faults are here, none is in the library.

`python -m tests.faulty_model` serves it. `failing`: every fifth text meets a bug. `slow`: each batch takes long.
`single class`: every answer is the same one.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evergreen.serving.__main__ import exit_now, main
from tests.keyword_model import KeywordPredictor, load_keywords

COMMAND = (sys.executable, "-m", "tests.faulty_model")
SLOW_S = 0.05


class FaultyPredictor(KeywordPredictor):
    """Texts end with a number."""

    def __init__(self, keywords: dict[str, list[str]], fault: str) -> None:
        super().__init__(keywords)
        self.fault = fault

    def predict(self, batch: Sequence[str]) -> list[dict[str, float]]:
        if self.fault == "failing" and any(int(text.split()[-1]) % 5 == 0 for text in batch):
            raise ZeroDivisionError("every fifth text meets a bug")
        if self.fault == "slow":
            time.sleep(SLOW_S)
        return super().predict(batch)

    def encode(self, outputs: Sequence[dict[str, float]]) -> list[dict[str, Any]]:
        answers = super().encode(outputs)
        return [answer | {"label": "sport"} if self.fault == "single class" else answer for answer in answers]


def load_faulty(model_dir: Path) -> FaultyPredictor:
    fault = json.loads((model_dir / "task.json").read_text(encoding="utf-8"))["name"]
    return FaultyPredictor(load_keywords(model_dir).keywords, fault)


if __name__ == "__main__":
    exit_now(main(load_faulty))
