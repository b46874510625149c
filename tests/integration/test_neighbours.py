"""How much an answer depends on what it is predicted with; docs/serving.md states the bound."""

from __future__ import annotations

import asyncio
import random
import re
from pathlib import Path
from typing import Any

import pytest

from evergreen.core.engines import EngineVariant
from evergreen.engines.quantize import quantize
from evergreen.engines.session import Graph
from evergreen.serving.queue import PredictionQueue
from evergreen.tasks.text_classification.exportable import TextExport
from evergreen.tasks.text_classification.network import TextNetwork, TorchTextNetwork
from evergreen.tasks.text_classification.onnx_network import OnnxTextNetwork
from evergreen.tasks.text_classification.servable import TextPredictor
from evergreen.tasks.text_classification.settings import TextClassification
from evergreen.tasks.text_classification.tokens import Tokens
from tests.hashed_texts import Hashed
from tests.tiny_encoders import config_of, write_tokenizer
from tests.tiny_text import LABELS, headlines

BATCHES = 1000
TEXTS = [text for text, _ in headlines(60)]
GUIDE = Path(__file__).parents[2] / "docs" / "serving.md"


def network_of(engine: str, tokens: Tokens, folder: Path) -> TextNetwork:
    import torch
    import transformers

    if engine == "hashed":
        return Hashed()
    torch.manual_seed(0)
    auto: Any = transformers.AutoModelForSequenceClassification
    model = auto.from_config(config_of("bert", num_labels=len(LABELS)), trust_remote_code=False).eval()
    if engine == "torch":
        return TorchTextNetwork(model, tokens)
    model.save_pretrained(folder)
    TextExport(TextClassification(encoder="none", labels=LABELS, max_length_tokens=32)).export(folder, folder)
    if engine != "fp32":
        assert quantize(folder / "fp32.onnx", engine, folder / f"{engine}.onnx")
    variant = EngineVariant(name=engine, file=f"{engine}.onnx", batched=engine == "fp32")
    return OnnxTextNetwork(Graph(folder / variant.file, threads=1), variant, tokens.pad_id)


def stated_bound() -> float:
    (bound,) = re.findall(r"changes by at most ([\d.]+) whatever", GUIDE.read_text(encoding="utf-8"))
    return float(bound)


@pytest.mark.parametrize("engine", ["torch", "fp32", "int8-u8s8", "hashed"])
def test_an_answer_does_not_depend_on_its_neighbours_beyond_the_stated_bound(engine: str, tmp_path: Path) -> None:
    import transformers

    write_tokenizer(tmp_path)
    tokens = Tokens(transformers.AutoTokenizer.from_pretrained(tmp_path, trust_remote_code=False), 32)
    predictor = TextPredictor(network_of(engine, tokens, tmp_path), tokens, LABELS, 1000)
    alone = {text: predictor.encode(predictor.predict(predictor.decode([{"text": text}])))[0] for text in TEXTS}
    draw = random.Random(0)

    async def ask() -> float:
        queue, apart = PredictionQueue(), 0.0
        for _ in range(BATCHES):
            requests = [draw.choices(TEXTS, k=draw.randint(1, 4)) for _ in range(draw.randint(1, 6))]
            asked = (queue.predict(predictor, [{"text": text} for text in texts]) for texts in requests)
            for texts, answers in zip(requests, await asyncio.gather(*asked), strict=True):
                apart = max(apart, *(_distance(alone[text], made) for text, made in zip(texts, answers, strict=True)))
        return apart

    assert asyncio.run(ask()) <= (stated_bound() if engine in ("torch", "fp32") else 0)


def _distance(one: dict[str, Any], other: dict[str, Any]) -> float:
    return max(abs(float(one["probabilities"][label] - other["probabilities"][label])) for label in LABELS)
