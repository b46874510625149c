"""What predictors say that requests and answers hold is what they take and give."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evergreen.core.predictors import Interface
from evergreen.core.protocols import Predictor
from evergreen.data.pictures import Pixels
from evergreen.tasks.image_segmentation.outputs import PictureOutputs
from evergreen.tasks.image_segmentation.servable import ImagePredictor
from evergreen.tasks.text_classification.servable import TextPredictor
from evergreen.tasks.text_classification.tokens import Tokens
from tests.hashed_texts import Hashed
from tests.tiny_encoders import write_tokenizer
from tests.tiny_text import LABELS


class Blank:
    """A network of pictures that sees the first class everywhere."""

    engine, takes_turns, budget, pixels = "blank", False, 100, 16

    def use_threads(self, count: int) -> None:
        pass

    def run(self, pictures: Sequence[Pixels]) -> PictureOutputs:
        return PictureOutputs([np.zeros(picture.shape[:2], dtype=np.uint8) for picture in pictures])


def text_predictor(path: Path, most_chars: int) -> Predictor:
    import transformers

    write_tokenizer(path)
    tokens = Tokens(transformers.AutoTokenizer.from_pretrained(path, trust_remote_code=False), 32)
    return TextPredictor(Hashed(), tokens, LABELS, most_chars)


def picture_predictor(_path: Path, most_pixels: int) -> Predictor:
    return ImagePredictor(Blank(), labels=LABELS, max_pixels=most_pixels)


def fields(schema: Any) -> list[str]:
    assert (schema["type"], schema["additionalProperties"]) == ("object", False)
    assert schema["required"] == list(schema["properties"])
    return list(schema["properties"])


@pytest.mark.parametrize(
    ("made", "limit"),
    [(text_predictor, 1), (text_predictor, 5000), (picture_predictor, 1024), (picture_predictor, 10**6)],
)
def test_a_predictor_answers_its_examples_as_it_says_whatever_its_limits(tmp_path: Path, made: Any, limit: int) -> None:
    predictor: Predictor = made(tmp_path, limit)
    interface: Interface = predictor.interface
    answers = predictor.encode(predictor.predict(predictor.decode(interface.examples)))
    assert len(answers) == len(interface.examples) > 1
    for example, answer in zip(interface.examples, answers, strict=True):
        assert list(example) == fields(interface.instance)
        assert list(answer) == fields(interface.prediction)
    taken = list(interface.parameters.get("properties", {}))
    for name in taken:
        predictor.shaping({name: 1})
