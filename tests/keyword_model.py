"""A tiny real model for tests of servers: the label whose keywords the text holds most often.

`python -m tests.keyword_model` serves it exactly as `python -m evergreen.serving` serves a task's model. `delay_s`
makes predictions slow, `load_s` makes loading slow, `loads_after` makes it wait for a file; a text of "raise a fault"
meets a bug in the model.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evergreen.core.artifacts import FileEntry, TrainedModel, TrainedModelManifest
from evergreen.core.errors import InputError, InstanceError
from evergreen.core.predictors import PlainPredictor
from evergreen.serving.__main__ import exit_now, main

COMMAND = (sys.executable, "-m", "tests.keyword_model")
KEYWORDS = {"sport": ["match", "goal"], "business": ["stocks", "bank"]}


class KeywordPredictor(PlainPredictor):
    def __init__(self, keywords: dict[str, list[str]], delay_s: float = 0.0) -> None:
        self.keywords = keywords
        self.delay_s = delay_s
        self.batches: list[int] = []

    def decode(self, instances: Sequence[Any]) -> list[str]:
        for index, instance in enumerate(instances):
            if not isinstance(instance, dict) or not isinstance(instance.get("text"), str):
                raise InstanceError(index, '\'text\' is missing or no string; send {"text": "…"}')
            if not instance["text"].strip():
                raise InstanceError(index, "'text' is blank")
        return [instance["text"] for instance in instances]

    def predict(self, batch: Sequence[str]) -> list[dict[str, float]]:
        self.batches.append(len(batch))
        time.sleep(self.delay_s)
        if "raise a fault" in batch:
            raise ZeroDivisionError(f"a bug met {batch!r}")
        return [self._shares(text.lower().split()) for text in batch]

    def encode(self, outputs: Sequence[dict[str, float]]) -> list[dict[str, Any]]:
        return [
            {"label": max(shares, key=shares.__getitem__), "score": max(shares.values()), "probabilities": shares}
            for shares in outputs
        ]

    def _shares(self, words: list[str]) -> dict[str, float]:
        counts = {label: 1 + sum(words.count(word) for word in known) for label, known in self.keywords.items()}
        return {label: count / sum(counts.values()) for label, count in counts.items()}


def load_keywords(model_dir: Path) -> KeywordPredictor:
    content = json.loads((model_dir / "task.json").read_text(encoding="utf-8"))
    time.sleep(content["load_s"])
    while content.get("loads_after") and not Path(content["loads_after"]).exists():
        time.sleep(0.05)
    if content["broken"]:
        raise InputError(f"task.json at {model_dir.name} names no keywords")
    return KeywordPredictor(content["keywords"], content["delay_s"])


def write_keyword_model(
    path: Path,
    *,
    delay_s: float = 0.0,
    load_s: float = 0.0,
    broken: bool = False,
    name: str = "",
    loads_after: Path | None = None,
) -> TrainedModel:
    path.mkdir(parents=True)
    content = {"keywords": KEYWORDS, "delay_s": delay_s, "load_s": load_s, "broken": broken, "name": name}
    if loads_after is not None:
        content["loads_after"] = str(loads_after)
    (path / "task.json").write_text(json.dumps(content), encoding="utf-8")
    files = (FileEntry.of(path / "task.json", path),)
    return TrainedModel.write(path, TrainedModelManifest(files=files, task={}, trained_on="none", seed=0))


if __name__ == "__main__":
    exit_now(main(load_keywords))
